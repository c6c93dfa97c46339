//! The time on a core, and the context switches, that holding takes; not those of coming and going.

use std::time::{Duration, Instant};

use clavitor_tests::process;

use super::HELD_MAX;
use super::crowd::Crowd;
use super::pit::Pit;
use crate::report;

/// Within the thirty seconds that everybody is held for.
const WINDOW: Duration = Duration::from_secs(15);

const ROUNDS: usize = 3;

/// How many are held, and the percentage of a core that this may take.
const SIZES: [(usize, f64); 2] = [(1_000, 1.0), (10_000, 5.0)];

pub(crate) fn measure() {
    process::raise_open_files();
    for (count, percent_max) in SIZES {
        let (mut ours, mut both, mut switches) = (Vec::new(), Vec::new(), Vec::new());
        let mut absent = String::new();
        for _ in 0..ROUNDS {
            let held = hold(&Pit::ours(HELD_MAX), count);
            ours.push(held.0);
            match Pit::endlessh() {
                Ok(rival) => {
                    let theirs = hold(&rival, count);
                    both.push((held.0, theirs.0));
                    switches.push((held.1, theirs.1));
                }
                Err(reason) => {
                    switches.push((held.1, f64::NAN));
                    absent = reason;
                }
            }
        }
        let what = format!("share of a core that {count} held take, beside endlessh");
        report::below_beside(&what, "%", &ours, &both, &absent, percent_max);
        let of =
            |figure: fn(&(f64, f64)) -> f64| report::median(switches.iter().map(figure).collect());
        let figure = format!("{:.0} / {:.0}", of(|both| both.0), of(|both| both.1));
        report::told("  context switches a second, ours / endlessh", &figure);
    }
}

/// Percent of a core and context switches a second.
fn hold(pit: &Pit, count: usize) -> (f64, f64) {
    let mut crowd = Crowd::default();
    let opened = Instant::now();
    crowd.grow(pit, count);
    pit.settle(count);
    let spent = || (process::cpu_time(pit.id()), process::switches(pit.id()), Instant::now());
    let before = spent();
    std::thread::sleep(WINDOW);
    let after = spent();
    pit.assert_still_held(count, opened);
    let window_s = (after.2 - before.2).as_secs_f64();
    let core = (after.0 - before.0).as_secs_f64() / window_s;
    (100.0 * core, (after.1 - before.1) as f64 / window_s)
}
