//! Memory for each that is held: the slope, so that what a process takes anyway does not count.

use clavitor_tests::process;

use super::HELD_MAX;
use super::crowd::Crowd;
use super::pit::Pit;
use crate::{ROUNDS, report};

const FEW: usize = 2_000;
const MANY: usize = 10_000;

/// What one that is held may take.
pub(crate) const BYTES_MAX: f64 = 1024.0;

pub(crate) fn measure() {
    process::raise_open_files();
    let (mut ours, mut both) = (Vec::new(), Vec::new());
    let mut absent = String::new();
    for _ in 0..ROUNDS {
        ours.push(bytes_each(&Pit::ours(HELD_MAX)));
        match Pit::endlessh() {
            Ok(rival) => both.push((ours[ours.len() - 1], bytes_each(&rival))),
            Err(reason) => absent = reason,
        }
    }
    let what = "memory for each held, 2,000 to 10,000, beside endlessh";
    report::below_beside(what, "B", &ours, &both, &absent, BYTES_MAX);
}

/// The bytes that each takes of those who are held.
pub(crate) fn bytes_each(pit: &Pit) -> f64 {
    let mut crowd = Crowd::default();
    let mut resident = |count| {
        crowd.grow(pit, count);
        pit.settle(count);
        process::resident_with_files_kib(pit.id()) as f64 * 1024.0
    };
    let (few, many) = (resident(FEW), resident(MANY));
    (many - few) / (MANY - FEW) as f64
}
