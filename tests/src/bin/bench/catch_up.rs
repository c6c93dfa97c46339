//! A backup that was away: how long until it has everything.

use std::time::{Duration, Instant};

use clavitor_tests::process;
use clavitor_tests::wait::{eventually, seconds};

use crate::load::{Load, Template};
use crate::pair::Pair;
use crate::slow::{self, Lanes};
use crate::{CLIENTS, ROUNDS, report};

const ENTRIES: u64 = 100_000;

/// Over the slow network there are fewer, or the figure would take minutes.
const ENTRIES_SLOW: u64 = 20_000;
const DELAY: Duration = Duration::from_millis(100);

const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn measure() {
    let mut times = Vec::new();
    let mut peaks = (0, 0);
    for _ in 0..ROUNDS {
        let caught_up = catch_up(Pair::prepare(|address| address), ENTRIES);
        times.push(caught_up.time.as_secs_f64());
        peaks = (peaks.0.max(caught_up.primary_kib), peaks.1.max(caught_up.backup_kib));
    }
    report::below("catch-up of 100,000 dirty 1 KiB entries", "s", report::median(times), 10.0);
    let mib = |kib: u64| kib as f64 / 1024.0;
    let peaks = format!("{:.0} / {:.0} MiB", mib(peaks.0), mib(peaks.1));
    report::told("  peak anonymous memory meanwhile, primary / backup", &peaks);

    let over = |lanes| {
        let through = |address| slow::start(address, DELAY, lanes);
        catch_up(Pair::prepare(through), ENTRIES_SLOW).time.as_secs_f64()
    };
    let rounds: Vec<(f64, f64)> =
        (0..ROUNDS).map(|_| (over(Lanes::Many), over(Lanes::One))).collect();
    let what = "  20,000, 100 ms more an answer, beside one at a time";
    report::faster(what, &rounds, 5.0);
}

struct CaughtUp {
    time: Duration,
    primary_kib: u64,
    backup_kib: u64,
}

/// From the moment the backup listens to the moment the primary owes it nothing.
fn catch_up(mut pair: Pair, entries: u64) -> CaughtUp {
    pair.primary.start_again();
    // It is new, and its backup is to be away: it begins on an operator's word.
    pair.primary.client().promote().expect(200);
    let template = Template::put(&pair.primary.admin_token(), "");
    Load::connect(pair.primary.address(), CLIENTS, template).run(0..entries);
    let dirty = pair.primary.client().dirty();
    assert!(dirty >= Some(entries), "{dirty:?} of {entries} are dirty");
    pair.backup.start_again();
    let started = Instant::now();
    let (mut primary_kib, mut backup_kib) = (0, 0);
    let mut probe = || {
        primary_kib = process::resident_kib(pair.primary.id()).max(primary_kib);
        backup_kib = process::resident_kib(pair.backup.id()).max(backup_kib);
        pair.is_settled()
    };
    while !probe() {
        assert!(started.elapsed() < Duration::from_secs(120), "no end in sight");
        std::thread::sleep(PAUSE);
    }
    let time = started.elapsed();
    eventually("the backup counts every entry", seconds(5), || {
        pair.backup.client().node()["entries"].as_u64() == Some(entries)
    });
    CaughtUp { time, primary_kib, backup_kib }
}
