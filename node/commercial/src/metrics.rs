//! The edition's metrics.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use clavitor_commercial::alerts::View;
use clavitor_commercial::debt::SHOWN_ROWS_MAX;
use clavitor_commercial::tarpit::Totals;
use clavitor_node::api::metric_head;
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;

use crate::operate::state;
use crate::{Commercial, lock};

impl<R: Runtime> Commercial<R> {
    pub(crate) fn write_metrics(&self, out: &mut String) {
        let _ = writeln!(out, "# {} {}", clavitor_commercial::MARKER, crate::MARKER);
        self.write_tarpit(out);
        self.write_alert_metrics(out);
        let (_, views) = self.views();
        let Ok(debts) = self.debts(&views, SHOWN_ROWS_MAX) else { return };
        let now = wall::unix_time();
        let peer = |index: usize| self.cluster.peer_urls.get(index).cloned().unwrap_or_default();
        metric_head(out, "clavitor_peer_dirty", "gauge", "Records owed to a peer.");
        for (index, debt) in debts.iter().enumerate() {
            let _ =
                writeln!(out, "clavitor_peer_dirty{{peer=\"{}\"}} {}", peer(index), debt.records);
        }
        let help = "1 if records or bytes owed to a peer are so many or more.";
        metric_head(out, "clavitor_peer_dirty_or_more", "gauge", help);
        for (index, debt) in debts.iter().enumerate() {
            let is_or_more = u8::from(debt.is_or_more);
            let _ = writeln!(
                out,
                "clavitor_peer_dirty_or_more{{peer=\"{}\"}} {is_or_more}",
                peer(index)
            );
        }
        metric_head(out, "clavitor_peer_dirty_bytes", "gauge", "Bytes owed to a peer.");
        for (index, debt) in debts.iter().enumerate() {
            let _ = writeln!(
                out,
                "clavitor_peer_dirty_bytes{{peer=\"{}\"}} {}",
                peer(index),
                debt.bytes
            );
        }
        let help = "Age of the oldest record owed to a peer.";
        metric_head(out, "clavitor_peer_oldest_dirty_seconds", "gauge", help);
        for (index, debt) in debts.iter().enumerate() {
            let age_s = debt.oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0) / 1_000);
            let _ = writeln!(
                out,
                "clavitor_peer_oldest_dirty_seconds{{peer=\"{}\"}} {age_s}",
                peer(index)
            );
        }
        metric_head(out, "clavitor_peer_state", "gauge", "1 for the state a peer is in.");
        for (index, view) in views.iter().enumerate() {
            let state = state(view.state);
            let _ = writeln!(
                out,
                "clavitor_peer_state{{peer=\"{}\",state=\"{state}\"}} 1",
                peer(index)
            );
        }
        let epoch = lock(&self.epoch).map_or(0, |epoch| epoch.number);
        metric_head(out, "clavitor_epoch", "gauge", "The number of the epoch known here.");
        let _ = writeln!(out, "clavitor_epoch {epoch}");
        self.write_lease(out);
        self.write_counters(out);
    }

    /// What the tarpit did since the start.
    pub fn tarpit_totals(&self) -> Totals {
        self.tarpit.as_ref().map(|tarpit| tarpit.totals()).unwrap_or_default()
    }

    fn write_tarpit(&self, out: &mut String) {
        let Totals { held, held_ever, dropped, bytes, wasted_ms } = self.tarpit_totals();
        for (name, kind, help, value) in [
            ("held", "gauge", "Connections that the tarpit holds.", held.into()),
            ("held_total", "counter", "Connections that it ever held.", held_ever),
            ("dropped_total", "counter", "Connections closed for lack of a slot.", dropped),
            ("bytes_total", "counter", "Bytes given to held clients, one by one.", bytes),
            ("seconds_total", "counter", "Time of held clients that are gone.", wasted_ms / 1_000),
        ] {
            let name = format!("clavitor_tarpit_{name}");
            metric_head(out, &name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
    }

    fn write_counters(&self, out: &mut String) {
        let counters = [
            ("clavitor_frames_sent_total", "Frames sent.", &self.counters.frames_sent),
            ("clavitor_records_sent_total", "Records sent.", &self.counters.records_sent),
            ("clavitor_frames_received_total", "Frames received.", &self.counters.frames_received),
            ("clavitor_records_applied_total", "Records applied.", &self.counters.records_applied),
        ];
        for (name, help, counter) in counters {
            metric_head(out, name, "counter", help);
            let _ = writeln!(out, "{name} {}", counter.load(Ordering::Relaxed));
        }
    }

    fn write_alert_metrics(&self, out: &mut String) {
        let View { waiting, sent, lost } = self.alerts.seen();
        let metrics = [
            (
                "clavitor_alerts_waiting",
                "gauge",
                "Alerts that wait for HQ, equal ones as one.",
                waiting,
            ),
            (
                "clavitor_alerts_sent_total",
                "counter",
                "Alerts that HQ took, equal ones as one.",
                sent,
            ),
            ("clavitor_alerts_lost_total", "counter", "Alerts given up before HQ took them.", lost),
        ];
        for (name, kind, help, value) in metrics {
            metric_head(out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
    }

    fn write_lease(&self, out: &mut String) {
        let Some(view) = self.hq.seen().filter(|_| self.hq.is_there()) else { return };
        let left_ms = self.right.ms_left().filter(|_| view.is_primary).unwrap_or_default();
        let help = "For how long this server may take writes yet.";
        metric_head(out, "clavitor_lease_seconds_left", "gauge", help);
        let _ =
            writeln!(out, "clavitor_lease_seconds_left {}.{:03}", left_ms / 1_000, left_ms % 1_000);
        metric_head(out, "clavitor_lease_carrier", "gauge", "1 for who carries the lease.");
        let carrier = view.carrier.as_str();
        let _ = writeln!(out, "clavitor_lease_carrier{{carrier=\"{carrier}\"}} 1");
    }
}
