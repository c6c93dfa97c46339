//! Handing the lease over in order: the one that follows is brought up to date while writes go on,
//! then writes stop for a moment, and the lease is given up once it has everything.

use alloc::vec::Vec;

use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::{Effect, NotSwitched, Ops};
use crate::renewal::{KeptBack, LEASE_MS, Wish};

/// How long the one that follows gets to come near, while writes go on, in milliseconds.
pub const CATCH_UP_MS: u64 = 30_000;

/// How long writes may be closed until it has everything, in milliseconds.
pub const DRAIN_MS: u64 = 5_000;

/// Writes are closed once fewer changes than this are missing.
pub const NEAR_CHANGES: u64 = 100;

/// How long HQ gets to say who follows, in milliseconds.
pub const WISH_MS: u64 = 5_000;

/// How long an operator waits for the new primary once the lease is given up, in milliseconds.
pub const SUCCESSION_MS: u64 = 2 * LEASE_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    CatchingUp { until: Instant },
    Draining { op: OpId, until: Instant, is_closed: bool },
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    op: OpId,
    wish: Wish,
    until: Instant,
}

/// Invariant: writes are closed from `Draining` on, and every way out of it but the next term opens
/// them; `target` names somebody while there is a phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HandOver {
    target: Option<PopId>,
    phase: Option<Phase>,
    behind: Option<u64>,
    kept_back: Option<KeptBack>,
    asked: Option<Asked>,
}

impl HandOver {
    /// Who is to follow, as long as the lease is not given up.
    pub(super) fn target(&self) -> Option<PopId> {
        self.target.filter(|_| self.phase != Some(Phase::Released))
    }

    pub(super) fn kept_back(&self) -> Option<KeptBack> {
        self.kept_back
    }

    /// What to tell HQ of an operator's wish.
    pub(super) fn wish(&self) -> Option<Wish> {
        self.asked.filter(|_| self.phase.is_none()).map(|asked| asked.wish)
    }

    /// Whether the operator may wait for an answer.
    pub(super) fn ask(&mut self, now: Instant, op: OpId, to: Option<PopId>) -> bool {
        if self.asked.is_some() || self.phase.is_some() {
            return false;
        }
        self.asked = Some(Asked { op, wish: Wish { to }, until: now.plus_ms(WISH_MS) });
        true
    }

    /// HQ says who is to follow, or nobody. `is_told` is whether it knows why the last one did not;
    /// `is_peer` is whether this POP can bring that one up to date.
    pub(super) fn on_wanted(
        &mut self,
        now: Instant,
        to: Option<PopId>,
        is_told: bool,
        is_peer: bool,
        out: &mut Vec<Effect>,
    ) {
        if to == self.target && to.is_some() {
            return;
        }
        if self.phase.is_some() {
            self.open(out);
            if to.is_none() {
                self.answer(Err(NotSwitched::NobodyFollows), out);
            }
        }
        if self.kept_back.is_some() && !is_told {
            return;
        }
        self.kept_back = None;
        let Some(to) = to else { return };
        self.begin(now, to);
        if !is_peer {
            self.keep_back(KeptBack::NotAPeer, out);
        }
    }

    pub(super) fn on_seen(&mut self, behind: Option<u64>) {
        self.behind = behind;
    }

    /// What was seen before may have been before the last write.
    pub(super) fn on_closed(&mut self, op: OpId) {
        if let Some(Phase::Draining { op: awaited, is_closed, .. }) = &mut self.phase
            && *awaited == op
            && !*is_closed
        {
            *is_closed = true;
            self.behind = None;
        }
    }

    /// Goes on, as far as HQ is there to hear of it; whether the lease is to be given up now.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        is_heard: bool,
        ops: &mut Ops,
        out: &mut Vec<Effect>,
    ) -> bool {
        match (self.phase, self.target) {
            (Some(Phase::CatchingUp { .. }), Some(to))
                if is_heard && self.behind.is_some_and(|behind| behind < NEAR_CHANGES) =>
            {
                let (op, until) = (ops.next(), now.plus_ms(DRAIN_MS));
                self.phase = Some(Phase::Draining { op, until, is_closed: false });
                self.wait(until);
                out.push(Effect::CloseWrites { op, to });
            }
            (Some(Phase::Draining { is_closed: true, .. }), _)
                if is_heard && self.behind == Some(0) =>
            {
                self.phase = Some(Phase::Released);
                self.wait(now.plus_ms(SUCCESSION_MS));
                return true;
            }
            (Some(Phase::CatchingUp { until }), _) if until <= now => {
                self.keep_back(KeptBack::TooFarBehind, out);
            }
            (Some(Phase::Draining { until, .. }), _) if until <= now => {
                self.keep_back(KeptBack::NotDrained, out);
            }
            _ => {}
        }
        if self.asked.is_some_and(|asked| asked.until <= now) && self.target().is_none() {
            self.answer(Err(NotSwitched::NobodyFollows), out);
        }
        false
    }

    /// This POP keeps, or has again, the right to take writes, or goes away with it.
    pub(super) fn abandon(&mut self, out: &mut Vec<Effect>) {
        self.open(out);
        self.answer(Err(NotSwitched::NobodyFollows), out);
    }

    /// There is a new term: whoever may write in it is admitted or not by that.
    pub(super) fn on_epoch(&mut self, epoch: Epoch, own: PopId, out: &mut Vec<Effect>) {
        self.open(out);
        self.kept_back = None;
        let is_other = epoch.primary != own;
        self.answer(is_other.then_some(epoch).ok_or(NotSwitched::NobodyFollows), out);
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        let phase = match self.phase {
            Some(Phase::CatchingUp { until } | Phase::Draining { until, .. }) => Some(until),
            Some(Phase::Released) | None => None,
        };
        let asked = self.asked.filter(|_| self.target().is_none()).map(|asked| asked.until);
        phase.into_iter().chain(asked).min()
    }

    fn begin(&mut self, now: Instant, to: PopId) {
        let until = now.plus_ms(CATCH_UP_MS);
        self.target = Some(to);
        self.phase = Some(Phase::CatchingUp { until });
        self.behind = None;
        self.wait(until);
    }

    fn keep_back(&mut self, why: KeptBack, out: &mut Vec<Effect>) {
        self.open(out);
        self.kept_back = Some(why);
        self.answer(Err(NotSwitched::KeptBack(why)), out);
    }

    fn open(&mut self, out: &mut Vec<Effect>) {
        if matches!(self.phase, Some(Phase::Draining { .. } | Phase::Released)) {
            out.push(Effect::OpenWrites);
        }
        self.phase = None;
        self.target = None;
        self.behind = None;
    }

    fn wait(&mut self, until: Instant) {
        if let Some(asked) = &mut self.asked {
            asked.until = until;
        }
    }

    fn answer(&mut self, outcome: Result<Epoch, NotSwitched>, out: &mut Vec<Effect>) {
        let asked = self.asked.take();
        out.extend(asked.map(|asked| Effect::AnswerSwitchover { op: asked.op, outcome }));
    }
}
