//! What actions do.

use clavitor_commercial::pop::Input;

use super::World;
use crate::call::{Back, Question};
use crate::disk::Disk;
use crate::event::{Delivery, Event, Fact, Retry};
use crate::hq::HQ;
use crate::network::flip;
use crate::script::{Action, Attack, Request};
use crate::server::Ask;
use clavitor_core::id::OpId;

impl World {
    pub(super) fn act(&mut self, mut action: Action) {
        let now = self.around.now;
        if !matches!(action, Action::Ask { .. }) {
            self.name_primary(&mut action);
        }
        if self.act_about_leases(action) {
            return;
        }
        match action {
            Action::Ask { pop, request } => self.ask(pop, request, 0),
            Action::Crash { pop, down_ms } => self.crash(pop, down_ms),
            Action::Pause { pop, ms } => self.pause(pop, ms),
            Action::Shutdown { pop, down_ms } => {
                self.around.queue.push(now.plus_ms(6_500 + u64::from(down_ms)), Event::Start(pop));
                self.servers[usize::from(pop)].ask_to_end(&mut self.around);
            }
            Action::Cut { from, to, ms } => {
                self.around.network.cut(from, to, now.plus_ms(ms.into()));
            }
            Action::SetClock { pop, ahead_ms } => {
                self.servers[usize::from(pop)].clocks.set_ahead(ahead_ms);
            }
            Action::Drift { pop, ppm } => self.servers[usize::from(pop)].clocks.set_rate(now, ppm),
            Action::FillDisk { pop, ms } => {
                self.servers[usize::from(pop)].full_until = now.plus_ms(ms.into());
            }
            Action::HangDisk { pop, ms } => {
                let server = &mut self.servers[usize::from(pop)];
                server.hangs_until = server.hangs_until.max(now.plus_ms(ms.into()));
            }
            Action::Promote { pop } => {
                let server = &mut self.servers[usize::from(pop)];
                if server.is_running(now) && !server.has_data_to_hear() {
                    server.on_promote(&mut self.around);
                }
            }
            Action::Resume { pop } => self.servers[usize::from(pop)].tell(Input::Resumed),
            Action::Attack { attack, nth, pop } => self.attack(attack, nth, pop),
            Action::Empty { pop, down_ms } => self.empty(pop, down_ms),
            Action::Copy { pop } => {
                let server = &mut self.servers[usize::from(pop)];
                server.copy = Some(server.disk.clone());
                self.around.facts.push(Fact::Copied(pop));
            }
            Action::PutBack { pop, down_ms } => self.put_back(pop, down_ms),
            Action::Heal => self.heal(),
            Action::Storm { pop, storm } => {
                let server = &mut self.servers[usize::from(pop)];
                if server.is_running(now) {
                    server.on_storm(storm, &mut self.around);
                }
            }
            Action::Mood { mood, ms } => self.around.hq.turn(mood, now.plus_ms(ms.into())),
            Action::Isolate { .. } | Action::Switchover { .. } | Action::Replace { .. } => {}
            Action::Scan { pop, burst } => {
                for nth in 0..burst.count {
                    let at = now.plus_ms(burst.scanner(nth).at_ms);
                    self.around.queue.push(at, Event::Scan { pop, burst, nth });
                }
            }
        }
    }

    /// A client asks, for the first time or again.
    pub(super) fn ask(&mut self, pop: u8, request: Request, tries: u8) {
        let now = self.around.now;
        let named = self.around.knobs.leases.map(|_| self.site.holder(now, &self.around.bugs));
        let (id, pop) = self.clients.ask(pop, Retry { request, tries }, &self.servers, named, now);
        self.successions.see_named(self.clients.named(), now);
        let seen = self.clients.seen(request);
        self.around.counts.requests += 1;
        self.around.facts.push(Fact::Asked { id, pop, request });
        let server = &mut self.servers[usize::from(pop)];
        // Who stands still answers nobody: the client gives up, and never wrote anything.
        if server.is_running(now) || server.process.is_none() {
            let ask = Ask { id, request, wait: None, seen };
            server.on_ask(ask, &mut self.around);
        }
    }

    fn crash(&mut self, pop: u8, down_ms: u32) {
        self.around.queue.push(self.around.now.plus_ms(down_ms.into()), Event::Start(pop));
        if self.servers[usize::from(pop)].kill() {
            self.around.facts.push(Fact::Ended(pop));
        }
    }

    fn pause(&mut self, pop: u8, ms: u32) {
        let until = self.around.now.plus_ms(ms.into());
        let server = &mut self.servers[usize::from(pop)];
        if server.process.is_some() {
            server.paused_until = server.paused_until.max(until);
            self.around.bugs.note_pause(pop, self.around.now, until);
            self.around.queue.push(until, Event::GoOn(pop));
        }
    }

    /// Everything that reached the process while it stood still comes at once, in its order.
    pub(super) fn go_on(&mut self, pop: u8) {
        let now = self.around.now;
        if pop == HQ {
            if now >= self.site.paused_until {
                let deferred = std::mem::take(&mut self.site.deferred);
                deferred.into_iter().for_each(|event| self.around.queue.push(now, event));
            }
            return;
        }
        let server = &mut self.servers[usize::from(pop)];
        if self.around.now >= server.paused_until {
            let deferred = std::mem::take(&mut server.deferred);
            deferred.into_iter().for_each(|event| self.around.queue.push(now, event));
        }
    }

    fn attack(&mut self, attack: Attack, nth: u32, pop: u8) {
        if matches!(attack, Attack::StaleAck | Attack::TamperAck) {
            return self.around.network.interfere_next(pop, attack);
        }
        if nth % 2 == 1 && self.around.network.ask(nth).is_some() {
            return self.attack_votes(attack, nth, pop);
        }
        let Some((from, to, bytes)) = self.around.network.frame(nth).cloned() else { return };
        let bytes = if attack == Attack::Tamper {
            flip(&bytes, u64::from(nth) + self.around.counts.events)
        } else {
            bytes
        };
        let to = if attack == Attack::Misdirect { pop } else { to };
        // To whom it was for, it is a replay.
        let attack = if attack == Attack::Misdirect
            && self.around.network.frame(nth).is_some_and(|it| it.1 == pop)
        {
            Attack::Replay
        } else {
            attack
        };
        self.around.counts.attacks += 1;
        let delivery = Delivery {
            from,
            life: 0,
            to,
            op: OpId(0),
            bytes,
            back_us: 0,
            is_answer_lost: true,
            attack: Some(attack),
        };
        self.around.after_us(1_000, Event::Frame(Box::new(delivery)));
    }

    /// A question for a vote is sent once more, to another POP, or with one bit changed.
    fn attack_votes(&mut self, attack: Attack, nth: u32, pop: u8) {
        let Some((from, to, bytes)) = self.around.network.ask(nth).cloned() else { return };
        let is_tampered = attack == Attack::Tamper;
        let bytes = if is_tampered { flip(&bytes, self.around.counts.events) } else { bytes };
        let to = if attack == Attack::Misdirect { pop } else { to };
        self.around.counts.attacks += 1;
        let back = Back { to: from, life: 0, op: OpId(0), us: 0, is_lost: true };
        let question = Question { back, to, bytes };
        self.around.after_us(1_000, Event::Question(Box::new(question)));
    }

    fn empty(&mut self, pop: u8, down_ms: u32) {
        self.crash(pop, down_ms);
        let server = &mut self.servers[usize::from(pop)];
        server.disk = Disk::new(server.disk.bytes_max());
        server.replaced_at = self.around.now;
        self.forget_words_of(pop);
        self.around.facts.push(Fact::Emptied(pop));
    }

    fn put_back(&mut self, pop: u8, down_ms: u32) {
        let server = &mut self.servers[usize::from(pop)];
        let Some(copy) = server.copy.clone() else { return };
        server.disk = copy;
        server.replaced_at = self.around.now;
        self.crash(pop, down_ms);
        self.forget_words_of(pop);
        self.wake_peers_of(pop);
        self.around.facts.push(Fact::PutBack(pop));
    }

    /// A known limit: who was put back must hear of it before it has written as much as it lost.
    fn wake_peers_of(&mut self, pop: u8) {
        let now = self.around.now;
        self.around.network.heal();
        for server in self.servers.iter_mut().filter(|server| server.index != pop) {
            // What waits for the disk already is answered as late as it was to be.
            server.slow_until = server.slow_until.max(server.hangs_until);
            server.hangs_until = now;
            if server.paused_until > now {
                server.paused_until = now;
                self.around.queue.push(now, Event::GoOn(server.index));
            }
            self.around.queue.push(now, Event::Start(server.index));
        }
    }

    /// A data directory is replaced long after its server said its last word.
    fn forget_words_of(&mut self, pop: u8) {
        self.around.queue.retain(|event| !matches!(event, Event::Frame(it) if it.from == pop));
        for server in &mut self.servers {
            server.deferred.retain(|event| !matches!(event, Event::Frame(it) if it.from == pop));
        }
    }
}
