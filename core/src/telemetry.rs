//! When to report: soon after the start, then regularly, one report at a time. A report is worth
//! nothing later, so none is repeated and none waits for its turn.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::id::OpId;
use crate::time::Instant;

/// The first report follows the start by this, or by the regular interval if that is shorter, in
/// milliseconds.
pub const FIRST_MS: u64 = 5_000;

/// How long a report may go unanswered, in milliseconds.
pub const TIMEOUT_MS: u64 = 10_000;

/// The shortest interval, in milliseconds.
pub const EVERY_MS_MIN: u64 = 1_000;

/// A fact the machine takes note of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The server listens, and somebody wants reports of it. Only the first one counts.
    Started {
        /// The time between two reports, in milliseconds.
        every_ms: u64,
    },
    /// A report was answered, or will not be.
    Answered {
        /// The order.
        op: OpId,
        /// The HTTP status; `None` if there was no answer.
        status: Option<u16>,
    },
    /// Time has passed.
    Tick,
    /// The server goes away.
    Stopped,
}

/// What the machine orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Build a report and send it, and answer [`Input::Answered`].
    Send {
        /// The order.
        op: OpId,
    },
    /// Forget a report that is under way.
    Cancel {
        /// Its order.
        op: OpId,
    },
    /// Count what became of a report.
    Settled {
        /// What became of it.
        outcome: Outcome,
        /// Whether a person should read it: the first failure of an outage, and its end.
        is_news: bool,
    },
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was taken.
    Taken,
    /// It was answered with a status that is no success.
    Refused(u16),
    /// It did not get there.
    Unreachable,
    /// Nobody answered in time.
    TimedOut,
}

impl Outcome {
    fn of(status: Option<u16>) -> Self {
        match status {
            None => Outcome::Unreachable,
            Some(200..=299) => Outcome::Taken,
            Some(status) => Outcome::Refused(status),
        }
    }
}

/// The machine of telemetry; off until it is started, and then it never wakes.
///
/// Invariant: a report is under way only while there is a schedule; operations are numbered in the
/// order they were given, and never again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    schedule: Schedule,
    flight: Option<Flight>,
    next_op: u64,
    is_failing: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Schedule {
    #[default]
    Off,
    On {
        every_ms: u64,
        due: Instant,
    },
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Flight {
    op: OpId,
    deadline: Instant,
}

impl Telemetry {
    /// Takes note of a fact at `now`; orders go to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Started { every_ms } => {
                if self.schedule == Schedule::Off {
                    let every_ms = every_ms.max(EVERY_MS_MIN);
                    let due = now.plus_ms(every_ms.min(FIRST_MS));
                    self.schedule = Schedule::On { every_ms, due };
                }
            }
            Input::Answered { op, status } => {
                if self.flight.take_if(|flight| flight.op == op).is_some() {
                    self.settle(Outcome::of(status), out);
                }
            }
            Input::Tick => {
                self.time_out(now, out);
                self.send(now, out);
            }
            Input::Stopped => {
                self.schedule = Schedule::Stopped;
                out.extend(self.flight.take().map(|flight| Effect::Cancel { op: flight.op }));
            }
        }
    }

    /// When the machine wants [`Input::Tick`].
    pub fn next_wake(&self) -> Option<Instant> {
        let Schedule::On { due, .. } = self.schedule else { return None };
        Some(self.flight.map_or(due, |flight| flight.deadline.min(due)))
    }

    fn time_out(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Some(flight) = self.flight.take_if(|flight| flight.deadline <= now) {
            out.push(Effect::Cancel { op: flight.op });
            self.settle(Outcome::TimedOut, out);
        }
    }

    fn send(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Schedule::On { every_ms, due } = &mut self.schedule else { return };
        if *due > now {
            return;
        }
        // The beat is kept; whoever slept through some of it starts over from here.
        let next = due.plus_ms(*every_ms);
        *due = if next > now { next } else { now.plus_ms(*every_ms) };
        if self.flight.is_none() {
            let op = OpId(self.next_op);
            self.next_op += 1;
            self.flight = Some(Flight { op, deadline: now.plus_ms(TIMEOUT_MS) });
            out.push(Effect::Send { op });
        }
    }

    fn settle(&mut self, outcome: Outcome, out: &mut Vec<Effect>) {
        let is_failing = outcome != Outcome::Taken;
        let is_news = core::mem::replace(&mut self.is_failing, is_failing) != is_failing;
        out.push(Effect::Settled { outcome, is_news });
    }
}

#[cfg(test)]
mod tests;
