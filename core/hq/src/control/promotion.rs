//! Who follows when a lease is over: asks everybody what they hold, chooses among those whose vote
//! the old primary would need, and goes on to the next if one does not accept.

use alloc::vec::Vec;
use core::cmp::Reverse;

use clavitor_commercial::renewal::with_margin;
use clavitor_core::id::{Epoch, PopId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, Turn};
use super::members::{Pop, Said};
use super::{Event, POPS_MAX, Row};

/// How long others are waited for, once a lease is over, before one of those is chosen that did say
/// what they hold, in milliseconds.
pub const GATHER_MS: u64 = 500;

/// How long a POP gets to accept, in milliseconds, if there is another one.
pub const PATIENCE_MS: u64 = 2_000;

/// How far it is.
///
/// Invariant: at most [`POPS_MAX`] are in `tried`, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Succession {
    pub(super) gathering_since: Option<Instant>,
    is_carried: bool,
    is_expiry_told: bool,
    promoting_since: Instant,
    tried: Vec<PopId>,
}

impl Succession {
    /// Nothing is under way any more; an order that is there counts from `since`.
    pub(super) fn start_over(&mut self, since: Instant) {
        *self = Self { promoting_since: since, ..Self::default() };
    }

    /// Whether others are still waited for.
    pub(super) fn is_gathering(&self, now: Instant) -> bool {
        self.gathering_since.is_some_and(|since| now < since.plus_ms(GATHER_MS))
    }
}

impl Cluster {
    /// Until when POPs of a cluster without a term may come and claim one.
    pub(super) fn contact_until(&self) -> Option<Instant> {
        let contact_at = self.contact_at.filter(|_| self.row.epoch.is_none());
        contact_at.map(|at| at.plus_ms(with_margin(self.policy.lease_ms)))
    }

    /// Whether a term that a POP claims may be believed to be the newest.
    pub(super) fn may_take_over(&self, now: Instant) -> bool {
        let has_waited = self.contact_until().is_some_and(|until| until <= now);
        now >= self.lease_until && (self.policy.is_first || has_waited)
    }

    /// The newest term that any POP claims.
    pub(super) fn highest_claim(&self) -> Option<Epoch> {
        let claims =
            self.pops.iter().filter_map(|(pop, known)| Some((*pop, known.said()?.renewal.epoch?)));
        claims.filter(|(pop, claim)| self.is_believed(*pop, *claim)).map(|(_, claim)| claim).max()
    }

    /// Those whose vote the primary needs by every grant that it may go by: whoever of them accepts a
    /// newer term gives no vote any more. If an operator has removed them all, it is whoever is there.
    pub(super) fn promotable(&self) -> Vec<PopId> {
        let Row { acknowledged, offered, .. } = &self.row;
        let is_offered = |pop: &&PopId| match offered {
            Some(offered) => offered.pops.contains(pop),
            None => true,
        };
        let both = acknowledged.pops.iter().filter(is_offered);
        let both: Vec<PopId> = both.filter(|pop| self.pops.contains_key(pop)).copied().collect();
        if both.is_empty() { self.pops.keys().copied().collect() } else { both }
    }

    /// Whether a POP's process may follow the one that held the lease. Under that one's own id only
    /// if it has its data directory: that one has ended then, and is not carried on by votes.
    pub(super) fn may_follow(&self, pop: PopId) -> bool {
        let holder = self.lease_holder().filter(|_| self.primary() == Some(pop));
        let known = self.pops.get(&pop);
        known.is_some_and(|known| holder.is_none_or(|holder| known.is_heir_of(holder)))
    }

    /// A timestamp above everything that the old primary can have issued.
    pub(super) fn floor_ms(&self, now: Instant) -> u64 {
        let floor = |known: &Pop| known.said().map(|said| said.floor_ms(now));
        let primary = self.primary().and_then(|pop| self.pops.get(&pop)).and_then(floor);
        let others = self.pops.values().filter(|known| known.is_fresh(now)).filter_map(floor);
        primary.or_else(|| others.max()).unwrap_or_default()
    }

    /// When something about what follows a lease is due.
    pub(super) fn succession_wakes(&self) -> impl Iterator<Item = Instant> {
        let Succession { gathering_since, promoting_since, .. } = self.succession;
        let gathering = gathering_since.map(|at| [at.plus_ms(GATHER_MS), at.plus_ms(PATIENCE_MS)]);
        let promoting = self.is_ordered().then(|| promoting_since.plus_ms(PATIENCE_MS));
        gathering.into_iter().flatten().chain(promoting)
    }

    /// Goes on with what follows the end of a lease.
    pub(super) fn advance_succession(&mut self, turn: &mut Turn<'_>) {
        if turn.now < self.lease_until {
            return;
        }
        if self.row.epoch.is_none() {
            self.begin_first_term(turn);
        } else if self.is_ordered() && self.unordered.is_none() {
            self.await_acceptance(turn);
        } else {
            self.succeed(turn);
        }
    }

    /// A term was ordered: whoever is to be primary in it hears of it as soon as it renews.
    pub(super) fn on_ordered(&mut self, turn: &mut Turn<'_>, old: &Row) {
        let Some(epoch) = self.row.epoch else { return };
        if let Some(failed) = old.epoch.filter(|_| old.epoch != old.granted) {
            self.happened(turn, Event::PromotionFailed(failed));
            if self.succession.tried.len() < POPS_MAX {
                self.succession.tried.push(failed.primary);
            }
        }
        self.unordered = self.unordered.filter(|unordered| *unordered > epoch);
        self.succession.promoting_since = turn.now;
        self.happened(turn, Event::PromotionOrdered(epoch));
        self.wake_pop(turn, epoch.primary);
    }

    /// Nobody was ever given a lease. Whoever claims the newest term is given it when it renews; if
    /// it is away, or nobody claims one, a new one begins.
    fn begin_first_term(&mut self, turn: &mut Turn<'_>) {
        // A former HQ may have given a lease that votes carry on.
        if self.contact_until().is_none_or(|until| turn.now < until) || self.is_carried(turn.now) {
            return;
        }
        let claim = self.highest_claim();
        let claims = |known: &Pop| known.said().is_some_and(|said| said.renewal.epoch == claim);
        let claimant = claim.and_then(|claim| self.pops.get(&claim.primary));
        if !claimant.is_some_and(|known| claims(known) && known.is_fresh(turn.now)) {
            self.gather(turn);
        }
    }

    fn succeed(&mut self, turn: &mut Turn<'_>) {
        let Some(granted) = self.row.granted else { return self.gather(turn) };
        if !self.is_released && self.is_carried(turn.now) {
            if !core::mem::replace(&mut self.succession.is_carried, true) {
                self.happened(turn, Event::Carried(granted));
                self.succession.is_expiry_told = false;
            }
            self.succession.gathering_since = None;
            return;
        }
        self.succession.is_carried = false;
        if self.is_going_on() {
            self.tell_expiry(turn);
        }
        self.gather(turn);
    }

    /// Tells, once, that nobody takes writes.
    fn tell_expiry(&mut self, turn: &mut Turn<'_>) {
        if let Some(granted) = self.row.granted
            && !core::mem::replace(&mut self.succession.is_expiry_told, true)
        {
            self.happened(turn, Event::LeaseExpired(granted));
        }
    }

    /// Whether the vote of any POP that the primary needs still carries it.
    pub(super) fn is_carried(&self, now: Instant) -> bool {
        let is_bound = |pop: &PopId| {
            let said = self.pops.get(pop).and_then(Pop::said);
            said.is_some_and(|said| said.voted_until() > now)
        };
        self.promotable().iter().any(is_bound)
    }

    fn gather(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let target = self.hand_over.target().filter(|_| self.is_released);
        if let Some(target) = target.filter(|pop| self.could_follow(now, *pop).is_some()) {
            return self.order(turn, target);
        }
        let since = match self.succession.gathering_since {
            Some(since) => since,
            None => {
                self.succession.gathering_since = Some(now);
                self.pops.keys().for_each(|pop| self.wake_pop(turn, *pop));
                now
            }
        };
        let is_awaited = |pop: &PopId| {
            let known = self.pops.get(pop).filter(|known| known.is_fresh(now));
            known.and_then(Pop::said).is_some_and(|said| said.at < since)
        };
        if now < since.plus_ms(GATHER_MS) && self.promotable().iter().any(is_awaited) {
            return;
        }
        // Whoever gave its lease up is going away, or wants somebody else to have it.
        let has_patience = now < since.plus_ms(PATIENCE_MS);
        let may_be = |said: &Said| said.at >= since && !(has_patience && said.renewal.is_released);
        match self.best(now, may_be, &[]) {
            Some(pop) => self.order(turn, pop),
            None if has_patience => {}
            None => self.tell_expiry(turn),
        }
    }

    fn await_acceptance(&mut self, turn: &mut Turn<'_>) {
        let (now, since) = (turn.now, self.succession.promoting_since);
        let Some(epoch) = self.row.epoch else { return };
        let known = self.pops.get(&epoch.primary).filter(|known| known.is_fresh(now));
        let said = known.and_then(Pop::said);
        if said.is_some_and(|said| said.renewal.epoch == Some(epoch)) {
            return;
        }
        let refuses = |said: &Said| said.at >= since && said.refuses_until() > now;
        let is_patient = now < since.plus_ms(PATIENCE_MS);
        if is_patient && known.is_some() && !said.is_some_and(refuses) {
            return;
        }
        let mut except = self.succession.tried.clone();
        except.push(epoch.primary);
        let mut next = self.best(now, |_| true, &except);
        if next.is_none() && !is_patient {
            // Those that were asked before get another try.
            self.succession.tried.clear();
            next = self.best(now, |_| true, &[epoch.primary]);
        }
        match next {
            Some(pop) => self.order(turn, pop),
            None if is_patient => {}
            None => self.tell_expiry(turn),
        }
    }

    fn order(&mut self, turn: &mut Turn<'_>, pop: PopId) {
        let known = self.row.epoch.max(self.unordered).max(self.highest_claim());
        let epoch = Epoch::after(known, pop);
        self.keep(turn, Row { epoch: Some(epoch), ..self.row.clone() });
    }

    /// Whoever holds most of what the old primary wrote.
    pub(super) fn best(
        &self,
        now: Instant,
        may_be: impl Fn(&Said) -> bool,
        except: &[PopId],
    ) -> Option<PopId> {
        let writer = self.unordered.or(self.row.granted).or_else(|| self.highest_claim());
        let writer = writer.map(|epoch| epoch.primary);
        let holder = self.lease_holder().filter(|_| writer == self.primary());
        let store = holder.map(|holder| holder.store);
        let candidates = self.promotable().into_iter().filter(|pop| !except.contains(pop));
        let candidates = candidates.filter_map(|pop| Some((pop, self.could_follow(now, pop)?)));
        let best = candidates.filter(|(_, said)| may_be(said)).max_by_key(|(pop, said)| {
            let held = writer.map(|writer| said.held(writer, store));
            let is_preferred = said.renewal.is_preferred;
            (held, said.renewal.floor_ms, is_preferred, Reverse(*pop))
        });
        best.map(|(pop, _)| pop)
    }

    /// What a POP said last, if it could be promoted now.
    pub(super) fn could_follow(&self, now: Instant, pop: PopId) -> Option<&Said> {
        let known = self.pops.get(&pop).filter(|known| known.is_fit(now))?;
        let said = known.said()?;
        let is_bound = said.refuses_until() > now || said.voted_until() > now;
        (!is_bound && self.may_follow(pop)).then_some(said)
    }
}
