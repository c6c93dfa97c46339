//! What HQ's answers, or their absence, mean.

use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::time::Instant;

use super::line::{Flight, Hq};
use super::{Effect, Lease, Leaving, Renewed};
use crate::renewal::{Answer, GRANT_MEMBERS_MAX, Grant, LEASE_MS_MAX};

impl Lease {
    pub(super) fn on_renewed(
        &mut self,
        now: Instant,
        flight: Flight,
        outcome: Renewed,
        out: &mut Vec<Effect>,
    ) {
        match outcome {
            Renewed::Answered(answer) => self.on_answer(now, flight, answer, out),
            Renewed::Denied => {
                self.line.on_denied(out);
                self.on_no_answer(now, flight, out);
                if !core::mem::replace(&mut self.is_denied, true) {
                    let message = "HQ refuses this POP's token; register it anew, or correct its \
                                   token, cluster or id";
                    let alert = Alert::new(AlertType::AuthError, message);
                    out.push(Effect::RaiseAlert(alert.with("request", "lease")));
                }
            }
            Renewed::Unanswered => {
                self.line.on_unanswered(out);
                self.on_no_answer(now, flight, out);
            }
        }
    }

    pub(super) fn on_no_answer(&mut self, now: Instant, flight: Flight, out: &mut Vec<Effect>) {
        if let Leaving::Returning(tries) = self.leaving
            && flight.is_released
        {
            match tries.checked_sub(1).filter(|tries| *tries > 0) {
                Some(tries) => {
                    self.leaving = Leaving::Returning(tries);
                    self.line.urge(now);
                }
                None => self.leave(out),
            }
        }
        if self.grant.is_some() && self.released.is_none() {
            self.round.call(now);
        }
    }

    fn on_answer(&mut self, now: Instant, flight: Flight, answer: Answer, out: &mut Vec<Effect>) {
        let is_duplicate = answer == Answer::Duplicate;
        self.line.on_answered(now, if is_duplicate { Hq::Duplicate } else { Hq::Present });
        self.round.stop(out);
        self.is_denied = false;
        if flight.is_released && matches!(self.leaving, Leaving::Returning(_)) {
            self.leave(out);
            return;
        }
        match answer {
            Answer::Lead { grant, hand_over_to } => {
                self.on_lead(now, flight, grant, hand_over_to, out);
            }
            Answer::Follow { epoch } => self.adopt(epoch, out),
            Answer::Promote { epoch, floor_ms } => {
                self.on_promote(now, flight, epoch, floor_ms, out);
            }
            Answer::Duplicate => {
                self.drop_grant(out);
                self.hand_over.abandon(out);
                if !self.is_duplicate {
                    let message = "HQ says that another server is alive under this POP id; stop \
                                   one of them";
                    let alert = Alert::new(AlertType::DuplicatePopId, message);
                    out.push(Effect::RaiseAlert(alert.with("pop", self.start.pop)));
                }
            }
        }
        self.is_duplicate = is_duplicate;
    }

    fn on_lead(
        &mut self,
        now: Instant,
        flight: Flight,
        grant: Grant,
        hand_over_to: Option<PopId>,
        out: &mut Vec<Effect>,
    ) {
        if !self.is_sound(&grant) {
            return;
        }
        if self.released.take().is_some() {
            self.hand_over.abandon(out);
        }
        let lease_ms = grant.lease_ms.min(LEASE_MS_MAX);
        self.given_until = self.given_until.max(flight.sent.plus_ms(lease_ms));
        if self.grant.as_ref().map(Grant::id) != Some(grant.id()) {
            // HQ may promote by the new members once it hears that this POP goes by them.
            self.round.forget(out);
            self.line.urge(now);
        }
        self.grant = Some(grant);
        if self.leaving == Leaving::Not {
            let to = hand_over_to.filter(|to| *to != self.start.pop);
            let is_peer = to.is_some_and(|to| self.is_peer(to));
            self.hand_over.on_wanted(now, to, flight.is_keeping_back, is_peer, out);
            if self.hand_over.kept_back().is_some() && !flight.is_keeping_back {
                self.line.urge(now);
            }
        }
    }

    /// Whether a grant is for this POP, and none that was replaced or given up.
    fn is_sound(&self, grant: &Grant) -> bool {
        let is_known = |known: &Grant| known.epoch == grant.epoch && known.version == grant.version;
        let is_older = self.grant.as_ref().is_some_and(|known| known.id() > grant.id());
        let is_other = self
            .grant
            .as_ref()
            .is_some_and(|known| is_known(known) && known.members != grant.members);
        self.is_primary()
            && self.epoch == Some(grant.epoch)
            && self.released.is_none_or(|released| released < grant.id())
            && grant.members.len() <= GRANT_MEMBERS_MAX
            && grant.members.contains(&self.start.pop)
            && !is_older
            && !is_other
    }

    fn on_promote(
        &mut self,
        now: Instant,
        flight: Flight,
        epoch: Epoch,
        floor_ms: u64,
        out: &mut Vec<Effect>,
    ) {
        let is_last = epoch.number == u64::MAX;
        let is_news = epoch.primary == self.start.pop && Some(epoch) > self.epoch && !is_last;
        if !is_news || self.accepting.is_some() {
            return;
        }
        let is_bound = now < self.ballot.refuses_until();
        if is_bound || !self.is_ready || self.leaving != Leaving::Not {
            if is_bound && !flight.is_refusing {
                self.line.urge(now);
            }
            return;
        }
        let op = self.ops.next();
        self.accepting = Some(op);
        out.push(Effect::Accept { op, epoch, floor_ms });
    }

    pub(super) fn on_accepted(
        &mut self,
        now: Instant,
        op: OpId,
        epoch: Option<Epoch>,
        out: &mut Vec<Effect>,
    ) {
        self.accepting.take_if(|accepting| *accepting == op);
        if let Some(epoch) = epoch {
            self.on_epoch(now, epoch, out);
        }
    }
}
