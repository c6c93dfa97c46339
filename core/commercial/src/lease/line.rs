//! The line to HQ: when to renew, when to watch, and what is known of HQ itself.

use alloc::vec::Vec;

use clavitor_core::id::OpId;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::{Effect, Ops};
use crate::renewal::{ANSWER_MS, RENEW_MS};

/// The time between two renewals while HQ refuses this POP, in milliseconds.
pub const DENIED_MS: u64 = 10_000;

/// The least time between two renewals, and between two watches, whatever the reason, in
/// milliseconds.
pub const GAP_MS: u64 = 10;

/// How long a watch may be held open, in milliseconds: longer than HQ holds it.
pub const WATCH_MS: u64 = 70_000;

/// The least time between the beginnings of two watches, if the first brought no news, in
/// milliseconds.
pub const WATCH_AGAIN_MS: u64 = 1_000;

/// What is known of HQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Hq {
    /// It did not answer yet.
    Unheard,
    /// It answered the last renewal.
    Present,
    /// It did not.
    Away,
    /// It refuses this POP's token.
    Denied,
    /// It says that another one is alive under this POP's id.
    Duplicate,
}

/// A renewal that is under way, and what it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flight {
    pub(super) op: OpId,
    pub(super) sent: Instant,
    pub(super) is_refusing: bool,
    pub(super) is_keeping_back: bool,
    pub(super) is_released: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Watch {
    op: OpId,
    began: Instant,
}

/// Invariant: at most one renewal and one watch are under way; a watch only while HQ answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) hq: Hq,
    pub(super) answered_at: Option<Instant>,
    flight: Option<Flight>,
    sent_at: Option<Instant>,
    renew_at: Option<Instant>,
    watch: Option<Watch>,
    watch_at: Instant,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            hq: Hq::Unheard,
            answered_at: None,
            flight: None,
            sent_at: None,
            renew_at: None,
            watch: None,
            watch_at: Instant(0),
        }
    }
}

impl Line {
    /// There is something to say, or to hear: renew as soon as may be.
    pub(super) fn urge(&mut self, now: Instant) {
        let earliest = self.sent_at.map_or(now, |at| at.plus_ms(GAP_MS)).max(now);
        self.renew_at = Some(self.renew_at.map_or(earliest, |at| at.min(earliest)));
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.flight.is_none() && self.renew_at.is_some_and(|at| at <= now)
    }

    pub(super) fn send(&mut self, flight: Flight) {
        self.sent_at = Some(flight.sent);
        self.renew_at = Some(flight.sent.plus_ms(RENEW_MS));
        self.flight = Some(flight);
    }

    /// The renewal that an answer is to, if it is the one under way.
    pub(super) fn land(&mut self, op: OpId) -> Option<Flight> {
        self.flight.take_if(|flight| flight.op == op)
    }

    /// Gives up the renewal that is under way: what it asked for is not wanted any longer.
    pub(super) fn recall(&mut self, out: &mut Vec<Effect>) {
        out.extend(self.flight.take().map(|flight| Effect::Cancel { op: flight.op }));
    }

    /// The renewal that was not answered in time.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Flight> {
        self.flight.take_if(|flight| flight.sent.plus_ms(ANSWER_MS) <= now)
    }

    pub(super) fn on_answered(&mut self, now: Instant, hq: Hq) {
        self.hq = hq;
        self.answered_at = Some(now);
    }

    pub(super) fn on_denied(&mut self, out: &mut Vec<Effect>) {
        self.hq = Hq::Denied;
        let again = self.sent_at.map(|at| at.plus_ms(DENIED_MS));
        self.renew_at = self.renew_at.max(again);
        self.unwatch(out);
    }

    pub(super) fn on_unanswered(&mut self, out: &mut Vec<Effect>) {
        self.hq = Hq::Away;
        self.unwatch(out);
    }

    /// Whether the watch ended with news.
    pub(super) fn on_watch_ended(&mut self, now: Instant, op: OpId, is_news: bool) {
        let Some(watch) = self.watch.take_if(|watch| watch.op == op) else { return };
        self.watch_at = now.plus_ms(GAP_MS);
        if is_news {
            self.urge(now);
        } else {
            self.watch_at = self.watch_at.max(watch.began.plus_ms(WATCH_AGAIN_MS));
        }
    }

    pub(super) fn watch(&mut self, now: Instant, ops: &mut Ops, out: &mut Vec<Effect>) {
        if self.watch.is_some_and(|watch| watch.began.plus_ms(WATCH_MS) <= now) {
            self.unwatch(out);
        }
        let is_wanted = matches!(self.hq, Hq::Present | Hq::Duplicate);
        if is_wanted && self.watch.is_none() && self.watch_at <= now {
            let op = ops.next();
            self.watch = Some(Watch { op, began: now });
            out.push(Effect::Watch { op });
        }
    }

    /// Ends everything: the server goes away.
    pub(super) fn hang_up(&mut self, out: &mut Vec<Effect>) {
        self.recall(out);
        self.unwatch(out);
        self.renew_at = None;
        self.hq = Hq::Unheard;
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        let renewal = match self.flight {
            Some(flight) => Some(flight.sent.plus_ms(ANSWER_MS)),
            None => self.renew_at,
        };
        let watch = match self.watch {
            Some(watch) => Some(watch.began.plus_ms(WATCH_MS)),
            None => matches!(self.hq, Hq::Present | Hq::Duplicate).then_some(self.watch_at),
        };
        renewal.into_iter().chain(watch).min()
    }

    fn unwatch(&mut self, out: &mut Vec<Effect>) {
        out.extend(self.watch.take().map(|watch| Effect::Cancel { op: watch.op }));
    }
}
