//! [P16] Whatever moment shutdown comes at, the process is gone within the grace and a second, while
//! the disk answers.

use clavitor_core::shutdown::{CLOSE_MS, GRACE_MS};
use clavitor_core::time::Instant;

use super::{Held, Sight, broken};
use crate::event::Fact;

/// What a runtime's timers resolve, once for each stage.
const SLACK_MS: u64 = 3;

/// Servers on their way out.
#[derive(Debug, Default)]
pub(super) struct Ending {
    asked: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    pop: u8,
    life: u32,
    at: Instant,
    deadline: Instant,
}

impl Ending {
    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) {
        if let Fact::EndAsked(pop) = fact {
            let server = sight.server(*pop);
            let now = sight.around.now;
            let deadline = server.clocks.monotonic(now).plus_ms(GRACE_MS + CLOSE_MS + SLACK_MS);
            self.asked.push(Asked { pop: *pop, life: server.life, at: now, deadline });
        }
    }

    pub(super) fn check(&mut self, sight: Sight<'_>) -> Held {
        self.asked.retain(|asked| {
            let server = sight.server(asked.pop);
            // Nothing is promised of who stands still, or has a disk that does not answer.
            let is_excused = server.paused_until > asked.at || server.hangs_until > asked.at;
            server.process.is_some() && server.life == asked.life && !is_excused
        });
        let now = sight.around.now;
        let late = self
            .asked
            .iter()
            .find(|asked| sight.server(asked.pop).clocks.monotonic(now) > asked.deadline);
        match late {
            None => Ok(()),
            Some(asked) => {
                let (pop, ms) = (sight.server(asked.pop).pop, now.ms_since(asked.at));
                broken("P16", format!("{pop} was asked to end {ms} ms ago, and is still there"))
            }
        }
    }
}
