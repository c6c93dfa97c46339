//! Going away: stop accepting, finish requests, flush what peers take, give the right to take writes
//! back, store what waits for HQ, close the store, exit.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// How long requests and peers get to finish, in milliseconds.
pub const GRACE_MS: u64 = 5_000;

/// How long the store gets to close after that, in milliseconds.
pub const CLOSE_MS: u64 = 1_000;

/// A fact the shutdown machine takes note of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A signal asked the server to end; the second one ends it at once.
    Requested,
    /// No request is in flight any more.
    RequestsFinished,
    /// No reachable peer is owed anything any more.
    PeersFlushed,
    /// Every accepted write is on disk and the store is closed.
    StoreClosed,
    /// Time has passed.
    Tick,
    /// Every alert that waits is stored, or there is no room for it.
    AlertsKept,
    /// The right to take writes is given back, or there is none, or nobody hears of it.
    LeaseReturned,
}

/// What the shutdown machine orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Accept no further connection, and end the ones that idle.
    StopAccepting,
    /// Finish what the store has accepted, then close it.
    CloseStore,
    /// End the process.
    Exit,
}

/// The shutdown machine.
///
/// Invariant: from the first request the stages are only passed forwards, and each has a deadline,
/// so that the last one is reached within [`GRACE_MS`] + [`CLOSE_MS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shutdown {
    /// Nobody asked.
    Running,
    /// Waiting for requests, peers, the lease and alerts.
    Draining {
        /// When waiting ends, whatever is still open.
        deadline: Instant,
        /// Whether a request is still in flight.
        requests: bool,
        /// Whether a reachable peer is still owed something.
        peers: bool,
        /// Whether an alert has yet to be stored.
        alerts: bool,
        /// Whether the right to take writes has yet to be given back.
        lease: bool,
    },
    /// Waiting for the store.
    Closing {
        /// When waiting ends.
        deadline: Instant,
    },
    /// Nothing is left to do.
    Done,
}

impl Shutdown {
    /// Whether the server is on its way out.
    pub fn is_requested(&self) -> bool {
        *self != Shutdown::Running
    }

    /// Takes note of a fact at `now`; orders go to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match (&mut *self, input) {
            (Shutdown::Running, Input::Requested) => {
                let deadline = now.plus_ms(GRACE_MS);
                *self = Shutdown::Draining {
                    deadline,
                    requests: true,
                    peers: true,
                    alerts: true,
                    lease: true,
                };
                out.push(Effect::StopAccepting);
            }
            (Shutdown::Draining { .. } | Shutdown::Closing { .. }, Input::Requested) => {
                self.exit(out);
            }
            (Shutdown::Draining { requests, .. }, Input::RequestsFinished) => *requests = false,
            (Shutdown::Draining { peers, .. }, Input::PeersFlushed) => *peers = false,
            (Shutdown::Draining { alerts, .. }, Input::AlertsKept) => *alerts = false,
            (Shutdown::Draining { lease, .. }, Input::LeaseReturned) => *lease = false,
            (Shutdown::Closing { .. }, Input::StoreClosed) => self.exit(out),
            _ => {}
        }
        self.advance(now, out);
    }

    /// When the machine wants [`Input::Tick`].
    pub fn next_wake(&self) -> Option<Instant> {
        match self {
            Shutdown::Draining { deadline, .. } | Shutdown::Closing { deadline } => Some(*deadline),
            Shutdown::Running | Shutdown::Done => None,
        }
    }

    fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match *self {
            Shutdown::Draining { deadline, requests, peers, alerts, lease } => {
                if now >= deadline || !(requests || peers || alerts || lease) {
                    *self = Shutdown::Closing { deadline: now.plus_ms(CLOSE_MS) };
                    out.push(Effect::CloseStore);
                }
            }
            Shutdown::Closing { deadline } if now >= deadline => self.exit(out),
            Shutdown::Running | Shutdown::Closing { .. } | Shutdown::Done => {}
        }
    }

    fn exit(&mut self, out: &mut Vec<Effect>) {
        assert!(*self != Shutdown::Done, "the process ends once");
        *self = Shutdown::Done;
        out.push(Effect::Exit);
    }
}

#[cfg(test)]
mod tests;
