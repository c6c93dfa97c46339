//! The right to take writes, as a POP sees it: renewed at HQ, carried on by lease votes while HQ is
//! away, given up by this POP's own clock, handed over in order, and taken over when HQ says so.
//!
//! Who may acknowledge is a number that is compared with the clock: [`Effect::HoldLease`]. Nothing
//! has to happen for it to end.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::pop::Wake;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cluster::PEERS_MAX;
use crate::epoch;
use crate::renewal::{Grant, GrantId, KeptBack, LEASE_MS};

mod answers;
mod ballot;
mod draft;
mod hand_over;
mod leaving;
mod line;
mod messages;
mod round;
mod view;

pub use draft::Draft;
pub use hand_over::{CATCH_UP_MS, DRAIN_MS, NEAR_CHANGES, SUCCESSION_MS, WISH_MS};
pub use leaving::RELEASE_TRIES_MAX;
pub use line::{DENIED_MS, GAP_MS, WATCH_AGAIN_MS, WATCH_MS};
pub use messages::{Effect, Fencing, Input, NotSwitched, Renewed, Start, Vote};
pub use view::{Carrier, View, Why};

use ballot::Ballot;
use hand_over::HandOver;
use leaving::Leaving;
use line::{Flight, Hq, Line};
use round::{Electorate, Round};
use view::ms_left;

/// How long a primary may be without its first lease of a term before a person is told, in
/// milliseconds: HQ waits for a lease of a former process, and a little more.
pub const FIRST_LEASE_MS: u64 = 2 * LEASE_MS;

/// The lease machine of a POP.
///
/// Invariant: a lease is counted from the moment a renewal, or a question for a vote, was ordered; it
/// belongs to the grant, and both end with the term. A grant that was given up never comes back. While
/// `accepting`, and as long as `ballot` refuses, this POP never both votes and takes over. `heard` is the
/// newest term that anybody told of, also one that this POP was primary in and has lost with its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    start: Start,
    is_started: bool,
    is_ready: bool,
    leaving: Leaving,
    epoch: Option<Epoch>,
    heard: Option<Epoch>,
    peers: BTreeMap<u8, PopId>,
    grant: Option<Grant>,
    given_until: Instant,
    released: Option<GrantId>,
    told_until: Instant,
    accepting: Option<OpId>,
    line: Line,
    round: Round,
    ballot: Ballot,
    hand_over: HandOver,
    lost_at: Option<Instant>,
    is_lost: bool,
    is_denied: bool,
    is_duplicate: bool,
    ops: Ops,
}

/// Names orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ops(u64);

impl Ops {
    fn next(&mut self) -> OpId {
        self.0 = self.0.saturating_add(1);
        OpId(self.0)
    }
}

impl Lease {
    /// The machine of a POP that starts; `epoch` is the newest that is stored.
    pub fn new(start: Start, epoch: Option<Epoch>) -> Self {
        Self {
            is_started: false,
            is_ready: false,
            leaving: Leaving::Not,
            epoch,
            heard: None,
            peers: BTreeMap::new(),
            grant: None,
            given_until: Instant(0),
            released: None,
            told_until: Instant(0),
            accepting: None,
            line: Line::default(),
            round: Round::default(),
            ballot: Ballot::new(start.seed),
            hand_over: HandOver::default(),
            lost_at: None,
            is_lost: false,
            is_denied: false,
            is_duplicate: false,
            ops: Ops(0),
            start,
        }
    }

    /// Takes note of a fact at `now`; orders go to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Started => self.on_started(now),
            Input::Tick => {}
            Input::EpochStored(epoch) => self.on_epoch(now, epoch, out),
            Input::EpochTold(epoch) => self.hear_of(Some(epoch)),
            Input::Renewed { op, outcome } => {
                if let Some(flight) = self.line.land(op) {
                    self.on_renewed(now, flight, outcome, out);
                }
            }
            Input::WatchEnded { op, is_news } => self.line.on_watch_ended(now, op, is_news),
            Input::Accepted { op, epoch } => self.on_accepted(now, op, epoch, out),
            Input::VoteAsked { op, from, epoch, lease_ms, challenge } => {
                self.on_vote_asked(now, (op, from, epoch), (lease_ms, challenge), out);
            }
            Input::VoteAnswered { op, vote } => self.on_vote_answered(now, op, vote, out),
            Input::WritesClosed { op, .. } => self.hand_over.on_closed(op),
            Input::SwitchoverAsked { op, to } => self.on_switchover_asked(now, op, to, out),
            Input::PeerKnown { peer, pop } => {
                if usize::from(peer) < PEERS_MAX {
                    self.peers.insert(peer, pop);
                }
            }
            Input::BecameReady => self.is_ready = true,
            Input::TargetSeen { behind } => self.hand_over.on_seen(behind),
            Input::Closing => self.on_closing(out),
            Input::Flushed => self.on_flushed(now, out),
        }
        self.advance(now, out);
    }

    /// When the machine wants [`Input::Tick`]. Without HQ it never does.
    pub fn next_wake(&self) -> Option<(Instant, Wake)> {
        if !self.is_active() {
            return None;
        }
        let line = self.line.next_wake().map(|at| (at, Wake("renewal")));
        let votes = self.round.next_wake().map(|at| (at, Wake("votes")));
        let hand_over = self.hand_over.next_wake().map(|at| (at, Wake("hand-over")));
        let lost = self.lost_at.filter(|_| !self.is_lost).map(|at| (at, Wake("lease")));
        let all = [line, votes, hand_over, lost].into_iter().flatten();
        all.min_by_key(|(at, _)| *at)
    }

    /// Whether the stored epoch names this POP.
    pub fn is_primary(&self) -> bool {
        self.epoch.is_some_and(|epoch| epoch.primary == self.start.pop)
    }

    /// Who is being brought up to date, to follow.
    pub fn target(&self) -> Option<PopId> {
        self.hand_over.target()
    }

    /// Which POP a peer is, as far as the machine was told.
    pub fn peer(&self, peer: u8) -> Option<PopId> {
        self.peers.get(&peer).copied()
    }

    /// Whether it was told that this POP may be promoted.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Once the server goes away: whether the lease is given back, or there is none, or HQ does not
    /// hear of it.
    pub fn is_settled(&self) -> bool {
        !self.start.has_hq || !self.is_started || self.leaving == Leaving::Left
    }

    fn is_active(&self) -> bool {
        self.start.has_hq && self.is_started && self.leaving != Leaving::Left
    }

    /// Until when this POP is sure to be the only one that takes writes.
    fn until(&self) -> Instant {
        match &self.grant {
            Some(grant) if self.released.is_none() => self.given_until.max(self.round.until(grant)),
            _ => Instant(0),
        }
    }

    fn on_started(&mut self, now: Instant) {
        if self.is_started {
            return;
        }
        self.is_started = true;
        self.ballot.begin(now);
        self.line.urge(now);
        self.lost_at = Some(now.plus_ms(FIRST_LEASE_MS));
    }

    fn on_epoch(&mut self, now: Instant, epoch: Epoch, out: &mut Vec<Effect>) {
        if Some(epoch) <= self.epoch {
            return;
        }
        self.epoch = Some(epoch);
        self.drop_grant(out);
        self.released = None;
        // Before anybody could take a closed door for the reason: the lease is not held any longer.
        self.tell_lease(out);
        self.hand_over.on_epoch(epoch, self.start.pop, out);
        self.is_lost = false;
        self.lost_at = Some(now.plus_ms(FIRST_LEASE_MS));
        if self.is_active() {
            self.line.urge(now);
        }
    }

    fn is_peer(&self, pop: PopId) -> bool {
        self.peers.values().any(|peer| *peer == pop)
    }

    fn on_vote_asked(
        &mut self,
        now: Instant,
        (op, from, epoch): (OpId, PopId, Epoch),
        lease: (u64, u64),
        out: &mut Vec<Effect>,
    ) {
        let is_authors = epoch.primary == from && from != self.start.pop;
        // Whoever has lost its data may have lost a newer term with it, until it has heard its peers.
        let is_right = is_authors
            && self.is_active()
            && self.is_ready
            && self.accepting.is_none()
            && self.epoch == Some(epoch)
            && self.heard <= Some(epoch);
        let vote = self.ballot.answer(now, lease, is_right, self.epoch);
        out.push(Effect::AnswerVote { op, vote });
        if is_authors {
            self.adopt(Some(epoch), out);
        }
    }

    fn on_vote_answered(
        &mut self,
        now: Instant,
        op: OpId,
        vote: Option<Vote>,
        out: &mut Vec<Effect>,
    ) {
        let Some(grant) = &self.grant else { return };
        let who = Electorate { grant, own: self.start.pop, peers: &self.peers };
        let known = self.round.on_answer(now, (op, vote), who, &mut self.ops, out);
        self.adopt(known, out);
    }

    /// Whether a newer epoch may be stored because somebody tells of it. With HQ, a term in which this
    /// POP is primary begins by [`Effect::Accept`] alone: a vote of its own may forbid it.
    pub fn may_adopt(&self, newer: Epoch) -> bool {
        let is_own = newer.primary == self.start.pop;
        epoch::is_news(self.epoch, newer) && !(self.start.has_hq && is_own)
    }

    fn hear_of(&mut self, told: Option<Epoch>) {
        self.heard = self.heard.max(told.filter(|told| epoch::is_news(self.epoch, *told)));
    }

    fn adopt(&mut self, newer: Option<Epoch>, out: &mut Vec<Effect>) {
        self.hear_of(newer);
        out.extend(newer.filter(|newer| self.may_adopt(*newer)).map(Effect::Adopt));
    }

    fn on_switchover_asked(
        &mut self,
        now: Instant,
        op: OpId,
        to: Option<PopId>,
        out: &mut Vec<Effect>,
    ) {
        let refusal = if !self.start.has_hq {
            Some(NotSwitched::NoHq)
        } else if self.until() <= now {
            Some(NotSwitched::NotPrimary)
        } else if to.is_some_and(|to| !self.is_peer(to)) {
            Some(NotSwitched::KeptBack(KeptBack::NotAPeer))
        } else if self.leaving != Leaving::Not || !self.hand_over.ask(now, op, to) {
            Some(NotSwitched::Busy)
        } else {
            None
        };
        match refusal {
            Some(why) => out.push(Effect::AnswerSwitchover { op, outcome: Err(why) }),
            None => self.line.urge(now),
        }
    }

    fn drop_grant(&mut self, out: &mut Vec<Effect>) {
        self.grant = None;
        self.given_until = Instant(0);
        self.round.forget(out);
    }

    fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.is_active() {
            self.on_time(now, out);
        }
        self.tell_lease(out);
        if self.is_active() {
            self.watch_lease(now, out);
            self.renew(now, out);
            self.line.watch(now, &mut self.ops, out);
        }
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Some(flight) = self.line.overdue(now) {
            out.push(Effect::Cancel { op: flight.op });
            self.line.on_unanswered(out);
            self.on_no_answer(now, flight, out);
        }
        if let Some(grant) = self.grant.as_ref().filter(|_| self.released.is_none()) {
            let who = Electorate { grant, own: self.start.pop, peers: &self.peers };
            self.round.on_time(now, who, &mut self.ops, out);
        }
        let is_heard = self.line.hq == Hq::Present;
        let had_kept = self.hand_over.kept_back();
        if self.hand_over.advance(now, is_heard, &mut self.ops, out) {
            self.release(now, out);
        }
        if self.hand_over.kept_back() != had_kept {
            self.line.urge(now);
        }
    }

    fn renew(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if !self.line.is_due(now) {
            return;
        }
        let draft = self.draft(now);
        let op = self.ops.next();
        self.line.send(Flight {
            op,
            sent: now,
            is_refusing: draft.refuses_ms > 0,
            is_keeping_back: draft.kept_back.is_some(),
            is_released: draft.is_released,
        });
        out.push(Effect::Renew { op, draft });
    }

    fn draft(&self, now: Instant) -> Draft {
        Draft {
            start: number(self.start.seed, 0),
            epoch: self.epoch,
            grant: self.grant.as_ref().map(Grant::id),
            is_released: self.grant.is_some() && self.released.is_some(),
            is_ready: self.is_ready && self.leaving == Leaving::Not,
            is_preferred: self.start.is_preferred,
            refuses_ms: ms_left(now, self.ballot.refuses_until()),
            voted_ms: ms_left(now, self.ballot.voted_until()),
            wish: self.hand_over.wish(),
            kept_back: self.hand_over.kept_back(),
        }
    }

    fn tell_lease(&mut self, out: &mut Vec<Effect>) {
        if !self.is_started {
            return;
        }
        let is_for_good =
            !self.start.has_hq || (self.start.fencing == Fencing::Merge && self.released.is_none());
        let until = if is_for_good { Instant(u64::MAX) } else { self.until() };
        if core::mem::replace(&mut self.told_until, until) != until {
            out.push(Effect::HoldLease { until });
        }
    }

    /// A primary that takes no writes for want of a lease is worth a word, once.
    fn watch_lease(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_watched = self.is_primary()
            && self.start.fencing == Fencing::Lease
            && self.leaving == Leaving::Not;
        let until = self.until();
        if !is_watched {
            self.lost_at = None;
        } else if until > now {
            self.lost_at = Some(until);
            self.is_lost = false;
        } else if !self.is_lost && self.lost_at.is_some_and(|at| at <= now) {
            self.is_lost = true;
            let message = "this primary holds no lease and takes no writes";
            let alert = Alert::new(AlertType::LeaseLost, message);
            out.push(Effect::RaiseAlert(alert.with("why", self.why())));
        }
    }
}

/// A number that only this process gives, the `place`-th of them.
fn number(seed: u64, place: u64) -> u64 {
    let digest = Sha256::digest([seed.to_be_bytes(), place.to_be_bytes()].concat());
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests;
