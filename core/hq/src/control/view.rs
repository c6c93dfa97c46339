//! What operators see of a cluster.

use alloc::vec::Vec;

use clavitor_commercial::renewal::Held;
use clavitor_core::id::{Epoch, PopId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::ClusterName;
use super::cluster::Cluster;
use super::members::{Pop, Said};

/// How a cluster is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// HQ has just begun, or has not heard enough: it gives no new lease yet.
    Settling,
    /// A primary holds a lease.
    Led,
    /// The primary does not renew, but lease votes carry it on.
    Carried,
    /// A lease is over, and HQ asks who holds what.
    Gathering,
    /// A POP is to become primary.
    Promoting,
    /// The primary hands over, in order.
    HandingOver,
    /// Nobody takes writes, and nobody can follow yet.
    Leaderless,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Its name.
    pub name: ClusterName,
    /// The newest term, given or ordered.
    pub epoch: Option<Epoch>,
    /// The newest term in which a lease was given.
    pub granted: Option<Epoch>,
    /// How it is doing.
    pub state: State,
    /// For how long nobody else is given a lease, in milliseconds.
    pub lease_ms_left: u64,
    /// The members that the primary is known to go by.
    pub members: Vec<PopId>,
    /// To whom the primary hands over.
    pub hand_over_to: Option<PopId>,
    /// Its POPs, sorted.
    pub pops: Vec<PopView>,
}

/// A POP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PopView {
    /// Its id.
    pub pop: PopId,
    /// Whether it is the primary of the newest term in which a lease was given.
    pub is_primary: bool,
    /// Whether it is a member of the primary's grant.
    pub is_member: bool,
    /// Whether it could follow, as far as membership goes.
    pub is_promotable: bool,
    /// Whether it says that it may be promoted.
    pub is_ready: bool,
    /// Whether it is the configured primary.
    pub is_preferred: bool,
    /// Whether it does not renew.
    pub is_lost: bool,
    /// How long ago it renewed, in milliseconds; `None` is never since HQ started.
    pub last_seen_ms: Option<u64>,
    /// The newest term that it knows.
    pub epoch: Option<Epoch>,
    /// For how long its vote still carries the primary, in milliseconds.
    pub voted_ms: u64,
    /// For how long it still refuses to be promoted, in milliseconds.
    pub refuses_ms: u64,
    /// How much it holds of whom.
    pub held: Vec<Held>,
}

impl Cluster {
    /// What operators see.
    pub(super) fn view(&self, now: Instant) -> ClusterView {
        let promotable = if self.row.granted.is_some() { self.promotable() } else { Vec::new() };
        let pops = self.pops.iter();
        ClusterView {
            name: self.name.clone(),
            epoch: self.row.epoch,
            granted: self.row.granted,
            state: self.state(now),
            lease_ms_left: self.lease_until.ms_since(now),
            members: self.row.acknowledged.pops.clone(),
            hand_over_to: self.hand_over.target(),
            pops: pops.map(|(pop, known)| self.pop_view(now, *pop, known, &promotable)).collect(),
        }
    }

    fn state(&self, now: Instant) -> State {
        let is_held = now < self.lease_until;
        let is_heard = self.row.granted.is_some_and(|epoch| {
            self.pops.get(&epoch.primary).is_some_and(|known| known.said().is_some())
        });
        if self.is_going_on() && is_held && is_heard {
            return if self.hand_over.target().is_some() { State::HandingOver } else { State::Led };
        }
        if is_held || (self.row.epoch.is_none() && self.succession.gathering_since.is_none()) {
            return State::Settling;
        }
        if !self.is_released && self.row.granted.is_some() && self.is_carried(now) {
            return State::Carried;
        }
        if self.is_ordered() && self.unordered.is_none() {
            return State::Promoting;
        }
        if self.succession.is_gathering(now) { State::Gathering } else { State::Leaderless }
    }

    fn pop_view(&self, now: Instant, pop: PopId, known: &Pop, promotable: &[PopId]) -> PopView {
        let said = known.said();
        let renewal = said.map(|said| &said.renewal);
        PopView {
            pop,
            is_primary: self.primary() == Some(pop),
            is_member: self.row.acknowledged.pops.contains(&pop),
            is_promotable: promotable.contains(&pop),
            is_ready: renewal.is_some_and(|renewal| renewal.is_ready),
            is_preferred: renewal.is_some_and(|renewal| renewal.is_preferred),
            is_lost: known.is_lost(),
            last_seen_ms: known.seen_at().map(|at| now.ms_since(at)),
            epoch: renewal.and_then(|renewal| renewal.epoch),
            voted_ms: said.map(Said::voted_until).map_or(0, |until| until.ms_since(now)),
            refuses_ms: said.map(Said::refuses_until).map_or(0, |until| until.ms_since(now)),
            held: renewal.map(|renewal| renewal.held.clone()).unwrap_or_default(),
        }
    }
}
