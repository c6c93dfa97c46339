//! What happens to HQ and because of it, in worlds where it gives leases.

use clavitor_core::time::Instant;

use super::World;
use crate::event::Event;
use crate::hq::{HQ, Mood};
use crate::script::Action;
use crate::server::Server;

/// How long after healing operators ask for another try where HQ gives leases, in milliseconds.
const RESUME_MS: u64 = 10_000;

/// How long after healing they look whether HQ knows the primary's data directory, in milliseconds.
const REPLACE_MS: u64 = 30_000;

impl World {
    /// Who is meant by the primary.
    pub(super) fn name_primary(&self, action: &mut Action) {
        let granted = self.site.granted().map(|epoch| epoch.primary);
        let primary = self.servers.iter().find(|server| Some(server.pop) == granted);
        let named = primary.map_or(0, |server| server.index);
        let is_open = matches!(action, Action::Switchover { to: Action::ANYBODY, .. });
        let [pop, to] = action.pops_mut();
        // To whom an operator hands over is left open by the same number.
        for pop in [pop, to.filter(|_| !is_open)].into_iter().flatten() {
            if *pop == Action::PRIMARY {
                *pop = named;
            }
        }
    }

    /// Does what is done to HQ, or about leases; answers whether it was that.
    pub(super) fn act_about_leases(&mut self, action: Action) -> bool {
        let (now, site) = (self.around.now, &mut self.site);
        let after = |ms: u32| now.plus_ms(ms.into());
        match action {
            // Where there is an HQ, it decides.
            Action::Promote { .. } => return self.around.knobs.leases.is_some(),
            Action::Crash { pop: HQ, down_ms } => {
                self.around.queue.push(after(down_ms), Event::Start(HQ));
                self.around.hq.turn(Mood::Away, after(down_ms));
                site.kill(&mut self.around);
            }
            Action::Pause { pop: HQ, ms } => {
                if site.process.is_some() {
                    site.paused_until = site.paused_until.max(after(ms));
                    self.around.queue.push(after(ms), Event::GoOn(HQ));
                }
            }
            Action::Drift { pop: HQ, ppm } => {
                site.clocks.set_rate(now, self.around.bugs.spoil_hq_rate(ppm));
            }
            Action::FillDisk { pop: HQ, ms } => site.full_until = after(ms),
            Action::HangDisk { pop: HQ, ms } => {
                site.hangs_until = site.hangs_until.max(after(ms));
            }
            Action::Switchover { pop: HQ, to } => site.on_switchover(to),
            Action::Switchover { pop, to } => self.switch_over(pop, to),
            Action::Replace { pop } => {
                let server = &self.servers[usize::from(pop)];
                if site.is_stranger(server.pop, server.store_id()) {
                    site.on_replaced(server.pop);
                }
            }
            Action::Isolate { pop, ms } => {
                for other in (0..self.around.knobs.pops).chain([HQ]).filter(|it| *it != pop) {
                    self.around.network.cut(pop, other, after(ms));
                    self.around.network.cut(other, pop, after(ms));
                }
            }
            _ => return false,
        }
        true
    }

    fn switch_over(&mut self, pop: u8, to: u8) {
        let to = self.servers.get(usize::from(to)).map(|server| server.pop);
        let server = &mut self.servers[usize::from(pop)];
        if server.is_running(self.around.now) {
            server.on_switchover(to);
        }
    }

    pub(super) fn heal_site(&mut self) {
        if self.around.knobs.leases.is_none() {
            return;
        }
        let (now, site) = (self.around.now, &mut self.site);
        site.clocks.set_rate(now, self.around.bugs.spoil_hq_rate(0));
        (site.full_until, site.hangs_until) = (now, Instant(0));
        if site.paused_until > now {
            site.paused_until = now;
            self.around.queue.push(now, Event::GoOn(HQ));
        }
        self.around.queue.push(now, Event::Start(HQ));
        // What waits for a retry is waited for where renewals do not go on all the time.
        let resume = |pop| Event::Act(Action::Resume { pop });
        let at = now.plus_ms(RESUME_MS);
        (0..self.around.knobs.pops).for_each(|pop| self.around.queue.push(at, resume(pop)));
        // Where nobody else can follow, HQ does not go by a directory that it does not know.
        let replace = Action::Replace { pop: Action::PRIMARY };
        self.around.queue.push(now.plus_ms(REPLACE_MS), Event::Act(replace));
    }

    /// Whether there is a primary, and everybody knows, where HQ decides about it.
    pub(super) fn is_led(&self) -> bool {
        let (granted, now) = (self.site.granted(), self.around.now);
        let is_known = |server: &Server| {
            let process = server.process.as_ref();
            granted.is_some()
                && process.is_some_and(|process| {
                    process.epoch == granted && process.right.handing_to().is_none()
                })
        };
        self.around.knobs.leases.is_none()
            || (self.servers.iter().all(is_known)
                && self.servers.iter().any(|server| server.may_acknowledge(&self.around.bugs, now))
                && self.site.row().and_then(|row| row.epoch) == granted)
    }
}
