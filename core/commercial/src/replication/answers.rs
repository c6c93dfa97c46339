//! What a peer's answers, or their absence, mean.

use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::id::{OpId, Seq};
use clavitor_core::time::Instant;

use super::flights::Flight;
use super::{
    Acked, Answer, Effect, RecordVerdict, Replication, SETBACK_MS, SETBACKS_MAX, Verification,
};
use crate::frame::{Refusal, Verdict};

impl Replication {
    pub(super) fn on_frame_answered(
        &mut self,
        now: Instant,
        op: OpId,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        let Some(flight) = self.flights.remove(op) else {
            return;
        };
        match answer {
            Answer::Acked(acked) => self.on_acked(now, op, flight, acked, out),
            Answer::Refused(Refusal::Store) if self.identity.is_some() => {
                self.on_other_store(now, &flight, out);
            }
            Answer::Refused(refusal) if refusal.is_permanent() => {
                self.fail_for_good(now, &flight, refusal, out);
            }
            Answer::Refused(refusal) => self.fail(now, &flight, refusal.code(), out),
            Answer::Unreachable => self.fail(now, &flight, "unreachable", out),
            Answer::Forged => self.fail(now, &flight, "the ack is not authentic", out),
        }
    }

    fn on_acked(
        &mut self,
        now: Instant,
        op: OpId,
        flight: Flight,
        acked: Acked,
        out: &mut Vec<Effect>,
    ) {
        let identity = Some((acked.pop, acked.store));
        if acked.received > self.sent_to {
            self.rewind(&flight);
            self.drop_flights(out);
            self.is_synced = false;
            self.is_rolled_back = true;
            out.push(Effect::RolledBack { received: acked.received });
            return;
        }
        if self.identity.is_some() && self.identity != identity && self.is_renamed {
            self.on_other_store(now, &flight, out);
            return;
        }
        self.last_ack_at = Some(acked.at);
        let is_success = if flight.is_hello {
            self.on_hello_acked(op, &acked, out);
            self.is_synced && self.clean_to >= self.owed_to
        } else if self.identity != identity {
            self.on_other_store(now, &flight, out);
            return;
        } else if acked.received < flight.cursor_at_send {
            self.drop_flights(out);
            self.is_synced = false;
            self.start_over_at(acked.received, out);
            true
        } else {
            self.on_data_acked(now, op, flight, &acked, out)
        };
        let positions = acked.positions.into_iter();
        positions.for_each(|position| self.cover(position, true));
        if is_success {
            self.link.on_success();
            self.has_recovered = true;
            self.last_error = None;
        }
    }

    /// The peer has another data directory by now: ask who is there, by no name. If that changed
    /// a moment ago already, two of them take turns at one URL, and asking would not end.
    fn on_other_store(&mut self, now: Instant, flight: &Flight, out: &mut Vec<Effect>) {
        self.identity = None;
        if core::mem::take(&mut self.is_renamed) {
            self.fail(now, flight, Refusal::Store.code(), out);
        } else {
            self.rewind(flight);
            self.announce(out);
        }
    }

    /// A hello's ack sets the cursor back where the peer lost something, and never forward.
    fn on_hello_acked(&mut self, op: OpId, acked: &Acked, out: &mut Vec<Effect>) {
        if self.verified == Verification::Open {
            self.verified = Verification::Ordered;
            out.push(Effect::Verified);
        }
        self.is_synced = true;
        self.is_announcing = false;
        let identity = (acked.pop, acked.store);
        let is_other = self.identity.is_some_and(|known| known != identity);
        self.is_renamed = self.identity != Some(identity);
        if self.is_renamed {
            self.identity = Some(identity);
            // Even what it says it has received: what came from its former data directory was
            // never sent to it.
            self.start_over_at(Seq(0), out);
            // Say hello again by name: only then can the peer know that it has heard everything.
            self.is_synced = false;
            self.is_announcing = true;
        } else if acked.received < self.cursor {
            self.start_over_at(acked.received, out);
        }
        if !is_other {
            self.judge_suspect(op, acked, out);
        }
        self.suspect = self.suspect.filter(|_| self.is_announcing && !is_other);
    }

    /// Only a hello that was sent after the suspect was heard can tell who is there by now.
    fn judge_suspect(&mut self, op: OpId, acked: &Acked, out: &mut Vec<Effect>) {
        let suspect = self.suspect.filter(|(store, _)| *store != acked.store);
        let Some((store, last_before)) = suspect else { return };
        if op <= last_before {
            self.is_synced = false;
            self.is_announcing = true;
            return;
        }
        let message = "two data directories are alive under one POP id; stop one of them";
        let alert = self.alert(AlertType::DuplicatePopId, message);
        out.push(Effect::DenyStore { store });
        out.push(Effect::RaiseAlert(alert));
    }

    /// Answers whether the peer took the frame.
    fn on_data_acked(
        &mut self,
        now: Instant,
        op: OpId,
        flight: Flight,
        acked: &Acked,
        out: &mut Vec<Effect>,
    ) -> bool {
        let is_setback = |verdict: &RecordVerdict| {
            matches!(verdict.verdict, Verdict::Deferred | Verdict::Rejected)
        };
        let setbacks = (0u32..).zip(&acked.verdicts).filter(|(_, verdict)| is_setback(verdict));
        let setbacks: Vec<u32> = setbacks.map(|(at, _)| at).collect();
        let count = u32::try_from(setbacks.len()).unwrap_or(u32::MAX);
        if self.setbacks.saturating_add(count) > SETBACKS_MAX {
            self.fail(now, &flight, "the peer refuses too many records", out);
            return false;
        }
        self.cursor = self.flights.confirm(self.cursor, &flight, acked.received);
        self.setbacks += count;
        if count > 0 {
            self.setback_at = self.setback_at.or(Some(now.plus_ms(SETBACK_MS)));
        }
        self.alert_setbacks(count, out);
        out.push(Effect::AdvanceCursor { op, cursor: self.cursor, setbacks });
        let is_kept = !self.flights.is_stuck();
        if !is_kept {
            let why = "the peer has not received what it confirmed";
            self.fail(now, &flight, why, out);
        }
        is_kept
    }

    fn alert_setbacks(&mut self, count: u32, out: &mut Vec<Effect>) {
        let is_clean = self.clean_to >= self.owed_to && self.flights.is_empty();
        let is_over = self.setbacks == 0 && self.cursor > self.retried_above;
        if count > 0 && !self.is_refusal_alerted {
            self.is_refusal_alerted = true;
            let message = "a peer cannot take a record; it is kept and sent again every minute";
            let alert = self.alert(AlertType::RecordRefused, message).with("records", count);
            out.push(Effect::RaiseAlert(alert));
        } else if is_over && is_clean {
            self.is_refusal_alerted = false;
        }
    }

    pub(super) fn fail(&mut self, now: Instant, flight: &Flight, why: &str, out: &mut Vec<Effect>) {
        self.rewind(flight);
        self.drop_flights(out);
        self.is_synced = false;
        self.last_error = Some(why.into());
        if self.link.on_failure(now) {
            let message = "a peer stayed unreachable through the last retry; it is owed records";
            let alert = self.alert(AlertType::ReplicationExhausted, message).with("error", why);
            out.push(Effect::RaiseAlert(alert));
        }
    }

    fn fail_for_good(
        &mut self,
        now: Instant,
        flight: &Flight,
        refusal: Refusal,
        out: &mut Vec<Effect>,
    ) {
        self.rewind(flight);
        self.drop_flights(out);
        self.is_synced = false;
        self.last_error = Some(refusal.code().into());
        if self.link.on_permanent_failure(now) {
            let (alert_type, message) = match refusal {
                Refusal::Duplicate => (
                    AlertType::DuplicatePopId,
                    "a peer says that another server is alive under this POP id",
                ),
                _ => (
                    AlertType::AuthError,
                    "a peer refuses this server; compare secret, cluster, URLs and version",
                ),
            };
            let alert = self.alert(alert_type, message).with("code", refusal.code());
            out.push(Effect::RaiseAlert(alert));
        }
    }

    /// An alert about this peer: by its id, and by its URL only as long as nobody answered there, for
    /// alerts leave the machine.
    fn alert(&self, alert_type: AlertType, message: &str) -> Alert {
        let alert = Alert::new(alert_type, message);
        match self.identity {
            Some((pop, _)) => alert.with("peer", pop),
            None => alert.with("peer_url", &self.url),
        }
    }
}
