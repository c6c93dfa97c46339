//! Waiting for something that another process is about to do.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` again and again until it says yes; panics with `what` after `timeout`.
#[track_caller]
pub fn eventually(what: &str, timeout: Duration, mut probe: impl FnMut() -> bool) {
    let started = Instant::now();
    while !probe() {
        assert!(started.elapsed() < timeout, "not within {timeout:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Demands that `probe` goes on saying yes for all of `duration`.
#[track_caller]
pub fn throughout(what: &str, duration: Duration, mut probe: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < duration {
        assert!(probe(), "no longer so after {:?}: {what}", started.elapsed());
        std::thread::sleep(PAUSE);
    }
}

/// So many seconds: the tests are full of them.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
