//! How often processes wake that have little to do.

use crate::process::voluntary_switches;
use std::time::{Duration, Instant};

/// What a process is woken for is over within this, and counts as once.
pub const AWAKE: Duration = Duration::from_millis(200);

/// How often to look whether a process ran; it does not notice.
const LOOK: Duration = Duration::from_millis(20);

/// What was seen of a process.
#[derive(Debug, Clone, Copy)]
pub struct Sleeper {
    /// How often it woke; whatever runs within [`AWAKE`] is once.
    pub wakes: u32,
    /// The voluntary context switches of all its threads.
    pub switches: u64,
    ran_at: Option<Instant>,
}

/// Watches processes for a time.
pub fn watch<const COUNT: usize>(ids: [u32; COUNT], window: Duration) -> [Sleeper; COUNT] {
    let first = ids.map(|id| voluntary_switches(id).0);
    let mut seen = [Sleeper { wakes: 0, switches: 0, ran_at: None }; COUNT];
    let started = Instant::now();
    while started.elapsed() < window {
        std::thread::sleep(LOOK);
        for ((id, first), sleeper) in ids.into_iter().zip(first).zip(&mut seen) {
            sleeper.look(voluntary_switches(id).0 - first);
        }
    }
    seen
}

impl Sleeper {
    fn look(&mut self, switches: u64) {
        if switches != self.switches {
            let now = Instant::now();
            let is_new = self.ran_at.is_none_or(|ran_at| now - ran_at > AWAKE);
            self.wakes += u32::from(is_new);
            (self.switches, self.ran_at) = (switches, Some(now));
        }
    }
}
