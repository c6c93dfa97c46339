//! What was measured, beside what is promised.

use clavitor_node::cli::client::display::table;
use serde::Serialize;
use serde_json::{Value, json};

use super::failover::Failover;
use super::screen::{grouped, measured};
use super::switchover::Switchover;

/// From the death of a primary until DNS names another, at the 99th percentile.
const DNS_MS_MAX: u64 = 12_000;

/// Without an acknowledged write while the place is handed over.
const PAUSE_MS_MAX: u64 = 250;

/// Everything that was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Each kill.
    pub(super) failovers: Vec<Failover>,
    /// Each hand-over.
    pub(super) switchovers: Vec<Switchover>,
    /// How many writes were acknowledged in all.
    pub(super) acknowledged: usize,
    /// How many of them one of the POPs lacks in the end.
    pub(super) lost: usize,
}

/// Times that were measured again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Spread {
    p50: u64,
    p99: u64,
    max: u64,
}

impl Spread {
    /// By nearest rank: each is a time that was measured.
    fn of(times: impl Iterator<Item = u64>) -> Option<Spread> {
        let mut times: Vec<u64> = times.collect();
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied()
        };
        Some(Spread { p50: at(50)?, p99: at(99)?, max: at(100)? })
    }
}

/// What a row of the table is about, and the most that is promised.
type Row = (&'static str, &'static str, Option<Spread>, Option<u64>);

impl Report {
    fn rows(&self) -> [Row; 7] {
        let of = |time: fn(&Failover) -> u64| Spread::of(self.failovers.iter().map(time));
        let pause = Spread::of(self.switchovers.iter().map(|it| it.pause_ms));
        [
            ("lease_over_ms", "HQ sees the lease end", of(|it| it.lease_over_ms), None),
            ("ordered_ms", "HQ orders a promotion", of(|it| it.ordered_ms), None),
            ("promoted_ms", "the other one is primary", of(|it| it.promoted_ms), None),
            ("dns_ms", "DNS names it", of(|it| it.dns_ms), Some(DNS_MS_MAX)),
            ("first_write_ms", "it acknowledges a write", of(|it| it.first_write_ms), None),
            ("rejoined_ms", "started again, a backup", of(|it| it.rejoined_ms), None),
            ("pause_ms", "switchover: no write for", pause, Some(PAUSE_MS_MAX)),
        ]
    }

    /// For a script.
    pub(super) fn document(&self) -> Value {
        let summary = self.rows().map(|(name, _, spread, _)| (name.to_owned(), json!(spread)));
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "acknowledged": self.acknowledged,
            "lost": self.lost,
            "summary": serde_json::Map::from_iter(summary),
            "promised": {"dns_ms_p99": DNS_MS_MAX, "pause_ms": PAUSE_MS_MAX, "lost": 0},
            "failovers": self.failovers,
            "switchovers": self.switchovers,
        })
    }

    /// For a person, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let times = self.failovers.len().max(self.switchovers.len());
        let cells = |spread: Spread| match times {
            1 => vec![measured(spread.max)],
            _ => [spread.p50, spread.p99, spread.max].map(measured).to_vec(),
        };
        let heading: &[&str] = if times == 1 { &["measured"] } else { &["p50", "p99", "max"] };
        let heading = ["after the kill"].iter().chain(heading).chain(&["promised", ""]);
        let mut rows = vec![heading.map(|cell| (*cell).to_owned()).collect::<Vec<_>>()];
        for (name, title, spread, most) in self.rows() {
            let Some(spread) = spread else { continue };
            let mut row = vec![title.to_owned()];
            row.extend(cells(spread));
            if let Some(most) = most {
                let (bound, measure) = match name {
                    "dns_ms" => ("p99 under 12 s", spread.p99),
                    _ => ("under 250 ms", spread.max),
                };
                row.extend([bound, kept(measure < most)].map(str::to_owned));
            }
            rows.push(row);
        }
        let lost = format!("{} of {}", grouped(self.lost), grouped(self.acknowledged));
        let mut row = vec!["acknowledged writes lost".to_owned(), lost];
        row.resize(rows.first().map_or(0, Vec::len).saturating_sub(2), String::new());
        row.extend(["0", kept(self.lost == 0)].map(str::to_owned));
        rows.push(row);
        table(&rows)
    }
}

fn kept(is_kept: bool) -> &'static str {
    if is_kept { "kept" } else { "NOT KEPT" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switchover(pause_ms: u64) -> Switchover {
        Switchover { from: "calgary-01", to: "zurich-01", epoch: 2, pause_ms, errors: Vec::new() }
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let spread = |times: &[u64]| Spread::of(times.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7]), Some(Spread { p50: 7, p99: 7, max: 7 }));
        assert_eq!(spread(&[3, 1, 2]), Some(Spread { p50: 2, p99: 3, max: 3 }));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(spread(&hundred), Some(Spread { p50: 50, p99: 99, max: 100 }));
    }

    #[test]
    fn a_promise_that_was_not_kept_is_said_so() {
        let mut report = Report { acknowledged: 4_000, ..Report::default() };
        report.switchovers = vec![switchover(48)];
        let text = report.lines().join("\n");
        assert!(text.contains("48 ms") && text.contains("0 of 4,000"), "{text}");
        assert!(text.contains("kept") && !text.contains("NOT KEPT"), "{text}");
        report.switchovers.push(switchover(250));
        report.lost = 1;
        let text = report.lines().join("\n");
        assert_eq!(text.matches("NOT KEPT").count(), 2, "{text}");
        assert!(text.contains("p99") && !text.contains("DNS"), "{text}");
    }

    #[test]
    fn a_script_gets_what_was_not_measured_as_null() {
        let report = Report { switchovers: vec![switchover(48)], ..Report::default() };
        let document = report.document();
        assert_eq!(document["summary"]["pause_ms"]["max"], 48);
        assert_eq!(document["summary"]["dns_ms"], Value::Null);
        assert_eq!((&document["lost"], &document["failovers"]), (&json!(0), &json!([])));
    }
}
