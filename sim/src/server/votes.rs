//! Lease votes, asked for and given.

use clavitor_commercial::lease::{Input as Fact, Vote};
use clavitor_commercial::pop::Input;
use clavitor_commercial::vote::{self, Ask};
use clavitor_core::id::{Epoch, OpId, PopId};

use super::{Process, Server};
use crate::around::{Around, Bytes, keys};
use crate::call::Question;

impl Server {
    pub(super) fn ask_vote(
        &self,
        process: &mut Process,
        op: OpId,
        (peer, voter): (u8, PopId),
        (epoch, lease_ms, challenge): (Epoch, u64, u64),
        around: &mut Around,
    ) {
        let Some(to) = self.peers.get(usize::from(peer)).copied() else { return };
        let mut nonce = [0; 16];
        // No two questions are the same.
        nonce[..8].copy_from_slice(&around.counts.votes.to_le_bytes());
        let ask = Ask {
            source: self.member(process),
            voter,
            destination: self.cluster.peer_url(peer).to_owned(),
            destination_store: None,
            cluster: self.cluster.name.clone(),
            epoch,
            lease_ms,
            challenge,
            nonce,
        };
        let bytes: Bytes = vote::seal_ask(&ask, keys()).into();
        process.right.asks.insert(op, (bytes.clone(), ask));
        around.ask_vote(Question { back: self.back(op), to, bytes });
    }

    /// A peer asks for a lease vote, or somebody without the secret does.
    pub fn on_question(&mut self, question: Question, around: &mut Around) {
        let Some(mut process) = self.process.take() else {
            return around.answer_vote(self.index, question.back, None);
        };
        let ask = vote::open_ask(&question.bytes, keys()).ok();
        let is_for_it =
            |ask: &Ask| self.cluster.check_ask(self.pop, process.writer.store_id, ask).is_ok();
        match ask.filter(is_for_it) {
            None => around.answer_vote(self.index, question.back, None),
            Some(ask) => {
                let right = &mut process.right;
                right.next_question += 1;
                let op = OpId(right.next_question);
                right.questions.insert(op, question);
                if let Some(vote) = around.bugs.spoil_question(&ask, process.epoch) {
                    self.answer_vote(&mut process, op, vote, around);
                } else {
                    let Ask { source, epoch, lease_ms, challenge, .. } = ask;
                    let from = source.pop;
                    let asked = Fact::VoteAsked { op, from, epoch, lease_ms, challenge };
                    process.tell(Input::Lease(asked));
                }
            }
        }
        self.process = Some(process);
    }

    pub(super) fn answer_vote(
        &self,
        process: &mut Process,
        op: OpId,
        vote: Vote,
        around: &mut Around,
    ) {
        let Some(Question { back, bytes, .. }) = process.right.questions.remove(&op) else {
            return;
        };
        let sealed = vote::seal_vote(self.member(process), &bytes, vote, keys());
        around.answer_vote(self.index, back, Some(sealed.into()));
    }

    /// A voter answered, or cannot be reached.
    pub fn on_voted(&mut self, op: OpId, bytes: Option<Bytes>) {
        let Some(process) = &mut self.process else { return };
        let Some((sealed, ask)) = process.right.asks.remove(&op) else { return };
        let vote = bytes.and_then(|bytes| vote::open_vote(&bytes, keys(), &sealed, &ask));
        process.tell(Input::Lease(Fact::VoteAnswered { op, vote }));
    }
}
