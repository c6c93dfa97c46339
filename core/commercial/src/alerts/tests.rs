use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use super::*;

mod bounded;
mod delivery;
mod model;
mod shutting;
mod storing;
mod storms;
mod total;

const NOON: UnixTime = UnixTime(43_200_000);

fn alert(alert_type: AlertType, message: &str) -> Alert {
    Alert::new(alert_type, message)
}

fn skew() -> Alert {
    alert(AlertType::ClockSkew, "the clock is off")
}

fn full() -> Alert {
    alert(AlertType::StorageFull, "no room")
}

fn start() -> Start {
    let sender = Sender { hostname: "vault-1".to_string(), region: "ca-west".to_string() };
    let loaded = outbox::Loaded::default();
    Start { is_routed: true, seed: 7, now: Instant(0), wall: NOON, sender, loaded }
}

/// A router, an outbox that takes everything at once unless told otherwise, and an HQ that is
/// answered for by hand.
struct Bench {
    router: Router,
    now_ms: u64,
    outbox: BTreeMap<u64, Item>,
    takes: bool,
    is_busy: bool,
    is_slow: bool,
    delivers: bool,
    asked: Vec<(OpId, Vec<Item>, Vec<u64>)>,
    keeps: usize,
    posts: Vec<(OpId, Item)>,
    cancelled: Vec<OpId>,
    lines: Vec<Alert>,
}

impl Bench {
    fn new() -> Self {
        Self::starting(start())
    }

    fn starting(start: Start) -> Self {
        let items = start.loaded.items.iter();
        Self {
            outbox: items.map(|item| (item.number, item.clone())).collect(),
            now_ms: start.now.ms_since(Instant(0)),
            router: Router::new(start),
            takes: true,
            is_busy: false,
            is_slow: false,
            delivers: false,
            asked: vec![],
            keeps: 0,
            posts: vec![],
            cancelled: vec![],
            lines: vec![],
        }
    }

    /// A new process over what the outbox holds.
    fn restarted(self, seed: u64) -> Self {
        let loaded = outbox::Loaded { items: self.outbox.into_values().collect(), damaged: vec![] };
        let now = Instant::from_ms(self.now_ms);
        let wall = NOON.plus_ms(self.now_ms);
        Self::starting(Start { seed, now, wall, loaded, ..start() })
    }

    fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.router.handle(Instant::from_ms(self.now_ms), input, &mut out);
        for effect in out {
            match effect {
                Effect::LogAlert(alert) => self.lines.push(alert),
                Effect::Post { op, item } => self.posts.push((op, item)),
                Effect::CancelPost { op } => self.cancelled.push(op),
                Effect::Keep { op, put, remove } => {
                    self.keeps += 1;
                    self.asked.push((op, put, remove));
                }
            }
        }
        if !self.is_slow {
            self.answer_keep();
        }
        if self.delivers && self.router.posting.is_some() {
            self.answer(Outcome::Delivered);
        }
    }

    fn answer_keep(&mut self) {
        let Some((op, put, remove)) = self.asked.pop() else { return };
        let at = NOON.plus_ms(self.now_ms);
        if !self.takes {
            return self.input(Input::Unkept { op, at, is_full: !self.is_busy });
        }
        remove.iter().for_each(|number| drop(self.outbox.remove(number)));
        for item in put {
            self.outbox.insert(item.number, Item { at: item.at.or(Some(at)), ..item });
        }
        self.input(Input::Kept { op, at });
    }

    fn raise(&mut self, alert: Alert) {
        self.input(Input::Raised(alert));
    }

    /// Lets time pass until then, with a tick whenever the router asks for one.
    fn until(&mut self, ms: u64) {
        while let Some(at) = self.router.next_wake().map(|at| at.ms_since(Instant(0)))
            && at <= ms
        {
            self.now_ms = self.now_ms.max(at);
            self.input(Input::Tick);
            let next = self.router.next_wake();
            assert!(next.is_none_or(|at| at > Instant::from_ms(self.now_ms)), "due at once");
        }
        self.now_ms = ms;
    }

    /// Lets time pass until something is posted.
    fn await_post(&mut self) {
        while self.router.posting.is_none() {
            let at = self.router.next_wake().unwrap();
            self.until(at.ms_since(Instant(0)));
        }
    }

    /// HQ answers to what was posted last.
    fn answer(&mut self, outcome: Outcome) {
        let op = self.posts.last().map(|(op, _)| *op).unwrap();
        self.input(Input::Posted { op, outcome });
    }

    fn last(&self) -> &Item {
        &self.posts.last().unwrap().1
    }

    fn sent(&self) -> Vec<(AlertType, u32)> {
        self.posts.iter().map(|(_, item)| (item.alert.alert_type, item.count)).collect()
    }

    fn waiting(&self) -> u64 {
        self.router.view().waiting
    }
}
