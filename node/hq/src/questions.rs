//! Who waits for an answer of the machine, and what answer they get.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clavitor_core::id::OpId;
use futures_channel::oneshot;

use crate::lock;

/// Questions that wait.
///
/// Invariant: there is no more of them than callers wait.
#[derive(Debug)]
pub(crate) struct Questions<T> {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<OpId, oneshot::Sender<T>>>,
}

impl<T> Default for Questions<T> {
    fn default() -> Self {
        Self { next: AtomicU64::new(1), waiting: Mutex::default() }
    }
}

/// A question's place; dropped, nobody waits for its answer any more.
pub(crate) struct Asked<'q, T> {
    questions: &'q Questions<T>,
    op: OpId,
    answer: oneshot::Receiver<T>,
}

impl<T> Questions<T> {
    /// A place for one more.
    pub(crate) fn ask(&self) -> Asked<'_, T> {
        let op = OpId(self.next.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        lock(&self.waiting).insert(op, reply);
        Asked { questions: self, op, answer }
    }

    /// Answers a question, if anybody still waits.
    pub(crate) fn answer(&self, op: OpId, answer: T) {
        if let Some(reply) = lock(&self.waiting).remove(&op) {
            let _ = reply.send(answer);
        }
    }

    /// There will be no answer to a question.
    pub(crate) fn give_up(&self, op: OpId) {
        lock(&self.waiting).remove(&op);
    }
}

impl<T> Asked<'_, T> {
    /// Its name.
    pub(crate) fn op(&self) -> OpId {
        self.op
    }

    /// Waits for the answer.
    pub(crate) async fn answer(&mut self) -> Option<T> {
        (&mut self.answer).await.ok()
    }
}

impl<T> Drop for Asked<'_, T> {
    fn drop(&mut self) {
        lock(&self.questions.waiting).remove(&self.op);
    }
}

#[cfg(test)]
mod tests {
    use clavitor_node::store::block_on;

    use super::*;

    #[test]
    fn each_question_gets_its_own_answer_and_leaves_nothing_behind() {
        let questions = Questions::default();
        let (mut first, mut second) = (questions.ask(), questions.ask());
        questions.answer(second.op(), "second");
        questions.answer(OpId(99), "nobody's");
        questions.answer(first.op(), "first");
        assert_eq!(block_on(first.answer()), Some("first"));
        assert_eq!(block_on(second.answer()), Some("second"));
        let given_up = questions.ask();
        let op = given_up.op();
        drop(given_up);
        questions.answer(op, "late");
        let mut unanswered = questions.ask();
        questions.give_up(unanswered.op());
        assert_eq!(block_on(unanswered.answer()), None);
        assert!(lock(&questions.waiting).is_empty());
    }
}
