//! The way out: a primary gives its lease back once nothing is left that could be lost.

use alloc::vec::Vec;

use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::{Effect, FIRST_LEASE_MS, Lease};
use crate::renewal::Grant;

/// How often a server that goes away tries to give its lease back.
pub const RELEASE_TRIES_MAX: u8 = 2;

/// How far the way out is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Leaving {
    Not,
    Closing,
    /// The lease is being given back; so many tries are left.
    Returning(u8),
    Left,
}

impl Lease {
    pub(super) fn on_closing(&mut self, out: &mut Vec<Effect>) {
        if self.leaving == Leaving::Not {
            self.leaving = Leaving::Closing;
            if self.released.is_none() {
                self.hand_over.abandon(out);
            }
        }
    }

    pub(super) fn on_flushed(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.leaving != Leaving::Closing {
            return;
        }
        if self.is_active() && self.grant.is_some() {
            self.leaving = Leaving::Returning(RELEASE_TRIES_MAX);
            self.release(now, out);
        } else {
            self.leave(out);
        }
    }

    pub(super) fn leave(&mut self, out: &mut Vec<Effect>) {
        self.leaving = Leaving::Left;
        self.drop_grant(out);
        self.line.hang_up(out);
        self.hand_over.abandon(out);
    }

    /// Gives up for good what the grant allows: what HQ answers to anything said before means nothing
    /// from now on.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.released = self.grant.as_ref().map(Grant::id);
        self.tell_lease(out);
        self.round.forget(out);
        self.line.recall(out);
        self.line.urge(now);
        self.lost_at = Some(now.plus_ms(FIRST_LEASE_MS));
    }
}
