//! A POP as it may be at worst: it uses every lease and every vote to its last moment, on a clock of
//! its own.

use std::collections::BTreeMap;

use clavitor_commercial::renewal::{Answer, Grant, LEASE_MS, Renewal, with_margin};
use clavitor_core::id::{Epoch, OpId, PopId, StoreId};
use clavitor_core::time::Instant;

/// A clock that runs at its own rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) rate_ppm: u64,
}

impl Clock {
    pub(crate) fn at(self, true_us: u64) -> Instant {
        Instant(true_us * self.rate_ppm / 1_000)
    }

    /// The first moment at which this clock shows `local`, or more.
    pub(crate) fn when(self, local: Instant) -> u64 {
        (local.0 * 1_000).div_ceil(self.rate_ppm)
    }
}

/// What a POP does with an answer, besides what it notes.
pub(crate) enum Deed {
    Nothing,
    Accept(Epoch),
    HandOver,
}

/// A process of a POP.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) pop: PopId,
    pub(crate) start: u64,
    pub(crate) store: StoreId,
    pub(crate) clock: Clock,
    pub(crate) is_alive: bool,
    pub(crate) paused_until_us: u64,
    pub(crate) is_ready: bool,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) grant: Option<Grant>,
    pub(crate) is_released: bool,
    pub(crate) accepting: Option<Epoch>,
    pub(crate) asked: Option<(OpId, Instant)>,
    pub(crate) answered: Instant,
    given_until: Instant,
    votes: BTreeMap<PopId, Instant>,
    refuses_until: Instant,
    voted_until: Instant,
}

impl Process {
    pub(crate) fn new(pop: PopId, start: u64, store: StoreId, clock: Clock, now: Instant) -> Self {
        Self {
            pop,
            start,
            store,
            clock,
            is_alive: true,
            paused_until_us: 0,
            is_ready: true,
            epoch: None,
            grant: None,
            is_released: false,
            accepting: None,
            asked: None,
            answered: now,
            given_until: Instant(0),
            votes: BTreeMap::new(),
            refuses_until: now.plus_ms(with_margin(LEASE_MS)),
            voted_until: Instant(0),
        }
    }

    pub(crate) fn runs(&self, true_us: u64) -> bool {
        self.is_alive && self.paused_until_us <= true_us
    }

    /// Whether it acknowledges writes.
    pub(crate) fn writes(&self, true_us: u64) -> bool {
        self.runs(true_us) && self.is_primary() && self.clock.at(true_us) < self.until()
    }

    fn is_primary(&self) -> bool {
        self.epoch.is_some_and(|epoch| epoch.primary == self.pop)
    }

    fn until(&self) -> Instant {
        match &self.grant {
            Some(grant) if !self.is_released => {
                let votes = grant.members.iter().map(|pop| self.votes.get(pop).copied());
                self.given_until.max(votes.min().flatten().unwrap_or_default())
            }
            _ => Instant(0),
        }
    }

    pub(crate) fn renewal(&mut self, op: OpId, now: Instant, seq: u64) -> Renewal {
        self.asked = Some((op, now));
        Renewal {
            start: self.start,
            number: op.0,
            store: self.store,
            epoch: self.epoch,
            grant: self.grant.as_ref().map(Grant::id),
            is_released: self.is_released,
            is_ready: self.is_ready,
            is_preferred: false,
            refuses_ms: self.refuses_until.plus_ms(1).ms_since(now),
            voted_ms: self.voted_until.plus_ms(1).ms_since(now),
            held: Vec::new(),
            floor_ms: seq,
            wish: None,
            kept_back: None,
        }
    }

    /// Takes the answer to its newest renewal, however late it is.
    pub(crate) fn on_answer(&mut self, now: Instant, op: OpId, answer: Answer) -> Deed {
        let Some((_, sent)) = self.asked.filter(|(newest, _)| *newest == op) else {
            return Deed::Nothing;
        };
        self.asked = None;
        self.answered = now;
        match answer {
            Answer::Lead { grant, hand_over_to } if self.takes(&grant) => {
                self.given_until = self.given_until.max(sent.plus_ms(grant.lease_ms));
                self.grant = Some(grant);
                if hand_over_to.is_some() { Deed::HandOver } else { Deed::Nothing }
            }
            Answer::Promote { epoch, .. } => {
                let is_news = epoch.primary == self.pop && Some(epoch) > self.epoch;
                let is_free = now >= self.refuses_until && self.accepting.is_none();
                if is_news && is_free && self.is_ready {
                    self.accepting = Some(epoch);
                    return Deed::Accept(epoch);
                }
                Deed::Nothing
            }
            Answer::Follow { epoch } => {
                epoch.into_iter().for_each(|epoch| self.adopt(epoch));
                Deed::Nothing
            }
            Answer::Lead { .. } | Answer::Duplicate => Deed::Nothing,
        }
    }

    fn takes(&self, grant: &Grant) -> bool {
        let is_older = self.grant.as_ref().is_some_and(|known| known.id() > grant.id());
        if let Some(known) = self.grant.as_ref().filter(|known| known.id() == grant.id()) {
            assert_eq!(known.members, grant.members, "one version of a grant has one meaning");
        }
        assert!(grant.members.contains(&self.pop) && grant.members.is_sorted());
        self.is_primary() && self.epoch == Some(grant.epoch) && !is_older && !self.is_released
    }

    /// Stores a newer term.
    pub(crate) fn adopt(&mut self, epoch: Epoch) {
        if Some(epoch) > self.epoch {
            self.epoch = Some(epoch);
            self.grant = None;
            self.is_released = false;
            self.given_until = Instant(0);
            self.votes.clear();
        }
    }

    /// Whom it asks for votes, and in which term.
    pub(crate) fn electorate(&mut self, now: Instant) -> Option<(Epoch, Vec<PopId>)> {
        let grant = self.grant.as_ref().filter(|grant| Some(grant.epoch) == self.epoch)?;
        if self.is_released {
            return None;
        }
        // Its own vote is the measure of a grant that has no other member.
        self.votes.insert(self.pop, now.plus_ms(LEASE_MS));
        let others = grant.members.iter().copied().filter(|pop| *pop != self.pop).collect();
        Some((grant.epoch, others))
    }

    /// Whether it votes.
    pub(crate) fn on_vote_asked(&mut self, now: Instant, epoch: Epoch) -> bool {
        if Some(epoch) > self.epoch && self.accepting.is_none() {
            self.adopt(epoch);
            return false;
        }
        let is_given = self.accepting.is_none() && self.epoch == Some(epoch);
        if is_given {
            self.voted_until = self.voted_until.max(now.plus_ms(with_margin(LEASE_MS)));
            self.refuses_until = self.refuses_until.max(self.voted_until);
        }
        is_given
    }

    pub(crate) fn on_vote(&mut self, voter: PopId, epoch: Epoch, asked: Instant) {
        if self.epoch == Some(epoch) {
            let until = asked.plus_ms(LEASE_MS);
            let known = self.votes.entry(voter).or_default();
            *known = until.max(*known);
        }
    }
}
