//! A tiny store behind one machine, and a scripted peer that takes or refuses its frames.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::record::RecordId;

use super::super::*;
use super::pop;
use super::received::Received;
use crate::frame::{RECORDS_MAX, Refusal, Verdict};

/// A frame on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) at_ms: u64,
    pub(super) order: Order,
    pub(super) to: u64,
    /// Sequence number and name of each record.
    pub(super) records: Vec<(u64, u32)>,
}

/// What the peer does with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Takes them.
    Up,
    /// Is not there.
    Down,
    /// Never answers.
    Silent,
    /// Refuses them.
    Refusing(Refusal),
}

pub(super) struct Rig {
    pub(super) machine: Replication,
    pub(super) now_ms: u64,
    pub(super) last: u64,
    /// The newest sequence number of each record, and nothing else.
    pub(super) index: BTreeMap<u64, u32>,
    pub(super) record_bytes: u64,
    /// Records that the peer got from their source.
    pub(super) covered: BTreeSet<u32>,
    pub(super) mood: Mood,
    pub(super) peer_store: StoreId,
    pub(super) received: Received,
    pub(super) peer_has: BTreeMap<u32, u64>,
    /// Records that the peer could not take.
    kept: BTreeSet<u32>,
    /// Records that the peer cannot take.
    pub(super) poison: BTreeSet<u32>,
    /// Whether records that the peer could not take are left for the test to give new numbers.
    pub(super) is_store_slow: bool,
    pub(super) in_flight: Vec<Sent>,
    pub(super) sent: Vec<Sent>,
    pub(super) effects: Vec<Effect>,
}

pub(super) const PEER_STORE: StoreId = StoreId([2; 16]);

impl Rig {
    /// A peer that is known, up and owed nothing; the hellos of the start are done.
    pub(super) fn new() -> Self {
        let mut rig =
            Self::booting(Known { identity: Some((pop("b"), PEER_STORE)), ..Known::default() }, 0);
        rig.input(Input::Started);
        rig.settle();
        rig.sent.clear();
        rig.effects.clear();
        rig
    }

    /// A machine of a server that has `last` records and has just been started.
    pub(super) fn booting(known: Known, last: u64) -> Self {
        Self {
            received: Received::up_to(known.cursor.0),
            machine: Replication::new(3, Window::STANDARD, known, Seq(last)),
            now_ms: 0,
            last,
            index: (1..=last).map(|seq| (seq, seq as u32)).collect(),
            record_bytes: 100,
            covered: BTreeSet::new(),
            mood: Mood::Up,
            peer_store: PEER_STORE,
            peer_has: BTreeMap::new(),
            kept: BTreeSet::new(),
            poison: BTreeSet::new(),
            is_store_slow: false,
            in_flight: vec![],
            sent: vec![],
            effects: vec![],
        }
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_ms(self.now_ms)
    }

    pub(super) fn input(&mut self, input: Input) {
        let (mut out, mut is_to_store) = (Vec::new(), false);
        self.machine.handle(self.now(), input, &mut out);
        for effect in out {
            match effect {
                Effect::SendFrame(order) => self.send(order),
                Effect::CancelFrame { op } => self.in_flight.retain(|sent| sent.order.op != op),
                Effect::RetrySetbacks => {
                    self.effects.push(Effect::RetrySetbacks);
                    let kept = core::mem::take(&mut self.kept);
                    let kept = kept.into_iter().filter(|_| !self.is_store_slow);
                    kept.collect::<Vec<_>>().into_iter().for_each(|record| self.rewrite(record));
                }
                effect => {
                    if let Effect::AdvanceCursor { op, setbacks, .. } = &effect {
                        self.keep(*op, setbacks);
                    }
                    is_to_store |= effect == Effect::Verified;
                    self.effects.push(effect);
                }
            }
        }
        if is_to_store && !self.is_store_slow {
            self.input(Input::VerificationStored);
        }
        let wake = self.machine.next_wake().map(|(at, _)| at);
        assert!(wake.is_none_or(|at| at > self.now()), "a wake that is due was not dealt with");
    }

    /// The store keeps what the peer could not take.
    fn keep(&mut self, op: OpId, setbacks: &[u32]) {
        let sent = self.sent.iter().find(|sent| sent.order.op == op);
        let record = |at: &u32| sent.map(|sent| sent.records[*at as usize].1);
        self.kept.extend(setbacks.iter().filter_map(record));
    }

    fn send(&mut self, order: Order) {
        let (from, upto) = (order.read_after.0 + 1, order.upto.0);
        let dirty = self.index.iter().map(|(seq, record)| (*seq, *record));
        let owed = dirty.filter(|(seq, record)| {
            !order.is_hello && (from..=upto).contains(seq) && !self.covered.contains(record)
        });
        let records: Vec<(u64, u32)> = owed.take(RECORDS_MAX).collect();
        let to = match records.last() {
            _ if order.is_hello => order.after.0,
            Some((seq, _)) if records.len() == RECORDS_MAX => *seq,
            _ => order.upto.0,
        };
        let built = Input::FrameBuilt {
            op: order.op,
            to: Seq(to),
            records: records.len() as u32,
            bytes: 500 + self.record_bytes * records.len() as u64,
        };
        if order.is_hello || !records.is_empty() {
            let sent = Sent { at_ms: self.now_ms, order, to, records };
            self.sent.push(sent.clone());
            self.in_flight.push(sent);
        }
        self.input(built);
    }

    /// What the peer does with the frame, and says.
    pub(super) fn apply(&mut self, sent: &Sent) -> Answer {
        let is_other = sent.order.identity.is_some_and(|(_, store)| store != self.peer_store);
        if is_other {
            return Answer::Refused(Refusal::Store);
        }
        let is_covered = self.received.is_covered(sent.order.after.0, sent.to);
        let mut verdicts = Vec::new();
        for (seq, record) in &sent.records {
            let verdict = if self.poison.contains(record) {
                Verdict::Rejected
            } else if is_covered {
                Verdict::Already
            } else {
                self.peer_has.insert(*record, *seq);
                Verdict::Applied
            };
            verdicts.push(record_verdict(*record, verdict));
        }
        if !sent.order.is_hello {
            self.received.add(sent.order.after.0, sent.to);
        }
        self.ack(verdicts)
    }

    pub(super) fn ack(&self, verdicts: Vec<RecordVerdict>) -> Answer {
        Answer::Acked(Acked {
            pop: pop("b"),
            store: self.peer_store,
            received: Seq(self.received.prefix),
            verdicts,
            positions: vec![],
            is_complete: false,
            at: UnixTime(self.now_ms),
        })
    }

    /// Answers the frame that was sent as the `at`th of those in flight.
    pub(super) fn answer(&mut self, at: usize) {
        let sent = self.in_flight.remove(at);
        let answer = match self.mood {
            Mood::Up => self.apply(&sent),
            Mood::Down => Answer::Unreachable,
            Mood::Refusing(refusal) => Answer::Refused(refusal),
            Mood::Silent => return,
        };
        self.input(Input::FrameAnswered { op: sent.order.op, answer });
    }

    /// Answers, in order, whatever is in flight.
    pub(super) fn settle(&mut self) {
        for answers in 0.. {
            assert!(answers < 1_000, "a hot loop");
            if self.in_flight.is_empty() {
                break;
            }
            self.answer(0);
        }
    }

    pub(super) fn committed(&mut self, owed: Owed) {
        self.input(Input::Committed { last: Seq(self.last), owed });
    }

    /// A client writes so many new records in one transaction.
    pub(super) fn write(&mut self, count: u64) {
        self.change(count, Owed::Now);
    }

    /// So many records change in one transaction.
    pub(super) fn change(&mut self, count: u64, owed: Owed) {
        let seqs = self.last + 1..=self.last + count;
        self.index.extend(seqs.map(|seq| (seq, seq as u32)));
        self.last += count;
        self.committed(owed);
    }

    pub(super) fn rewrite(&mut self, record: u32) {
        self.index.retain(|_, known| *known != record);
        self.last += 1;
        self.index.insert(self.last, record);
        self.committed(Owed::Now);
    }

    /// Lets time pass; the machine is woken exactly when it wants to be.
    pub(super) fn advance_to(&mut self, ms: u64) {
        while let Some((at, _)) =
            self.machine.next_wake().filter(|(at, _)| *at <= Instant::from_ms(ms))
        {
            self.now_ms = at.ms_since(Instant(0));
            self.input(Input::Tick);
            self.settle();
        }
        self.now_ms = ms;
    }

    pub(super) fn hears(&mut self, store: StoreId, is_hello: bool) {
        let received = Seq(self.received.prefix);
        self.input(Input::PeerHeard { store, received, is_hello });
    }

    pub(super) fn state(&self) -> State {
        self.machine.view(self.now()).state
    }

    /// When frames left, in milliseconds.
    pub(super) fn tries(&self) -> Vec<u64> {
        self.sent.iter().map(|sent| sent.at_ms).collect()
    }

    /// How many records each data frame carried.
    pub(super) fn sizes(&self) -> Vec<usize> {
        let data = self.sent.iter().filter(|sent| !sent.order.is_hello);
        data.map(|sent| sent.records.len()).collect()
    }

    /// Everything is with the peer, and nothing is armed.
    pub(super) fn assert_done(&self) {
        assert_eq!(self.machine.next_wake(), None);
        assert_eq!(self.state(), State::Idle);
        assert_eq!(self.machine.cursor(), Seq(self.last));
        let owed: BTreeMap<u32, u64> =
            self.index.iter().map(|(seq, record)| (*record, *seq)).collect();
        assert_eq!(self.peer_has, owed);
    }
}

pub(super) fn record_verdict(record: u32, verdict: Verdict) -> RecordVerdict {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&record.to_le_bytes());
    RecordVerdict {
        record: RecordId(id),
        hlc: Hlc { ms: 1, counter: record, pop: pop("a") },
        verdict,
    }
}
