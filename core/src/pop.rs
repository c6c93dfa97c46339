//! The machine that is a whole POP, and the shape every such machine has.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::shutdown::{self, Shutdown};
use crate::time::Instant;

/// A POP's machine: facts and time go in, orders come out. Runtimes and the simulator drive this
/// and nothing below it.
pub trait Pop {
    /// The facts it takes note of.
    type Input;
    /// The orders it gives.
    type Effect;

    /// Takes note of a fact at `now`; orders go to `out`. Total: never fails, never blocks.
    fn handle(&mut self, now: Instant, input: Self::Input, out: &mut Vec<Self::Effect>);

    /// When it wants a tick, and why; `None` is never.
    fn next_wake(&self) -> Option<(Instant, Wake)>;
}

/// Why a machine wants to be woken, for logs and traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Wake(pub &'static str);

/// A fact for a POP of either edition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Something a person must look at happened outside the machines.
    AlertRaised(Alert),
    /// A signal asked the server to end.
    ShutdownRequested,
    /// No request is in flight any more, after [`Effect::StopAccepting`].
    RequestsFinished,
    /// The store is closed.
    StoreClosed,
    /// Time has passed.
    Tick,
}

/// An order of a POP of either edition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Write the alert's line to the local log.
    LogAlert(Alert),
    /// Accept no further connection, and answer [`Input::RequestsFinished`].
    StopAccepting,
    /// Close the store, and answer [`Input::StoreClosed`].
    CloseStore,
    /// End the process.
    Exit,
}

impl From<shutdown::Effect> for Effect {
    fn from(effect: shutdown::Effect) -> Self {
        match effect {
            shutdown::Effect::StopAccepting => Effect::StopAccepting,
            shutdown::Effect::CloseStore => Effect::CloseStore,
            shutdown::Effect::Exit => Effect::Exit,
        }
    }
}

/// The Community edition's POP: alone, so it only logs alerts and knows how to go away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityPop {
    shutdown: Shutdown,
}

impl Default for CommunityPop {
    fn default() -> Self {
        Self { shutdown: Shutdown::Running }
    }
}

impl Pop for CommunityPop {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        let mut orders = Vec::new();
        let mut shutdown = |input| self.shutdown.handle(now, input, &mut orders);
        match input {
            Input::AlertRaised(alert) => out.push(Effect::LogAlert(alert)),
            Input::ShutdownRequested => {
                shutdown(shutdown::Input::Requested);
                shutdown(shutdown::Input::PeersFlushed);
            }
            Input::RequestsFinished => shutdown(shutdown::Input::RequestsFinished),
            Input::StoreClosed => shutdown(shutdown::Input::StoreClosed),
            Input::Tick => shutdown(shutdown::Input::Tick),
        }
        out.extend(orders.into_iter().map(Effect::from));
    }

    fn next_wake(&self) -> Option<(Instant, Wake)> {
        self.shutdown.next_wake().map(|at| (at, Wake("shutdown")))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::alert::AlertType;

    #[test]
    fn a_lone_pop_waits_for_no_peer() {
        let mut pop = CommunityPop::default();
        let mut out = Vec::new();
        pop.handle(Instant(0), Input::ShutdownRequested, &mut out);
        pop.handle(Instant(1), Input::RequestsFinished, &mut out);
        pop.handle(Instant(2), Input::StoreClosed, &mut out);
        assert_eq!(out, vec![Effect::StopAccepting, Effect::CloseStore, Effect::Exit]);
        assert_eq!(pop.next_wake(), None);
    }

    #[test]
    fn alerts_reach_the_local_log_even_while_going_away() {
        let alert = Alert::new(AlertType::StorageFailed, "no");
        let mut pop = CommunityPop::default();
        let mut out = Vec::new();
        pop.handle(Instant(0), Input::ShutdownRequested, &mut out);
        pop.handle(Instant(0), Input::AlertRaised(alert.clone()), &mut out);
        assert!(out.contains(&Effect::LogAlert(alert)));
    }
}
