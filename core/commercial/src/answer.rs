//! Reads the answer to a frame.

use clavitor_core::hlc::Hlc;
use clavitor_core::id::{OpId, PopId, StoreId};
use clavitor_core::record::Key;
use clavitor_core::time::UnixTime;

use crate::frame::{self, Ack, Keys, Refusal};
use crate::pop::{Input, PeerReport};
use crate::replication::{Acked, Answer, RecordVerdict};
use crate::skew::Clocks;

/// What came back for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Nothing.
    None,
    /// The body of an answer that pretends to be an ack.
    Ack(&'a [u8]),
    /// Any other answer, with the code of its problem document if it has one.
    Problem(Option<&'a str>),
}

/// What an answer is held against.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The peer's index.
    pub peer: u8,
    /// The order that the frame carried out.
    pub op: OpId,
    /// This server's own id.
    pub own_pop: PopId,
    /// The subkeys of the inter-POP secret.
    pub keys: &'a Keys,
    /// The digest of the frame.
    pub digest: [u8; 32],
    /// Where the frame was sent.
    pub url: &'a str,
    /// The versions that it carried.
    pub versions: &'a [(Key, Hlc)],
    /// For whom it was, if that was known.
    pub identity: Option<(PopId, StoreId)>,
}

impl Expected<'_> {
    /// What the answer means to the machine; `now` is the wall clock.
    pub fn read(&self, reply: Reply<'_>, now: UnixTime) -> Input {
        let body = match reply {
            Reply::None => return self.report(Answer::Unreachable),
            Reply::Problem(code) => {
                let refusal = code.and_then(Refusal::from_code);
                return self.report(refusal.map_or(Answer::Unreachable, Answer::Refused));
            }
            Reply::Ack(body) => body,
        };
        let records = self.versions.len();
        let Some(ack) = frame::open_ack(body, self.keys, &self.digest, self.url, records) else {
            return self.report(Answer::Forged);
        };
        let acker = (ack.acker.pop, ack.acker.store);
        if acker.0 == self.own_pop {
            return self.report(Answer::Refused(Refusal::Duplicate));
        }
        if self.identity.is_some_and(|identity| identity != acker) && records > 0 {
            return self.report(Answer::Refused(Refusal::Store));
        }
        Input::FrameAnswered(PeerReport {
            peer: self.peer,
            op: self.op,
            clock: Some(Clocks { peer: ack.wall, own: now }),
            epoch: ack.epoch,
            answer: Answer::Acked(self.acked(ack, now)),
        })
    }

    fn acked(&self, ack: Ack, at: UnixTime) -> Acked {
        let versions = self.versions.iter().zip(ack.verdicts);
        let verdict = |((key, hlc), verdict): (&(Key, Hlc), _)| RecordVerdict {
            record: key.id(),
            hlc: *hlc,
            verdict,
        };
        Acked {
            pop: ack.acker.pop,
            store: ack.acker.store,
            received: ack.received,
            verdicts: versions.map(verdict).collect(),
            positions: ack.positions,
            is_complete: ack.is_complete,
            at,
        }
    }

    fn report(&self, answer: Answer) -> Input {
        report(self.peer, self.op, answer)
    }
}

/// The report of a frame that could not be built.
pub fn unbuilt(peer: u8, op: OpId) -> Input {
    report(peer, op, Answer::Unreachable)
}

fn report(peer: u8, op: OpId, answer: Answer) -> Input {
    Input::FrameAnswered(PeerReport { peer, op, answer, clock: None, epoch: None })
}
