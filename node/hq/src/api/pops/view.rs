//! What operators see of clusters and their POPs.

use clavitor_commercial::renewal::with_margin;
use clavitor_core::id::Epoch;
use clavitor_hq_core::control::{ClusterView, PopView, State};
use clavitor_node::wall;
use serde_json::{Value, json};

use crate::exchange::Exchange;
use crate::presence::Seen;
use crate::registry::Name;
use crate::settings::Settings;

/// By how much a POP's clock may be off before operators are told, in milliseconds.
const CLOCK_OFF_MS: u64 = 60_000;

/// What is needed to show anything.
pub(super) struct View<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) settings: &'a Settings,
}

impl View<'_> {
    /// A cluster.
    pub(super) fn cluster(&self, cluster: &ClusterView) -> Value {
        let pops: Vec<Value> = cluster.pops.iter().map(|pop| self.pop(cluster, pop)).collect();
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
        json!({
            "name": cluster.name,
            "epoch": cluster.epoch.map(epoch),
            "primary": cluster.granted.map(|epoch| epoch.primary),
            "state": state,
            "lease_ms_left": self.lease_ms_left(cluster),
            "members": cluster.members,
            "hand_over_to": cluster.hand_over_to,
            "dns": {
                "name": format!("{}.{}", cluster.name, self.settings.zone),
                "addresses": self.exchange.shown_in_dns(&cluster.name),
            },
            "pops": pops,
        })
    }

    fn pop(&self, cluster: &ClusterView, pop: &PopView) -> Value {
        let name = Name { cluster: cluster.name.clone(), pop: pop.pop };
        let seen = self.exchange.presence.seen(&name).unwrap_or_default();
        let why = why(pop, &seen);
        let Seen { known, at, state, clock_ahead_ms } = seen;
        let ago = |at| wall::unix_time().0.saturating_sub(at);
        let dirty = state.as_ref().map(|state| state.dirty.iter().map(|peer| peer.dirty).sum());
        let dirty: Option<u64> = dirty;
        let oldest = state
            .as_ref()
            .and_then(|state| state.dirty.iter().filter_map(|peer| peer.oldest_dirty_ms).max());
        json!({
            "pop": pop.pop,
            "url": known.url,
            "dns_address": known.dns_addresses.first(),
            "dns_addresses": known.dns_addresses,
            "role": if pop.is_primary { "primary" } else { "backup" },
            "epoch": pop.epoch.map(epoch),
            "lease_ms_left": if pop.is_primary { self.lease_ms_left(cluster) } else { 0 },
            "is_member": pop.is_member,
            "is_promotable": pop.is_promotable,
            "is_ready": pop.is_ready,
            "is_preferred": pop.is_preferred,
            "is_lost": pop.is_lost,
            "voted_ms": pop.voted_ms,
            "refuses_ms": pop.refuses_ms,
            "last_seen_ms": pop.last_seen_ms.or(at.map(|at| ago(at.0))),
            "version": known.version,
            "edition": known.edition,
            "runtime": known.runtime,
            "region": known.region,
            "uptime_s": state.as_ref().map(|state| state.uptime_s),
            "entries": state.as_ref().map(|state| state.entries),
            "dirty": dirty,
            "oldest_dirty_ms": oldest,
            "peers": state.as_ref().map(|state| &state.dirty),
            "tarpit_held": state.as_ref().map(|state| state.tarpit_held),
            "clock_ahead_ms": state.is_some().then_some(clock_ahead_ms),
            "held": pop.held,
            "why": why,
        })
    }

    /// What the primary itself has left: HQ waits for longer.
    fn lease_ms_left(&self, cluster: &ClusterView) -> u64 {
        let lease_ms = self.settings.lease_ms;
        cluster.lease_ms_left.saturating_sub(with_margin(lease_ms) - lease_ms)
    }
}

fn epoch(epoch: Epoch) -> Value {
    json!({"number": epoch.number, "primary": epoch.primary})
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
