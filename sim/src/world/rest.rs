//! Healing, and what has to be true once everything has come to rest.

use std::fmt;

use clavitor_commercial::alerts::outbox::OUTBOX;
use clavitor_commercial::replication::{State, View};
use clavitor_core::store::{CHANGES, RECORDS, Rows};
use clavitor_core::time::Instant;

use super::{Failure, Kind, World};
use crate::around::Around;
use crate::checks::LEASE;
use crate::event::{Event, Fact, ToProcess};
use crate::script::Action;
use crate::server::Server;
use crate::trace::{Level, name};

/// How long a healed world may take to come to rest, in milliseconds: the probe of a suspended
/// peer, and a retry of what it could not take.
const REST_WITHIN_MS: u64 = 20 * 60_000;

impl World {
    /// Ends every fault, and starts whatever does not run.
    pub(super) fn heal(&mut self) {
        if self.healed_at.is_some() {
            return;
        }
        let now = self.around.now;
        self.healed_at = Some(now);
        self.agreed_early = self.servers.iter().all(|server| self.agrees(server.index));
        self.around.script.end();
        // What was to come from outside comes no more.
        self.around.queue.retain(|event| {
            let is_outside =
                matches!(event, Event::Start(_) | Event::GoOn(_) | Event::Act(_) | Event::Heal);
            !is_outside && !matches!(event, Event::Retry(_))
        });
        self.around.network.heal();
        self.around.hq.heal();
        self.around.trace.line(Level::Short, now, || "** healed".to_owned());
        for server in &mut self.servers {
            server.clocks.set_ahead(0);
            server.clocks.set_rate(now, 0);
            server.full_until = server.full_until.min(now);
            server.hangs_until = Instant(0);
            if server.paused_until > now {
                server.paused_until = now;
                self.around.queue.push(now, Event::GoOn(server.index));
            }
            self.around.queue.push(now, Event::Start(server.index));
            // Whoever is on its way out is started again.
            self.around.queue.push(now.plus_ms(7_000), Event::Start(server.index));
        }
        self.heal_site();
        self.around.facts.push(Fact::Healed);
    }

    /// Runs until nothing is armed and nothing is on its way, and demands that all agree.
    pub(super) fn run_to_rest(&mut self) -> Result<(), Failure> {
        let healed_at = self.healed_at.unwrap_or(self.around.now);
        // What was stamped in the future is deferred until then.
        let floor_ms = self.servers.iter().map(|server| server.floor_ahead_ms(healed_at)).max();
        let within_ms = REST_WITHIN_MS + floor_ms.unwrap_or_default();
        let end = healed_at.plus_ms(within_ms);
        while self.around.queue.next_at().is_some_and(|at| at <= end) && !self.is_resting() {
            self.step()?;
        }
        if !self.is_led() {
            let what = format!("no primary within {} s of healing", within_ms / 1_000);
            return Err(self.failure(Kind::Liveness, "P12", what));
        }
        if !self.servers.iter().any(is_restless) {
            // A timer that is still armed for what is over wakes nobody, and the rest has no end.
            self.around.queue.retain(|event| !is_endless(event));
        }
        if !self.around.queue.is_empty() {
            let what = format!("no rest within {} s of healing", within_ms / 1_000);
            return Err(self.failure(Kind::Liveness, "P5", what));
        }
        let behind = self.servers.iter().find(|server| !self.agrees(server.index));
        if let Some(server) = behind {
            let what =
                format!("{} rests, and holds something else than {}", name(server.index), name(0));
            return Err(self.failure(Kind::Liveness, "P6", what));
        }
        let checked = self.checks.at_rest(&self.servers);
        checked.map_err(|broken| self.failure(Kind::Safety, broken.promise, broken.what))
    }

    /// Whether nothing is left to happen but reports and renewals, which never end.
    fn is_resting(&self) -> bool {
        let Around { queue, knobs, .. } = &self.around;
        let is_done = |server: &Server| {
            let Some(process) = &server.process else { return false };
            process.views.iter().all(|view| view.state == State::Idle)
                && server.disk.count(OUTBOX) == Ok(0)
                && process.machine.alerts().waiting == 0
                && process.waiting() == 0
                && !process.is_imported
                && !is_restless(server)
                && server.dirty() == 0
        };
        let most = if knobs.leases.is_some() { 12 } else { 2 };
        (knobs.report_s > 0 || knobs.leases.is_some())
            && queue.len() <= most * self.servers.len()
            && queue.events().all(is_endless)
            && self.is_led()
            && self.servers.iter().all(is_done)
    }

    fn agrees(&self, pop: u8) -> bool {
        if self.around.knobs.is_community {
            return true;
        }
        let all = |pop: u8| {
            let disk = &self.servers[usize::from(pop)].disk;
            // Numbers are each server's own; everything behind them is not.
            let rows = disk.all(RECORDS).expect("rows are whole");
            rows.map(|row| row.map(|(key, value)| (key, value.get(8..))))
        };
        all(pop).eq(all(0))
    }

    /// What has still to happen.
    pub fn pending(&self) -> Pending {
        let servers = self.servers.iter().map(|server| {
            let index = server.index;
            let Some(process) = &server.process else { return (index, "down".to_owned()) };
            let monotonic = server.clocks.monotonic(self.around.now);
            let mut text = String::new();
            let last = server.last().unwrap_or_default();
            let changes = server.disk.count(CHANGES).unwrap_or_default();
            text += &format!("last {last}, {changes} records, {} requests", process.requests);
            if let Some((at, why)) = process.machine.next_wake() {
                text += &format!(", wakes for {why} in {} ms", at.ms_since(monotonic));
            }
            if server.is_writing() {
                text += ", writing";
            }
            for (peer, view) in server.peers.iter().zip(process.machine.views(monotonic)) {
                text += &format!("; to {}: {}", name(*peer), shown(&view));
            }
            (index, text)
        });
        Pending { events: self.around.queue.len(), servers: servers.collect() }
    }
}

/// Whether a process waits for something to do but the next report.
fn is_restless(server: &Server) -> bool {
    let next_wake = server.process.as_ref().and_then(|it| it.machine.next_wake());
    next_wake.is_some_and(|(_, why)| why != "telemetry" && !LEASE.contains(&why))
}

/// Whether it need not be waited for: it has no end, or helps only those who do not rest.
fn is_endless(event: &Event) -> bool {
    let is_help = matches!(event, Event::Act(Action::Resume { .. } | Action::Replace { .. }));
    is_help || is_timer(event) || is_of_report(event) || is_of_leases(event)
}

fn is_of_leases(event: &Event) -> bool {
    let told = match event {
        Event::Call(_) | Event::Question(_) | Event::ToHq { .. } => return true,
        Event::ToProcess { event, .. } => event,
        _ => return false,
    };
    matches!(told, ToProcess::Lease(_) | ToProcess::Watched { .. } | ToProcess::Voted { .. })
}

fn is_timer(event: &Event) -> bool {
    matches!(event, Event::ToProcess { event: ToProcess::Wake, .. })
}

fn is_of_report(event: &Event) -> bool {
    match event {
        Event::Note(note) => note.alert.is_none(),
        Event::ToProcess { event: ToProcess::Hq { is_report, .. }, .. } => *is_report,
        _ => false,
    }
}

fn shown(view: &View) -> String {
    let mut text = format!("{:?}, acked {}, settled {}", view.state, view.acked, view.settled_to);
    if let Some(error) = &view.last_error {
        text += &format!(", {error}");
    }
    text
}

/// What has still to happen in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    events: usize,
    servers: Vec<(u8, String)>,
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events", self.events)?;
        self.servers.iter().try_for_each(|(pop, text)| write!(f, "\n  {}: {text}", name(*pop)))
    }
}
