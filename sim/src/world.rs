//! A whole world: servers, links, disks, clocks and clients, moved on one event at a time.

use clavitor_commercial::pop::Input;
use clavitor_core::time::Instant;
use clavitor_hq_core::control;

use crate::around::{Around, Counts};
use crate::bugs::Bugs;
use crate::call::Mishaps;
use crate::checks::Checks;
use crate::clients::Clients;
use crate::event::{Event, Fact, Posted, ToHq, ToProcess};
use crate::hq::site::Site;
use crate::hq::{HQ, Hq};
use crate::knobs::Knobs;
use crate::network::Network;
use crate::queue::Queue;
use crate::script::{Action, Script};
use crate::server::Server;
use crate::succession::{Succession, Successions};
use crate::trace::{Level, Mark, Trace};

mod act;
mod led;
mod rest;

pub use rest::Pending;

/// More events than this in one run is a hot loop.
pub const EVENTS_MAX: u64 = 3_000_000;

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether something happened that must never happen, or something did not that must.
    pub kind: Kind,
    /// The promise, as the contract names it.
    pub promise: &'static str,
    /// What happened, in one sentence.
    pub what: String,
    /// Which event it was.
    pub event: u64,
    /// The world's time, in milliseconds.
    pub at_ms: u64,
    /// What was pending then.
    pub pending: String,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something that must never happen.
    Safety,
    /// Something that must happen in bounded time, and did not.
    Liveness,
}

/// Something that happens before a given event, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Interrupt {
    /// Before which event; the first is 1.
    pub event: u64,
    /// What.
    pub action: Action,
}

/// A world.
#[derive(Debug)]
pub struct World {
    /// Everything around the servers.
    pub around: Around,
    /// The servers, by their place.
    pub servers: Vec<Server>,
    /// HQ, where it gives leases.
    pub site: Site,
    clients: Clients,
    checks: Checks,
    interrupt: Option<Interrupt>,
    healed_at: Option<Instant>,
    agreed_early: bool,
    successions: Successions,
    facts: Vec<Fact>,
}

impl World {
    /// A world at its beginning, with every server started.
    pub fn new(knobs: Knobs, script: Script, level: Level, interrupt: Option<Interrupt>) -> Self {
        let mut knobs = knobs;
        knobs.favour();
        let is_overheard = knobs.rates.attack > 0;
        let servers: Vec<Server> = (0..knobs.pops)
            .map(|index| Server::new(index, knobs.pops, knobs.is_community))
            .collect();
        let around = Around {
            now: Instant(0),
            queue: Queue::default(),
            script,
            network: Network::new(is_overheard),
            hq: Hq::default(),
            facts: Vec::new(),
            trace: Trace::new(level),
            bugs: Bugs::new(knobs.canary),
            mishaps: Mishaps::default(),
            counts: Counts::default(),
            knobs,
        };
        let checks = Checks::new(&servers);
        let site = Site::new(servers.iter().map(|server| server.pop).collect());
        let mut world = Self {
            around,
            servers,
            site,
            clients: Clients::default(),
            checks,
            interrupt,
            healed_at: None,
            agreed_early: false,
            successions: Successions::default(),
            facts: Vec::new(),
        };
        (0..world.around.knobs.pops)
            .chain(world.around.knobs.leases.map(|_| HQ))
            .for_each(|pop| world.around.queue.push(Instant(0), Event::Start(pop)));
        world.schedule_next();
        world
    }

    /// Runs to the end: every action, then healing, then rest.
    pub fn run(&mut self) -> Result<(), Failure> {
        while self.healed_at.is_none() {
            if self.around.script.is_spent() {
                return Ok(());
            }
            if !self.step()? {
                self.heal();
            }
        }
        self.run_to_rest()
    }

    /// Whether all agreed before faults were ended for them.
    pub fn agreed_early(&self) -> bool {
        self.agreed_early
    }

    /// How long it took until somebody took over, each time that a primary died.
    pub fn successions(&self) -> &[Succession] {
        self.successions.done()
    }

    /// Lets the next event happen; answers whether there was one.
    ///
    /// # Panics
    /// If events never end.
    pub fn step(&mut self) -> Result<bool, Failure> {
        let Some((at, event)) = self.around.queue.pop() else { return Ok(false) };
        self.around.now = at;
        let event = match self.deferred(event) {
            Some(event) => event,
            None => return Ok(true),
        };
        if self.is_stale(&event) {
            return Ok(true);
        }
        self.around.counts.events += 1;
        assert!(self.around.counts.events < EVENTS_MAX, "a run without end");
        if let Some(interrupt) = self.interrupt
            && interrupt.event == self.around.counts.events
        {
            self.around.trace.mark(|| Mark::Action { at, action: interrupt.action });
            self.act(interrupt.action);
            self.settle()?;
            // What was interrupted may mean nothing any more.
            if self.is_stale(&event) {
                return Ok(true);
            }
        }
        if let Some(pop) = self.dispatch_scanners(&event) {
            return self.settle_scanners(pop).map(|()| true);
        }
        self.dispatch(event);
        self.settle()?;
        Ok(true)
    }

    /// What reaches a process that stands still waits until it goes on.
    fn deferred(&mut self, event: Event) -> Option<Event> {
        let pop = match &event {
            Event::ToProcess { pop, .. } => *pop,
            Event::Frame(delivery) => delivery.to,
            Event::Scan { pop, .. } => *pop,
            Event::Question(question) => question.to,
            Event::Call(_) | Event::ToHq { .. } => {
                let site = &mut self.site;
                if site.process.is_some() && self.around.now < site.paused_until {
                    site.deferred.push_back(event);
                    return None;
                }
                return Some(event);
            }
            _ => return Some(event),
        };
        let server = &mut self.servers[usize::from(pop)];
        if server.process.is_some() && self.around.now < server.paused_until {
            server.deferred.push_back(event);
            return None;
        }
        Some(event)
    }

    /// Whether an event means nothing any more: it is not even counted.
    fn is_stale(&mut self, event: &Event) -> bool {
        if let Event::ToHq { life, event } = event {
            if self.site.life != *life || self.site.process.is_none() {
                return true;
            }
            let is_early = matches!(event, ToHq::Wake) && !self.site.on_wake(&self.around);
            if is_early {
                self.site.drive(&mut self.around);
            }
            return is_early;
        }
        let Event::ToProcess { pop, life, event } = event else { return false };
        let now = self.around.now;
        let server = &mut self.servers[usize::from(*pop)];
        if server.life != *life || server.process.is_none() {
            return true;
        }
        // The timer was for what is over by now; the one it wants is armed anew.
        match event {
            ToProcess::Wake if !server.on_wake(now) => server.drive(&mut self.around),
            ToProcess::PitWake if !server.on_pit_wake(now) => server.arm_pit(&mut self.around),
            _ => return false,
        }
        true
    }

    fn dispatch(&mut self, event: Event) {
        let around = &mut self.around;
        match event {
            Event::Act(action) => {
                let at = around.now;
                around.trace.mark(|| Mark::Action { at, action });
                around.trace.line(Level::Short, at, || format!("** {action}"));
                self.act(action);
                self.schedule_next();
            }
            Event::Heal => self.heal(),
            Event::Start(HQ) => self.site.start(around),
            Event::Call(call) => self.site.on_call(*call, around),
            Event::ToHq { event, .. } => {
                around.counts.wakes += u64::from(matches!(event, ToHq::Wake));
                self.site.on_event(event, around);
            }
            Event::Retry(retry) => self.ask(Action::PRIMARY, retry.request, retry.tries),
            Event::Question(question) => {
                let server = &mut self.servers[usize::from(question.to)];
                server.on_question(*question, around);
            }
            Event::Start(pop) => {
                let is_community = around.knobs.is_community;
                self.servers[usize::from(pop)].start(is_community, around);
            }
            Event::GoOn(pop) => self.go_on(pop),
            Event::ToProcess { pop, event, .. } => {
                let server = &mut self.servers[usize::from(pop)];
                match event {
                    ToProcess::Wake => around.counts.wakes += 1,
                    ToProcess::Commit => server.on_commit(around),
                    ToProcess::Lazy => server.on_lazy(around),
                    ToProcess::Answers(done) => server.on_answers(done, around),
                    ToProcess::Again(job) => server.on_again(*job, around),
                    ToProcess::Noticed(notice) => server.on_noticed(notice),
                    ToProcess::Closed => server.on_closed(),
                    ToProcess::Reply(reply) => server.on_reply(&reply, around),
                    ToProcess::Hq { op, status, is_report } => server.on_hq(op, status, is_report),
                    ToProcess::Lease(input) => server.tell(Input::Lease(*input)),
                    ToProcess::Voted { op, bytes } => server.on_voted(op, bytes),
                    ToProcess::Watched { op, news } => server.on_watched(op, news),
                    ToProcess::PitWake | ToProcess::Left { .. } => {}
                }
            }
            Event::Note(note) => around.on_note(*note),
            Event::Scan { .. } => {}
            Event::Frame(delivery) => {
                let server = &mut self.servers[usize::from(delivery.to)];
                if server.process.is_some() {
                    server.on_frame(&delivery, around);
                } else {
                    around.reply_to(&delivery, Posted::Unreachable);
                }
            }
        }
    }

    /// What happens to scanners alone reaches no mailbox; answers at whose tarpit it happened.
    fn dispatch_scanners(&mut self, event: &Event) -> Option<u8> {
        let around = &mut self.around;
        match *event {
            Event::Scan { pop, burst, nth } => {
                let scanner = burst.scanner(nth);
                self.servers[usize::from(pop)].on_scan(&scanner, around);
                Some(pop)
            }
            Event::ToProcess { pop, event: ToProcess::PitWake, .. } => {
                self.servers[usize::from(pop)].on_pit_tick(around);
                Some(pop)
            }
            Event::ToProcess { pop, event: ToProcess::Left { held, is_half }, .. } => {
                self.servers[usize::from(pop)].on_left(held, is_half, around);
                Some(pop)
            }
            _ => None,
        }
    }

    /// The rest of the world takes no note of scanners.
    fn settle_scanners(&mut self, pop: u8) -> Result<(), Failure> {
        std::mem::swap(&mut self.facts, &mut self.around.facts);
        let (servers, site) = (&self.servers, &self.site);
        let seen = self.checks.see_scanners(pop, &self.facts, servers, site, &self.around);
        if self.around.trace.level() >= Level::Short {
            for fact in &self.facts {
                self.around.trace.fact(self.around.now, fact);
            }
        }
        self.facts.clear();
        seen.map_err(|broken| self.failure(Kind::Safety, broken.promise, broken.what))
    }

    /// Lets every machine take note, and the checkers.
    fn settle(&mut self) -> Result<(), Failure> {
        for server in &mut self.servers {
            if server.is_running(self.around.now) {
                server.drive(&mut self.around);
            }
        }
        if self.site.is_running(self.around.now) {
            self.site.drive(&mut self.around);
        }
        std::mem::swap(&mut self.facts, &mut self.around.facts);
        for fact in &self.facts {
            let is_changed = matches!(fact, Fact::Happened(control::Event::PrimaryChanged(_)));
            self.around.counts.failovers += u64::from(is_changed);
            self.successions.see(fact, &self.site, self.around.now);
            self.clients.see(fact, &self.servers, &mut self.around);
        }
        let seen = self.checks.see(&self.facts, &self.servers, &self.site, &self.around);
        if self.around.trace.level() >= Level::Short {
            for fact in &self.facts {
                self.around.trace.fact(self.around.now, fact);
            }
            self.around.trace.states(self.around.now, &self.servers);
        }
        self.facts.clear();
        seen.map_err(|broken| self.failure(Kind::Safety, broken.promise, broken.what))
    }

    fn failure(&self, kind: Kind, promise: &'static str, what: String) -> Failure {
        let (event, at_ms) = (self.around.counts.events, self.around.now_ms());
        Failure { kind, promise, what, event, at_ms, pending: self.pending().to_string() }
    }

    fn schedule_next(&mut self) {
        let now_ms = self.around.now_ms();
        let Some((at_ms, action)) = self.around.script.next(&self.around.knobs, now_ms) else {
            if self.healed_at.is_none() {
                self.around.queue.push(self.around.now.plus_ms(1_000), Event::Heal);
            }
            return;
        };
        let at = Instant::from_ms(at_ms).max(self.around.now);
        self.around.queue.push(at, Event::Act(action));
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            Kind::Safety => "safety",
            Kind::Liveness => "liveness",
        };
        let Self { promise, what, event, at_ms, pending, .. } = self;
        write!(f, "{kind} [{promise}] at event {event}, {at_ms} ms: {what}\npending: {pending}")
    }
}
