//! What reports say about replication, the tarpit and alerts. Peers go by their POP ids: a URL can
//! name what nobody outside needs to know.

use std::sync::atomic::Ordering;

use clavitor_commercial::alerts;
use clavitor_commercial::debt::{Debt, SHOWN_ROWS_MAX};
use clavitor_commercial::replication::View;
use clavitor_core::id::Seq;
use clavitor_core::time::UnixTime;
use clavitor_node::plumbing::Plumbing;
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use serde_json::{Map, Value, json};

use crate::Commercial;
use crate::operate::state;

impl<R: Runtime> Commercial<R> {
    pub(crate) fn report(&self, out: &mut Map<String, Value>) {
        let tarpit = self.tarpit_totals();
        let alerts::View { waiting, sent, lost } = self.alerts.seen();
        let parts = [
            ("replication", self.replication_report()),
            (
                "tarpit",
                json!({
                    "held": tarpit.held,
                    "held_total": tarpit.held_ever,
                    "dropped_total": tarpit.dropped,
                    "bytes_total": tarpit.bytes,
                    "seconds_total": tarpit.wasted_ms / 1_000,
                }),
            ),
            ("alerts", json!({"waiting": waiting, "sent": sent, "lost": lost})),
        ];
        out.extend(parts.map(|(name, part)| (name.to_owned(), part)));
    }

    fn replication_report(&self) -> Value {
        let (_, views) = self.views();
        // A store that cannot be read still reports that it runs.
        let debts = self.debts(&views, SHOWN_ROWS_MAX).ok();
        let debt = |index: usize| debts.as_ref().and_then(|debts| debts.get(index));
        let (last, now) = (self.store.last(), wall::unix_time());
        let peers = views.iter().enumerate();
        let peers = peers.map(|(index, view)| row(view, debt(index), last, now));
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "role": self.role(),
            "epoch": self.epoch().map_or(0, |epoch| epoch.number),
            "primary": self.epoch().map(|epoch| epoch.primary),
            "frames_sent": count(&self.counters.frames_sent),
            "records_sent": count(&self.counters.records_sent),
            "frames_received": count(&self.counters.frames_received),
            "records_applied": count(&self.counters.records_applied),
            "peers": peers.collect::<Vec<_>>(),
        })
    }
}

fn row(view: &View, debt: Option<&Debt>, last: Seq, now: UnixTime) -> Value {
    let age_ms = |since: UnixTime| now.0.saturating_sub(since.0);
    json!({
        "peer": view.pop,
        "state": state(view.state),
        "dirty": debt.map(|debt| debt.records),
        "dirty_or_more": debt.map(|debt| debt.is_or_more),
        "dirty_bytes": debt.map(|debt| debt.bytes),
        "oldest_dirty_ms": debt.and_then(|debt| debt.oldest).map(age_ms),
        "lag": last.0.saturating_sub(view.settled_to.0),
    })
}
