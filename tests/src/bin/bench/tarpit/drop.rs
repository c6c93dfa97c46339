//! Those beyond the cap: how fast they are rid of, and what is kept of them.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use clavitor_tests::process;

use super::crowd::{Crowd, open};
use super::pit::{Pit, metric};
use crate::report;

const HELD: usize = 1_000;
const DROPPED: usize = 20_000;

/// Before the memory is looked at: what the first of them make the allocator fetch is used again.
const FIRST: usize = 2_000;

/// No allocation is smaller.
const KEPT_MAX: f64 = 16.0;

pub(crate) fn measure() {
    process::raise_open_files();
    let pit = Pit::ours(HELD);
    let Pit::Ours(server) = &pit else { return };
    let mut crowd = Crowd::default();
    crowd.grow(&pit, HELD);
    pit.settle(HELD);
    for number in 0..FIRST {
        be_dropped(&pit, HELD + number);
    }
    let resident = || process::resident_with_files_kib(pit.id());
    let dropped = || metric(server, "clavitor_tarpit_dropped_total");
    let (kib_before, dropped_before) = (resident(), dropped());
    let mut times: Vec<Duration> =
        (0..DROPPED).map(|number| be_dropped(&pit, HELD + FIRST + number)).collect();
    let (kib_after, dropped) = (resident(), dropped() - dropped_before);
    assert!(dropped >= DROPPED as f64, "{dropped} of {DROPPED} were dropped");
    pit.assert_still_held(HELD, Instant::now());
    let p50 = report::percentile_ms(&mut times, 50);
    let p99 = report::percentile_ms(&mut times, 99);
    report::below("20,000 beyond the cap: connect to close, p50", "ms", p50, 1.0);
    report::below("  the same, p99", "ms", p99, 1.0);
    let kept = kib_after.saturating_sub(kib_before) as f64 * 1024.0 / DROPPED as f64;
    let figure = format!("{kib_before} -> {kib_after} KiB");
    report::told("  resident memory before and after", &figure);
    report::below("  kept for each", "B", kept, KEPT_MAX);
}

/// From connecting to the server's close.
fn be_dropped(pit: &Pit, number: usize) -> Duration {
    let started = Instant::now();
    let mut stream = open(pit.address(), number);
    stream.write_all(pit.guess()).expect("the server reads, or closes in a moment");
    let read = stream.read(&mut [0; 1024]);
    let time = started.elapsed();
    let is_reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
    let is_closed = read.as_ref().map_or_else(is_reset, |bytes| *bytes == 0);
    assert!(is_closed, "not dropped: {read:?}");
    time
}
