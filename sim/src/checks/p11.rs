//! [P11] Losing HQ alone never stops writes: where nothing else was amiss for a while before HQ was
//! lost, and nothing else happens since, the primary goes on, for however long.

use clavitor_core::time::Instant;
use clavitor_hq_core::control::{Event, HAND_OVER_MS};

use super::{Held, Sight, broken};
use crate::event::{Answer, Fact};
use crate::server::Server;

/// How long nothing must have been amiss before HQ is lost, in milliseconds: until then a change of
/// the members may be under way.
const CALM_MS: u64 = 15_000;

#[derive(Debug, Default)]
pub(super) struct Carried {
    calm_since: Instant,
    /// Who has to go on.
    primary: Option<u8>,
    votes: Instant,
}

impl Carried {
    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) -> Held {
        let now = sight.around.now;
        match fact {
            Fact::Started(_)
            | Fact::Ended(_)
            | Fact::EndAsked(_)
            | Fact::Emptied(_)
            | Fact::PutBack(_)
            | Fact::Switched { .. } => self.amiss(now),
            // Whoever hands over takes none for a moment, whenever it has come so far.
            Fact::Happened(Event::HandOverBegan(_)) => self.amiss(now.plus_ms(HAND_OVER_MS)),
            Fact::Answered { pop, answer, .. } if self.primary == Some(*pop) => {
                let is_stopped = matches!(answer, Answer::Refused("CV-NO-LEASE") | Answer::Unknown);
                if is_stopped {
                    let pop = sight.server(*pop).pop;
                    return broken("P11", format!("{pop} takes no writes, and HQ alone was lost"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn check(&mut self, sight: Sight<'_>) -> Held {
        let (around, now) = (sight.around, sight.around.now);
        if around.knobs.leases.is_none() {
            return Ok(());
        }
        let is_amiss = around.mishaps.votes > self.votes
            || sight.servers.iter().any(|server| is_amiss(server, now))
            || is_cut(sight);
        self.votes = around.mishaps.votes;
        if is_amiss {
            self.amiss(now);
        }
        // As long as HQ is there; whoever goes on then goes on without it.
        if self.primary.is_none() && !is_hq_well(sight) {
            self.amiss(now);
        }
        let able = sight.servers.iter().find(|it| it.may_acknowledge(&around.bugs, now));
        match (self.primary, able) {
            (None, Some(able)) if now.ms_since(self.calm_since) >= CALM_MS => {
                self.primary = Some(able.index);
            }
            (Some(primary), able) if able.is_none_or(|able| able.index != primary) => {
                let pop = sight.server(primary).pop;
                return broken("P11", format!("{pop} holds no lease, and HQ alone was lost"));
            }
            _ => {}
        }
        Ok(())
    }

    fn amiss(&mut self, until: Instant) {
        (self.calm_since, self.primary) = (self.calm_since.max(until), None);
    }
}

fn is_amiss(server: &Server, now: Instant) -> bool {
    let is_hanging = server.hangs_until.max(server.full_until).max(server.slow_until) > now;
    is_hanging
        || !server.is_running(now)
        || server.process.as_ref().is_some_and(|process| process.is_imported)
}

/// Whether HQ does what it should, and hears every POP.
fn is_hq_well(sight: Sight<'_>) -> bool {
    let (around, site, now) = (sight.around, sight.site, sight.around.now);
    let is_heard = |server: &Server| {
        let calls = around.mishaps.calls[usize::from(server.index)];
        now.ms_since(calls) >= CALM_MS
    };
    let is_settled = site.row().is_some_and(|row| row.epoch == row.granted);
    site.is_well(now)
        && is_settled
        && around.hq.mood(now).is_none()
        && sight.servers.iter().all(is_heard)
}

/// Whether a link between POPs is cut.
fn is_cut(sight: Sight<'_>) -> bool {
    let (network, now) = (&sight.around.network, sight.around.now);
    let places = 0..sight.around.knobs.pops;
    let mut pairs = places.clone().flat_map(|from| places.clone().map(move |to| (from, to)));
    pairs.any(|(from, to)| from != to && network.is_cut(from, to, now))
}
