//! The contract between application code and the edition it was composed with.

use crate::alert::Alert;

/// What becomes of a request that matches no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// A plain answer, at once.
    Prompt,
    /// An answer that wastes the time of whoever scans for something to break into.
    Slowly,
}

/// What an edition does differently. Application code never asks which one it runs on: it calls
/// these, and the Community edition does nothing where it has nothing to do.
pub trait Edition {
    /// `community` or `commercial`.
    fn name(&self) -> &'static str;

    /// Tells a person about a condition; the line in the local log comes first and always.
    fn alert_operator(&self, alert: Alert);

    /// Whether reports leave this server.
    fn is_telemetry_enabled(&self) -> bool;

    /// What becomes of a request that matches no route and carries no access token in force, by the
    /// segments of its path.
    fn not_found(&self, path: &[Option<&str>]) -> NotFound;

    /// The server listens: peers should hear so. Community: nothing.
    fn start_replication(&self);

    /// Tells the worker that something was written; never blocks, and coalesces. Community: nothing.
    fn signal_replication(&self);

    /// The server listens: from now on it reports, if somebody wants that.
    fn start_telemetry(&self);

    /// Starts going away.
    fn shutdown(&self);
}
