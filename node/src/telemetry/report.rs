//! What a report says. Every field is listed, with its unit and its source, in `docs/telemetry.md`;
//! a test holds the two against each other. Nothing a client stores, names or is, is ever in it.

use clavitor_core::time::Instant;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::plumbing::Plumbing;
use crate::runtime::Runtime;
use crate::{host, wall};

/// The version of what is documented; it changes when a field's meaning does, or when one goes.
const SCHEMA: u32 = 1;

/// What about a server does not change while it runs.
pub(super) struct About {
    /// The machine's name.
    pub(super) hostname: String,
    /// The region that the configuration names; empty if it names none.
    pub(super) region: String,
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// The moment; `None` is the start.
    at: Option<Instant>,
    responses: u64,
    refusals: u64,
    writes: u64,
    commits: u64,
}

/// The bytes of a report about now. Rates are since `last`, which becomes now.
pub(super) fn build<P: Plumbing>(
    api: &Api<P>,
    about: &About,
    last: &mut Totals,
    (taken, failed): (u64, u64),
) -> Vec<u8> {
    let (writes, commits) = api.store.commits();
    let by_class = api.ledger.by_class().collect::<Vec<_>>();
    let by_code = api.ledger.by_code();
    let now = Totals {
        at: Some(wall::instant()),
        responses: by_class.iter().map(|(_, count)| count).sum(),
        refusals: by_code.values().sum(),
        writes,
        commits,
    };
    let usage = api.store.usage().ok();
    // A system that does not tell counts as one without a bound.
    let free = Some(api.store.disk_left()).filter(|left| *left != u64::MAX);
    let mut responses = Map::new();
    for (class, count) in &by_class {
        responses.insert(format!("{class}xx"), (*count).into());
    }
    let mut report = json!({
        "schema": SCHEMA,
        "edition": api.plumbing.name(),
        "runtime": <P::Runtime as Runtime>::NAME,
        "version": env!("CARGO_PKG_VERSION"),
        "hostname": about.hostname,
        "pop": api.store.pop(),
        "pop_region": about.region,
        "cluster": api.plumbing.cluster(),
        "timestamp": wall::rfc3339(wall::unix_time()),
        "uptime_s": api.uptime_ms() / 1_000,
        "memory": {"resident_bytes": host::resident_bytes()},
        "disk": {
            "used_bytes": usage.map(|(used, _)| used),
            "quota_bytes": usage.map(|(_, quota)| quota),
            "free_bytes": free,
        },
        "counts": {"entries": api.store.entries(), "connections": api.connections.open()},
        "totals": {
            "responses": responses,
            "refusals": by_code,
            "writes": writes,
            "commits": commits,
            "reports": taken,
            "report_failures": failed,
        },
        "rates": rates(last, &now, api.uptime_ms()),
    });
    if let Value::Object(report) = &mut report {
        api.plumbing.telemetry(report);
    }
    *last = now;
    report.to_string().into_bytes()
}

fn rates(last: &Totals, now: &Totals, uptime_ms: u64) -> Value {
    let since = |(from, to): (Instant, Instant)| to.ms_since(from);
    let interval_ms = last.at.zip(now.at).map_or(uptime_ms, since);
    let rate = |from, to| per_second(from, to, interval_ms);
    json!({
        "interval_ms": interval_ms,
        "responses_per_s": rate(last.responses, now.responses),
        "refusals_per_s": rate(last.refusals, now.refusals),
        "writes_per_s": rate(last.writes, now.writes),
        "commits_per_s": rate(last.commits, now.commits),
    })
}

/// How much was added per second, to three decimal places.
fn per_second(from: u64, to: u64, interval_ms: u64) -> f64 {
    let added = u128::from(to.saturating_sub(from));
    let thousandths = added * 1_000_000 / u128::from(interval_ms.max(1));
    u32::try_from(thousandths).map_or(f64::from(u32::MAX), f64::from) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_to_three_places() {
        let text = |from, to, ms| json!(per_second(from, to, ms)).to_string();
        assert_eq!(text(0, 10, 5_000), "2.0");
        assert_eq!(text(10, 11, 3_000), "0.333");
        assert_eq!(text(7, 7, 3_000), "0.0");
        assert_eq!(text(9, 7, 3_000), "0.0", "what is gone is no rate");
        assert_eq!(text(0, 3, 0), "3000.0");
        assert_eq!(per_second(0, u64::MAX, 1), f64::from(u32::MAX) / 1_000.0);
    }

    #[test]
    fn the_first_rates_are_since_the_start_and_later_ones_since_the_last_report() {
        let at =
            |ms, writes| Totals { at: Some(Instant::from_ms(ms)), writes, ..Totals::default() };
        let first = rates(&Totals::default(), &at(70_000, 20), 10_000);
        assert_eq!((&first["interval_ms"], &first["writes_per_s"]), (&json!(10_000), &json!(2.0)));
        let second = rates(&at(70_000, 20), &at(71_000, 23), 11_000);
        assert_eq!((&second["interval_ms"], &second["writes_per_s"]), (&json!(1_000), &json!(3.0)));
    }
}
