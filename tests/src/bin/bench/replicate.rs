//! From a commit on the primary to the same on a backup's disk, one client.

use std::time::Duration;

use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Edition, Server};

use crate::load::{Load, Template};
use crate::pair::Pair;
use crate::postgres::{Postgres, percentiles};
use crate::{ENTRIES, ROUNDS, report};

/// Rivals take turns, so that whatever else the machine does hits them alike.
const TURNS: u64 = 8;
const WRITES_IN_TURN: u64 = 250;

/// How many upserts PostgreSQL is measured over.
const UPSERTS: u64 = 5_000;

pub(crate) fn measure() {
    let mut pair = Pair::prepare(|address| address);
    pair.backup.start_again();
    pair.primary.start_again();
    eventually("the primary finds its backup", seconds(30), || pair.is_settled());
    let alone = Server::start(Edition::Community);
    let both = Template::put(&pair.primary.admin_token(), "?ack=backup");
    let mut both = Load::connect(pair.primary.address(), 1, both);
    let local = Template::put(&alone.admin_token(), "");
    let mut local = Load::connect(alone.address(), 1, local);
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut on_both, mut on_one): (Vec<Duration>, Vec<Duration>) = (Vec::new(), Vec::new());
        for turn in 0..TURNS {
            let numbers =
                || (0..WRITES_IN_TURN).map(move |at| (turn * WRITES_IN_TURN + at) % ENTRIES);
            on_both.extend(both.run(numbers()).latencies);
            on_one.extend(local.run(numbers()).latencies);
        }
        let (both, one) = (percentiles(on_both), percentiles(on_one));
        p50.push((both.0, one.0));
        p99.push(both.1);
    }
    report::at_most("PUT durable on a backup too, one client, p50", "ms", &p50, 3.0);
    report::told("  the same, p99", &format!("{:.3} ms", report::median(p99)));
    let what = "  PostgreSQL, synchronous_commit=on with a standby";
    match postgres() {
        Ok((p50, p99)) => report::told(what, &format!("{p50:.3} / {p99:.3} ms p50 / p99")),
        Err(reason) => report::skipped(what, &reason),
    }
}

fn postgres() -> Result<(f64, f64), String> {
    let mut postgres = Postgres::start(1)?;
    postgres.add_standby()?;
    Ok(percentiles(postgres.upserts(1, UPSERTS).latencies))
}
