//! Operator alerts on their way to HQ: kept before they are sent, sent until HQ has them, and few
//! of them however often something happens.
//!
//! What waits is an [`Item`]: an alert, how often it was raised, and the key by which HQ shows it
//! once. Of what is sent only how often may change, and not any more once it may have been offered to HQ: what is
//! sent under a key is the same to the byte each time.

use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::backoff::Backoff;
use clavitor_core::id::OpId;
use clavitor_core::time::{Instant, UnixTime};
use serde::{Deserialize, Serialize};

mod bounds;
mod keeping;
pub mod outbox;
mod queue;

pub use bounds::{
    DETAIL_BYTES_MAX, DETAIL_NAME_BYTES_MAX, DETAILS_MAX, MESSAGE_BYTES_MAX, SENDER_BYTES_MAX,
};
pub use keeping::KEEP_EVERY_MS;
pub use queue::{
    AGE_MAX_MS, BELIEVED_AGE_MAX_MS, HOLD_BACK_MS, ITEMS_MAX, LOST_ITEMS_MAX, PER_TYPE_MAX, further,
};

use keeping::Keeping;
use queue::Queue;

/// How long HQ gets to answer, in milliseconds.
pub const POST_MS: u64 = 10_000;

/// The delay between tries once the schedule of [`Backoff`] is used up, in milliseconds.
pub const LAST_DELAY_MS: u64 = 625_000;

/// How often a new alert may bring the next try forward, in milliseconds.
pub const NUDGE_MS: u64 = 60_000;

/// How long an alert that HQ refused waits behind the others, in milliseconds.
pub const REFUSED_MS: u64 = 60_000;

/// How often HQ may refuse one alert while it takes others, before that one is given up.
pub const REFUSALS_MAX: u8 = 3;

/// Where alerts come from, as HQ shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The name of the machine.
    pub hostname: String,
    /// The region that the configuration names.
    pub region: String,
}

/// One alert on its way to HQ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its place in the order of raising, and in the table.
    pub number: u64,
    /// By this HQ knows it again.
    pub key: [u8; 16],
    /// What is sent.
    pub alert: Alert,
    /// How many alerts it stands for.
    pub count: u32,
    /// The wall clock when it was first stored, or tried to; `None` before.
    pub at: Option<UnixTime>,
    /// Where it was raised.
    pub sender: Sender,
    /// How often it was found at a start under a clock that cannot tell its age.
    pub doubts: u8,
}

/// What the router begins with. The default routes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Whether there is an HQ to tell.
    pub is_routed: bool,
    /// Random, drawn at each start, for the keys of this process.
    pub seed: u64,
    /// The monotonic clock.
    pub now: Instant,
    /// The wall clock at that moment.
    pub wall: UnixTime,
    /// Where the alerts of this process come from.
    pub sender: Sender,
    /// What the outbox holds.
    pub loaded: outbox::Loaded,
}

/// A fact that the router takes note of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Something a person must look at.
    Raised(Alert),
    /// So many alerts found no way to the router: their lines in the local log are all that is left.
    Dropped {
        /// How many.
        count: u32,
    },
    /// What [`Effect::Keep`] ordered is on disk.
    Kept {
        /// The order.
        op: OpId,
        /// The wall clock that new items were stamped with.
        at: UnixTime,
    },
    /// What [`Effect::Keep`] ordered could not be written.
    Unkept {
        /// The order.
        op: OpId,
        /// The wall clock.
        at: UnixTime,
        /// Whether it is for want of room; anything else is over sooner or later.
        is_full: bool,
    },
    /// HQ answered, or cannot be reached.
    Posted {
        /// The order.
        op: OpId,
        /// What became of it.
        outcome: Outcome,
    },
    /// The server goes away: what waits is stored, and nothing is sent any more.
    Closing,
    /// Time has passed.
    Tick,
}

/// What the router orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Write a line to the local log, and no more.
    LogAlert(Alert),
    /// Write to the outbox in one transaction, and answer [`Input::Kept`] or [`Input::Unkept`].
    Keep {
        /// Names the order.
        op: OpId,
        /// What to store.
        put: Vec<Item>,
        /// What to forget, by number.
        remove: Vec<u64>,
    },
    /// Send an item, and answer [`Input::Posted`].
    Post {
        /// Names the order.
        op: OpId,
        /// The item.
        item: Item,
    },
    /// Nobody waits for an answer any longer.
    CancelPost {
        /// The order.
        op: OpId,
    },
}

/// What became of a try to send an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// HQ has it.
    Delivered,
    /// HQ does not accept this server's telemetry token.
    Denied,
    /// HQ will not take this one alert.
    Refused,
    /// HQ cannot take any for now, or cannot be reached.
    Away,
}

impl Outcome {
    /// What an HTTP status means; `None` is no answer.
    pub fn of_status(status: Option<u16>) -> Self {
        match status {
            // A conflict: it knows the key already.
            Some(200..=299 | 409) => Outcome::Delivered,
            Some(401 | 403) => Outcome::Denied,
            // Too slow, too often; and what is not found or redirected, or is a proxy's or another
            // protocol's word, is at a wrong address, which is not the alert's fault.
            Some(404 | 405 | 407 | 408 | 410 | 421 | 426 | 429) => Outcome::Away,
            Some(400..=499) => Outcome::Refused,
            Some(_) | None => Outcome::Away,
        }
    }
}

/// What operators see of the router.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// How many items wait for HQ.
    pub waiting: u64,
    /// How many items HQ took since the start.
    pub sent: u64,
    /// How many alerts were given up since the start, each as often as it was raised.
    pub lost: u64,
}

/// The router.
///
/// Invariant: at most one [`Effect::Keep`] and one [`Effect::Post`] are out; an item that is posted
/// is frozen, and is stored as it is posted unless there is no room; nothing is posted after
/// [`Input::Closing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Router {
    is_routed: bool,
    is_closing: bool,
    queue: Queue,
    keeping: Keeping,
    posting: Option<Posting>,
    backoff: Backoff,
    retry_at: Option<Instant>,
    nudge_from: Instant,
    is_denied: bool,
    next_op: u64,
    sent: u64,
    lost: u64,
    unreported: u32,
    // Lost since the last line that said how many.
    untold: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Posting {
    op: OpId,
    number: u64,
    until: Instant,
}

impl Router {
    /// The router of a server that starts.
    pub fn new(start: Start) -> Self {
        let Start { is_routed, seed, now, wall, sender, loaded } = start;
        let loaded = if is_routed { loaded } else { outbox::Loaded::default() };
        let unreported = u32::try_from(loaded.damaged.len()).unwrap_or(u32::MAX);
        Self {
            is_routed,
            is_closing: false,
            queue: Queue::new(seed, sender, &loaded, (now, wall)),
            keeping: Keeping::new(loaded.damaged),
            posting: None,
            backoff: Backoff::default(),
            retry_at: None,
            nudge_from: Instant(0),
            is_denied: false,
            next_op: 1,
            sent: 0,
            lost: u64::from(unreported),
            unreported,
            untold: 0,
        }
    }

    /// Takes note of a fact at `now`; orders go to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        if !self.is_routed {
            return;
        }
        match input {
            Input::Raised(alert) => self.on_raised(now, alert),
            Input::Dropped { count } => {
                self.lost = self.lost.saturating_add(count.into());
                self.report_loss(now, count, out);
            }
            Input::Kept { op, at } => self.keeping.on_kept(op, at, &mut self.queue),
            Input::Unkept { op, at, is_full } => {
                self.keeping.on_unkept(now, (op, at, is_full), &mut self.queue);
            }
            Input::Posted { op, outcome } => self.on_posted(now, op, outcome, out),
            Input::Closing => self.on_closing(out),
            Input::Tick => {}
        }
        self.advance(now, out);
    }

    /// When the router wants [`Input::Tick`].
    pub fn next_wake(&self) -> Option<Instant> {
        if !self.is_routed {
            return None;
        }
        let offer = match &self.posting {
            Some(posting) => Some(posting.until),
            None if self.is_closing => None,
            None => {
                let free = self.queue.free_at(self.keeping.has_no_room());
                free.map(|at| at.max(self.retry_at.unwrap_or(at)))
            }
        };
        let keep = self.keeping.next_wake(&self.queue);
        offer.into_iter().chain(keep).min()
    }

    /// Once it is closing: whether nothing is left to store, or the last try to failed.
    pub fn is_settled(&self) -> bool {
        !self.is_routed || self.keeping.is_settled(&self.queue)
    }

    /// What operators see.
    pub fn view(&self) -> View {
        View { waiting: self.queue.len(), sent: self.sent, lost: self.lost }
    }

    fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let unreported = core::mem::take(&mut self.unreported);
        self.report_loss(now, unreported, out);
        if let Some(posting) = self.posting.filter(|posting| posting.until <= now) {
            out.push(Effect::CancelPost { op: posting.op });
            self.posting = None;
            self.back_off(now);
        }
        for number in self.queue.expired(now, self.in_flight()) {
            self.give_up(now, number, out);
        }
        while let Some(number) = self.queue.excess(self.in_flight()) {
            self.give_up(now, number, out);
        }
        self.offer(now, out);
        let op = OpId(self.next_op);
        if self.keeping.keep(now, op, &mut self.queue, self.is_closing, out) {
            self.next_op += 1;
        }
    }

    fn on_raised(&mut self, now: Instant, alert: Alert) {
        self.queue.raise(now, bounds::bounded(alert));
        if self.retry_at.is_some_and(|at| at > now) && self.nudge_from <= now {
            self.nudge_from = now.plus_ms(NUDGE_MS);
            self.retry_at = None;
        }
    }

    fn on_posted(&mut self, now: Instant, op: OpId, outcome: Outcome, out: &mut Vec<Effect>) {
        let Some(Posting { number, .. }) = self.posting.filter(|posting| posting.op == op) else {
            return;
        };
        self.posting = None;
        match outcome {
            Outcome::Away => self.back_off(now),
            Outcome::Denied => {
                if !core::mem::replace(&mut self.is_denied, true) {
                    out.push(Effect::LogAlert(denied_alert()));
                }
                self.back_off(now);
            }
            Outcome::Delivered => {
                self.heard();
                self.sent += 1;
                self.forget(number);
            }
            Outcome::Refused => {
                let again = now.plus_ms(REFUSED_MS);
                match self.queue.refuse(number, again, self.sent) {
                    // As far as anybody knows it would refuse anything.
                    None => self.back_off(now),
                    Some(refusals) => {
                        self.heard();
                        if refusals >= REFUSALS_MAX {
                            self.abandon(now, number, out);
                        }
                    }
                }
            }
        }
    }

    fn on_closing(&mut self, out: &mut Vec<Effect>) {
        self.is_closing = true;
        self.keeping.close();
        if let Some(Posting { op, .. }) = self.posting.take() {
            out.push(Effect::CancelPost { op });
        }
    }

    fn offer(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_waiting = self.retry_at.is_some_and(|at| at > now);
        if is_waiting || self.is_closing || self.posting.is_some() {
            return;
        }
        let Some((item, rest)) = self.queue.offer(now, self.keeping.has_no_room()) else { return };
        let (op, number) = (OpId(self.next_op), item.number);
        self.next_op += 1;
        self.retry_at = None;
        self.posting = Some(Posting { op, number, until: now.plus_ms(POST_MS) });
        if rest > 0 {
            self.queue.add(now, item.alert.clone(), rest);
        }
        out.push(Effect::Post { op, item });
    }

    fn in_flight(&self) -> Option<u64> {
        self.posting.map(|posting| posting.number)
    }

    fn back_off(&mut self, now: Instant) {
        let delay_ms = self.backoff.fail().unwrap_or(LAST_DELAY_MS);
        self.retry_at = Some(now.plus_ms(delay_ms));
    }

    /// HQ is there, and accepts the token.
    fn heard(&mut self) {
        self.backoff.reset();
        self.is_denied = false;
    }

    /// There is no place or no time left for an item.
    fn give_up(&mut self, now: Instant, number: u64, out: &mut Vec<Effect>) {
        let Some(item) = self.forget(number) else { return };
        if item.alert.alert_type == AlertType::AlertsLost {
            // What it counts was lost and told before.
            self.report(now, item.count);
            return;
        }
        self.lost = self.lost.saturating_add(item.count.into());
        self.report_loss(now, item.count, out);
    }

    /// HQ refuses an item for good.
    fn abandon(&mut self, now: Instant, number: u64, out: &mut Vec<Effect>) {
        let Some(item) = self.forget(number) else { return };
        let alert_type = item.alert.alert_type;
        let alert = Alert::new(AlertType::AlertsLost, "HQ refuses an alert; it is given up");
        out.push(Effect::LogAlert(alert.with("type", alert_type).with("count", item.count)));
        self.lost = self.lost.saturating_add(item.count.into());
        self.report(now, item.count);
    }

    fn report_loss(&mut self, now: Instant, count: u32, out: &mut Vec<Effect>) {
        self.untold = self.untold.saturating_add(count);
        if self.report(now, count) {
            let count = core::mem::take(&mut self.untold);
            out.push(Effect::LogAlert(lost_alert().with("count", count)));
        }
    }

    /// Lets HQ know of losses; whether that begins another report.
    fn report(&mut self, now: Instant, count: u32) -> bool {
        let alert = lost_alert();
        if count == 0 || self.queue.count_in(&alert, count) {
            return false;
        }
        let former = self.queue.excess_report(self.in_flight());
        let former = former.and_then(|number| self.forget(number)).map_or(0, |item| item.count);
        self.queue.add(now, alert, count.saturating_add(former));
        true
    }

    fn forget(&mut self, number: u64) -> Option<Item> {
        let (item, has_row) = self.queue.take(number)?;
        if has_row {
            self.keeping.remove(number);
        }
        Some(item)
    }
}

fn denied_alert() -> Alert {
    let message = "HQ refuses this server's telemetry token; alerts are kept and tried again";
    Alert::new(AlertType::AuthError, message)
}

fn lost_alert() -> Alert {
    let message = "alerts for HQ were given up; the lines in the local log are all that is left";
    Alert::new(AlertType::AlertsLost, message)
}

#[cfg(test)]
mod tests;
