//! Grants: who is given a lease, by which members, and who is told to become primary.

use alloc::vec::Vec;

use clavitor_commercial::epoch::NUMBER_MAX;
use clavitor_commercial::renewal::{Answer, Grant, GrantId, Renewal, with_margin};
use clavitor_core::id::{Epoch, PopId};
use clavitor_core::time::Instant;

use super::cluster::{Asked, Cluster, Turn};
use super::members::Pop;
use super::{Event, Holder, Members, Row};

impl Cluster {
    /// Whether a renewal is that of the process which holds the lease, or held it last.
    pub(super) fn is_holders(&self, asked: &Asked) -> bool {
        self.primary() == Some(asked.pop)
            && self.lease_holder().is_some_and(|holder| holder.start == asked.renewal.start)
    }

    /// What a renewal changes of what is stored, if anything.
    pub(super) fn change(&self, now: Instant, asked: &Asked) -> Option<Row> {
        let own = asked.renewal.epoch.filter(|epoch| epoch.primary == asked.pop);
        if self.row.epoch.is_none() {
            let is_highest = own.is_some() && own == self.highest_claim();
            let is_taken = is_highest && self.may_take_over(now);
            return own.filter(|_| is_taken).map(|epoch| self.given(now, epoch, asked));
        }
        if self.is_ordered() {
            let is_accepted = own == self.row.epoch && self.is_promotion_open(now, asked.pop);
            return own.filter(|_| is_accepted).map(|epoch| self.given(now, epoch, asked));
        }
        if !self.is_going_on() || !self.is_holders(asked) {
            return None;
        }
        self.changed_grant(now, asked)
    }

    /// The row in which a process is given its first lease of a term.
    fn given(&self, now: Instant, epoch: Epoch, asked: &Asked) -> Row {
        let Renewal { start, store, .. } = asked.renewal;
        let (acknowledged, offered) = match self.unknown_grant(epoch, asked) {
            // It goes by this grant or by none.
            None => (Members { version: 1, pops: self.fit_members(now, asked.pop) }, None),
            Some(version) => self.regained(now, version, asked),
        };
        let holder = Some(Holder { start, store });
        let (epoch, granted) = (Some(epoch), Some(epoch));
        Row { epoch, granted, acknowledged, offered, holder, pops: Vec::new() }
    }

    /// The version of the grant that a POP goes by in this term, if it is newer than every one that is
    /// known here: a former HQ gave it, or this one before it was put back to what it had known.
    fn unknown_grant(&self, epoch: Epoch, asked: &Asked) -> Option<u64> {
        let GrantId { version, .. } = asked.renewal.grant.filter(|grant| grant.epoch == epoch)?;
        let Row { acknowledged, offered, .. } = &self.row;
        let is_of_it = self.row.granted == Some(epoch);
        let known = offered.as_ref().map_or(acknowledged.version, |offered| offered.version);
        (version <= NUMBER_MAX && !(is_of_it && version <= known)).then_some(version)
    }

    /// What is acknowledged and offered to a primary whose members nobody knows here: it alone is sure
    /// to be one.
    fn regained(&self, now: Instant, version: u64, asked: &Asked) -> (Members, Option<Members>) {
        let own = Members { version, pops: [asked.pop].into() };
        (own, Some(Members { version: version + 1, pops: self.fit_members(now, asked.pop) }))
    }

    /// A primary, and whoever could be promoted.
    fn fit_members(&self, now: Instant, primary: PopId) -> Vec<PopId> {
        let is_member = |pop: &PopId, known: &Pop| *pop == primary || known.is_fit(now);
        let members = self.pops.iter().filter(|(pop, known)| is_member(pop, known));
        members.map(|(pop, _)| *pop).collect()
    }

    /// What the holder confirms, what it is offered next, and where its data is.
    fn changed_grant(&self, now: Instant, asked: &Asked) -> Option<Row> {
        let mut row = self.row.clone();
        let epoch = row.granted?;
        if let Some(version) = self.unknown_grant(epoch, asked) {
            (row.acknowledged, row.offered) = self.regained(now, version, asked);
        } else if let Some(offered) = &row.offered {
            let is_told = |id| (epoch, offered.version) == id;
            if asked.renewal.grant.is_some_and(|id| is_told((id.epoch, id.version))) {
                row.acknowledged = offered.clone();
                row.offered = None;
            }
        }
        if row.offered.is_none() {
            let wanted = self.wanted_members(now, &row.acknowledged.pops);
            if wanted != row.acknowledged.pops {
                let version = row.acknowledged.version.saturating_add(1);
                row.offered = Some(Members { version, pops: wanted });
            }
        }
        row.holder = row.holder.map(|holder| Holder { store: asked.renewal.store, ..holder });
        Some(row).filter(|row| *row != self.row)
    }

    /// Who is to be a member: whoever is one, for a while after it was heard last, and whoever could
    /// be promoted.
    fn wanted_members(&self, now: Instant, members: &[PopId]) -> Vec<PopId> {
        let primary = self.primary();
        let is_wanted = |pop: &PopId, known: &Pop| {
            let stays = members.contains(pop) && !known.is_gone(now);
            stays || known.is_fit(now) || primary == Some(*pop)
        };
        let wanted = self.pops.iter().filter(|(pop, known)| is_wanted(pop, known));
        wanted.map(|(pop, _)| *pop).collect()
    }

    /// The lease, if it is this process that is to go on.
    pub(super) fn lead(&mut self, turn: &mut Turn<'_>, asked: &Asked) -> Option<Answer> {
        let epoch = self.row.granted?;
        let is_its = self.is_holders(asked) && asked.renewal.epoch == Some(epoch);
        if !is_its || !self.is_going_on() || asked.renewal.is_released {
            return None;
        }
        let lease_ms = self.policy.lease_ms;
        self.lease_until = self.lease_until.max(asked.at.plus_ms(with_margin(lease_ms)));
        self.succession.start_over(turn.now);
        let members = self.row.offered.as_ref().unwrap_or(&self.row.acknowledged);
        let (version, members) = (members.version, members.pops.clone());
        let grant = Grant { epoch, version, members, lease_ms };
        Some(Answer::Lead { grant, hand_over_to: self.hand_over.tell(&asked.renewal) })
    }

    /// Whether whoever is ordered to be primary may prepare for it, and be so.
    fn is_promotion_open(&self, now: Instant, pop: PopId) -> bool {
        now >= self.lease_until && self.unordered.is_none() && self.may_follow(pop)
    }

    /// The order to become primary, if it is this POP that is to.
    pub(super) fn promote(&self, now: Instant, asked: &Asked) -> Option<Answer> {
        let epoch = self.row.epoch.filter(|epoch| epoch.primary == asked.pop)?;
        let is_open = self.is_ordered() && self.is_promotion_open(now, asked.pop);
        let is_news = asked.renewal.epoch < Some(epoch);
        (is_open && is_news).then(|| Answer::Promote { epoch, floor_ms: self.floor_ms(now) })
    }

    /// A lease was given in a new term.
    pub(super) fn on_given(&mut self, turn: &mut Turn<'_>, old: &Row) {
        let Some(epoch) = self.row.granted else { return };
        // It is on its way, whoever waits for it.
        self.lease_until = turn.now.plus_ms(with_margin(self.policy.lease_ms));
        self.is_released = false;
        self.succession.start_over(turn.now);
        self.happened(turn, Event::PrimaryChanged(epoch));
        self.hand_over.on_given(turn, epoch, old.granted);
        for pop in self.pops.keys().filter(|pop| **pop != epoch.primary) {
            self.wake_pop(turn, *pop);
        }
    }

    /// Tells how the members have changed.
    pub(super) fn note_members(&self, turn: &mut Turn<'_>, old: &[PopId]) {
        let new = &self.row.acknowledged.pops;
        for pop in new.iter().filter(|pop| !old.contains(pop)) {
            self.happened(turn, Event::MemberAdded(*pop));
        }
        for pop in old.iter().filter(|pop| !new.contains(pop)) {
            self.happened(turn, Event::MemberRemoved(*pop));
        }
    }
}
