//! Frames against real stores: first one store and hand-made frames, then whole clusters.

pub(crate) mod cluster;
pub(crate) mod executor;
pub(crate) mod fixtures;
pub(crate) mod network;

mod addressing;
mod damaged;
mod epochs;
mod full;
mod hostile;
mod import;
mod outages;
mod poison;
mod ranges;
mod replay;
mod ties;
mod tokens;
