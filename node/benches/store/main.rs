//! The store in process at 64 callers, against a bare loop over the same engine that writes the
//! same rows in groups of the same size; and what it costs to keep an operation that fails from
//! taking its group along, done in two ways.
//!
//! `cargo bench -p clavitor-node` prints all of it, with `-- store` or `-- isolation` a part. With
//! `-- bare` it runs the bare loop for a moment whenever it reads a line, and prints its writes per
//! second, to compare something else with.

mod bare;
mod callers;
mod rows;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bare::{Bare, Isolation};
use callers::Callers;

/// How many rounds; the median counts.
const ROUNDS: usize = 5;

/// How many callers wait at once, and how large the bare loop's groups are.
const CALLERS: usize = 64;

/// How many entries there are before the measurement, which writes to them again and again.
const ENTRIES: u64 = 10_000;

/// How many writes a round takes, and in how many turns: rivals take turns, so that whatever else
/// the machine does hits them alike.
const WRITES: u64 = 65_536;
const TURNS: u64 = 16;

/// What the store must reach of the bare loop.
const TARGET: f64 = 0.85;

fn main() {
    // Cargo adds `--bench`.
    match std::env::args().skip(1).find(|word| !word.starts_with('-')).as_deref() {
        Some("bare") => bare_on_demand(),
        Some("store") => compare_store(),
        Some("isolation") => compare_isolation(),
        Some(_) | None => {
            compare_store();
            compare_isolation();
        }
    }
}

fn compare_store() {
    let (mut ours, mut theirs, mut ratios, mut groups) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (one, other) = (Scratch::new(), Scratch::new());
        let mut callers = Callers::filled(&one);
        let mut bare = Bare::filled(&other);
        let [store, rival] = take_turns([&mut |writes| callers.time(writes), &mut |writes| {
            bare.time(writes, Isolation::None)
        }]);
        ours.push(store);
        theirs.push(rival);
        ratios.push(store / rival);
        groups.push(callers.writes_in_group());
    }
    let ratio = median(ratios);
    let verdict = if ratio >= TARGET { "ok" } else { "BELOW" };
    println!(
        "store in process, {CALLERS} callers: {:.0}/s in groups of {:.0}; bare loop, groups of \
         {CALLERS}: {:.0}/s; ratio {ratio:.2}, target {TARGET:.2}: {verdict}",
        median(ours),
        median(groups),
        median(theirs),
    );
}

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
    for (isolation, name) in variants {
        let (mut rates, mut ratios) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            let (one, other) = (Scratch::new(), Scratch::new());
            let (mut isolated, mut plain) = (Bare::filled(&one), Bare::filled(&other));
            let [ours, rival] =
                take_turns([&mut |writes| isolated.time(writes, isolation), &mut |writes| {
                    plain.time(writes, Isolation::None)
                }]);
            rates.push(ours);
            ratios.push(ours / rival);
        }
        println!("  {name}: {:.0}/s, {:.2} of no isolation", median(rates), median(ratios));
    }
}

/// One turn of the bare loop for each line on stdin, and its writes per second on stdout.
fn bare_on_demand() {
    let scratch = Scratch::new();
    let mut bare = Bare::filled(&scratch);
    for _ in std::io::stdin().lines() {
        let writes = WRITES / TURNS;
        let time = bare.time(writes, Isolation::None);
        println!("{:.0}", writes as f64 / time.as_secs_f64());
    }
}

/// The writes per second of each rival.
fn take_turns<const N: usize>(mut rivals: [&mut dyn FnMut(u64) -> Duration; N]) -> [f64; N] {
    let mut times = [Duration::ZERO; N];
    for _ in 0..TURNS {
        for (rival, time) in rivals.iter_mut().zip(&mut times) {
            *time += rival(WRITES / TURNS);
        }
    }
    times.map(|time| WRITES as f64 / time.as_secs_f64())
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
