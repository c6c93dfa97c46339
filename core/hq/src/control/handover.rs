//! Handing a lease over in order: the primary is told whom to bring up to date, gives its lease up
//! once that one has everything, and that one is promoted at once.

use clavitor_commercial::renewal::{Renewal, Wish};
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::cluster::{Asked, Cluster, Turn};
use super::{Event, NotSwitched};

/// How long a hand-over may take, in milliseconds: more than a primary takes to give up trying.
pub const HAND_OVER_MS: u64 = 45_000;

/// After a hand-over that did not come about, the next one by itself is not before this, in
/// milliseconds.
pub const FAILBACK_AGAIN_MS: u64 = 60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ongoing {
    to: PopId,
    asked: Option<OpId>,
    wish: Option<Wish>,
    until: Instant,
    // What the primary says of a hand-over is about this one.
    is_told: bool,
    is_stored: bool,
}

/// Invariant: at most one is under way; an operator is answered once. The primary is told of none before
/// the disk took a row since it began: once the lease is given up, it must take the next term.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HandOver {
    ongoing: Option<Ongoing>,
    refused: Option<Wish>,
    again_at: Option<Instant>,
}

impl HandOver {
    /// Who is to follow.
    pub(super) fn target(&self) -> Option<PopId> {
        self.ongoing.map(|ongoing| ongoing.to)
    }

    /// Whom to name in the answer to a renewal. One that tells of an earlier hand-over has to hear
    /// first that this is known.
    pub(super) fn tell(&mut self, renewal: &Renewal) -> Option<PopId> {
        let is_clear = renewal.kept_back.is_none();
        let may_tell = |ongoing: &&mut Ongoing| ongoing.is_stored && (ongoing.is_told || is_clear);
        let ongoing = self.ongoing.as_mut().filter(may_tell)?;
        ongoing.is_told = true;
        Some(ongoing.to)
    }

    /// A lease was given in a new term.
    pub(super) fn on_given(&mut self, turn: &mut Turn<'_>, epoch: Epoch, old: Option<Epoch>) {
        let is_other = old.map(|old| old.primary) != Some(epoch.primary);
        let outcome = if is_other { Ok(epoch) } else { Err(NotSwitched::NobodyFollows) };
        self.end(turn, outcome);
        self.refused = None;
    }

    /// Whether the disk has taken a row since a hand-over began, if one is under way.
    pub(super) fn is_stored(&self) -> bool {
        self.ongoing.is_none_or(|ongoing| ongoing.is_stored)
    }

    /// The disk took a row; whether the primary may be told now.
    pub(super) fn on_kept(&mut self) -> bool {
        let ongoing = self.ongoing.as_mut().filter(|ongoing| !ongoing.is_stored);
        ongoing.map(|ongoing| ongoing.is_stored = true).is_some()
    }

    /// The disk did not take what has to be stored before anybody can follow.
    pub(super) fn on_not_kept(&mut self, turn: &mut Turn<'_>, is_released: bool) {
        if !self.is_stored() {
            // The same wish would meet the same disk.
            self.refused = self.ongoing.and_then(|ongoing| ongoing.wish);
            self.fail(turn, NotSwitched::NotKept);
        } else if is_released
            && let Some(op) = self.ongoing.as_mut().and_then(|ongoing| ongoing.asked.take())
        {
            turn.answer_switchover(op, Err(NotSwitched::NotKept));
        }
    }

    fn end(&mut self, turn: &mut Turn<'_>, outcome: Result<Epoch, NotSwitched>) {
        if let Some(op) = self.ongoing.take().and_then(|ongoing| ongoing.asked) {
            turn.answer_switchover(op, outcome);
        }
    }

    fn fail(&mut self, turn: &mut Turn<'_>, why: NotSwitched) {
        self.again_at = Some(turn.now.plus_ms(FAILBACK_AGAIN_MS));
        self.end(turn, Err(why));
    }
}

impl Cluster {
    /// Takes note of what the process says that holds the lease.
    pub(super) fn hear_holder(&mut self, turn: &mut Turn<'_>, asked: &Asked) {
        let renewal = &asked.renewal;
        let granted = self.row.granted;
        let is_of_it = renewal.grant.map(|grant| grant.epoch) == granted;
        if renewal.is_released && is_of_it && !self.is_ordered() && !self.is_released {
            self.is_released = true;
            self.lease_until = self.lease_until.min(turn.now);
            self.succession.start_over(turn.now);
        }
        let is_told = self.hand_over.ongoing.is_some_and(|ongoing| ongoing.is_told);
        if let Some(why) = renewal.kept_back.filter(|_| is_told && !self.is_released) {
            self.happened(turn, Event::HandOverFailed(why));
            self.hand_over.refused = renewal.wish;
            self.hand_over.fail(turn, NotSwitched::KeptBack(why));
        }
        if renewal.wish.is_none() || renewal.wish != self.hand_over.refused {
            self.hand_over.refused = None;
            if let Some(wish) = renewal.wish.filter(|_| renewal.kept_back.is_none()) {
                self.on_wish(turn, wish);
            }
        }
    }

    fn on_wish(&mut self, turn: &mut Turn<'_>, wish: Wish) {
        if self.is_going_on() && self.hand_over.ongoing.is_none() {
            match self.successor(turn.now, wish.to) {
                Ok(to) => self.begin_hand_over(turn, to, (None, Some(wish))),
                Err(_) => self.hand_over.refused = Some(wish),
            }
        }
    }

    pub(super) fn on_switchover_asked(&mut self, turn: &mut Turn<'_>, op: OpId, to: Option<PopId>) {
        let is_busy = self.hand_over.ongoing.is_some();
        let is_led = self.is_going_on() && turn.now < self.lease_until;
        let renews =
            |primary: PopId| self.pops.get(&primary).is_some_and(|known| known.is_fresh(turn.now));
        let begun = if is_busy || (self.is_ordered() && self.row.granted.is_some()) {
            Err(NotSwitched::Busy)
        } else if !is_led || !self.primary().is_some_and(renews) {
            Err(NotSwitched::NoPrimary)
        } else {
            self.successor(turn.now, to)
        };
        match begun {
            Ok(to) => {
                self.begin_hand_over(turn, to, (Some(op), None));
                self.advance(turn);
            }
            Err(why) => turn.answer_switchover(op, Err(why)),
        }
    }

    /// Who could follow the primary now: who is asked for, or whoever is best.
    fn successor(&self, now: Instant, to: Option<PopId>) -> Result<PopId, NotSwitched> {
        let primary = self.primary();
        match to {
            Some(to) => {
                let is_one = primary != Some(to) && self.promotable().contains(&to);
                let could = is_one && self.could_follow(now, to).is_some();
                if could { Ok(to) } else { Err(NotSwitched::NotFit) }
            }
            None => self.best(now, |_| true, primary.as_slice()).ok_or(NotSwitched::NobodyFollows),
        }
    }

    fn begin_hand_over(
        &mut self,
        turn: &mut Turn<'_>,
        to: PopId,
        (asked, wish): (Option<OpId>, Option<Wish>),
    ) {
        let until = turn.now.plus_ms(HAND_OVER_MS);
        let (is_told, is_stored) = (false, false);
        self.hand_over.ongoing = Some(Ongoing { to, asked, wish, until, is_told, is_stored });
        self.happened(turn, Event::HandOverBegan(to));
    }

    /// Gives up what cannot come about any more, and begins what is due by itself.
    pub(super) fn advance_hand_over(&mut self, turn: &mut Turn<'_>) {
        let Some(ongoing) = self.hand_over.ongoing else { return self.fail_back(turn) };
        let is_there = self.pops.get(&ongoing.to).is_some_and(|known| known.is_fit(turn.now));
        if ongoing.until <= turn.now {
            self.hand_over.fail(turn, NotSwitched::TimedOut);
        } else if !is_there && self.is_going_on() {
            self.hand_over.fail(turn, NotSwitched::NotFit);
        }
    }

    /// When something about hand-overs is due.
    pub(super) fn hand_over_wakes(&self) -> impl Iterator<Item = Instant> {
        let failback = self.failback().map(|(at, _)| at);
        self.hand_over.ongoing.map(|ongoing| ongoing.until).into_iter().chain(failback)
    }

    fn fail_back(&mut self, turn: &mut Turn<'_>) {
        let is_led = self.is_going_on() && turn.now < self.lease_until;
        let Some((_, to)) = self.failback().filter(|(at, _)| is_led && *at <= turn.now) else {
            return;
        };
        if self.successor(turn.now, Some(to)).is_ok() {
            self.begin_hand_over(turn, to, (None, None));
        }
    }

    /// The preferred POP that is not primary, and when it may have its place again.
    fn failback(&self) -> Option<(Instant, PopId)> {
        let failback_ms = self.policy.failback_ms?;
        let is_preferred = |pop: &PopId| {
            let said = self.pops.get(pop).and_then(|known| known.said());
            said.is_some_and(|said| said.renewal.is_preferred)
        };
        if self.primary().is_none_or(|primary| is_preferred(&primary)) {
            return None;
        }
        let due = |pop: PopId| Some((self.pops.get(&pop)?.here_since()?.plus_ms(failback_ms), pop));
        let preferred = self.promotable().into_iter().filter(is_preferred);
        let (at, pop) = preferred.filter_map(due).min()?;
        Some((self.hand_over.again_at.map_or(at, |again| at.max(again)), pop))
    }
}
