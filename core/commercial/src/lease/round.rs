//! Lease votes that this POP gathers while HQ is away: every other member of its grant has to give
//! one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::{Effect, Ops, Vote};
use crate::renewal::{ANSWER_MS, Grant, LEASE_MS, RENEW_MS};

/// Who is asked: the grant, this POP, and the peers that it knows.
#[derive(Clone, Copy)]
pub(super) struct Electorate<'a> {
    pub(super) grant: &'a Grant,
    pub(super) own: PopId,
    pub(super) peers: &'a BTreeMap<u8, PopId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ask {
    op: OpId,
    asked: Instant,
    lease_ms: u64,
    challenge: u64,
    is_again: bool,
}

/// A member that gave no vote when it was last asked is asked before the others: their votes would
/// bind them, and carry nobody.
///
/// Invariant: `asks` and `votes` name only members of the grant; each vote counts from the moment that
/// its question was ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Round {
    next_at: Option<Instant>,
    asks: BTreeMap<PopId, Ask>,
    later: BTreeSet<PopId>,
    missing: BTreeSet<PopId>,
    votes: BTreeMap<PopId, Instant>,
    challenges: BTreeMap<PopId, u64>,
}

impl Round {
    /// Until when the votes carry this POP.
    pub(super) fn until(&self, grant: &Grant) -> Instant {
        let votes = grant.members.iter().map(|pop| self.votes.get(pop).copied());
        votes.min().flatten().unwrap_or(Instant(0))
    }

    /// A member that gave no vote.
    pub(super) fn missing(&self) -> Option<PopId> {
        self.missing.first().copied()
    }

    /// HQ is away: ask, and go on asking.
    pub(super) fn call(&mut self, now: Instant) {
        self.next_at = self.next_at.or(Some(now));
    }

    /// HQ is there, or there is nothing to carry on.
    pub(super) fn stop(&mut self, out: &mut Vec<Effect>) {
        self.next_at = None;
        self.cancel(out);
    }

    /// There is another grant, or none: nobody's vote counts any longer.
    pub(super) fn forget(&mut self, out: &mut Vec<Effect>) {
        self.stop(out);
        self.missing.clear();
        self.votes.clear();
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        let asks = self.asks.values().map(|ask| ask.asked.plus_ms(ANSWER_MS));
        asks.chain(self.next_at).min()
    }

    pub(super) fn on_time(
        &mut self,
        now: Instant,
        who: Electorate<'_>,
        ops: &mut Ops,
        out: &mut Vec<Effect>,
    ) {
        let is_late = |ask: &Ask| ask.asked.plus_ms(ANSWER_MS) <= now;
        let late: Vec<PopId> =
            self.asks.iter().filter(|(_, ask)| is_late(ask)).map(|(pop, _)| *pop).collect();
        for pop in late {
            out.extend(self.asks.remove(&pop).map(|ask| Effect::Cancel { op: ask.op }));
            self.missing.insert(pop);
        }
        if self.next_at.is_some_and(|at| at <= now) {
            self.begin(now, who, ops, out);
        }
    }

    /// Takes a voter's answer; the newest epoch that it knows, if the answer is to a question.
    pub(super) fn on_answer(
        &mut self,
        now: Instant,
        (op, vote): (OpId, Option<Vote>),
        who: Electorate<'_>,
        ops: &mut Ops,
        out: &mut Vec<Effect>,
    ) -> Option<Epoch> {
        let member = self.asks.iter().find(|(_, ask)| ask.op == op).map(|(pop, _)| *pop);
        let pop = member?;
        let ask = self.asks.remove(&pop)?;
        let Some(vote) = vote else {
            self.missing.insert(pop);
            return None;
        };
        self.challenges.insert(pop, vote.challenge);
        if vote.is_given {
            self.votes.insert(pop, ask.asked.plus_ms(ask.lease_ms));
            self.missing.remove(&pop);
            if self.missing.is_empty() {
                for pop in core::mem::take(&mut self.later) {
                    self.ask(now, pop, false, who, ops, out);
                }
            }
        } else if vote.challenge != ask.challenge
            && !ask.is_again
            && vote.epoch == Some(who.grant.epoch)
        {
            self.ask(now, pop, true, who, ops, out);
        } else {
            self.missing.insert(pop);
        }
        vote.epoch
    }

    fn begin(&mut self, now: Instant, who: Electorate<'_>, ops: &mut Ops, out: &mut Vec<Effect>) {
        self.next_at = Some(now.plus_ms(RENEW_MS));
        self.missing.extend(self.asks.keys().copied());
        self.cancel(out);
        let members = &who.grant.members;
        self.challenges.retain(|pop, _| members.contains(pop));
        // Its own vote is the measure of a grant that has no other member.
        self.votes.insert(who.own, now.plus_ms(lease_ms(who.grant)));
        let others = || members.iter().copied().filter(|pop| *pop != who.own);
        self.missing.extend(others().filter(|pop| who.peer(*pop).is_none()));
        let (first, later) =
            others().partition(|pop| self.missing.is_empty() || self.missing.contains(pop));
        self.later = later;
        let first: BTreeSet<PopId> = first;
        for pop in first {
            self.ask(now, pop, false, who, ops, out);
        }
    }

    fn ask(
        &mut self,
        now: Instant,
        pop: PopId,
        is_again: bool,
        who: Electorate<'_>,
        ops: &mut Ops,
        out: &mut Vec<Effect>,
    ) {
        let Some(peer) = who.peer(pop) else { return };
        let (epoch, lease_ms) = (who.grant.epoch, lease_ms(who.grant));
        let challenge = self.challenges.get(&pop).copied().unwrap_or_default();
        let op = ops.next();
        self.asks.insert(pop, Ask { op, asked: now, lease_ms, challenge, is_again });
        out.push(Effect::AskVote { op, peer, voter: pop, epoch, lease_ms, challenge });
    }

    fn cancel(&mut self, out: &mut Vec<Effect>) {
        let asks = core::mem::take(&mut self.asks);
        out.extend(asks.into_values().map(|ask| Effect::Cancel { op: ask.op }));
        self.later.clear();
    }
}

impl Electorate<'_> {
    fn peer(&self, pop: PopId) -> Option<u8> {
        self.peers.iter().find(|(_, known)| **known == pop).map(|(peer, _)| *peer)
    }
}

/// For how long votes are asked: a voter would not give more.
fn lease_ms(grant: &Grant) -> u64 {
    grant.lease_ms.min(LEASE_MS)
}
