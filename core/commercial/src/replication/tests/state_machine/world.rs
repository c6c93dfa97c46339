//! The rig in a world where requests get lost, come late and come again, and disks are lost.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::super::received::Received;
use super::super::rig::{PEER_STORE, Rig, Sent};
use super::super::*;
use super::model::Wire;

/// The rig, and everything that is on the wire or in a data directory.
pub(super) struct World {
    pub(super) rig: Rig,
    /// Requests that may arrive late, or again.
    wire: Vec<Sent>,
    /// Every cursor that was ordered to be stored, by data directory of the peer.
    cursors: Vec<u64>,
    identity: Option<(PopId, StoreId)>,
    /// What each data directory of the peer ever held: no cursor may pass that.
    holds: BTreeMap<StoreId, BTreeMap<u32, u64>>,
    /// The peer's disk before each frame it took.
    snapshots: Vec<(Received, BTreeMap<u32, u64>)>,
    /// The most that was ever received, by the peer's own word, since the last hello.
    heard: u64,
    next_store: u8,
    /// Whether the peer's disk changed without its saying so.
    pub(super) is_silent_loss: bool,
}

impl World {
    pub(super) fn new(record_bytes: u64) -> Self {
        let mut rig = Rig::new();
        rig.record_bytes = record_bytes;
        Self {
            identity: rig.machine.identity(),
            rig,
            wire: vec![],
            cursors: vec![0],
            holds: [(PEER_STORE, BTreeMap::new())].into(),
            snapshots: vec![],
            heard: 0,
            next_store: 100,
            is_silent_loss: false,
        }
    }

    /// Hands the machine a fact; only a data frame's own ack may move the cursor up, and not beyond
    /// what the peer says it has received.
    pub(super) fn input(&mut self, input: Input) {
        let answered = match &input {
            Input::FrameAnswered { op, answer: Answer::Acked(acked) } => {
                let sent = self.rig.in_flight.iter().find(|sent| sent.order.op == *op);
                sent.map(|sent| (sent.order.is_hello, acked.clone()))
            }
            _ => None,
        };
        if let Input::FrameAnswered { op, .. } = &input {
            self.rig.in_flight.retain(|sent| sent.order.op != *op);
        }
        let (before, identity) = (self.rig.machine.cursor(), self.rig.machine.identity());
        self.rig.input(input.clone());
        if let Some((is_hello, acked)) = &answered {
            self.heard = if *is_hello { 0 } else { self.heard.max(acked.received.0) };
        }
        let cursor = self.rig.machine.cursor();
        if cursor > before {
            let Some((false, acked)) = answered else {
                panic!("{input:?} moved the cursor from {before} to {cursor}")
            };
            assert_eq!(identity, Some((acked.pop, acked.store)), "somebody else's ack counted");
            assert!(cursor.0 <= self.heard, "{cursor} was confirmed, {} received", self.heard);
        }
        self.store_cursors();
        self.remember();
    }

    fn store_cursors(&mut self) {
        for effect in core::mem::take(&mut self.rig.effects) {
            match effect {
                Effect::AdvanceCursor { cursor, .. } => self.cursors.push(cursor.0),
                Effect::AdoptPeer { pop, store, cursor } => {
                    self.identity = Some((pop, store));
                    self.cursors = vec![cursor.0];
                }
                Effect::RolledBack { .. } => panic!("nothing was rolled back"),
                _ => {}
            }
        }
    }

    fn remember(&mut self) {
        for sent in &self.rig.in_flight {
            if !self.wire.iter().any(|known| known.order.op == sent.order.op && known == sent) {
                self.wire.push(sent.clone());
            }
        }
    }

    /// The peer takes a request, as often as it arrives; what it holds never gets older.
    fn arrive(&mut self, sent: &Sent) -> Answer {
        let before = core::mem::take(&mut self.rig.peer_has);
        self.snapshots.push((self.rig.received.clone(), before.clone()));
        let answer = self.rig.apply(sent);
        keep_newest(&mut self.rig.peer_has, &before);
        self.promise();
        answer
    }

    fn promise(&mut self) {
        let held = self.holds.entry(self.rig.peer_store).or_default();
        keep_newest(held, &self.rig.peer_has);
    }

    /// Everything in flight is answered, in order, and so is what follows from it.
    pub(super) fn settle(&mut self) {
        for answers in 0.. {
            assert!(answers < 1_000, "a hot loop");
            let Some(sent) = self.rig.in_flight.first().cloned() else { break };
            let answer = self.arrive(&sent);
            self.answered(&sent, answer);
        }
    }

    pub(super) fn on_wire(&mut self, wire: Wire, at: &prop::sample::Index) {
        if self.rig.in_flight.is_empty() {
            return;
        }
        let sent = self.rig.in_flight[at.index(self.rig.in_flight.len())].clone();
        match wire {
            Wire::Answer => {
                let answer = self.arrive(&sent);
                self.answered(&sent, answer);
            }
            Wire::Arrive => drop(self.arrive(&sent)),
            Wire::LoseRequest => self.answered(&sent, Answer::Unreachable),
            Wire::LoseAnswer => {
                self.arrive(&sent);
                self.answered(&sent, Answer::Unreachable);
            }
            Wire::Misdirect if sent.order.is_hello => {}
            Wire::Misdirect => {
                let Answer::Acked(acked) = self.rig.ack(vec![]) else { unreachable!() };
                let (store, received) = (StoreId([7; 16]), Seq(sent.to));
                let answer = Answer::Acked(Acked { store, received, ..acked });
                self.answered(&sent, answer);
            }
        }
    }

    /// A request of long ago arrives, and perhaps its answer does.
    pub(super) fn late(&mut self, at: &prop::sample::Index) {
        if self.wire.is_empty() {
            return;
        }
        let sent = self.wire[at.index(self.wire.len())].clone();
        let answer = self.arrive(&sent);
        // What a former process asked, nobody can answer to this one.
        let op = sent.order.op;
        let asked = self.rig.in_flight.iter().find(|other| other.order.op == op);
        if asked.is_none_or(|asked| *asked == sent) {
            self.answered(&sent, answer);
        }
    }

    pub(super) fn wait_until(&mut self, ms: u64) {
        self.rig.now_ms = self.rig.now_ms.max(ms);
        self.input(Input::Tick);
    }

    /// When the machine wants to be woken, in milliseconds.
    pub(super) fn wake_ms(&self) -> Option<u64> {
        self.rig.machine.next_wake().map(|(at, _)| at.ms_since(Instant(0)))
    }

    /// The sender gets this answer to a request, whether it waits for one or not.
    fn answered(&mut self, sent: &Sent, answer: Answer) {
        self.input(Input::FrameAnswered { op: sent.order.op, answer });
    }

    /// As after kill -9: what was in flight is forgotten here, and may yet arrive there.
    pub(super) fn restart(&mut self, lost_cursors: u8) {
        let kept = self.cursors.len().saturating_sub(usize::from(lost_cursors)).max(1);
        self.cursors.truncate(kept);
        let cursor = self.cursors.last().copied().unwrap_or(0);
        let owed = |(seq, record): (&u64, &u32)| {
            (*seq > cursor && !self.rig.covered.contains(record)).then_some(*seq)
        };
        let clean_to = self.rig.index.iter().find_map(owed).map_or(self.rig.last, |seq| seq - 1);
        let known = Known {
            identity: self.identity,
            cursor: Seq(cursor),
            clean_to: Seq(clean_to),
            ..Known::default()
        };
        self.rig.machine = Replication::new(3, Window::STANDARD, known, Seq(self.rig.last));
        self.rig.in_flight.clear();
        self.heard = 0;
        self.input(Input::Started);
    }

    pub(super) fn empty_peer(&mut self) {
        self.next_store += 1;
        self.rig.peer_store = StoreId([self.next_store; 16]);
        self.rig.peer_has.clear();
        self.rig.received = Received::default();
        // What the former data directory got from elsewhere, this one did not.
        self.rig.covered.clear();
        self.snapshots.clear();
        self.is_silent_loss = true;
    }

    /// Under the same identity: only what it says it has received tells.
    pub(super) fn forget(&mut self, frames: u8) {
        let at = self.snapshots.len().checked_sub(usize::from(frames));
        let Some((received, held)) = at.map(|at| self.snapshots[at].clone()) else { return };
        let before = core::mem::replace(&mut self.rig.peer_has, held);
        self.rig.received = received;
        // What came from elsewhere is sent again from there.
        let elsewhere = before.into_iter().filter(|(record, _)| self.rig.covered.contains(record));
        keep_newest(&mut self.rig.peer_has, &elsewhere.collect());
        self.is_silent_loss = true;
    }

    pub(super) fn change(&mut self, count: u16, owed: Owed, reaches_peer: bool) {
        let from = self.rig.last + 1;
        self.rig.last += u64::from(count);
        for seq in from..=self.rig.last {
            let record = u32::try_from(seq).unwrap();
            self.rig.index.insert(seq, record);
            if reaches_peer {
                self.rig.covered.insert(record);
                self.rig.peer_has.insert(record, seq);
            }
        }
        self.promise();
        self.input(Input::Committed { last: Seq(self.rig.last), owed });
    }

    pub(super) fn rewrite(&mut self, record: u32) {
        self.rig.covered.remove(&record);
        self.rig.index.retain(|_, known| *known != record);
        self.rig.last += 1;
        self.rig.index.insert(self.rig.last, record);
        self.input(Input::Committed { last: Seq(self.rig.last), owed: Owed::Now });
    }

    /// Whatever is at or below the cursor is with the data directory that the cursor is about.
    pub(super) fn assert_cursor_is_true(&self) {
        let Some((_, store)) = self.rig.machine.identity() else { return };
        let none = BTreeMap::new();
        let holds = self.holds.get(&store).unwrap_or(&none);
        let confirmed = self.rig.index.range(..=self.rig.machine.cursor().0);
        for (seq, record) in confirmed {
            let held = holds.get(record);
            assert!(held >= Some(seq), "record {record} is confirmed up to {seq}, and not there");
        }
    }

    pub(super) fn assert_window_is_kept(&self) {
        let in_flight = &self.rig.in_flight;
        let bytes: u64 = in_flight
            .iter()
            .map(|sent| 500 + self.rig.record_bytes * sent.records.len() as u64)
            .sum();
        assert!(in_flight.len() <= 8 && (in_flight.len() <= 1 || bytes <= 16 * 1024 * 1024));
        let mut ranges: Vec<(u64, u64)> = in_flight
            .iter()
            .filter(|sent| !sent.order.is_hello)
            .map(|sent| (sent.order.after.0, sent.to))
            .collect();
        ranges.sort_unstable();
        let overlap = ranges.windows(2).any(|pair| pair[0].1 > pair[1].0);
        assert!(!overlap, "ranges in flight overlap: {ranges:?}");
        let cursor = self.rig.machine.cursor().0;
        let is_passed = ranges.first().is_some_and(|(after, _)| *after < cursor);
        assert!(!is_passed, "the cursor {cursor} passed a frame in flight: {ranges:?}");
    }

    /// Nothing is owed: nothing is armed, but for a hello to somebody who was heard.
    pub(super) fn assert_rest_is_rest(&self) {
        let machine = &self.rig.machine;
        let is_done = machine.view(self.rig.now()).settled_to == Seq(self.rig.last);
        if is_done && self.rig.in_flight.is_empty() && self.rig.state() == State::Idle {
            let wake = machine.next_wake().filter(|(_, why)| why.0 != "hello");
            assert_eq!(wake, None, "nothing is owed");
        }
    }
}

fn keep_newest(held: &mut BTreeMap<u32, u64>, other: &BTreeMap<u32, u64>) {
    for (record, seq) in other {
        let newest = held.entry(*record).or_default();
        *newest = (*newest).max(*seq);
    }
}
