//! The store in process at 64 callers, against a bare loop over the same engine that writes the
//! same rows in groups of the same size; and what it costs to keep an operation that fails from
//! taking its group along, done in two ways.
//!
//! `cargo bench -p clavitor-node` prints a table. With the argument `bare` it prints the bare
//! loop's writes per second alone, for whoever compares something else with it.

mod bare;
mod callers;
mod rows;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use bare::{Bare, Isolation};

/// How many rounds; the median counts.
const ROUNDS: usize = 5;

/// How many callers wait at once, and how large the bare loop's groups are.
const CALLERS: usize = 64;

/// How many entries there are before the measurement, which writes to them again and again.
const ENTRIES: u64 = 10_000;

/// How many writes one measurement takes.
const WRITES: u64 = 64_000;

/// What the store must reach of the bare loop.
const TARGET: f64 = 0.85;

fn main() {
    if std::env::args().any(|word| word == "bare") {
        let rates = (0..ROUNDS).map(|_| bare_rate(Isolation::None));
        println!("{:.0}", median(rates.collect()));
        return;
    }
    compare_store();
    compare_isolation();
}

fn compare_store() {
    let (mut store, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut groups = 0.0;
    for _ in 0..ROUNDS {
        let rival = bare_rate(Isolation::None);
        let ours = callers::rate(&Scratch::new(), CALLERS);
        groups = ours.writes_in_group;
        store.push(ours.per_second);
        bare.push(rival);
        ratios.push(ours.per_second / rival);
    }
    let ratio = median(ratios);
    let verdict = if ratio >= TARGET { "ok" } else { "BELOW" };
    println!(
        "store in process, {CALLERS} callers: {:.0}/s in groups of {groups:.1}; bare loop, groups of \
         {CALLERS}: {:.0}/s; ratio {ratio:.2}, target {TARGET:.2}: {verdict}",
        median(store),
        median(bare),
    );
}

fn compare_isolation() {
    println!("isolating an operation that fails, bare loop, groups of {CALLERS}:");
    let plain = rates(Isolation::None);
    for (isolation, name) in [
        (Isolation::Nested { spoilers: 0 }, "nested transactions, none fails"),
        (Isolation::Around { spoilers: 0 }, "run again around it, none fails"),
        (Isolation::Nested { spoilers: 1 }, "nested transactions, one of a group fails"),
        (Isolation::Around { spoilers: 1 }, "run again around it, one of a group fails"),
        (Isolation::Nested { spoilers: 8 }, "nested transactions, eight of a group fail"),
        (Isolation::Around { spoilers: 8 }, "run again around it, eight of a group fail"),
    ] {
        let rate = rates(isolation);
        println!("  {name}: {rate:.0}/s, {:.2} of no isolation", rate / plain);
    }
}

fn rates(isolation: Isolation) -> f64 {
    median((0..ROUNDS).map(|_| bare_rate(isolation)).collect())
}

fn bare_rate(isolation: Isolation) -> f64 {
    Bare::filled(&Scratch::new()).rate(isolation)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A directory of its own on the disk that `TMPDIR` names, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clavitor-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary directory can be written");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
