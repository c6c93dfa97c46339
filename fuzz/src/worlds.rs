//! The whole simulated world: POPs, network, disks, clocks, clients.

/// Runs a small world whose every choice is drawn from the bytes; a broken promise is a panic.
pub fn world(bytes: &[u8]) {
    clavitor_sim::run::run_bytes(bytes);
}
