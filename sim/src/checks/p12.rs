//! [P12] DNS names nobody else while a primary may take writes; and with HQ up and one healthy member
//! reachable from it, somebody takes writes within a minute, and DNS names that one.

use clavitor_core::id::PopId;
use clavitor_core::time::Instant;

use super::{Held, Sight, broken};
use crate::event::Fact;
use crate::hq::HQ;
use crate::resolver::TTL_MS;
use crate::server::Server;

/// Within how long there is a primary that takes writes and is named by DNS, in milliseconds: a
/// minute, less what a resolver keeps.
const WITHIN_MS: u64 = 60_000 - TTL_MS;

#[derive(Debug, Default)]
pub(super) struct Named {
    /// Since when there has been nobody, although all was well at HQ and with some member.
    vacant_since: Option<Instant>,
}

impl Named {
    pub(super) fn see(&mut self, fact: &Fact) {
        // Whoever starts knows nothing, and waits.
        if let Fact::HqStarted = fact {
            self.vacant_since = None;
        }
    }

    pub(super) fn check(&mut self, sight: Sight<'_>) -> Held {
        let (around, now, site) = (sight.around, sight.around.now, sight.site);
        if around.knobs.leases.is_none() {
            return Ok(());
        }
        let able = sight.servers.iter().find(|it| it.may_acknowledge(&around.bugs, now));
        let named = site.holder(now, &around.bugs);
        // HQ gives nobody a lease whom DNS does not name by then.
        if let (Some(able), Some(named)) = (able, named)
            && able.pop != named
            && site.granted().is_none_or(|granted| sight.is_stored(granted))
        {
            return broken("P12", format!("DNS names {named}, and {} takes writes", able.pop));
        }
        let is_well = site.is_well(now)
            && around.hq.mood(now).is_none()
            && sight.servers.iter().any(|server| is_fit(server, sight));
        if able.is_some() || !is_well {
            self.vacant_since = None;
            return Ok(());
        }
        let since = *self.vacant_since.get_or_insert(now);
        if now.ms_since(since) > WITHIN_MS {
            let s = now.ms_since(since) / 1_000;
            return broken("P12", format!("nobody takes writes for {s} s, and somebody could"));
        }
        Ok(())
    }
}

/// Whether a POP could become primary: a member, in good health, and heard by HQ. A known limit: one
/// that was primary, whose data directory has another id since, is taken for a stranger.
fn is_fit(server: &Server, sight: Sight<'_>) -> bool {
    let (around, now) = (sight.around, sight.around.now);
    let is_hanging = server.hangs_until.max(server.full_until).max(server.slow_until) > now;
    let is_heard = !around.network.is_cut(server.index, HQ, now)
        && !around.network.is_cut(HQ, server.index, now)
        && now.ms_since(around.mishaps.calls[usize::from(server.index)]) >= WITHIN_MS;
    let is_ready = server.process.as_ref().is_some_and(|it| it.is_accepting && !it.is_imported);
    let is_well = server.is_running(now) && is_ready && !is_hanging && is_heard;
    is_well
        && is_member(server.pop, sight)
        && !sight.site.is_stranger(server.pop, server.store_id())
}

fn is_member(pop: PopId, sight: Sight<'_>) -> bool {
    let Some(row) = sight.site.row() else { return false };
    let is_offered = row.offered.as_ref().is_none_or(|offered| offered.pops.contains(&pop));
    is_offered && row.acknowledged.pops.contains(&pop)
}
