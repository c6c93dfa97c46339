//! The whole machine of a POP, of either edition, under whatever may happen to it.

use std::collections::BTreeMap;

use clavitor_commercial::alerts::{self, Item, Outcome};
use clavitor_commercial::lease;
use clavitor_commercial::pop::{Boot, CommercialPop, Effect, Input, PeerReport};
use clavitor_commercial::replication::{self, Answer, Order, Window};
use clavitor_commercial::skew::Clocks;
use clavitor_commercial::waiters::Waiter;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec;
use clavitor_core::id::{OpId, Seq};
use clavitor_core::pop::{self as community, CommunityPop, Pop};
use clavitor_core::time::{Instant, UnixTime};

use crate::leases::Orders;
use crate::reader::Reader;
use crate::values;

const STEPS_MAX: usize = 512;

/// What one input may bring about per peer, waiting clients apart.
const EFFECTS_MAX: usize = 20;

/// Starts the POPs of both editions and tells them facts drawn from the bytes, likely ones and
/// lies: they end once, answer a waiting client once, never ask for a moment that has passed, and
/// a machine read back from its checkpoint is the same machine.
pub fn pop_machine(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut driver = Driver::new(&mut reader);
    for _ in 0..STEPS_MAX {
        if reader.is_empty() {
            break;
        }
        let input = driver.draw(&mut reader);
        driver.handle(input);
    }
    let checkpoint = codec::encode(&driver.pop);
    assert_eq!(codec::decode::<CommercialPop>(&checkpoint).as_ref(), Ok(&driver.pop));
    let checkpoint = codec::encode(&driver.alone);
    assert_eq!(codec::decode::<CommunityPop>(&checkpoint).as_ref(), Ok(&driver.alone));
}

struct Driver {
    pop: CommercialPop,
    alone: CommunityPop,
    now: Instant,
    last: Seq,
    peers: usize,
    flying: BTreeMap<(u8, OpId), Order>,
    waiting: BTreeMap<OpId, Waiter>,
    next_waiter: u64,
    keeping: Option<OpId>,
    posting: Option<OpId>,
    /// What was sent under each key.
    offered: BTreeMap<[u8; 16], Item>,
    is_leaving: bool,
    exits: usize,
    lonely_exits: usize,
    orders: Orders,
}

impl Driver {
    fn new(reader: &mut Reader<'_>) -> Self {
        let last = values::seq(reader);
        let pop = values::pop(reader);
        let boot = Boot {
            pop,
            epoch: values::epoch(reader),
            last,
            peers: reader.list(4, values::known),
            window: Window::STANDARD,
            is_imported: reader.flag(),
            alerts: alerts::Start { is_routed: true, ..alerts::Start::default() },
            lease: lease::Start { has_hq: reader.flag(), ..lease::Start::without_hq(pop) },
        };
        Self {
            now: Instant::from_ms(u64::from(reader.u32())),
            last,
            peers: boot.peers.len(),
            pop: CommercialPop::new(boot),
            alone: CommunityPop::default(),
            flying: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_waiter: 0,
            keeping: None,
            posting: None,
            offered: BTreeMap::new(),
            is_leaving: false,
            exits: 0,
            lonely_exits: 0,
            orders: Orders::default(),
        }
    }

    fn draw(&mut self, reader: &mut Reader<'_>) -> Input {
        match reader.byte() % 16 {
            0 => {
                self.now = self.now.plus_ms(u64::from(reader.u32()));
                Input::Community(community::Input::Tick)
            }
            1 | 2 => {
                let wake = self.pop.next_wake().map(|(at, _)| at);
                self.now = self.now.max(wake.unwrap_or(self.now));
                Input::Community(community::Input::Tick)
            }
            3 | 4 => self.committed(reader),
            5..=7 => self.built(reader),
            8..=10 => Input::FrameAnswered(self.report(reader)),
            11 => Input::PeerHeard {
                peer: reader.byte() % 6,
                store: values::store(reader),
                received: values::seq(reader),
                is_hello: reader.flag(),
            },
            12 => Input::PeerCovered {
                peer: values::pop(reader),
                store: values::store(reader),
                position: values::position(reader),
            },
            13 => self.rare(reader),
            14 => community_input(reader).into(),
            _ => Input::Started,
        }
    }

    fn committed(&mut self, reader: &mut Reader<'_>) -> Input {
        self.last = Seq((self.last.0 + u64::from(reader.byte())).min(u64::MAX / 2));
        let own = reader.flag();
        let from = reader.list(3, |reader| (values::pop(reader), values::store(reader)));
        let mut next = self.next_waiter;
        let waiters = reader.list(8, |reader| {
            next += 1;
            let (record, hlc) = (values::record_id(reader), values::hlc(reader));
            Waiter { op: OpId(next), record, hlc }
        });
        self.next_waiter = next;
        self.waiting.extend(waiters.iter().map(|waiter| (waiter.op, *waiter)));
        let beaten = reader.list(4, |reader| (values::record_id(reader), values::hlc(reader)));
        Input::Committed { last: self.last, own, from, waiters, beaten }
    }

    /// The oldest frame that is under way, at any length it may have, again and again.
    fn built(&mut self, reader: &mut Reader<'_>) -> Input {
        let known: Vec<(u8, OpId)> = self.flying.keys().copied().collect();
        let (peer, op) = reader.pick(&known).unwrap_or((reader.byte(), OpId(reader.number())));
        let order = self.flying.get(&(peer, op));
        let (from, upto) = order.map_or((0, 0), |order| (order.read_after.0, order.upto.0));
        let is_hello = order.is_some_and(|order| order.is_hello);
        let to = match is_hello {
            true => order.map_or(Seq(0), |order| order.after),
            // It always gets further: at least one record, or none that is owed.
            false => Seq(from.saturating_add(reader.number().max(1)).min(upto)),
        };
        let records = if is_hello { 0 } else { u32::from(reader.byte() % 101) };
        Input::FrameBuilt { peer, op, to, records, bytes: u64::from(reader.u32() % 8_388_608) }
    }

    fn report(&mut self, reader: &mut Reader<'_>) -> PeerReport {
        let known: Vec<(u8, OpId)> = self.flying.keys().copied().collect();
        let (peer, op) = reader.pick(&known).unwrap_or((reader.byte(), OpId(reader.number())));
        let mut acked = values::acked(reader);
        if let Some(order) = self.flying.get(&(peer, op)) {
            if let Some((pop, store)) = order.identity.filter(|_| reader.mostly(8)) {
                (acked.pop, acked.store) = (pop, store);
            }
            if reader.mostly(8) {
                acked.received = if order.is_hello { Seq(0) } else { order.upto };
            }
        }
        let answer = match reader.byte() % 4 {
            0 => values::failure(reader),
            _ => Answer::Acked(acked),
        };
        let clocks = |reader: &mut Reader<'_>| Clocks {
            peer: UnixTime(reader.number()),
            own: UnixTime(reader.number()),
        };
        let clock = reader.flag().then(|| clocks(reader));
        PeerReport { peer, op, answer, clock, epoch: values::epoch(reader) }
    }

    fn rare(&mut self, reader: &mut Reader<'_>) -> Input {
        match reader.byte() % 8 {
            0 if reader.flag() => Input::VerificationStored { peer: reader.byte() % 6 },
            0 => Input::PeerComplete { peer: reader.byte() % 6 },
            1 => values::epoch(reader).map_or(Input::Resumed, Input::EpochChanged),
            2 => {
                self.last = self.last.max(values::seq(reader));
                Input::StoreReplaced { last: self.last }
            }
            3 if reader.flag() => Input::AlertsDropped { count: reader.byte().into() },
            3 => Input::Lease(self.orders.draw(reader)),
            4 | 5 => self.kept(reader),
            _ => self.posted(reader),
        }
    }

    fn kept(&self, reader: &mut Reader<'_>) -> Input {
        let op = self.keeping.unwrap_or(OpId(reader.number()));
        let at = UnixTime(reader.number());
        if reader.mostly(4) {
            return Input::AlertsKept { op, at };
        }
        Input::AlertsUnkept { op, at, is_full: reader.flag() }
    }

    fn posted(&self, reader: &mut Reader<'_>) -> Input {
        let op = self.posting.unwrap_or(OpId(reader.number()));
        let status = reader.flag().then(|| 100 + 2 * u16::from(reader.byte()));
        Input::AlertPosted { op, outcome: Outcome::of_status(status) }
    }

    fn handle(&mut self, input: Input) {
        let mut out = Vec::new();
        let waiting = self.waiting.len();
        self.is_leaving |= input == Input::Community(community::Input::ShutdownRequested);
        self.pop.handle(self.now, input.clone(), &mut out);
        let most = EFFECTS_MAX * (self.peers + 1) + waiting;
        assert!(out.len() <= most, "{} effects of {input:?}", out.len());
        match &input {
            Input::FrameAnswered(report) => {
                self.flying.remove(&(report.peer, report.op));
            }
            Input::AlertsKept { op, .. } | Input::AlertsUnkept { op, .. } => {
                self.keeping.take_if(|keeping| keeping == op);
            }
            Input::AlertPosted { op, .. } => drop(self.posting.take_if(|posting| posting == op)),
            _ => {}
        }
        out.into_iter().for_each(|effect| self.perform(effect));
        assert!(self.exits <= 1, "the process ends once");
        if input == Input::Community(community::Input::Tick) {
            let wake = self.pop.next_wake();
            assert!(wake.is_none_or(|(at, _)| at > self.now), "{wake:?} is due");
        }
        assert_eq!(self.pop.peers(self.now).len(), self.peers);
        if let Input::Community(input) = input {
            self.handle_alone(input);
        }
    }

    fn handle_alone(&mut self, input: community::Input) {
        let mut out = Vec::new();
        let is_tick = input == community::Input::Tick;
        self.alone.handle(self.now, input, &mut out);
        assert!(out.len() <= 3);
        let exits = out.iter().filter(|effect| **effect == community::Effect::Exit).count();
        self.lonely_exits += exits;
        assert!(self.lonely_exits <= 1, "the process ends once");
        let wake = self.alone.next_wake();
        assert!(!is_tick || wake.is_none_or(|(at, _)| at > self.now), "{wake:?} is due");
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Peer { peer, effect: replication::Effect::SendFrame(order) } => {
                self.flying.insert((peer, order.op), order);
            }
            Effect::Peer { peer, effect: replication::Effect::CancelFrame { op } } => {
                self.flying.remove(&(peer, op));
            }
            Effect::Release(release) => {
                let waiter = self.waiting.remove(&release.op);
                assert!(waiter.is_some(), "a client that waits is answered once");
            }
            Effect::Community(community::Effect::Exit) => self.exits += 1,
            Effect::Community(community::Effect::LogAlert(alert)) => {
                assert!(!alert.to_string().contains(char::is_control));
            }
            Effect::AdoptEpoch(epoch) => assert!(Some(epoch) > self.pop.epoch()),
            Effect::Peer { .. }
            | Effect::Community(_)
            | Effect::ClockJudged { .. }
            | Effect::ImportSettled => {}
            Effect::Lease(effect) => self.orders.note(&effect),
            Effect::KeepAlerts { op, .. } => {
                assert_eq!(self.keeping.replace(op), None, "one order at a time");
            }
            Effect::PostAlert { op, item } => {
                assert!(item.at.is_some(), "it was stored, or tried to");
                assert_eq!(self.posting.replace(op), None, "one post at a time");
                assert!(!self.is_leaving, "nothing is sent after the signal");
                let offered = self.offered.entry(item.key).or_insert_with(|| item.clone());
                assert_eq!(*offered, item, "what is sent under a key stays the same");
            }
            Effect::CancelPost { op } => assert_eq!(self.posting.take(), Some(op)),
        }
    }
}

fn community_input(reader: &mut Reader<'_>) -> community::Input {
    match reader.byte() % 8 {
        0 => {
            let text = String::from_utf8_lossy(reader.bytes(16)).into_owned();
            let alert = Alert::new(AlertType::StorageFull, &text).with("what", &text);
            community::Input::AlertRaised(alert)
        }
        1 => community::Input::ShutdownRequested,
        2 | 3 => community::Input::RequestsFinished,
        4 | 5 => community::Input::StoreClosed,
        6 => telemetry_input(reader),
        _ => community::Input::Tick,
    }
}

fn telemetry_input(reader: &mut Reader<'_>) -> community::Input {
    match reader.flag() {
        true => community::Input::TelemetryStarted { every_ms: u64::from(reader.u32()) },
        false => {
            let status = reader.flag().then(|| u16::from(reader.byte()) * 3);
            community::Input::ReportAnswered { op: OpId(u64::from(reader.byte() % 4)), status }
        }
    }
}
