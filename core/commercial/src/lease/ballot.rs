//! Lease votes that this POP gives: each binds it not to be promoted for as long as it may carry the
//! primary.

use clavitor_core::id::Epoch;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::{Vote, number};
use crate::renewal::{LEASE_MS, with_margin};

/// Invariant: from a vote on, `refuses_until` is at least as far as the lease it is for can last by
/// the asker's clock; a challenge is named by one vote at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ballot {
    seed: u64,
    given: u64,
    refuses_until: Instant,
    voted_until: Instant,
}

impl Ballot {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, given: 0, refuses_until: Instant(0), voted_until: Instant(0) }
    }

    /// A process that starts may have voted before it ended.
    pub(super) fn begin(&mut self, now: Instant) {
        self.refuses_until = now.plus_ms(with_margin(LEASE_MS));
    }

    pub(super) fn refuses_until(&self) -> Instant {
        self.refuses_until
    }

    pub(super) fn voted_until(&self) -> Instant {
        self.voted_until
    }

    /// Votes, if that `is_right` otherwise: never twice for one challenge, and never for longer than a
    /// new process of this POP would keep to.
    pub(super) fn answer(
        &mut self,
        now: Instant,
        (lease_ms, challenge): (u64, u64),
        is_right: bool,
        epoch: Option<Epoch>,
    ) -> Vote {
        let is_given = is_right && lease_ms <= LEASE_MS && challenge == self.challenge();
        if is_given {
            self.given = self.given.saturating_add(1);
            self.voted_until = self.voted_until.max(now.plus_ms(with_margin(lease_ms)));
            self.refuses_until = self.refuses_until.max(self.voted_until);
        }
        Vote { is_given, challenge: self.challenge(), epoch }
    }

    fn challenge(&self) -> u64 {
        number(self.seed, self.given.saturating_add(1))
    }
}
