//! An operation on its way through the writer: run inside a transaction, answered once that is on
//! disk.

use clavitor_core::store::{Stop, StoreError};
use futures_channel::oneshot;

use super::Transaction;
use super::error::WriteError;

/// How an operation's run inside a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Its answer is known, and holds once the transaction is on disk.
    Answered,
    /// It decided against writing, or found no room to.
    Refused,
    Failed(StoreError),
}

/// An operation that waits for its turn.
pub(super) trait Job: Send {
    fn run(&mut self, txn: &mut Transaction<'_>) -> Run;
    /// Answers the caller: `Ok` if what it did is on disk.
    fn finish(self: Box<Self>, end: Result<(), StoreError>);
    fn bytes(&self) -> usize;
    fn is_lazy(&self) -> bool;
}

pub(super) struct Typed<T, E, F> {
    operation: F,
    outcome: Option<Result<T, WriteError<E>>>,
    reply: Option<oneshot::Sender<Result<T, WriteError<E>>>>,
    bytes: usize,
}

impl<T, E, F> Typed<T, E, F> {
    pub(super) fn new(
        operation: F,
        reply: Option<oneshot::Sender<Result<T, WriteError<E>>>>,
        bytes: usize,
    ) -> Self {
        Self { operation, outcome: None, reply, bytes }
    }

    pub(super) fn lazy(operation: F) -> Self {
        Self::new(operation, None, 0)
    }
}

impl<T, E, F> Typed<T, E, F> {
    fn answer(&mut self, answer: Result<T, WriteError<E>>) {
        if let Some(reply) = self.reply.take() {
            // Nobody listens when the client has gone; what it wrote stays written.
            let _ = reply.send(answer);
        }
    }
}

impl<T, E, F> Drop for Typed<T, E, F> {
    /// The writer ended with the operation still waiting, or in the middle of it.
    fn drop(&mut self) {
        let has_run = self.outcome.is_some();
        self.answer(Err(if has_run { WriteError::Unknown } else { WriteError::Stopped }));
    }
}

impl<T, E, F> Job for Typed<T, E, F>
where
    T: Send,
    E: Send,
    F: FnMut(&mut Transaction<'_>) -> Result<T, Stop<E>> + Send,
{
    fn run(&mut self, txn: &mut Transaction<'_>) -> Run {
        let (outcome, run) = match (self.operation)(txn) {
            Ok(value) => (Ok(value), Run::Answered),
            Err(Stop::Refused(refusal)) => (Err(WriteError::Refused(refusal)), Run::Refused),
            // No room was found before anything was written: no reason to begin again.
            Err(Stop::Storage(StoreError::Full)) if !txn.has_written() => {
                (Err(WriteError::Full), Run::Refused)
            }
            Err(Stop::Storage(error)) => return Run::Failed(error),
        };
        self.outcome = Some(outcome);
        run
    }

    fn finish(mut self: Box<Self>, end: Result<(), StoreError>) {
        let answer = match end {
            Ok(()) => self.outcome.take().unwrap_or(Err(WriteError::Unknown)),
            Err(StoreError::Full) => Err(WriteError::Full),
            Err(StoreError::Damaged(_)) => Err(WriteError::Damaged),
            Err(StoreError::Broken(_) | StoreError::Cut) => Err(WriteError::Unknown),
        };
        self.answer(answer);
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_lazy(&self) -> bool {
        self.reply.is_none()
    }
}
