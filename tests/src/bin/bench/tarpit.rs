//! What it costs to hold scanners, beside endlessh, which holds clients of SSH in the same way: one
//! write a second to each.

pub(crate) mod cpu;
pub(crate) mod crowd;
pub(crate) mod drop;
pub(crate) mod memory;
pub(crate) mod p99;
pub(crate) mod pit;
pub(crate) mod sigterm;

/// More than any row holds.
pub(crate) const HELD_MAX: usize = 12_000;

/// What endlessh needs in order to be a rival.
const RIVAL: &str = "endlessh";
