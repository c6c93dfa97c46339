//! Whether a peer may be tried, and when: the retry schedule and what comes after it.

use clavitor_core::backoff::Backoff;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

/// How often a suspended peer is probed, in milliseconds.
pub const PROBE_MS: u64 = 15 * 60 * 1_000;

/// How often, at the most, a write makes a suspended peer worth a try, in milliseconds.
pub const WRITE_TRY_MS: u64 = 60 * 1_000;

/// Invariant: one alert per outage, closed by the first success; a try made while suspended leads
/// back to suspended, not into another schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    state: State,
    backoff: Backoff,
    is_alerted: bool,
    is_trial: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[default]
    Ready,
    Waiting {
        until: Instant,
    },
    Suspended {
        probe_at: Instant,
        write_try_at: Instant,
    },
}

impl Link {
    pub(super) fn is_ready(&self) -> bool {
        self.state == State::Ready
    }

    pub(super) fn attempt(&self) -> u32 {
        self.backoff.attempt()
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        match self.state {
            State::Ready => None,
            State::Waiting { until } => Some(until),
            State::Suspended { probe_at, .. } => Some(probe_at),
        }
    }

    pub(super) fn next_retry(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Ready | State::Suspended { .. } => None,
        }
    }

    /// There is a reason to believe that the peer is back: start over.
    pub(super) fn wake(&mut self) {
        self.state = State::Ready;
        self.is_trial = false;
        self.backoff.reset();
    }

    pub(super) fn on_success(&mut self) {
        *self = Self::default();
    }

    /// A write while waiting changes nothing; while suspended it allows a try, once a minute.
    pub(super) fn on_write(&mut self, now: Instant) {
        if let State::Suspended { write_try_at, .. } = self.state
            && write_try_at <= now
        {
            self.start_trial();
        }
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        match self.state {
            State::Waiting { until } if until <= now => self.state = State::Ready,
            State::Suspended { probe_at, .. } if probe_at <= now => self.start_trial(),
            State::Ready | State::Waiting { .. } | State::Suspended { .. } => {}
        }
    }

    /// Whether this failure is the one to tell a person about.
    #[must_use]
    pub(super) fn on_failure(&mut self, now: Instant) -> bool {
        let delay = if self.is_trial { None } else { self.backoff.fail() };
        match delay {
            Some(delay_ms) => {
                self.state = State::Waiting { until: now.plus_ms(delay_ms) };
                false
            }
            None => self.suspend(now),
        }
    }

    /// Likewise, for a failure that no retry can mend.
    #[must_use]
    pub(super) fn on_permanent_failure(&mut self, now: Instant) -> bool {
        self.suspend(now)
    }

    fn start_trial(&mut self) {
        self.state = State::Ready;
        self.is_trial = true;
    }

    fn suspend(&mut self, now: Instant) -> bool {
        let probe_at = now.plus_ms(PROBE_MS);
        self.state = State::Suspended { probe_at, write_try_at: now.plus_ms(WRITE_TRY_MS) };
        self.is_trial = false;
        !core::mem::replace(&mut self.is_alerted, true)
    }
}
