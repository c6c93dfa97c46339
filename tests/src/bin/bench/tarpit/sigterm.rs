//! From SIGTERM to the end of a process that holds many.

use std::time::{Duration, Instant};

use clavitor_tests::process;

use super::HELD_MAX;
use super::crowd::Crowd;
use super::pit::Pit;
use crate::{ROUNDS, report};

const SIZES: [usize; 2] = [1_000, 10_000];
const END_MAX_MS: f64 = 1_000.0;
const LOOK: Duration = Duration::from_millis(1);

pub(crate) fn measure() {
    process::raise_open_files();
    for count in SIZES {
        let times = (0..ROUNDS).map(|_| end(count)).collect();
        let what = format!("SIGTERM to exit with {count} held");
        report::below(&what, "ms", report::median(times), END_MAX_MS);
    }
}

fn end(count: usize) -> f64 {
    let mut pit = Pit::ours(HELD_MAX);
    let mut crowd = Crowd::default();
    crowd.grow(&pit, count);
    pit.settle(count);
    let Pit::Ours(server) = &mut pit else { return f64::NAN };
    let started = Instant::now();
    server.terminate();
    let status = loop {
        if let Some(status) = server.ended() {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "no end in sight");
        std::thread::sleep(LOOK);
    };
    let time = started.elapsed();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    time.as_secs_f64() * 1e3
}
