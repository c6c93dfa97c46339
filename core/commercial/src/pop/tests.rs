use alloc::vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::id::OpId;
use clavitor_core::record::RecordId;
use clavitor_core::time::UnixTime;

use super::*;
use crate::frame::Verdict;
use crate::replication::{Acked, Answer, Effect as Of, Known, Order, RecordVerdict, State, Window};
use crate::waiters::{Release, WAIT_MS, Waiter};

mod alerting;
mod cluster;
mod convergence;
mod faults;
mod leasing;
mod routing;
mod server;
mod shutting;
mod world;

fn pop(id: &str) -> PopId {
    id.parse().unwrap()
}

fn store_of(peer: u8) -> StoreId {
    StoreId([peer + 1; 16])
}

fn acked_by(peer: u8) -> Acked {
    Acked {
        pop: pop(["b", "c"][usize::from(peer)]),
        store: store_of(peer),
        received: Seq(0),
        verdicts: vec![],
        positions: vec![],
        is_complete: false,
        at: UnixTime(0),
    }
}

/// POP `a` with the peers `b` and `c`; what it orders, and answers by hand.
struct Bench {
    pop: CommercialPop,
    now_ms: u64,
    out: Vec<Effect>,
    orders: Vec<(u8, Order)>,
    last: u64,
}

impl Bench {
    fn booting(peers: usize, is_imported: bool, is_primary: bool) -> Self {
        let known = |at: usize| Known {
            identity: Some((pop(["b", "c"][at]), store_of(at as u8))),
            ..Known::default()
        };
        let primary = pop(if is_primary { "a" } else { "b" });
        let boot = Boot {
            pop: pop("a"),
            epoch: Some(Epoch { number: 1, primary }),
            last: Seq(0),
            peers: (0..peers).map(known).collect(),
            window: Window::STANDARD,
            is_imported,
            alerts: alerts::Start::default(),
            lease: lease::Start::without_hq(pop("a")),
        };
        let pop = CommercialPop::new(boot);
        Self { pop, now_ms: 0, out: vec![], orders: vec![], last: 0 }
    }

    /// A primary that has said hello to both peers.
    fn primary() -> Self {
        Self::started(true)
    }

    fn backup() -> Self {
        Self::started(false)
    }

    fn started(is_primary: bool) -> Self {
        let mut bench = Self::booting(2, false, is_primary);
        bench.input(Input::Started);
        bench.ack(0);
        bench.ack(1);
        bench.out.clear();
        bench
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.pop.handle(Instant::from_ms(self.now_ms), input, &mut out);
        for effect in out {
            if let Effect::Peer { peer, effect: Of::SendFrame(order) } = effect {
                let built = Input::FrameBuilt {
                    peer,
                    op: order.op,
                    to: if order.is_hello { order.after } else { order.upto },
                    records: u32::from(!order.is_hello),
                    bytes: 100,
                };
                self.orders.push((peer, order));
                self.input(built);
            } else {
                let is_to_store = matches!(effect, Effect::Peer { effect: Of::Verified, .. });
                if let Effect::Peer { peer, .. } = &effect
                    && is_to_store
                {
                    self.input(Input::VerificationStored { peer: *peer });
                }
                self.out.push(effect);
            }
        }
    }

    fn tick(&mut self, at_ms: u64) {
        self.now_ms = at_ms;
        self.input(Input::Community(community::Input::Tick));
    }

    fn commit(&mut self, own: bool, from: &[&str], waiters: Vec<Waiter>) {
        self.last += 1;
        let store = |id: &str| if id == "b" { store_of(0) } else { store_of(1) };
        let from = from.iter().map(|id| (pop(id), store(id))).collect();
        self.input(Input::Committed { last: Seq(self.last), own, from, waiters, beaten: vec![] });
    }

    fn report(&mut self, peer: u8, answer: Answer, epoch: Option<Epoch>) {
        let Some(at) = self.orders.iter().position(|order| order.0 == peer) else { return };
        let (_, order) = self.orders.remove(at);
        let clock = None;
        let report = PeerReport { peer, op: order.op, answer, clock, epoch };
        self.input(Input::FrameAnswered(report));
    }

    /// The peer confirms the oldest frame to it, with these records.
    fn confirm(&mut self, peer: u8, verdicts: Vec<RecordVerdict>, epoch: Option<Epoch>) {
        let order = self.orders.iter().find(|order| order.0 == peer).map(|order| &order.1);
        let received =
            order.map_or(Seq(0), |order| if order.is_hello { Seq(0) } else { order.upto });
        let acked = Acked { received, verdicts, ..acked_by(peer) };
        self.report(peer, Answer::Acked(acked), epoch);
    }

    /// The peer says it has received so much, whatever was sent.
    fn answer(&mut self, peer: u8, received: u64) {
        let acked = Acked { received: Seq(received), ..acked_by(peer) };
        self.report(peer, Answer::Acked(acked), None);
    }

    fn ack(&mut self, peer: u8) {
        self.confirm(peer, vec![], None);
    }

    fn fail(&mut self, peer: u8) {
        self.report(peer, Answer::Unreachable, None);
    }

    /// To which peers frames with records are under way.
    fn data_to(&self) -> Vec<u8> {
        let data = self.orders.iter().filter(|(_, order)| !order.is_hello);
        data.map(|(peer, _)| *peer).collect()
    }

    fn releases(&self) -> Vec<(u64, bool)> {
        let release = |effect: &Effect| match effect {
            Effect::Release(Release { op, is_on_backup }) => Some((op.0, *is_on_backup)),
            _ => None,
        };
        self.out.iter().filter_map(release).collect()
    }

    fn count(&self, effect: &Effect) -> usize {
        self.out.iter().filter(|known| *known == effect).count()
    }
}

fn version(ms: u64) -> Hlc {
    Hlc { ms, counter: 0, pop: pop("a") }
}

fn waiter(op: u64, record: u8, ms: u64) -> Waiter {
    Waiter { op: OpId(op), record: RecordId([record; 16]), hlc: version(ms) }
}

fn verdict(record: u8, ms: u64, verdict: Verdict) -> RecordVerdict {
    RecordVerdict { record: RecordId([record; 16]), hlc: version(ms), verdict }
}
