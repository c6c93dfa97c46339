//! The machine that is a whole POP, and the shape every such machine has.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::id::OpId;
use crate::shutdown::{self, Shutdown};
use crate::telemetry::{self, Telemetry};
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
    /// Something a person must look at happened outside the machines; its line is in the local log.
    AlertRaised(Alert),
    /// A signal asked the server to end.
    ShutdownRequested,
    /// No request is in flight any more, after [`Effect::StopAccepting`].
    RequestsFinished,
    /// The store is closed.
    StoreClosed,
    /// Time has passed.
    Tick,
    /// The server listens, and telemetry is on.
    TelemetryStarted {
        /// The time between two reports, in milliseconds.
        every_ms: u64,
    },
    /// A report was answered, or will not be; see [`telemetry::Effect::Send`].
    ReportAnswered {
        /// The order.
        op: OpId,
        /// The HTTP status; `None` if there was no answer.
        status: Option<u16>,
    },
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
    /// An order about telemetry.
    Telemetry(telemetry::Effect),
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

/// The Community edition's POP: alone, so it reports if somebody asked, and knows how to go away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityPop {
    shutdown: Shutdown,
    telemetry: Telemetry,
}

impl Default for CommunityPop {
    fn default() -> Self {
        Self { shutdown: Shutdown::Running, telemetry: Telemetry::default() }
    }
}

impl Pop for CommunityPop {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        let (mut orders, mut reports) = (Vec::new(), Vec::new());
        let mut shutdown = |input| self.shutdown.handle(now, input, &mut orders);
        let mut telemetry = |input| self.telemetry.handle(now, input, &mut reports);
        match input {
            // Its line is all that becomes of it.
            Input::AlertRaised(_) => {}
            Input::ShutdownRequested => {
                shutdown(shutdown::Input::Requested);
                shutdown(shutdown::Input::PeersFlushed);
                shutdown(shutdown::Input::LeaseReturned);
                telemetry(telemetry::Input::Stopped);
                shutdown(shutdown::Input::AlertsKept);
            }
            Input::RequestsFinished => shutdown(shutdown::Input::RequestsFinished),
            Input::StoreClosed => shutdown(shutdown::Input::StoreClosed),
            Input::Tick => {
                shutdown(shutdown::Input::Tick);
                telemetry(telemetry::Input::Tick);
            }
            Input::TelemetryStarted { every_ms } => {
                telemetry(telemetry::Input::Started { every_ms });
            }
            Input::ReportAnswered { op, status } => {
                telemetry(telemetry::Input::Answered { op, status });
            }
        }
        out.extend(reports.into_iter().map(Effect::Telemetry));
        out.extend(orders.into_iter().map(Effect::from));
    }

    fn next_wake(&self) -> Option<(Instant, Wake)> {
        let shutdown = self.shutdown.next_wake().map(|at| (at, Wake("shutdown")));
        let telemetry = self.telemetry.next_wake().map(|at| (at, Wake("telemetry")));
        shutdown.into_iter().chain(telemetry).min_by_key(|(at, _)| *at)
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
    fn an_alert_whose_line_is_written_orders_nothing() {
        let alert = Alert::new(AlertType::StorageFailed, "no");
        let mut pop = CommunityPop::default();
        let mut out = Vec::new();
        pop.handle(Instant(0), Input::AlertRaised(alert), &mut out);
        assert_eq!((out, pop), (vec![], CommunityPop::default()));
    }

    #[test]
    fn reports_go_out_if_somebody_asked_and_end_with_the_signal() {
        let (mut pop, mut out) = (CommunityPop::default(), Vec::new());
        pop.handle(Instant(0), Input::Tick, &mut out);
        assert_eq!((pop.next_wake(), out.len()), (None, 0));
        pop.handle(Instant(0), Input::TelemetryStarted { every_ms: 60_000 }, &mut out);
        let first = Instant::from_ms(telemetry::FIRST_MS);
        assert_eq!(pop.next_wake(), Some((first, Wake("telemetry"))));
        pop.handle(first, Input::Tick, &mut out);
        pop.handle(first, Input::ShutdownRequested, &mut out);
        let op = OpId(0);
        assert_eq!(
            out,
            vec![
                Effect::Telemetry(telemetry::Effect::Send { op }),
                Effect::Telemetry(telemetry::Effect::Cancel { op }),
                Effect::StopAccepting,
            ]
        );
    }
}
