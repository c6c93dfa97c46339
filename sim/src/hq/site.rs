//! HQ as a machine among the others: what survives its process, and the process itself, which drives
//! the very machine that decides about leases.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clavitor_commercial::lease::Renewed;
use clavitor_commercial::renewal::{Answer, LEASE_MS};
use clavitor_core::id::{Epoch, OpId, PopId, StoreId};
use clavitor_core::time::Instant;
use clavitor_hq_core::control::{ClusterName, Control, Effect, Input, Row, Start};

use super::{HQ, Mood};
use crate::around::Around;
use crate::bugs::Bugs;
use crate::call::{Asked, Back, Call, renewed};
use crate::canary::Canary;
use crate::clocks::Clocks;
use crate::event::{Event, Fact, ToHq, ToProcess};
use crate::script::Action;

/// The name of the one cluster of every world.
pub const CLUSTER: &str = "cluster";

/// How long a watch is held open, in milliseconds.
const WATCH_MS: u64 = 60_000;

/// How long until HQ is started again after its disk failed, in milliseconds.
const RESTART_MS: u64 = 5_000;

/// What a timer of a runtime resolves, in nanoseconds.
const TIMER_NS: u64 = 1_000_000;

/// More inputs than this in one go is a hot loop.
const INPUTS_MAX: u32 = 10_000;

/// HQ: its disk and clock, and its process.
///
/// Invariant: `rows` is what is on disk; it changes only when a commit is done.
#[derive(Debug)]
pub struct Site {
    /// What is on disk.
    pub rows: BTreeMap<ClusterName, Row>,
    /// Its clock.
    pub clocks: Clocks,
    /// Its process.
    pub process: Option<Box<Process>>,
    /// How many processes there have been.
    pub life: u32,
    /// Until when the process stands still.
    pub paused_until: Instant,
    /// What reached the process meanwhile.
    pub deferred: VecDeque<Event>,
    /// Until when the disk has no room.
    pub full_until: Instant,
    /// Until when the disk does not answer.
    pub hangs_until: Instant,
    /// Until when the newest answer of the disk is late.
    pub slow_until: Instant,
    pops: Vec<PopId>,
    was_started: bool,
    groups: u32,
}

/// A running HQ: what a crash forgets.
#[derive(Debug)]
pub struct Process {
    /// What decides.
    pub machine: Control,
    mailbox: VecDeque<Input>,
    asking: BTreeMap<OpId, Back>,
    watching: BTreeMap<u8, Back>,
    /// The number of the newest news of each POP.
    news: BTreeMap<u8, u64>,
    next_op: u64,
    committed_at: Instant,
    armed: BTreeSet<Instant>,
}

impl Site {
    /// HQ before its first start, with a token for each POP.
    pub fn new(pops: Vec<PopId>) -> Self {
        Self {
            rows: BTreeMap::new(),
            clocks: Clocks::new(5_000_000),
            process: None,
            life: 0,
            paused_until: Instant(0),
            deferred: VecDeque::new(),
            full_until: Instant(0),
            hangs_until: Instant(0),
            slow_until: Instant(0),
            pops,
            was_started: false,
            groups: 0,
        }
    }

    /// The id of the POP at a place.
    pub fn pop(&self, place: u8) -> PopId {
        self.pops[usize::from(place)]
    }

    /// Whether its process runs, and nothing is amiss with its disk.
    pub fn is_well(&self, now: Instant) -> bool {
        let bad_until = self.full_until.max(self.hangs_until).max(self.slow_until);
        self.is_running(now) && bad_until <= now
    }

    /// Whether its process runs, and is not standing still.
    pub fn is_running(&self, now: Instant) -> bool {
        self.process.is_some() && now >= self.paused_until
    }

    /// What is on disk about the cluster.
    pub fn row(&self) -> Option<&Row> {
        self.rows.get(CLUSTER)
    }

    /// The term whose primary DNS names, as far as it is on disk.
    pub fn granted(&self) -> Option<Epoch> {
        self.row().and_then(|row| row.granted)
    }

    /// Whom DNS names, if it answers.
    pub fn holder(&self, now: Instant, bugs: &Bugs) -> Option<PopId> {
        let process = self.process.as_ref().filter(|_| self.is_running(now))?;
        let holder = process.machine.holder(CLUSTER);
        if bugs.is(Canary::DnsStays) { self.pops.first().copied() } else { holder }
    }

    /// Starts the process, if none runs.
    pub fn start(&mut self, around: &mut Around) {
        if self.process.is_some() {
            return;
        }
        if self.life == 0 {
            self.clocks.set_rate(around.now, around.bugs.spoil_hq_rate(0));
        }
        let is_first = !std::mem::replace(&mut self.was_started, true);
        let failback_s = around.knobs.leases.map_or(0, |leases| leases.failback_s);
        let start = Start {
            clusters: self.rows.clone(),
            unheard: BTreeSet::new(),
            is_first: around.bugs.spoil_first(is_first),
            lease_ms: LEASE_MS,
            failback_ms: (failback_s > 0).then(|| u64::from(failback_s) * 1_000),
        };
        let known = self.row().map(|row| row.pops.clone()).unwrap_or_default();
        let unknown = self.pops.iter().filter(|pop| !known.contains(pop));
        let registered = |pop: &PopId| Input::Registered { cluster: CLUSTER.into(), pop: *pop };
        let process = Process {
            machine: Control::new(self.clocks.monotonic(around.now), start),
            mailbox: unknown.map(registered).collect(),
            asking: BTreeMap::new(),
            watching: BTreeMap::new(),
            news: BTreeMap::new(),
            next_op: 0,
            committed_at: around.now,
            armed: BTreeSet::new(),
        };
        self.process = Some(Box::new(process));
        around.facts.push(Fact::HqStarted);
    }

    /// Ends the process at once, as kill -9 does.
    pub fn kill(&mut self, around: &mut Around) {
        self.life += 1;
        self.deferred.clear();
        self.paused_until = Instant(0);
        let Some(process) = self.process.take() else { return };
        // The connections of those who wait are reset.
        for back in process.asking.into_values() {
            around.answer(back, renewed(back.op, Renewed::Unanswered));
        }
        for back in process.watching.into_values() {
            around.answer(back, ToProcess::Watched { op: back.op, news: None });
        }
        around.facts.push(Fact::HqEnded);
    }

    /// A POP asks.
    pub fn on_call(&mut self, call: Call, around: &mut Around) {
        let Call { back, asked } = call;
        let mood = around.hq.mood(around.now);
        let Some(process) = self.process.as_mut().filter(|_| mood != Some(Mood::Away)) else {
            return around.answer(back, asked.failed(back.op));
        };
        match (mood, asked) {
            (Some(Mood::Hangs), _) => {}
            (Some(Mood::Denies), Asked::Renew(_)) => {
                around.answer(back, renewed(back.op, Renewed::Denied));
            }
            (Some(Mood::Denies | Mood::Busy), asked) => around.answer(back, asked.failed(back.op)),
            (_, Asked::Renew(renewal)) => {
                let op = process.op();
                process.asking.insert(op, back);
                let (cluster, pop) = (CLUSTER.into(), self.pops[usize::from(back.to)]);
                process.mailbox.push_back(Input::Renewed { op, cluster, pop, renewal: *renewal });
            }
            (_, Asked::Watch { after }) => {
                let news = process.news.get(&back.to).copied().unwrap_or_default();
                // A process that was started anew counts anew.
                if news != after {
                    let told = ToProcess::Watched { op: back.op, news: Some(news) };
                    return around.answer(back, told);
                }
                process.watching.insert(back.to, back);
                let (life, event) = (self.life, ToHq::WatchOver(back));
                let at = around.now.plus_ms(WATCH_MS);
                around.queue.push(at, Event::ToHq { life, event });
            }
        }
    }

    /// An operator asks.
    pub fn on_switchover(&mut self, to: u8) {
        let to = self.pops.get(usize::from(to)).copied().filter(|_| to != Action::ANYBODY);
        if let Some(process) = &mut self.process {
            let (op, cluster) = (process.op(), CLUSTER.into());
            process.mailbox.push_back(Input::SwitchoverAsked { op, cluster, to });
        }
    }

    /// Whether a POP is primary, and its data directory is not the one that was given the lease.
    pub fn is_stranger(&self, pop: PopId, store: Option<StoreId>) -> bool {
        let primary = self.granted().map(|epoch| epoch.primary);
        let known = self.row().and_then(|row| row.holder).map(|holder| holder.store);
        primary == Some(pop) && known.is_some() && store != known
    }

    /// An operator gives a POP another token: whoever had the former one is gone.
    pub fn on_replaced(&mut self, pop: PopId) {
        if let Some(process) = &mut self.process {
            process.mailbox.push_back(Input::Registered { cluster: CLUSTER.into(), pop });
        }
    }

    /// Something happens to the process.
    pub fn on_event(&mut self, event: ToHq, around: &mut Around) {
        match event {
            ToHq::Wake => {}
            ToHq::Commit { op, cluster, row, sync } => {
                if around.now < self.hangs_until {
                    let event = ToHq::Commit { op, cluster, row, sync };
                    let (at, life) = (self.hangs_until, self.life);
                    self.slow_until = self.slow_until.max(at);
                    return around.queue.push(at, Event::ToHq { life, event });
                }
                let is_kept = around.now >= self.full_until;
                // Nobody knows what is on disk if it fails.
                if is_kept && (!sync.fails || sync.us % 2 == 0) {
                    self.rows.insert(cluster, *row);
                }
                if sync.fails {
                    self.kill(around);
                    return around.queue.push(around.now.plus_ms(RESTART_MS), Event::Start(HQ));
                }
                let event = Event::ToHq { life: self.life, event: ToHq::Kept { op, is_kept } };
                let answered_ms = u64::from(sync.answer_us).div_ceil(1_000);
                self.slow_until = self.slow_until.max(around.now.plus_ms(answered_ms));
                around.after_us(sync.answer_us, event);
            }
            ToHq::Kept { op, is_kept } => {
                if let Some(process) = &mut self.process {
                    process.mailbox.push_back(Input::Kept { op, is_kept });
                }
            }
            ToHq::WatchOver(back) => {
                let watching = self.process.as_mut().map(|process| &mut process.watching);
                let Some(watching) = watching else { return };
                if watching.get(&back.to) == Some(&back) {
                    watching.remove(&back.to);
                    around.answer(back, ToProcess::Watched { op: back.op, news: None });
                }
            }
        }
    }

    /// Lets the machine take note of everything it was told, and arms its timer.
    ///
    /// # Panics
    /// If the machine keeps itself busy for ever.
    pub fn drive(&mut self, around: &mut Around) {
        let Some(mut process) = self.process.take() else { return };
        let now = self.clocks.monotonic(around.now);
        let mut inputs = 0;
        loop {
            let is_due = process.machine.next_wake().is_some_and(|at| at <= now);
            let told = process.mailbox.pop_front();
            let Some(input) = told.or_else(|| is_due.then_some(Input::Tick)) else { break };
            inputs += 1;
            assert!(inputs < INPUTS_MAX, "a hot loop in the machine of HQ");
            let mut effects = Vec::new();
            around.counts.inputs += 1;
            around.trace.input(around.now, HQ, &input);
            process.machine.handle(now, input, &mut effects);
            around.trace.effects(around.now, HQ, &effects);
            effects.into_iter().for_each(|effect| self.perform(&mut process, effect, around));
        }
        self.arm(&mut process, around);
        self.process = Some(process);
    }

    fn perform(&mut self, process: &mut Process, effect: Effect, around: &mut Around) {
        match effect {
            Effect::Answer { op, mut answer } => {
                let Some(back) = process.asking.remove(&op) else { return };
                around.bugs.spoil_answer(&mut answer);
                if let Answer::Lead { grant, .. } = &answer {
                    around.facts.push(Fact::Led { pop: back.to, epoch: grant.epoch });
                }
                around.answer(back, renewed(back.op, Renewed::Answered(answer)));
            }
            Effect::Overtaken { op } => {
                let Some(back) = process.asking.remove(&op) else { return };
                around.answer(back, renewed(back.op, Renewed::Unanswered));
            }
            Effect::Keep { op, cluster, row } => {
                self.groups += 1;
                let now_ms = around.now_ms();
                let sync = around.script.sync(&around.knobs, now_ms, HQ, self.groups);
                // One after the other.
                let begins = process.committed_at.max(around.now);
                process.committed_at = Instant(begins.0.saturating_add(u64::from(sync.us) * 1_000));
                let event = ToHq::Commit { op, cluster, row: Box::new(row), sync };
                let event = Event::ToHq { life: self.life, event };
                around.queue.push(process.committed_at, event);
            }
            Effect::Wake { pop, .. } => {
                let Some(index) = self.pops.iter().position(|it| *it == pop) else { return };
                let index = u8::try_from(index).unwrap_or(u8::MAX);
                let news = process.news.entry(index).or_default();
                *news += 1;
                if let Some(back) = process.watching.remove(&index) {
                    let told = ToProcess::Watched { op: back.op, news: Some(*news) };
                    around.answer(back, told);
                }
            }
            Effect::AnswerSwitchover { outcome, .. } => {
                around.facts.push(Fact::Switched { pop: HQ, epoch: outcome.ok() });
            }
            Effect::Happened { event, .. } => around.facts.push(Fact::Happened(event)),
        }
    }

    fn arm(&self, process: &mut Process, around: &mut Around) {
        let Some(at) = process.machine.next_wake() else { return };
        let at = Instant(self.clocks.when(at).0.saturating_add(TIMER_NS)).max(around.now);
        // A timer that is armed for earlier looks again.
        if process.armed.first().is_some_and(|armed| *armed <= at) {
            return;
        }
        process.armed.insert(at);
        around.queue.push(at, Event::ToHq { life: self.life, event: ToHq::Wake });
    }

    /// A timer fired; answers whether the machine is due, or the timer was for what is over.
    pub fn on_wake(&mut self, around: &Around) -> bool {
        let now = self.clocks.monotonic(around.now);
        let Some(process) = &mut self.process else { return false };
        process.armed.retain(|at| *at > around.now);
        process.machine.next_wake().is_some_and(|at| at <= now)
    }
}

impl Process {
    fn op(&mut self) -> OpId {
        self.next_op += 1;
        // No order of the machine is called so.
        OpId(self.next_op | 1 << 63)
    }
}
