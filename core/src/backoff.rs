//! The retry schedule: 1, 5, 25, 125 and 625 seconds, then no more.

use serde::{Deserialize, Serialize};

/// The first delay, in milliseconds.
pub const BASE_MS: u64 = 1_000;

/// Each delay is this many times the one before.
pub const FACTOR: u64 = 5;

/// How many retries follow the first failure.
pub const RETRIES: u32 = 5;

/// Counts the failures of one outage.
///
/// Invariant: `attempt` is at most [`RETRIES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    attempt: u32,
}

impl Backoff {
    /// Takes note of a failure: the delay before the next try, or `None` when all are used up.
    pub fn fail(&mut self) -> Option<u64> {
        if self.attempt >= RETRIES {
            return None;
        }
        let delay_ms = BASE_MS * FACTOR.pow(self.attempt);
        self.attempt += 1;
        Some(delay_ms)
    }

    /// Starts over, after a success or a reason to believe in one.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// How many retries have been scheduled since the last success.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn the_schedule_is_exactly_five_delays() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = core::iter::from_fn(|| backoff.fail()).collect();
        assert_eq!(delays, [1_000, 5_000, 25_000, 125_000, 625_000]);
        assert_eq!(backoff.fail(), None);
        backoff.reset();
        assert_eq!(backoff.fail(), Some(1_000));
    }
}
