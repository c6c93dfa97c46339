//! A legitimate client beside a thousand that are held, and by itself, in turns.

use std::time::{Duration, Instant};

use clavitor_tests::process;
use clavitor_tests::wait::{eventually, seconds};

use super::crowd::Crowd;
use super::pit::{Pit, held};
use crate::load::{Load, Template};
use crate::{ROUNDS, report};

const HELD: usize = 1_000;
const ENTRIES: u64 = 1_000;

/// Long enough that everybody who is held gets a byte or two meanwhile.
const TURN: Duration = Duration::from_millis(1_500);
const TURNS: u64 = 4;

/// How many reads before the clock is looked at.
const BATCH: u64 = 500;

pub(crate) fn measure() {
    process::raise_open_files();
    let pit = Pit::ours(HELD);
    let Pit::Ours(server) = &pit else { return };
    let token = server.admin_token();
    Load::connect(server.address(), 1, Template::put(&token, "")).run(0..ENTRIES);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut latencies = [Vec::new(), Vec::new()];
        for turn in 0..2 * TURNS {
            // Who comes first changes: beside, alone, alone, beside.
            let is_beside = matches!(turn % 4, 0 | 3);
            let (mut crowd, opened) = (Crowd::default(), Instant::now());
            if is_beside {
                crowd.grow(&pit, HELD);
                pit.settle(HELD);
            }
            let load = Load::connect(server.address(), 1, Template::get(&token));
            latencies[usize::from(!is_beside)].extend(read(load));
            if is_beside {
                pit.assert_still_held(HELD, opened);
            }
            crowd.leave();
            eventually("nobody is held", seconds(5), || held(server) < 1.0);
        }
        let [beside, alone] =
            latencies.map(|mut times| 1e3 * report::percentile_ms(&mut times, 99));
        rounds.push((beside, alone));
    }
    report::at_most("GET by one client, p99, beside 1,000 held, over none", "us", &rounds, 1.10);
}

fn read(mut load: Load) -> Vec<Duration> {
    let (mut latencies, mut elapsed, mut number) = (Vec::new(), Duration::ZERO, 0);
    while elapsed < TURN {
        let measured = load.run((number..number + BATCH).map(|number| number % ENTRIES));
        number += BATCH;
        elapsed += measured.elapsed;
        latencies.extend(measured.latencies);
    }
    latencies
}
