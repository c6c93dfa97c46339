//! Reports go out at the right times while a process runs, one at a time, and only where somebody
//! wants them.

use clavitor_core::telemetry::{FIRST_MS, TIMEOUT_MS};
use clavitor_core::time::Instant;

use super::{Held, Sight, broken};
use crate::event::Fact;

/// What timers resolve, in milliseconds.
const SLACK_MS: u64 = 2;

/// What a clock that began to run otherwise in between may be off by, in thousandths of the interval.
const DRIFT_MAX: u64 = 25;

/// What is known of every server's reports.
#[derive(Debug)]
pub(super) struct Reports {
    due: Vec<Option<Due>>,
}

/// When the next report of a process is due, by its own clock.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Instant,
    /// When the one before it was sent.
    sent: Option<Instant>,
    /// Since when it is awaited, in the world.
    since: Instant,
}

impl Reports {
    pub(super) fn new(pops: usize) -> Self {
        Self { due: vec![None; pops] }
    }

    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) -> Held {
        let every_ms = u64::from(sight.around.knobs.report_s) * 1_000;
        match fact {
            Fact::Started(pop) if every_ms > 0 => {
                let server = sight.server(*pop);
                let now = server.clocks.monotonic(sight.around.now);
                let (at, since) = (now.plus_ms(every_ms.min(FIRST_MS)), sight.around.now);
                self.due[usize::from(*pop)] = Some(Due { at, sent: None, since });
                Ok(())
            }
            Fact::Ended(pop) => {
                self.due[usize::from(*pop)] = None;
                Ok(())
            }
            Fact::Reported(pop) => self.reported(*pop, every_ms, sight),
            _ => Ok(()),
        }
    }

    fn reported(&mut self, pop: u8, every_ms: u64, sight: Sight<'_>) -> Held {
        let server = sight.server(pop);
        if server.process.as_ref().is_some_and(|process| !process.is_accepting) {
            return broken("P16", format!("{} reports on its way out", server.pop));
        }
        let Some(due) = &mut self.due[usize::from(pop)] else {
            return broken("P3", format!("{} reports, and nobody wants to know", server.pop));
        };
        let now = server.clocks.monotonic(sight.around.now);
        if now < due.at {
            let ms = due.at.ms_since(now);
            return broken("P3", format!("{} reports {ms} ms before it is time", server.pop));
        }
        let next = due.at.plus_ms(every_ms);
        let at = if next > now { next } else { now.plus_ms(every_ms) };
        *due = Due { at, sent: Some(now), since: sight.around.now };
        Ok(())
    }

    /// Whatever is due was sent.
    pub(super) fn check(&mut self, sight: Sight<'_>) -> Held {
        let every_ms = u64::from(sight.around.knobs.report_s) * 1_000;
        if every_ms == 0 {
            return Ok(());
        }
        for (server, process) in sight.running() {
            let Some(due) = &mut self.due[usize::from(server.index)] else { continue };
            let now = server.clocks.monotonic(sight.around.now);
            let has_drifted = server.clocks.changed_at() >= due.since;
            let drift_ms = if has_drifted { every_ms * DRIFT_MAX / 1_000 } else { 0 };
            let is_excused = server.paused_until > due.since || !process.is_accepting;
            if now <= due.at.plus_ms(SLACK_MS + drift_ms) || is_excused {
                continue;
            }
            // One at a time: as long as the one before may be answered, this one is left out.
            if due.sent.is_some_and(|sent| due.at <= sent.plus_ms(TIMEOUT_MS)) {
                *due = Due { at: due.at.plus_ms(every_ms), ..*due };
            } else {
                let ms = now.ms_since(due.at);
                return broken("telemetry", format!("{} has not reported for {ms} ms", server.pop));
            }
        }
        Ok(())
    }
}
