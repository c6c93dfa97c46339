//! [P3] With nothing dirty the worker has no timer.

use clavitor_commercial::debt::{self, SHOWN_ROWS_MAX};
use clavitor_commercial::replication::{ANNOUNCE_MS, State};
use clavitor_core::id::Seq;
use clavitor_core::store::Reader;
use clavitor_core::time::Instant;

use super::{Held, Sight, broken};
use crate::server::{Process, Server};

/// Why a POP wakes for its lease, for which there is no end.
pub(crate) const LEASE: &[&str] = &["renewal", "votes", "hand-over", "lease"];

/// What was looked at last, so that nothing is looked at twice.
type Looked = (Instant, &'static str, Seq, u64);

#[derive(Debug)]
pub(super) struct Quiet {
    looked: Vec<Option<Looked>>,
}

impl Quiet {
    pub(super) fn new(pops: usize) -> Self {
        Self { looked: vec![None; pops] }
    }

    pub(super) fn check(&mut self, sight: Sight<'_>) -> Held {
        for (server, process) in sight.running() {
            let Some((at, why)) = process.machine.next_wake() else { continue };
            let is_of_lease = LEASE.contains(&why);
            let is_workers = !is_of_lease
                && !matches!(why, "shutdown" | "waiter" | "unheard" | "alerts" | "telemetry");
            let knobs = &sight.around.knobs;
            let is_asked = match why {
                _ if is_of_lease => knobs.leases.is_some(),
                "alerts" => knobs.has_hq,
                "telemetry" => knobs.report_s > 0,
                _ => true,
            };
            if !is_asked {
                let what = format!("{} wakes for {why}, and nobody is to be told", server.pop);
                return broken("P3", what);
            }
            if !is_workers || !process.views.iter().all(|view| view.state == State::Idle) {
                continue;
            }
            // What is not known yet is no excuse for later.
            if is_unsettled(server, process) {
                continue;
            }
            let acked = process.views.iter().map(|view| view.acked.0).sum();
            let looked = (at, why, server.last().unwrap_or_default(), acked);
            if self.looked[usize::from(server.index)].replace(looked) == Some(looked) {
                continue;
            }
            one(server, process, at, why, sight)?;
        }
        Ok(())
    }
}

fn one(server: &Server, process: &Process, at: Instant, why: &str, sight: Sight<'_>) -> Held {
    let monotonic = server.clocks.monotonic(sight.around.now);
    let last = server.last().unwrap_or_default();
    let is_excused = match why {
        // A hello that answers a hello is due within a second.
        "hello" => at.ms_since(monotonic) <= ANNOUNCE_MS,
        // Whose they are was not known when they came.
        "relay" => process.views.iter().any(|view| view.settled_to < last),
        _ => false,
    };
    if is_excused || is_dirty(server, process) {
        return Ok(());
    }
    let ms = at.ms_since(monotonic);
    broken("P3", format!("{} wakes for {why} in {ms} ms, and nothing is dirty", server.pop))
}

/// Whether writes or bookkeeping are under way.
pub(super) fn is_unsettled(server: &Server, process: &Process) -> bool {
    server.is_writing() || process.books > 0 || process.unnoticed > 0
}

/// Whether any peer is owed anything, or bookkeeping about it is under way.
pub(super) fn is_dirty(server: &Server, process: &Process) -> bool {
    let reader = Reader::new(&server.disk);
    let mut peers = server.cluster.peer_urls.iter().zip(&process.views);
    is_unsettled(server, process)
        || peers.any(|(url, view)| {
            let debt = debt::of(&reader, url, view, SHOWN_ROWS_MAX).expect("rows are whole");
            debt.records > 0 || debt.is_or_more
        })
}
