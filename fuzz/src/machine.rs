//! The replication machine under whatever may happen to it.

use std::collections::BTreeMap;

use clavitor_commercial::frame::FRAME_BYTES_MAX;
use clavitor_commercial::replication::{Answer, Effect, Input, Order, Owed, Replication, Window};
use clavitor_core::codec;
use clavitor_core::id::{OpId, Seq};
use clavitor_core::time::{Instant, UnixTime};

use crate::reader::Reader;
use crate::values;

/// Enough for the longest story worth telling, and no more than a moment's work.
const STEPS_MAX: usize = 512;

/// What one input may bring about: cancelling a full window, and a few orders.
const EFFECTS_MAX: usize = 16;

/// A frame that was ordered and neither answered nor cancelled.
struct Flying {
    order: Order,
    built: Option<Built>,
}

#[derive(Clone, Copy)]
struct Built {
    to: Seq,
    bytes: u64,
}

/// The machine, and what its driver knows.
struct Driver {
    machine: Replication,
    window: Window,
    now: Instant,
    last: Seq,
    flying: BTreeMap<OpId, Flying>,
    newest_op: OpId,
    /// The most that was received, by the peer's own word, since it last answered a hello.
    heard: Seq,
    is_rolled_back: bool,
    is_to_store: bool,
}

/// Starts a machine and tells it facts drawn from the bytes, likely ones and lies; what it orders
/// is counted against its window, its cursor against what was acked.
pub fn replication_machine(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut driver = Driver::new(&mut reader);
    for _ in 0..STEPS_MAX {
        if reader.is_empty() {
            break;
        }
        let input = driver.draw(&mut reader);
        driver.handle(input);
    }
    driver.check_checkpoint();
}

impl Driver {
    fn new(reader: &mut Reader<'_>) -> Self {
        let last = values::seq(reader);
        let window = match reader.flag() {
            true => Window::STANDARD,
            false => Window { frames: u32::from(reader.byte() % 9), bytes: reader.number() },
        };
        let known = values::known(reader);
        let peer = reader.byte() % 16;
        Self {
            heard: known.cursor,
            machine: Replication::new(peer, window, known, last),
            window,
            now: Instant(0),
            last,
            flying: BTreeMap::new(),
            newest_op: OpId(0),
            is_rolled_back: false,
            is_to_store: false,
        }
    }

    fn draw(&mut self, reader: &mut Reader<'_>) -> Input {
        match reader.byte() % 16 {
            0 => self.time_passes(u64::from(reader.u32())),
            1 | 2 => {
                let wake = self.machine.next_wake().map(|(at, _)| at);
                self.now = wake.unwrap_or(self.now);
                Input::Tick
            }
            3 | 4 => self.committed(reader),
            5..=7 => self.built(reader),
            8..=10 => self.answered(reader),
            11 => self.peer_heard(reader),
            12 => Input::Covered(values::position(reader)),
            13 => self.store_replaced(reader),
            14 => Input::FrameAnswered {
                op: self.any_op(reader),
                answer: Answer::Acked(values::acked(reader)),
            },
            _ => match reader.byte() % 3 {
                0 => Input::Started,
                1 => Input::EpochChanged,
                _ => Input::Resumed,
            },
        }
    }

    fn time_passes(&mut self, ms: u64) -> Input {
        self.now = self.now.plus_ms(ms);
        Input::Tick
    }

    fn committed(&mut self, reader: &mut Reader<'_>) -> Input {
        self.last = Seq((self.last.0 + u64::from(reader.byte())).min(u64::MAX / 2));
        let all = [Owed::Now, Owed::Later, Owed::Not];
        let owed = reader.pick(&all).unwrap_or(Owed::Now);
        // Facts may overtake each other.
        let last = if reader.flag() { self.last } else { values::seq(reader).min(self.last) };
        Input::Committed { last, owed }
    }

    /// The frame that waits to be built, at any length it may have; or one nobody knows.
    fn built(&mut self, reader: &mut Reader<'_>) -> Input {
        let waiting = self.flying.iter().find(|(_, flying)| flying.built.is_none());
        let Some((op, order)) = waiting.map(|(op, flying)| (*op, &flying.order)) else {
            let op = self.any_op(reader);
            let built = Input::FrameBuilt { op, to: values::seq(reader), records: 1, bytes: 1 };
            return built;
        };
        let from = order.read_after.0;
        let to = match order.is_hello {
            true => order.after,
            // It always gets further: at least one record, or none that is owed.
            false => Seq(from.saturating_add(reader.number().max(1)).min(order.upto.0)),
        };
        let records = if order.is_hello { 0 } else { u32::from(reader.byte() % 101) };
        let bytes = u64::from(reader.u32()).min(FRAME_BYTES_MAX as u64);
        Input::FrameBuilt { op, to, records, bytes }
    }

    /// What a sound peer answers, or that it does not.
    fn answered(&mut self, reader: &mut Reader<'_>) -> Input {
        let op = self.any_op(reader);
        let Some(flying) = self.flying.get(&op).filter(|_| reader.mostly(4)) else {
            return Input::FrameAnswered { op, answer: values::failure(reader) };
        };
        let mut acked = values::acked(reader);
        if let Some((pop, store)) = flying.order.identity.filter(|_| reader.mostly(8)) {
            (acked.pop, acked.store) = (pop, store);
        }
        if reader.mostly(8) {
            let to = flying.built.map_or(flying.order.after, |built| built.to);
            acked.received = if flying.order.is_hello { self.machine.cursor() } else { to };
        }
        acked.at = UnixTime(self.now.0);
        Input::FrameAnswered { op, answer: Answer::Acked(acked) }
    }

    fn peer_heard(&mut self, reader: &mut Reader<'_>) -> Input {
        Input::PeerHeard {
            store: values::store(reader),
            received: values::seq(reader),
            is_hello: reader.flag(),
        }
    }

    fn store_replaced(&mut self, reader: &mut Reader<'_>) -> Input {
        self.last = Seq(self.last.0.max(values::seq(reader).0));
        Input::StoreReplaced { last: self.last }
    }

    /// Mostly one that is under way.
    fn any_op(&self, reader: &mut Reader<'_>) -> OpId {
        let known: Vec<OpId> = self.flying.keys().copied().collect();
        match reader.pick(&known) {
            Some(op) => op,
            None => OpId(reader.number()),
        }
    }

    fn handle(&mut self, input: Input) {
        let before = self.machine.cursor();
        let mut out = Vec::new();
        self.note(&input);
        self.machine.handle(self.now, input.clone(), &mut out);
        assert!(out.len() <= EFFECTS_MAX, "{} effects of {input:?}", out.len());
        for effect in out {
            self.perform(&input, effect);
        }
        if std::mem::take(&mut self.is_to_store) {
            self.handle(Input::VerificationStored);
        }
        let cursor = self.machine.cursor();
        let is_ack = matches!(&input, Input::FrameAnswered { answer: Answer::Acked(_), .. });
        assert!(cursor <= before || is_ack, "{input:?} moved the cursor from {before} to {cursor}");
        assert!(cursor <= before || cursor <= self.heard, "the peer has not received that much");
        let wake = self.machine.next_wake();
        assert!(wake.is_none_or(|(at, _)| at > self.now), "{wake:?} is due after {input:?}");
        let view = self.machine.view(self.now);
        assert_eq!(view.acked, cursor);
        assert!(view.settled_to >= cursor, "what was confirmed is settled");
        let frames = usize::try_from(self.window.frames.max(1)).unwrap_or(usize::MAX);
        assert!(self.flying.len() <= frames, "more in flight than the window takes");
    }

    /// What the driver itself knows of an input before the machine does.
    fn note(&mut self, input: &Input) {
        match input {
            Input::FrameBuilt { op, to, records, bytes } => {
                let Some(flying) = self.flying.get_mut(op).filter(|it| it.built.is_none()) else {
                    return;
                };
                flying.built = Some(Built { to: *to, bytes: *bytes });
                if !flying.order.is_hello && *records == 0 {
                    self.flying.remove(op);
                }
            }
            Input::FrameAnswered { op, answer } => {
                let flying = self.flying.remove(op);
                if let (Some(flying), Answer::Acked(acked)) = (flying, answer) {
                    let before = if flying.order.is_hello { Seq(0) } else { self.heard };
                    self.heard = before.max(acked.received);
                }
            }
            Input::StoreReplaced { .. } => self.is_rolled_back = false,
            _ => {}
        }
    }

    fn perform(&mut self, input: &Input, effect: Effect) {
        match effect {
            Effect::SendFrame(order) => self.ordered(order),
            Effect::CancelFrame { op } => drop(self.flying.remove(&op)),
            Effect::AdvanceCursor { op, cursor, .. } => {
                let is_its_ack =
                    matches!(input, Input::FrameAnswered { op: answered, .. } if *answered == op);
                assert!(is_its_ack, "a cursor is stored because its own frame was acked");
                assert_eq!(cursor, self.machine.cursor());
            }
            Effect::AdoptPeer { cursor, .. } => assert_eq!(cursor, self.machine.cursor()),
            Effect::RolledBack { received } => {
                assert_eq!(self.heard, received.max(self.heard));
                self.is_rolled_back = true;
            }
            Effect::RaiseAlert(alert) => {
                assert!(!alert.to_string().contains(char::is_control));
            }
            Effect::Verified => self.is_to_store = true,
            Effect::DenyStore { .. } | Effect::RetrySetbacks => {}
        }
    }

    fn ordered(&mut self, order: Order) {
        assert!(!self.is_rolled_back, "nothing is sent before a new identity");
        assert!(order.op > self.newest_op, "an order has a name of its own");
        self.newest_op = order.op;
        if !order.is_hello {
            assert!(order.after <= order.read_after && order.read_after < order.upto);
            assert!(order.upto <= self.last, "what is not committed is not ordered");
        }
        assert!(self.flying.values().all(|it| it.built.is_some()), "frames are built one by one");
        let bytes = self.flying.values().filter_map(|it| it.built).map(|it| it.bytes).sum::<u64>();
        let fits = bytes.saturating_add(FRAME_BYTES_MAX as u64) <= self.window.bytes;
        assert!(self.flying.is_empty() || fits, "more bytes in flight than the window takes");
        self.flying.insert(order.op, Flying { order, built: None });
    }

    /// A machine read back from its checkpoint goes on as if nothing had happened.
    fn check_checkpoint(&mut self) {
        let bytes = codec::encode(&self.machine);
        let mut restored: Replication = codec::decode(&bytes).expect("a checkpoint of our own");
        assert_eq!(restored, self.machine);
        let (mut out, mut again) = (Vec::new(), Vec::new());
        self.machine.handle(self.now, Input::Started, &mut out);
        restored.handle(self.now, Input::Started, &mut again);
        assert_eq!((out, &self.machine), (again, &restored));
    }
}
