//! The store in process at 64 callers, against a bare loop over the same engine that writes the
//! same rows in groups of the same size; and what it costs to keep an operation that fails from
//! taking its group along, done in two ways.
//!
//! `cargo bench -p clavitor-node` prints all of it, with `-- store` or `-- isolation` a part. With
//! `-- bare` it prints the bare loop's writes per second alone, to compare something else with.

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
    // Cargo adds `--bench`.
    match std::env::args().skip(1).find(|word| !word.starts_with('-')).as_deref() {
        Some("bare") => println!("{:.0}", rate(Isolation::None)),
        Some("store") => compare_store(),
        Some("isolation") => compare_isolation(),
        Some(_) | None => {
            compare_store();
            compare_isolation();
        }
    }
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

/// Every round measures each variant once, so that what else the machine does hits them alike.
fn compare_isolation() {
    println!("isolating an operation that fails, bare loop, groups of {CALLERS}:");
    let variants = [
        (Isolation::Nested { spoilers: 0 }, "nested transactions, none fails"),
        (Isolation::Around { spoilers: 0 }, "run again around it, none fails"),
        (Isolation::Nested { spoilers: 1 }, "nested transactions, one fails"),
        (Isolation::Around { spoilers: 1 }, "run again around it, one fails"),
        (Isolation::Nested { spoilers: 8 }, "nested transactions, eight fail"),
        (Isolation::Around { spoilers: 8 }, "run again around it, eight fail"),
    ];
    let mut rounds = variants.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        let plain = bare_rate(Isolation::None);
        for ((isolation, _), (rates, ratios)) in variants.iter().zip(&mut rounds) {
            let rate = bare_rate(*isolation);
            rates.push(rate);
            ratios.push(rate / plain);
        }
    }
    for ((_, name), (rates, ratios)) in variants.iter().zip(rounds) {
        let (rate, ratio) = (median(rates), median(ratios));
        println!("  {name}: {rate:.0}/s, {ratio:.2} of no isolation");
    }
}

fn rate(isolation: Isolation) -> f64 {
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
