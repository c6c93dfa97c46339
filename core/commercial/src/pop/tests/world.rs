//! Two or three POPs: the machines that servers run, model stores, and a network that loses,
//! duplicates and reorders. One seed decides everything.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use clavitor_core::id::OpId;
use clavitor_core::record::{Key, Record};

use super::super::*;
use super::faults::{Dice, Faults};
use super::server::Server;
use crate::frame::{Ack, Frame, Refusal};
use crate::merge::tests::entry;
use crate::merge::tests::truth::Truth;
use crate::replication::{Answer, Order};

/// More of anything than this is a hot loop.
const EVENTS_MAX: u64 = 100_000;

#[derive(Clone)]
pub(super) enum Event {
    Frame { from: (usize, u32), to: usize, op: OpId, frame: Frame },
    Answer { to: (usize, u32), peer: u8, op: OpId, answer: Answer, epoch: Option<Epoch> },
}

pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) dice: Dice,
    pub(super) faults: Faults,
    /// Directed links on which everything is lost.
    pub(super) cut: BTreeSet<(usize, usize)>,
    pub(super) servers: Vec<Server>,
    pub(super) truth: Truth,
    /// Frames with records, by sender.
    pub(super) data_frames: Vec<u64>,
    pub(super) log: Vec<(usize, Effect)>,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
}

impl World {
    pub(super) fn new(pops: usize, seed: u64) -> Self {
        let mut world = Self {
            now_ms: 1_000,
            dice: Dice::new(seed),
            faults: Faults { delay_ms: 3, ..Faults::default() },
            cut: BTreeSet::new(),
            servers: (0..pops).map(|at| Server::new(at, pops)).collect(),
            truth: Truth::default(),
            data_frames: alloc::vec![0; pops],
            log: Vec::new(),
            events: BTreeMap::new(),
            count: 0,
        };
        (0..pops).for_each(|at| world.start(at));
        world
    }

    pub(super) fn start(&mut self, at: usize) {
        if self.servers[at].machine.is_none() {
            self.servers[at].boot();
            self.input(at, Input::Started);
        }
    }

    pub(super) fn write(&mut self, at: usize, name: &str, is_deletion: bool) {
        if self.servers[at].machine.is_none() {
            return;
        }
        let item = entry(name, is_deletion);
        let key = self.truth.on_write(&mut self.servers[at].site, self.now_ms, item);
        self.servers[at].touch(&key, None);
        self.committed(at, true, Vec::new());
    }

    pub(super) fn promote(&mut self, at: usize) {
        if self.servers[at].machine.is_some() {
            let epoch = Epoch::after(self.servers[at].epoch, self.servers[at].site.pop);
            self.adopt(at, Some(epoch));
        }
    }

    /// A copy of a data directory is put in place long after its server said its last word.
    pub(super) fn forget_words_of(&mut self, at: usize) {
        let servers = &self.servers;
        self.events.retain(|_, event| match event {
            Event::Frame { from, .. } => from.0 != at,
            Event::Answer { to, peer, .. } => servers[to.0].node_of(*peer) != at,
        });
    }

    fn adopt(&mut self, at: usize, epoch: Option<Epoch>) {
        let Some(epoch) = epoch.filter(|epoch| Some(*epoch) > self.servers[at].epoch) else {
            return;
        };
        self.servers[at].epoch = Some(epoch);
        self.input(at, Input::EpochChanged(epoch));
    }

    fn committed(&mut self, at: usize, own: bool, from: Vec<(PopId, StoreId)>) {
        let last = Seq(self.servers[at].last);
        self.input(
            at,
            Input::Committed { last, own, from, waiters: Vec::new(), beaten: Vec::new() },
        );
    }

    pub(super) fn input(&mut self, at: usize, input: Input) {
        let now = Instant::from_ms(self.now_ms);
        let mut out = Vec::new();
        let Some(machine) = &mut self.servers[at].machine else { return };
        machine.handle(now, input, &mut out);
        for effect in out {
            self.perform(at, effect);
        }
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        use replication::Effect as Of;
        let Effect::Peer { peer, effect } = effect else {
            if let Effect::AdoptEpoch(epoch) = effect {
                self.adopt(at, Some(epoch));
            }
            return self.log.push((at, effect));
        };
        let server = &mut self.servers[at];
        match effect {
            Of::SendFrame(order) => self.send(at, peer, &order),
            Of::AdvanceCursor { op, cursor, setbacks } => {
                server.confirm(peer, op, cursor, &setbacks)
            }
            Of::AdoptPeer { pop, store, cursor } => server.adopt_peer(peer, (pop, store), cursor),
            Of::RetrySetbacks => {
                if server.retry_setbacks(peer) {
                    self.committed(at, true, Vec::new());
                }
            }
            Of::Verified => {
                server.known[usize::from(peer)].unverified = None;
                self.input(at, Input::VerificationStored { peer });
            }
            Of::DenyStore { store } => {
                server.denied.insert((peer, store));
                self.log.push((at, Effect::Peer { peer, effect }));
            }
            Of::RolledBack { received } => {
                let last = server.replace_store(received);
                self.input(at, Input::StoreReplaced { last });
            }
            effect @ (Of::CancelFrame { .. } | Of::RaiseAlert(_)) => {
                self.log.push((at, Effect::Peer { peer, effect }));
            }
        }
    }

    fn send(&mut self, at: usize, peer: u8, order: &Order) {
        let (frame, records) = self.servers[at].build(peer, order);
        let built =
            Input::FrameBuilt { peer, op: order.op, to: frame.range.to, records, bytes: 1_000 };
        if order.is_hello || records > 0 {
            self.data_frames[at] += u64::from(records > 0);
            let to = self.servers[at].node_of(peer);
            let from = (at, self.servers[at].process);
            let event = Event::Frame { from, to, op: order.op, frame };
            if self.dice.is_one_in(self.faults.duplicate) {
                self.post(event.clone());
            }
            let is_lost =
                self.dice.is_one_in(self.faults.lost_frame) || self.cut.contains(&(at, to));
            if is_lost {
                self.answer(from, to, order.op, Answer::Unreachable, None);
            } else {
                self.post(event);
            }
        }
        self.input(at, built);
    }

    fn post(&mut self, event: Event) {
        self.count += 1;
        let delay_ms = 1 + self.dice.roll(self.faults.delay_ms.max(1));
        self.events.insert((self.now_ms + delay_ms, self.count), event);
    }

    fn answer(
        &mut self,
        to: (usize, u32),
        of: usize,
        op: OpId,
        answer: Answer,
        epoch: Option<Epoch>,
    ) {
        let peer = self.servers[to.0].peer_of(of);
        // A lost answer is noticed only sometimes; otherwise the machine's own time-out is due.
        let is_lost =
            self.dice.is_one_in(self.faults.lost_answer) || self.cut.contains(&(of, to.0));
        let answer = if is_lost { Answer::Unreachable } else { answer };
        if !is_lost || self.dice.is_one_in(2) {
            self.post(Event::Answer { to, peer, op, answer, epoch });
        }
    }

    fn arrive(&mut self, from: (usize, u32), to: usize, op: OpId, frame: &Frame) {
        if self.servers[to].machine.is_none() {
            return self.answer(from, to, op, Answer::Unreachable, None);
        }
        let peer = self.servers[to].peer_of(from.0);
        let heard = |is_hello| Input::PeerHeard {
            peer,
            store: frame.source.store,
            received: if frame.destination_store.is_some() { frame.received } else { Seq(0) },
            is_hello,
        };
        if let Some(refusal) = self.servers[to].refusal(peer, frame) {
            if refusal == Refusal::Busy {
                self.input(to, heard(true));
            }
            return self.answer(from, to, op, Answer::Refused(refusal), None);
        }
        self.adopt(to, frame.epoch);
        self.input(to, heard(frame.is_hello()));
        for other in &frame.peers {
            let position = Position {
                source: frame.source.pop,
                store: frame.source.store,
                received: other.received,
            };
            self.input(to, Input::PeerCovered { peer: other.peer, store: other.store, position });
        }
        let before = self.servers[to].last;
        let (verdicts, is_own) = self.servers[to].apply(frame, self.faults.is_late);
        if self.servers[to].last > before {
            self.committed(to, is_own, alloc::vec![(frame.source.pop, frame.source.store)]);
        }
        let server = &self.servers[to];
        let ack: Ack = server.ack(frame, verdicts);
        let answer = Answer::Acked(server.acked(frame, ack));
        let epoch = server.epoch;
        self.answer(from, to, op, answer, epoch);
    }

    /// Lets everything happen that is due until then.
    pub(super) fn run_until(&mut self, ms: u64) {
        while self.step(ms) {
            assert!(self.count < EVENTS_MAX, "a hot loop at {} ms", self.now_ms);
        }
        self.now_ms = self.now_ms.max(ms);
    }

    /// Runs until nothing is armed and nothing is on its way; answers when that was.
    pub(super) fn run_to_rest(&mut self, within_ms: u64) -> u64 {
        self.run_until(self.now_ms + within_ms);
        for server in &self.servers {
            let wake = server.machine.as_ref().and_then(Pop::next_wake);
            assert_eq!(wake, None, "{} does not rest", server.site.pop);
        }
        assert!(self.events.is_empty());
        self.now_ms
    }

    fn step(&mut self, until_ms: u64) -> bool {
        let wake = |(at, server): (usize, &Server)| {
            let (wake, _) = server.machine.as_ref()?.next_wake()?;
            Some((wake.ms_since(Instant(0)), at))
        };
        let wake = self.servers.iter().enumerate().filter_map(wake).min();
        let event = self.events.first_key_value().map(|(due, _)| *due);
        let due_ms = wake.map(|due| due.0).into_iter().chain(event.map(|due| due.0)).min();
        let Some(due_ms) = due_ms.filter(|due_ms| *due_ms <= until_ms) else {
            return false;
        };
        self.count += 1;
        self.now_ms = self.now_ms.max(due_ms);
        match (wake, event) {
            (Some((wake_ms, at)), _) if wake_ms == due_ms => {
                self.input(at, Input::Community(community::Input::Tick));
            }
            (_, Some(due)) => match self.events.remove(&due) {
                Some(Event::Frame { from, to, op, frame }) => self.arrive(from, to, op, &frame),
                Some(Event::Answer { to, peer, op, answer, epoch })
                    if self.servers[to.0].process == to.1 =>
                {
                    let report = PeerReport { peer, op, answer, clock: None, epoch };
                    self.input(to.0, Input::FrameAnswered(report));
                }
                Some(Event::Answer { .. }) | None => {}
            },
            _ => {}
        }
        true
    }

    pub(super) fn records(&self, at: usize) -> &BTreeMap<Key, Record> {
        &self.servers[at].site.records
    }
}
