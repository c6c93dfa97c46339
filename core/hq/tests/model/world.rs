//! HQ as it is, between POPs at their worst: messages that are late, lost and doubled, a disk that
//! fails, and everybody crashing whenever they like.

use std::collections::{BTreeMap, BTreeSet};

use clavitor_commercial::renewal::{Answer, LEASE_MS, Renewal};
use clavitor_core::id::{Epoch, OpId, PopId, StoreId};
use clavitor_core::time::Instant;
use clavitor_hq_core::control::{ClusterName, Control, Effect, Input, Row, Start};

use crate::Action;
use crate::pop::{Clock, Deed, Process};

pub(crate) const MS: u64 = 1_000;
pub(crate) const CLUSTER: &str = "main";

/// What holds throughout a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knobs {
    pub(crate) pops: u8,
    pub(crate) loss_percent: u64,
    pub(crate) slow_percent: u64,
    pub(crate) is_fast: bool,
    pub(crate) asks_always: bool,
    /// Two processes may be alive under one id. Which of them a question for a vote finds nobody can
    /// say, so none is asked then; a primary that is its only member still carries itself on.
    pub(crate) has_duplicates: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Act(Action),
    Renew { at: usize, is_timer: bool },
    ToHq { op: OpId, at: usize, renewal: Renewal },
    ToPop { at: usize, op: OpId, answer: Answer },
    AskVotes { at: usize },
    VoteAsked { to: PopId, from: usize, epoch: Epoch, asked: Instant },
    Voted { to: usize, voter: PopId, epoch: Epoch, asked: Instant },
    Accepted { at: usize, epoch: Epoch },
    Gossip { at: usize, epoch: Epoch },
    Release { at: usize },
    Kept { boot: u64, op: OpId, is_kept: bool },
    Tick { boot: u64 },
}

pub(crate) struct World {
    pub(crate) now_us: u64,
    pub(crate) knobs: Knobs,
    pub(crate) random: u64,
    pub(crate) queue: BTreeMap<(u64, u64), Happening>,
    pub(crate) count: u64,
    pub(crate) control: Option<Control>,
    pub(crate) hq_clock: Clock,
    pub(crate) hq_boot: u64,
    pub(crate) hq_stalled_until_us: u64,
    pub(crate) disk: BTreeMap<ClusterName, Row>,
    pub(crate) storing: BTreeMap<OpId, Row>,
    pub(crate) is_disk_failing: bool,
    pub(crate) processes: Vec<Process>,
    pub(crate) names: Vec<PopId>,
    pub(crate) cut_from_hq: BTreeSet<(PopId, bool)>,
    pub(crate) cut: BTreeSet<(PopId, PopId)>,
    pub(crate) is_healed: bool,
    pub(crate) unanswered: BTreeSet<OpId>,
    pub(crate) senders: BTreeMap<OpId, usize>,
    pub(crate) led: Option<Epoch>,
}

impl World {
    pub(crate) fn new(seed: u64, knobs: Knobs, is_first: bool) -> Self {
        let names = ["a", "b", "c", "d", "e"].iter().take(usize::from(knobs.pops));
        let mut world = Self {
            now_us: 1_000 * MS,
            knobs,
            random: seed,
            queue: BTreeMap::new(),
            count: 0,
            control: None,
            hq_clock: Clock { rate_ppm: 1_000_000 },
            hq_boot: 0,
            hq_stalled_until_us: 0,
            disk: BTreeMap::new(),
            storing: BTreeMap::new(),
            is_disk_failing: false,
            processes: Vec::new(),
            names: names.map(|name| name.parse().unwrap()).collect(),
            cut_from_hq: BTreeSet::new(),
            cut: BTreeSet::new(),
            is_healed: false,
            unanswered: BTreeSet::new(),
            senders: BTreeMap::new(),
            led: None,
        };
        world.start_hq(is_first);
        for (at, name) in world.names.clone().into_iter().enumerate() {
            world.tell_hq(Input::Registered { cluster: CLUSTER.into(), pop: name });
            let epoch = (at == 0).then_some(Epoch { number: 1, primary: name });
            world.start_process(name, StoreId([at as u8; 16]), epoch);
        }
        world
    }

    pub(crate) fn act(&mut self, after_ms: u64, action: Action) {
        self.run(after_ms);
        self.happen(Happening::Act(action));
    }

    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.now_us + ms * MS;
        while let Some(((at, _), _)) =
            self.queue.first_key_value().filter(|((at, _), _)| *at <= until)
        {
            self.now_us = self.now_us.max(*at);
            let (_, happening) = self.queue.pop_first().unwrap();
            self.happen(happening);
        }
        self.now_us = until;
        self.check();
    }

    /// The only one that takes writes, as HQ sees it, too.
    pub(crate) fn writer(&self) -> Option<(u64, Epoch)> {
        let mut writers = self.processes.iter().filter(|process| process.writes(self.now_us));
        let (writer, other) = (writers.next()?, writers.next());
        let holder = self.control.as_ref().and_then(|control| control.holder(CLUSTER));
        let is_one = other.is_none() && holder == Some(writer.pop);
        writer.epoch.filter(|_| is_one).map(|epoch| (writer.start, epoch))
    }

    pub(crate) fn views(&self) -> String {
        let now = self.hq_clock.at(self.now_us);
        let views = self.control.as_ref().map(|control| control.views(now));
        format!("{views:#?}\n{:#?}\n{:#?}", self.disk, self.processes)
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    pub(crate) fn chance(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    fn percent(&mut self, percent: u64) -> bool {
        !self.is_healed && self.chance(100) < percent
    }

    /// How long a message is under way, and a word to a disk, in microseconds, unless it is slow.
    fn hop_us(&self) -> u64 {
        if self.knobs.is_fast { MS } else { 40 * MS }
    }

    fn clock(&mut self) -> Clock {
        // What the margin is for is likely.
        let rates = [990_000, 990_000, 1_000_000, 1_010_000, 1_010_000];
        Clock { rate_ppm: rates[self.chance(5) as usize] }
    }

    fn after(&mut self, us: u64, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now_us + us, self.count), happening);
    }

    /// Sends something, which may be lost, late, or doubled.
    fn send(&mut self, happening: Happening) {
        if self.percent(self.knobs.loss_percent) {
            return;
        }
        let is_slow = self.percent(self.knobs.slow_percent);
        let delay = self.chance(if is_slow { 7_000 * MS } else { self.hop_us() });
        if self.percent(2) {
            let again = delay + self.chance(4_000 * MS);
            self.after(again, happening.clone());
        }
        self.after(delay, happening);
    }

    pub(crate) fn start_hq(&mut self, is_first: bool) {
        self.hq_boot += 1;
        self.storing.clear();
        self.unanswered.clear();
        self.hq_clock = self.clock();
        let clusters = self.disk.clone();
        let unheard = BTreeSet::new();
        let start = Start { clusters, unheard, is_first, lease_ms: LEASE_MS, failback_ms: None };
        self.control = Some(Control::new(self.hq_clock.at(self.now_us), start));
        self.arm();
    }

    pub(crate) fn crash_hq(&mut self) {
        if self.control.take().is_some() {
            for row in std::mem::take(&mut self.storing).into_values() {
                if self.chance(2) == 0 {
                    self.disk.insert(CLUSTER.into(), row);
                }
            }
        }
    }

    pub(crate) fn start_process(&mut self, pop: PopId, store: StoreId, epoch: Option<Epoch>) {
        let clock = self.clock();
        let start = self.processes.len() as u64 + 1;
        let mut process = Process::new(pop, start, store, clock, clock.at(self.now_us));
        process.epoch = epoch;
        self.processes.push(process);
        let at = self.processes.len() - 1;
        self.after(0, Happening::Renew { at, is_timer: true });
        self.after(0, Happening::AskVotes { at });
    }

    pub(crate) fn restart(&mut self, pop: PopId) {
        let Some(last) = self.processes.iter().rposition(|process| process.pop == pop) else {
            return;
        };
        self.processes[last].is_alive = false;
        let store = self.processes[last].store;
        // Whoever had this data directory before has stored no newer term.
        let of_it = self.processes.iter().filter(|process| process.store == store);
        let epoch = of_it.map(|process| process.epoch).max().flatten();
        self.start_process(pop, store, epoch);
    }

    pub(crate) fn alive(&self, pop: PopId) -> Option<usize> {
        self.processes.iter().rposition(|process| process.pop == pop && process.is_alive)
    }

    pub(crate) fn is_registered(&self, pop: PopId) -> bool {
        let views = self.control.as_ref().map(|control| control.views(Instant(0)));
        views.iter().flatten().any(|view| view.pops.iter().any(|known| known.pop == pop))
    }

    pub(crate) fn tell_hq(&mut self, input: Input) {
        let Some(control) = &mut self.control else { return };
        let mut out = Vec::new();
        control.handle(self.hq_clock.at(self.now_us), input, &mut out);
        out.into_iter().for_each(|effect| self.perform(effect));
        self.arm();
    }

    fn arm(&mut self) {
        let Some(wake) = self.control.as_ref().and_then(Control::next_wake) else { return };
        let late = self.chance(self.hop_us());
        let delay = self.hq_clock.when(wake).saturating_sub(self.now_us) + late;
        self.after(delay, Happening::Tick { boot: self.hq_boot });
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { op, answer } => {
                assert!(self.unanswered.remove(&op), "{op:?} is answered once");
                self.check_answer(&answer);
                let at = self.senders[&op];
                // Doubled renewals have doubled answers.
                let op = OpId(op.0 / 2);
                if !self.cut_from_hq.contains(&(self.processes[at].pop, false)) {
                    self.send(Happening::ToPop { at, op, answer });
                }
            }
            Effect::Keep { op, row, .. } => {
                self.check_row(&row);
                let delay = if self.percent(5) { 2_500 * MS } else { self.hop_us() };
                let delay = self.chance(delay);
                let is_kept = !(self.is_disk_failing && self.percent(70));
                // What is said to have failed may be there all the same.
                if is_kept || self.chance(4) == 0 {
                    self.storing.insert(op, row);
                }
                self.after(delay, Happening::Kept { boot: self.hq_boot, op, is_kept });
            }
            Effect::Wake { pop, .. } => {
                if let Some(at) = self.alive(pop).filter(|_| !self.is_cut_off(pop)) {
                    self.send(Happening::Renew { at, is_timer: false });
                }
            }
            Effect::Overtaken { op } => {
                assert!(self.unanswered.remove(&op), "{op:?} is answered once");
            }
            Effect::AnswerSwitchover { .. } | Effect::Happened { .. } => {}
        }
    }

    fn is_cut_off(&self, pop: PopId) -> bool {
        self.cut_from_hq.contains(&(pop, false)) || self.cut_from_hq.contains(&(pop, true))
    }

    pub(crate) fn happen(&mut self, happening: Happening) {
        if let Some(at) = happening.whose() {
            let process = &self.processes[at];
            if !process.is_alive {
                return;
            }
            if process.paused_until_us > self.now_us {
                let left = process.paused_until_us - self.now_us;
                return self.after(left, happening);
            }
        }
        if happening.is_hqs() && self.hq_stalled_until_us > self.now_us {
            let left = self.hq_stalled_until_us - self.now_us;
            return self.after(left, happening);
        }
        match happening {
            Happening::Act(action) => self.on_action(action),
            Happening::Renew { at, is_timer } => self.on_renew(at, is_timer),
            Happening::ToHq { op, at, renewal } => self.on_to_hq(op, at, renewal),
            Happening::ToPop { at, op, answer } => self.on_answer(at, op, answer),
            Happening::AskVotes { at } => self.on_ask_votes(at),
            Happening::VoteAsked { to, from, epoch, asked } => {
                let Some(at) = self.alive(to).filter(|at| self.processes[*at].runs(self.now_us))
                else {
                    return;
                };
                let now = self.processes[at].clock.at(self.now_us);
                if self.processes[at].on_vote_asked(now, epoch) {
                    self.send(Happening::Voted { to: from, voter: to, epoch, asked });
                }
            }
            Happening::Voted { to, voter, epoch, asked } => {
                self.processes[to].on_vote(voter, epoch, asked);
            }
            Happening::Accepted { at, epoch } => {
                if self.processes[at].accepting.take() == Some(epoch) {
                    self.processes[at].adopt(epoch);
                    self.after(0, Happening::Renew { at, is_timer: false });
                }
            }
            Happening::Gossip { at, epoch } => {
                if self.processes[at].accepting.is_none() {
                    self.processes[at].adopt(epoch);
                }
            }
            Happening::Release { at } => {
                self.processes[at].is_released = self.processes[at].grant.is_some();
                self.after(0, Happening::Renew { at, is_timer: false });
            }
            Happening::Kept { boot, op, is_kept } => {
                if boot == self.hq_boot && self.control.is_some() {
                    if let Some(row) = self.storing.remove(&op) {
                        self.disk.insert(CLUSTER.into(), row);
                    }
                    self.tell_hq(Input::Kept { op, is_kept });
                }
            }
            Happening::Tick { boot } => {
                let wake = self.control.as_ref().and_then(Control::next_wake);
                let is_due = wake.is_some_and(|wake| wake <= self.hq_clock.at(self.now_us));
                if boot == self.hq_boot && is_due {
                    self.tell_hq(Input::Tick);
                }
            }
        }
        self.check();
    }

    fn on_to_hq(&mut self, op: OpId, at: usize, renewal: Renewal) {
        let pop = self.processes[at].pop;
        if self.control.is_some() && self.unanswered.insert(op) {
            self.senders.insert(op, at);
            self.tell_hq(Input::Renewed { op, cluster: CLUSTER.into(), pop, renewal });
        }
    }

    fn on_renew(&mut self, at: usize, is_timer: bool) {
        if is_timer {
            let period = 2_000 * MS * 1_000_000 / self.processes[at].clock.rate_ppm;
            self.after(period, Happening::Renew { at, is_timer });
        }
        self.count += 1;
        let (op, seq) = (OpId(self.count), self.now_us / MS);
        let process = &mut self.processes[at];
        let renewal = process.renewal(op, process.clock.at(self.now_us), seq);
        let pop = process.pop;
        if let Some(epoch) = process.epoch {
            self.gossip(pop, epoch);
        }
        if self.cut_from_hq.contains(&(pop, true)) || !self.is_registered(pop) {
            return;
        }
        if self.percent(3) {
            let delay = self.chance(9_000 * MS);
            let renewal = renewal.clone();
            self.after(delay, Happening::ToHq { op: OpId(op.0 * 2 + 1), at, renewal });
        }
        self.send(Happening::ToHq { op: OpId(op.0 * 2), at, renewal });
    }

    fn gossip(&mut self, from: PopId, epoch: Epoch) {
        let to = self.chance(self.processes.len() as u64) as usize;
        if !self.cut.contains(&(from, self.processes[to].pop)) {
            self.send(Happening::Gossip { at: to, epoch });
        }
    }

    fn on_answer(&mut self, at: usize, op: OpId, answer: Answer) {
        let now = self.processes[at].clock.at(self.now_us);
        match self.processes[at].on_answer(now, op, answer) {
            Deed::Nothing => {}
            Deed::Accept(epoch) => {
                let is_slow = self.percent(20);
                let delay = self.chance(if is_slow { 3_000 * MS } else { self.hop_us() });
                self.after(delay, Happening::Accepted { at, epoch });
            }
            Deed::HandOver => {
                let delay = self.chance(2_000 * MS);
                self.after(delay, Happening::Release { at });
            }
        }
    }

    fn on_ask_votes(&mut self, at: usize) {
        let period = 1_000 * MS + self.chance(1_000 * MS);
        self.after(period, Happening::AskVotes { at });
        let process = &mut self.processes[at];
        let now = process.clock.at(self.now_us);
        let is_answered = now < process.answered.plus_ms(3_000);
        if is_answered && (self.is_healed || !self.knobs.asks_always) {
            return;
        }
        let Some((epoch, others)) = process.electorate(now) else { return };
        let from = process.pop;
        let asks = !self.knobs.has_duplicates;
        for to in others {
            if asks && !self.cut.contains(&(from, to)) {
                self.send(Happening::VoteAsked { to, from: at, epoch, asked: now });
            }
        }
    }

    fn check(&self) {
        let writers = self.processes.iter().filter(|process| process.writes(self.now_us));
        let writers: Vec<_> = writers.map(|one| (one.pop, one.start, one.epoch)).collect();
        assert!(writers.len() <= 1, "two take writes at {} ms: {writers:?}", self.now_us / MS);
    }

    fn check_answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Lead { grant, .. } => {
                assert!(Some(grant.epoch) >= self.led, "an older term is given again");
                self.led = Some(grant.epoch);
            }
            Answer::Promote { epoch, .. } => {
                assert!(Some(*epoch) > self.led, "a term is ordered that was given");
            }
            Answer::Follow { .. } | Answer::Duplicate => {}
        }
    }

    fn check_row(&self, row: &Row) {
        let Some(old) = self.disk.get(CLUSTER) else { return };
        if row.granted != old.granted || row.epoch <= old.epoch || row.granted.is_none() {
            return;
        }
        let offered = row.offered.as_ref().unwrap_or(&row.acknowledged);
        let acknowledged = row.acknowledged.pops.iter();
        let mut promotable = acknowledged.filter(|pop| offered.pops.contains(pop));
        if !promotable.clone().any(|pop| row.pops.contains(pop)) {
            return;
        }
        let Some(Epoch { primary, .. }) = row.epoch else { panic!("a term does not go away") };
        assert!(promotable.any(|pop| *pop == primary), "{primary} is no member");
    }
}

impl Happening {
    /// The process that has to be there for it.
    fn whose(&self) -> Option<usize> {
        match self {
            Self::Renew { at, .. }
            | Self::ToPop { at, .. }
            | Self::AskVotes { at }
            | Self::Voted { to: at, .. }
            | Self::Accepted { at, .. }
            | Self::Gossip { at, .. }
            | Self::Release { at } => Some(*at),
            _ => None,
        }
    }

    fn is_hqs(&self) -> bool {
        matches!(self, Self::ToHq { .. } | Self::Kept { .. } | Self::Tick { .. })
    }
}
