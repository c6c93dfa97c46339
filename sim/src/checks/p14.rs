//! [P14] Shutdown cuts all held connections at once, and takes no longer for them.

use clavitor_commercial::replication::State;
use clavitor_core::time::Instant;

use super::p3::is_unsettled;
use super::p13::Pits;
use super::{Held, Sight, broken};
use crate::event::Fact;

/// How long a server takes to end that has nothing else to do, in milliseconds.
const IDLE_MS: u64 = 1_000;

/// Servers on their way out that have nothing to finish.
#[derive(Debug, Default)]
pub(super) struct Cut {
    idle: Vec<(u8, u32, Instant)>,
}

impl Cut {
    pub(super) fn see(&mut self, fact: &Fact, pits: &Pits, sight: Sight<'_>) {
        let Fact::EndAsked(pop) = fact else { return };
        let server = sight.server(*pop);
        let Some(process) = server.process.as_deref() else { return };
        let is_idle = !is_unsettled(server, process)
            && process.requests == 0
            && server.slow_until <= sight.around.now
            && process.views.iter().all(|view| view.state == State::Idle)
            // Whoever gives a lease back waits for HQ to hear of it.
            && sight.around.knobs.leases.is_none();
        if is_idle && pits.held(*pop) > 0 {
            self.idle.push((*pop, server.life, sight.around.now));
        }
    }

    pub(super) fn check(&mut self, pits: &Pits, sight: Sight<'_>) -> Held {
        for server in sight.servers {
            let is_going = server.process.as_ref().is_some_and(|process| !process.is_accepting);
            let held = if is_going { pits.held(server.index) } else { 0 };
            if held > 0 {
                let what = format!("{} is on its way out, and holds {held}", server.pop);
                return broken("P14", what);
            }
        }
        let now = sight.around.now;
        self.idle.retain(|(pop, life, at)| {
            let server = sight.server(*pop);
            let late_until = server.hangs_until.max(server.slow_until);
            let is_excused = server.paused_until.max(late_until) > *at;
            server.process.is_some() && server.life == *life && !is_excused
        });
        match self.idle.iter().find(|(.., at)| now.ms_since(*at) > IDLE_MS) {
            None => Ok(()),
            Some((pop, _, at)) => {
                let (pop, ms) = (sight.server(*pop).pop, now.ms_since(*at));
                let what =
                    format!("{pop} had nothing to do but scanners, and is there {ms} ms later");
                broken("P14", what)
            }
        }
    }
}
