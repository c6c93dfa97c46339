//! What operators see of clusters and their POPs.

use std::net::IpAddr;

use clavitor_commercial::renewal::{Held, with_margin};
use clavitor_core::id::{Epoch, PopId};
use clavitor_hq_core::control::{ClusterView, PopView, State};
use clavitor_node::wall;
use serde::Serialize;

use crate::exchange::Exchange;
use crate::presence::{Dirty, Known, Seen};
use crate::registry::Name;
use crate::settings::Settings;

/// By how much a POP's clock may be off before operators are told, in milliseconds.
const CLOCK_OFF_MS: u64 = 60_000;

/// What is needed to show anything.
pub(super) struct View<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) settings: &'a Settings,
}

/// A cluster, as it is shown.
#[derive(Serialize)]
pub(super) struct Cluster {
    name: String,
    epoch: Option<Epoch>,
    primary: Option<PopId>,
    state: &'static str,
    lease_ms_left: u64,
    members: Vec<PopId>,
    hand_over_to: Option<PopId>,
    dns: Dns,
    pops: Vec<Pop>,
}

#[derive(Serialize)]
struct Dns {
    name: String,
    addresses: Vec<IpAddr>,
}

#[derive(Serialize)]
struct Pop {
    pop: PopId,
    #[serde(flatten)]
    known: Known,
    dns_address: Option<IpAddr>,
    role: &'static str,
    epoch: Option<Epoch>,
    lease_ms_left: u64,
    is_member: bool,
    is_promotable: bool,
    is_ready: bool,
    is_preferred: bool,
    is_lost: bool,
    voted_ms: u64,
    refuses_ms: u64,
    last_seen_ms: Option<u64>,
    uptime_s: Option<u64>,
    entries: Option<u64>,
    dirty: Option<u64>,
    dirty_or_more: bool,
    oldest_dirty_ms: Option<u64>,
    peers: Option<Vec<Dirty>>,
    tarpit_held: Option<u64>,
    clock_ahead_ms: Option<i64>,
    held: Vec<Held>,
    why: Option<String>,
}

impl View<'_> {
    /// A cluster.
    pub(super) fn cluster(&self, cluster: ClusterView) -> Cluster {
        let is_unheard = cluster.pops.iter().all(|pop| pop.last_seen_ms.is_none());
        let state = match cluster.state {
            _ if is_unheard && cluster.granted.is_none() => "empty",
            State::Settling => "holding",
            State::Led => "led",
            State::Carried => "carried",
            State::Gathering => "expired",
            State::Promoting => "promoting",
            State::HandingOver => "handing_over",
            State::Leaderless => "leaderless",
        };
        let lease_ms_left = self.lease_ms_left(&cluster);
        let dns = Dns {
            name: format!("{}.{}", cluster.name, self.settings.zone),
            addresses: self.exchange.pointer.shown(&cluster.name),
        };
        let pop = |pop| self.pop(&cluster.name, lease_ms_left, pop);
        Cluster {
            epoch: cluster.epoch,
            primary: cluster.granted.map(|epoch| epoch.primary),
            state,
            lease_ms_left,
            members: cluster.members,
            hand_over_to: cluster.hand_over_to,
            dns,
            pops: cluster.pops.into_iter().map(pop).collect(),
            name: cluster.name,
        }
    }

    fn pop(&self, cluster: &str, lease_ms_left: u64, pop: PopView) -> Pop {
        let name = Name { cluster: cluster.to_owned(), pop: pop.pop };
        let seen = self.exchange.presence.seen(&name).unwrap_or_default();
        let why = why(&pop, &seen);
        let Seen { known, at, state, clock_ahead_ms } = seen;
        let ago = || at.map(|at| wall::unix_time().0.saturating_sub(at.0));
        let peers = state.as_ref().map(|state| state.dirty.as_slice());
        Pop {
            pop: pop.pop,
            dns_address: known.dns_addresses.first().copied(),
            known,
            role: if pop.is_primary { "primary" } else { "backup" },
            epoch: pop.epoch,
            lease_ms_left: if pop.is_primary { lease_ms_left } else { 0 },
            is_member: pop.is_member,
            is_promotable: pop.is_promotable,
            is_ready: pop.is_ready,
            is_preferred: pop.is_preferred,
            is_lost: pop.is_lost,
            voted_ms: pop.voted_ms,
            refuses_ms: pop.refuses_ms,
            last_seen_ms: pop.last_seen_ms.or_else(ago),
            uptime_s: state.as_ref().map(|state| state.uptime_s),
            entries: state.as_ref().map(|state| state.entries),
            dirty: peers.map(total),
            dirty_or_more: peers.is_some_and(|peers| peers.iter().any(|peer| peer.dirty_or_more)),
            oldest_dirty_ms: peers.and_then(oldest),
            tarpit_held: state.as_ref().map(|state| state.tarpit_held),
            clock_ahead_ms: state.is_some().then_some(clock_ahead_ms),
            peers: state.map(|state| state.dirty),
            held: pop.held,
            why,
        }
    }

    /// What the primary itself has left: HQ waits for longer.
    fn lease_ms_left(&self, cluster: &ClusterView) -> u64 {
        let lease_ms = self.settings.lease_ms;
        cluster.lease_ms_left.saturating_sub(with_margin(lease_ms) - lease_ms)
    }
}

fn total(peers: &[Dirty]) -> u64 {
    peers.iter().fold(0, |sum, peer| sum.saturating_add(peer.dirty))
}

fn oldest(peers: &[Dirty]) -> Option<u64> {
    peers.iter().filter_map(|peer| peer.oldest_dirty_ms).max()
}

/// What a person should know about a POP, if there is anything.
fn why(pop: &PopView, seen: &Seen) -> Option<String> {
    let state = seen.state.as_ref()?;
    if pop.is_lost {
        return Some("it does not renew".to_owned());
    }
    if !pop.is_ready {
        return Some("its data is new or imported, and it has yet to hear its peers".to_owned());
    }
    let ms = seen.clock_ahead_ms;
    if ms.unsigned_abs() > CLOCK_OFF_MS {
        let side = if ms > 0 { "ahead of" } else { "behind" };
        return Some(format!("its clock is {} s {side} HQ's", ms.unsigned_abs() / 1_000));
    }
    let suspended = state.dirty.iter().filter(|peer| peer.state == "suspended").count();
    (suspended > 0).then(|| format!("replication to {suspended} of its peers is suspended"))
}
