//! The time on a core, and the memory, that a thousand POPs cost HQ that renew every two seconds and
//! are never told anything new.

use std::time::{Duration, Instant};

use clavitor_tests::governed::start_hq;
use clavitor_tests::process;

use super::pops::Crowd;
use crate::report;

/// In clusters of two.
const POPS: usize = 1_000;

/// Until every primary is led by a grant that names its backup too.
const SETTLE: Duration = Duration::from_secs(12);

const WINDOW: Duration = Duration::from_secs(30);

/// The percentage of a core that this may take.
const PERCENT_MAX: f64 = 10.0;

/// What may be resident, in MiB, mapped files included.
const RESIDENT_MAX: f64 = 64.0;

pub(crate) fn measure() {
    process::raise_open_files();
    let (hq, _) = start_hq(&[]);
    let mut crowd = Crowd::register(&hq, POPS);
    crowd.run(SETTLE);
    crowd.assert_all_led();
    let spent = || (process::cpu_time(hq.id()), process::voluntary_switches(hq.id()).0);
    let (before, started) = (spent(), Instant::now());
    let mut answered = crowd.run(WINDOW);
    let (after, window_s) = (spent(), started.elapsed().as_secs_f64());
    crowd.assert_all_led();
    let resident = process::resident_with_files_kib(hq.id()) as f64 / 1024.0;
    let core = 100.0 * (after.0 - before.0).as_secs_f64() / window_s;
    report::below(&format!("HQ with {POPS} POPs: share of a core"), "%", core, PERCENT_MAX);
    report::below("  resident", "MiB", resident, RESIDENT_MAX);
    let rate = |count: usize| format!("{:.1} /s", count as f64 / window_s);
    report::told("  renewals", &rate(answered.times.len()));
    report::told("  of them answered with a lease", &rate(answered.led));
    let p50 = report::percentile_ms(&mut answered.times, 50);
    let p99 = report::percentile_ms(&mut answered.times, 99);
    report::told("  from a renewal to its answer, p50 / p99", &format!("{p50:.2} / {p99:.2} ms"));
    report::told("  renewals that HQ had no answer for", &answered.refused.to_string());
    let switches = (after.1 - before.1) as f64 / window_s;
    report::told("  voluntary context switches", &format!("{switches:.0} /s"));
}
