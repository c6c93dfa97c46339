//! When another server is told what has changed: at once, and again until it has it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use clavitor_core::id::OpId;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::update::{Change, Failure};
use crate::control::CLUSTERS_MAX;

/// The most changes of one update.
pub const CHANGES_MAX: usize = 16;

/// The first wait after a failure, in milliseconds; each is twice the one before.
pub const RETRY_MS: u64 = 1_000;

/// The longest wait between two tries, in milliseconds.
pub const RETRY_MS_MAX: u64 = 60_000;

/// How many tries in a row fail before somebody is told, unless trying again cannot help.
pub const TRIES_MAX: u32 = 3;

/// A fact for the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A cluster is to have these addresses from now on, or none.
    Wanted(Change),
    /// What came of [`Effect::Send`].
    Sent {
        /// The order.
        op: OpId,
        /// Whether it is done.
        outcome: Result<(), Failure>,
    },
}

/// An order of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Send the changes in one update, and answer [`Input::Sent`].
    Send {
        /// Names the order.
        op: OpId,
        /// All of them or none.
        changes: Vec<Change>,
    },
    /// Tell a person that the server does not take updates, and why.
    Failing(Failure),
    /// It takes them again.
    Mended,
}

/// What a server is to be told.
///
/// Invariant: what is under way is in `wanted` too, until it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    // Clusters whose addresses the server may not have.
    wanted: BTreeMap<String, Wanted>,
    under_way: Option<UnderWay>,
    next_op: u64,
    failures: u32,
    retry_at: Option<Instant>,
    told: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Wanted {
    addresses: Vec<IpAddr>,
    // The last order that had it in it and was refused. An update is done as a whole or not at all, so
    // from then on it goes alone: whatever the server has against it stands in nobody else's way.
    refused: Option<OpId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct UnderWay {
    op: OpId,
    changes: Vec<Change>,
}

impl Push {
    /// Takes in a fact.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Tick => {}
            Input::Wanted(change) => self.want(change),
            Input::Sent { op, outcome } => {
                if let Some(sent) = self.under_way.take_if(|sent| sent.op == op) {
                    self.on_sent(now, &sent, outcome, out);
                }
            }
        }
        self.send(now, out);
    }

    /// When it wants [`Input::Tick`].
    pub fn next_wake(&self) -> Option<Instant> {
        self.retry_at.filter(|_| self.under_way.is_none() && !self.wanted.is_empty())
    }

    fn want(&mut self, change: Change) {
        let Change { cluster, addresses } = change;
        if self.wanted.len() == CLUSTERS_MAX && !self.wanted.contains_key(&cluster) {
            return;
        }
        // What is new of a refused one comes before all that were refused as well.
        let known = self.wanted.get(&cluster);
        let refused = known.and_then(|known| known.refused).map(|_| OpId(0));
        self.wanted.insert(cluster, Wanted { addresses, refused });
        // A failover does not wait for the end of a pause.
        self.retry_at = None;
    }

    fn on_sent(
        &mut self,
        now: Instant,
        sent: &UnderWay,
        outcome: Result<(), Failure>,
        out: &mut Vec<Effect>,
    ) {
        match outcome {
            Ok(()) => {
                for change in &sent.changes {
                    // What has changed again meanwhile is still wanted.
                    let wanted = self.wanted.get(&change.cluster);
                    if wanted.is_some_and(|wanted| wanted.addresses == change.addresses) {
                        self.wanted.remove(&change.cluster);
                    }
                }
                (self.failures, self.retry_at) = (0, None);
                let is_mended = self.wanted.values().all(|wanted| wanted.refused.is_none());
                if is_mended && self.told.take().is_some() {
                    out.push(Effect::Mended);
                }
            }
            Err(failure) => {
                let doubled = RETRY_MS.saturating_mul(2_u64.saturating_pow(self.failures));
                self.failures = self.failures.saturating_add(1);
                self.retry_at = Some(now.plus_ms(doubled.min(RETRY_MS_MAX)));
                if !may_pass(failure) {
                    self.on_refused(sent);
                }
                let is_time = self.failures >= TRIES_MAX || !may_pass(failure);
                if is_time && self.told != Some(failure) {
                    self.told = Some(failure);
                    out.push(Effect::Failing(failure));
                }
            }
        }
    }

    fn on_refused(&mut self, sent: &UnderWay) {
        for Change { cluster, .. } in &sent.changes {
            if let Some(wanted) = self.wanted.get_mut(cluster) {
                wanted.refused = Some(sent.op);
            }
        }
    }

    fn send(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_due = self.retry_at.is_none_or(|retry_at| retry_at <= now);
        if self.wanted.is_empty() || self.under_way.is_some() || !is_due {
            return;
        }
        let changes = self.next_changes();
        let op = OpId(self.next_op);
        self.next_op = self.next_op.wrapping_add(1);
        self.under_way = Some(UnderWay { op, changes: changes.clone() });
        out.push(Effect::Send { op, changes });
    }

    /// Those that were never refused, together; if there are none, the one for which that was longest ago.
    fn next_changes(&self) -> Vec<Change> {
        let change = |(cluster, wanted): (&String, &Wanted)| Change {
            cluster: cluster.clone(),
            addresses: wanted.addresses.clone(),
        };
        let fresh = self.wanted.iter().filter(|(_, wanted)| wanted.refused.is_none());
        let changes: Vec<Change> = fresh.take(CHANGES_MAX).map(change).collect();
        if !changes.is_empty() {
            return changes;
        }
        let refused = self.wanted.iter().min_by_key(|(_, wanted)| wanted.refused);
        refused.map(change).into_iter().collect()
    }
}

/// Whether it may be better the next time without anybody's doing.
fn may_pass(failure: Failure) -> bool {
    matches!(failure, Failure::Unanswered | Failure::Server)
}

#[cfg(test)]
mod tests;
