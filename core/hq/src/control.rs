//! Leases, promotions and hand-overs of every cluster.
//!
//! Everything here serves one promise: at any instant at most one POP of a cluster may acknowledge
//! writes. A lease is counted from the moment its renewal came in, with a margin for both clocks;
//! before it is over nobody else is given one, nor told to prepare for one. Only POPs are promoted
//! whose lease vote the old primary needs, whatever grant it goes by. What others may act on is on
//! disk before it is told.
//!
//! Reading order: [`Control`] finds the cluster that an input is about; `cluster` takes renewals in
//! and waits for the disk; `grants` answers them; `members` knows each POP; `promotion` decides who
//! follows when a lease is over; `handover` moves a lease in order; `view` is what operators see.

mod cluster;
mod grants;
mod handover;
mod members;
mod messages;
mod promotion;
mod view;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_commercial::renewal::{Answer, LEASE_MS, with_margin};
use clavitor_core::id::{OpId, PopId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

pub use cluster::KEEP_AGAIN_MS;
pub use handover::{FAILBACK_AGAIN_MS, HAND_OVER_MS};
pub use members::MEMBER_MS;
pub use messages::{
    CLUSTERS_MAX, ClusterName, Effect, Event, Holder, Input, Members, NoRoom, NotSwitched,
    POPS_MAX, Row, Start,
};
pub use promotion::{GATHER_MS, PATIENCE_MS};
pub use view::{ClusterView, PopView, State};

use cluster::{Asked, Cluster, Policy, Turn};

/// A tick that comes later than this, in milliseconds, tells that HQ itself was away: what it knows
/// of others is old.
pub const LATE_MS: u64 = 1_000;

/// How long HQ, once it was away, gives no lease but to who had it, in milliseconds.
pub const HOLD_MS: u64 = with_margin(LEASE_MS);

/// The machine.
///
/// Invariant: at most [`CLUSTERS_MAX`] clusters; `wake` is never behind the earliest of theirs. What each promises
/// is said at `Cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    policy: Policy,
    clusters: BTreeMap<ClusterName, Cluster>,
    next_op: u64,
    wake: Option<Instant>,
}

impl Control {
    /// The machine of an HQ that starts.
    pub fn new(now: Instant, start: Start) -> Self {
        let Start { clusters, unheard, is_first, lease_ms, failback_ms } = start;
        // A voter that restarted refuses promotion for a lease of this length, and knows no longer one.
        let policy = Policy { lease_ms: lease_ms.min(LEASE_MS), failback_ms, is_first };
        let clusters = clusters.into_iter().take(CLUSTERS_MAX);
        let clusters = clusters.map(|(name, row)| {
            let cluster = Cluster::new(now, name.clone(), policy, row);
            (name, cluster)
        });
        let mut clusters: BTreeMap<ClusterName, Cluster> = clusters.collect();
        for (name, pop) in unheard {
            clusters.get_mut(&name).into_iter().for_each(|cluster| cluster.never_heard(pop));
        }
        let mut control = Self { policy, clusters, next_op: 1, wake: None };
        control.wake = control.earliest_wake(now);
        control
    }

    /// Takes note of a fact at `now`; orders go to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        if self.wake.is_some_and(|at| now > at.plus_ms(LATE_MS)) {
            self.clusters.values_mut().for_each(|cluster| cluster.on_late(now));
        }
        let mut turn = Turn { now, next_op: &mut self.next_op, out };
        match input {
            Input::Tick => {
                let is_due = |cluster: &&mut Cluster| cluster.wake().is_some_and(|at| at <= now);
                self.clusters.values_mut().filter(is_due).for_each(|one| one.advance(&mut turn));
            }
            Input::Renewed { op, cluster, pop, renewal } => {
                let asked = Asked::new(op, now, pop, renewal);
                match self.clusters.get_mut(&cluster) {
                    Some(cluster) => cluster.on_renewed(&mut turn, asked),
                    None => turn.answer(op, Answer::Follow { epoch: None }),
                }
            }
            Input::Registered { cluster, pop } => {
                if has_room(&self.clusters, &cluster, pop) {
                    let new = || Cluster::new(now, cluster.clone(), self.policy, Row::default());
                    let cluster = self.clusters.entry(cluster.clone()).or_insert_with(new);
                    cluster.on_registered(&mut turn, pop);
                }
            }
            Input::Removed { cluster, pop } => {
                if let Some(cluster) = self.clusters.get_mut(&cluster) {
                    cluster.on_removed(&mut turn, pop);
                }
            }
            Input::SwitchoverAsked { op, cluster, to } => match self.clusters.get_mut(&cluster) {
                Some(cluster) => cluster.on_switchover_asked(&mut turn, op, to),
                None => turn.answer_switchover(op, Err(NotSwitched::UnknownCluster)),
            },
            Input::Kept { op, is_kept } => {
                if let Some(cluster) = self.clusters.values_mut().find(|one| one.keeps(op)) {
                    cluster.on_kept(&mut turn, is_kept);
                }
            }
        }
        self.wake = self.earliest_wake(now);
    }

    /// When the machine wants [`Input::Tick`].
    pub fn next_wake(&self) -> Option<Instant> {
        self.wake
    }

    /// Whom DNS names: the primary of the newest term in which a lease was given, in a cluster that has a
    /// POP.
    pub fn holder(&self, cluster: &str) -> Option<PopId> {
        let cluster = self.clusters.get(cluster).filter(|cluster| !cluster.pops.is_empty())?;
        cluster.primary()
    }

    /// What operators see of every cluster that has a POP.
    pub fn views(&self, now: Instant) -> Vec<ClusterView> {
        let with_pops = self.clusters.values().filter(|cluster| !cluster.pops.is_empty());
        with_pops.map(|cluster| cluster.view(now)).collect()
    }

    /// As long as anything is to come, often enough to notice that HQ itself stood still, whenever
    /// that began.
    fn earliest_wake(&self, now: Instant) -> Option<Instant> {
        let earliest = self.clusters.values().filter_map(Cluster::wake).min();
        earliest.map(|at| at.min(now.plus_ms(LATE_MS)))
    }
}

/// Whether one more POP has room, in a cluster of so many (`None` if it is a new one) among so many clusters.
pub fn room(pops: Option<usize>, clusters: usize) -> Result<(), NoRoom> {
    match pops {
        Some(pops) if pops >= POPS_MAX => Err(NoRoom::InCluster),
        None if clusters >= CLUSTERS_MAX => Err(NoRoom::ForCluster),
        Some(_) | None => Ok(()),
    }
}

fn has_room(clusters: &BTreeMap<ClusterName, Cluster>, cluster: &str, pop: PopId) -> bool {
    let known = clusters.get(cluster);
    known.is_some_and(|known| known.has(pop))
        || room(known.map(Cluster::pop_count), clusters.len()).is_ok()
}

/// Names the next order.
fn next_op(counter: &mut u64) -> OpId {
    let op = OpId(*counter);
    *counter = counter.saturating_add(1);
    op
}

#[cfg(test)]
mod tests;
