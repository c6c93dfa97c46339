use alloc::string::ToString;
use alloc::vec;

use clavitor_commercial::renewal::{Grant, GrantId, Held, Renewal};
use clavitor_core::id::{Epoch, Seq, StoreId};

use super::*;

mod failover;
mod grants;
mod handover;
mod late;
mod processes;

pub(super) const CLUSTER: &str = "main";

/// How long HQ waits for a lease to be over, in milliseconds.
pub(super) const OVER_MS: u64 = with_margin(LEASE_MS);

pub(super) fn pop(name: &str) -> PopId {
    name.parse().unwrap()
}

pub(super) fn epoch(number: u64, primary: &str) -> Epoch {
    Epoch { number, primary: pop(primary) }
}

pub(super) fn members(names: &[&str]) -> Vec<PopId> {
    names.iter().map(|name| pop(name)).collect()
}

/// What a POP says that is ready, knows of nothing, and started once.
pub(super) fn said(name: &str) -> Renewal {
    let seed = name.bytes().fold(1, |seed: u64, byte| seed * 31 + u64::from(byte));
    Renewal {
        start: seed,
        number: 0,
        store: StoreId([name.as_bytes()[0]; 16]),
        epoch: None,
        grant: None,
        is_released: false,
        is_ready: true,
        is_preferred: false,
        refuses_ms: 0,
        voted_ms: 0,
        held: vec![],
        floor_ms: 1_000_000,
        wish: None,
        kept_back: None,
    }
}

pub(super) fn knows(name: &str, number: u64, primary: &str) -> Renewal {
    Renewal { epoch: Some(epoch(number, primary)), ..said(name) }
}

/// What the primary says of term `number` that goes by this version of its grant.
pub(super) fn leads(name: &str, number: u64, version: u64) -> Renewal {
    let epoch = epoch(number, name);
    Renewal { epoch: Some(epoch), grant: Some(GrantId { epoch, version }), ..said(name) }
}

pub(super) fn holds(renewal: Renewal, of: &str, seq: u64) -> Renewal {
    let held = Held { pop: pop(of), store: StoreId([of.as_bytes()[0]; 16]), seq: Seq(seq) };
    Renewal { held: vec![held], ..renewal }
}

/// HQ, with a disk that takes what it is given at once unless told otherwise.
pub(super) struct Hq {
    pub(super) control: Control,
    pub(super) rows: BTreeMap<ClusterName, Row>,
    pub(super) is_disk_slow: bool,
    pub(super) is_disk_full: bool,
    pub(super) events: Vec<Event>,
    pub(super) woken: Vec<PopId>,
    pub(super) answers: BTreeMap<OpId, Answer>,
    pub(super) overtaken: Vec<OpId>,
    pub(super) switched: BTreeMap<OpId, Result<Epoch, NotSwitched>>,
    pub(super) keeps: Vec<OpId>,
    pub(super) failback_ms: Option<u64>,
    pub(super) unheard: Vec<PopId>,
    next_op: u64,
}

impl Hq {
    /// HQ on its very first day, with these POPs registered at 0 ms.
    pub(super) fn first(names: &[&str]) -> Self {
        let mut hq = Self::starting(0, BTreeMap::new(), true);
        names.iter().for_each(|name| hq.register(0, name));
        hq
    }

    pub(super) fn starting(ms: u64, rows: BTreeMap<ClusterName, Row>, is_first: bool) -> Self {
        Self {
            control: control(ms, &rows, &[], is_first, None),
            rows,
            is_disk_slow: false,
            is_disk_full: false,
            events: vec![],
            woken: vec![],
            answers: BTreeMap::new(),
            overtaken: vec![],
            switched: BTreeMap::new(),
            keeps: vec![],
            failback_ms: None,
            unheard: vec![],
            next_op: 0,
        }
    }

    /// HQ as it comes back with what is on disk.
    pub(super) fn restart(&mut self, ms: u64) {
        self.control = control(ms, &self.rows, &self.unheard, false, self.failback_ms);
        self.events.clear();
        self.woken.clear();
        self.keeps.clear();
    }

    /// Lets time pass, and tells the machine a fact.
    pub(super) fn handle(&mut self, ms: u64, input: Input) {
        self.run(ms);
        self.tell(ms, input);
    }

    /// Tells the machine a fact, whatever it should have been told before.
    pub(super) fn tell(&mut self, ms: u64, input: Input) {
        let mut inputs = vec![input];
        while !inputs.is_empty() {
            let mut out = vec![];
            self.control.handle(Instant::from_ms(ms), inputs.remove(0), &mut out);
            for effect in out {
                match effect {
                    Effect::Answer { op, answer } => {
                        assert!(self.answers.insert(op, answer).is_none(), "answered twice");
                    }
                    Effect::Overtaken { op } => self.overtaken.push(op),
                    Effect::Keep { op, cluster, row } if !self.is_disk_slow => {
                        let is_kept = !self.is_disk_full;
                        if is_kept {
                            self.rows.insert(cluster, row);
                        }
                        inputs.push(Input::Kept { op, is_kept });
                    }
                    Effect::Keep { op, .. } => self.keeps.push(op),
                    Effect::Wake { pop, .. } => self.woken.push(pop),
                    Effect::AnswerSwitchover { op, outcome } => {
                        assert!(self.switched.insert(op, outcome).is_none(), "answered twice");
                    }
                    Effect::Happened { event, .. } => self.events.push(event),
                }
            }
        }
    }

    pub(super) fn register(&mut self, ms: u64, name: &str) {
        self.handle(ms, Input::Registered { cluster: CLUSTER.to_string(), pop: pop(name) });
    }

    pub(super) fn remove(&mut self, ms: u64, name: &str) {
        self.handle(ms, Input::Removed { cluster: CLUSTER.to_string(), pop: pop(name) });
    }

    /// A POP renews; names the question.
    pub(super) fn ask(&mut self, ms: u64, name: &str, renewal: Renewal) -> OpId {
        let op = self.op();
        let (cluster, pop) = (CLUSTER.to_string(), pop(name));
        self.handle(ms, Input::Renewed { op, cluster, pop, renewal });
        op
    }

    /// A POP renews, and is answered at once.
    pub(super) fn renew(&mut self, ms: u64, name: &str, renewal: Renewal) -> Answer {
        let op = self.ask(ms, name, renewal);
        self.answers.remove(&op).expect("an answer")
    }

    /// Lets time pass up to `until_ms`.
    pub(super) fn run(&mut self, until_ms: u64) {
        let until = Instant::from_ms(until_ms);
        while let Some(wake) = self.control.next_wake().filter(|wake| *wake <= until) {
            let ms = wake.ms_since(Instant(0));
            self.tell(ms, Input::Tick);
            assert!(self.control.next_wake() > Some(wake) || self.control.next_wake().is_none());
        }
    }

    pub(super) fn switch(&mut self, ms: u64, to: Option<&str>) -> OpId {
        let op = self.op();
        let (cluster, to) = (CLUSTER.to_string(), to.map(pop));
        self.handle(ms, Input::SwitchoverAsked { op, cluster, to });
        op
    }

    pub(super) fn op(&mut self) -> OpId {
        self.next_op += 1;
        OpId(self.next_op)
    }

    pub(super) fn row(&self) -> &Row {
        &self.rows[CLUSTER]
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// Events but for those of POPs seen and lost.
    pub(super) fn take_deeds(&mut self) -> Vec<Event> {
        let mut events = self.take_events();
        events.retain(|event| !matches!(event, Event::PopSeen(_) | Event::PopLost(_)));
        events
    }

    pub(super) fn state(&self, ms: u64) -> State {
        self.control.views(Instant::from_ms(ms))[0].state
    }
}

fn control(
    ms: u64,
    rows: &BTreeMap<ClusterName, Row>,
    unheard: &[PopId],
    is_first: bool,
    failback_ms: Option<u64>,
) -> Control {
    let clusters = rows.clone();
    let unheard = unheard.iter().map(|pop| (CLUSTER.to_string(), *pop)).collect();
    let start = Start { clusters, unheard, is_first, lease_ms: LEASE_MS, failback_ms };
    Control::new(Instant::from_ms(ms), start)
}

pub(super) fn lead(number: u64, primary: &str, version: u64, names: &[&str]) -> Answer {
    let epoch = epoch(number, primary);
    let grant = Grant { epoch, version, members: members(names), lease_ms: LEASE_MS };
    Answer::Lead { grant, hand_over_to: None }
}

pub(super) fn follow(number: u64, primary: &str) -> Answer {
    Answer::Follow { epoch: Some(epoch(number, primary)) }
}

/// A cluster of `a`, primary in term 1, and `b` and `c`, members by version 2; all renewed at
/// 2,000 ms.
pub(super) fn led() -> Hq {
    let mut hq = Hq::first(&["a", "b", "c"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.renew(100, "b", knows("b", 1, "a"));
    hq.renew(100, "c", knows("c", 1, "a"));
    hq.renew(200, "a", leads("a", 1, 1));
    let answer = hq.renew(2_000, "a", leads("a", 1, 2));
    assert_eq!(answer, lead(1, "a", 2, &["a", "b", "c"]));
    assert_eq!(hq.row().offered, None);
    hq.renew(2_000, "b", holds(knows("b", 1, "a"), "a", 10));
    hq.renew(2_000, "c", holds(knows("c", 1, "a"), "a", 10));
    hq.take_events();
    hq.woken.clear();
    hq
}
