//! The thread that writes: it commits whatever waits as one group, with one sync.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Weak};
use std::time::Duration;

use clavitor_core::hlc::Clock;
use clavitor_core::id::{Seq, StoreId};
use futures_channel::oneshot;

use super::error::{Stop, StoreError, WriteError};
use super::tables::{self, State};
use super::transaction::{DISK_RESERVE, Transaction};
use super::{Inner, Notice, WallClock, quota};

/// The most operations in a group: beyond it a bigger group only adds waiting.
pub const GROUP_OPS_MAX: usize = 256;

/// The most bytes of blobs in a group.
pub const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long bookkeeping that nobody waits for may wait for a write to go with.
const LAZY: Duration = Duration::from_millis(100);

pub(super) enum Message {
    Job(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

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
        Self {
            operation,
            outcome: None,
            reply,
            bytes,
        }
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
        self.answer(Err(if has_run {
            WriteError::Unknown
        } else {
            WriteError::Stopped
        }));
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
            Err(Stop::Storage(StoreError::Full)) if !txn.has_written => {
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
            Err(StoreError::Broken(_)) => Err(WriteError::Unknown),
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

/// Invariant: `state` and `store_id` are those of the last committed transaction; the clock only
/// moves forward, also through transactions that fail.
pub(super) struct Writer {
    store: Weak<Inner>,
    queue: Receiver<Message>,
    clock: Clock,
    state: State,
    now: WallClock,
}

impl Writer {
    pub(super) fn new(
        store: Weak<Inner>,
        queue: Receiver<Message>,
        clock: Clock,
        state: State,
        now: WallClock,
    ) -> Self {
        Self {
            store,
            queue,
            clock,
            state,
            now,
        }
    }

    pub(super) fn run(mut self) {
        let mut lazy = Vec::new();
        loop {
            let (group, end) = self.next_group(&mut lazy);
            let Some(store) = self.store.upgrade() else {
                return;
            };
            if !group.is_empty() {
                self.commit(&store, group);
            }
            match end {
                End::Open => {}
                End::Closed(reply) => {
                    drop(store);
                    if let Some(reply) = reply {
                        let _ = reply.send(());
                    }
                    return;
                }
            }
        }
    }

    /// Waits for the first operation, then takes what else is there, within the group's bounds.
    fn next_group(&mut self, lazy: &mut Vec<Box<dyn Job>>) -> (Vec<Box<dyn Job>>, End) {
        let mut group: Vec<Box<dyn Job>> = Vec::new();
        let mut bytes = 0;
        loop {
            let message = if !group.is_empty() {
                self.queue
                    .try_recv()
                    .map_err(|error| error == TryRecvError::Disconnected)
            } else if lazy.is_empty() {
                self.queue.recv().map_err(|_| true)
            } else {
                let received = self.queue.recv_timeout(LAZY);
                received.map_err(|error| error == RecvTimeoutError::Disconnected)
            };
            match message {
                Ok(Message::Job(job)) if job.is_lazy() && group.is_empty() => {
                    lazy.push(job);
                    if lazy.len() < GROUP_OPS_MAX {
                        continue;
                    }
                }
                Ok(Message::Job(job)) => {
                    bytes += job.bytes();
                    group.push(job);
                    if group.len() < GROUP_OPS_MAX && bytes < GROUP_BYTES_MAX {
                        continue;
                    }
                }
                Ok(Message::Close(reply)) => {
                    group.append(lazy);
                    return (group, End::Closed(Some(reply)));
                }
                Err(true) => {
                    group.append(lazy);
                    return (group, End::Closed(None));
                }
                Err(false) => {}
            }
            group.append(lazy);
            return (group, End::Open);
        }
    }

    /// Commits a group. An operation that spoils the transaction for all is run again by itself,
    /// between those before it and those after it: each runs twice at most, and a spoiler costs two
    /// more transactions, however large the group.
    fn commit(&mut self, store: &Arc<Inner>, group: Vec<Box<dyn Job>>) {
        let mut groups = vec![group];
        while let Some(mut group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            let end = match self.try_commit(store, &mut group) {
                Ok(committed) => {
                    self.publish(store, committed);
                    Ok(())
                }
                Err(spoilt) if group.len() > 1 => {
                    let mut spoiler = group.split_off(spoilt.at);
                    let after = spoiler.split_off(1);
                    groups.extend([after, spoiler, group]);
                    continue;
                }
                Err(spoilt) => spoilt.error.map_or(Ok(()), Err),
            };
            group.into_iter().for_each(|job| job.finish(end.clone()));
        }
    }

    fn try_commit(
        &mut self,
        store: &Arc<Inner>,
        group: &mut [Box<dyn Job>],
    ) -> Result<Committed, Spoilt> {
        let jobs = group.len();
        // The whole group failed: the halves may not.
        let failed = |error| Spoilt {
            at: jobs / 2,
            error: Some(error),
        };
        let mut txn = Transaction {
            txn: or_die(store, store.env.write_txn().map_err(StoreError::from)).map_err(failed)?,
            tables: store.tables,
            clock: &mut self.clock,
            state: self.state,
            notice: Notice::default(),
            store_id: *store
                .store_id
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
            now: (self.now)(),
            quota: quota(store.bytes_max),
            disk_left: disk_left(store),
            planned: 0,
            confirmed: Seq(store.confirmed.load(Ordering::Acquire)),
            has_written: false,
        };
        for (at, job) in group.iter_mut().enumerate() {
            let had_written = std::mem::replace(&mut txn.has_written, false);
            let error = match job.run(&mut txn) {
                Run::Refused if txn.has_written => None,
                Run::Failed(error) => Some(error),
                Run::Answered | Run::Refused => {
                    txn.has_written |= had_written;
                    continue;
                }
            };
            return Err(Spoilt { at, error });
        }
        let Transaction {
            mut txn,
            clock,
            mut state,
            mut notice,
            store_id,
            has_written,
            ..
        } = txn;
        if has_written {
            state.floor = clock.floor();
            tables::save(store.tables.meta, &mut txn, tables::META_STATE, &state)
                .map_err(failed)?;
            or_die(store, txn.commit().map_err(StoreError::from)).map_err(failed)?;
        }
        notice.last = state.seq;
        Ok(Committed {
            state,
            notice,
            store_id,
            has_written,
            jobs: jobs as u64,
        })
    }

    fn publish(&mut self, store: &Arc<Inner>, committed: Committed) {
        let Committed {
            state,
            notice,
            store_id,
            has_written,
            jobs,
        } = committed;
        if !has_written {
            return;
        }
        let has_news = state.seq > self.state.seq;
        self.state = state;
        *store
            .store_id
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner()) = store_id;
        store.last.store(state.seq.0, Ordering::Release);
        store.floor_ms.store(state.floor.ms, Ordering::Release);
        store.entries.store(state.entries, Ordering::Release);
        store.commits.fetch_add(1, Ordering::Relaxed);
        store.writes.fetch_add(jobs, Ordering::Relaxed);
        if let Some(observer) = store.observer.get().filter(|_| has_news) {
            observer(notice);
        }
    }
}

struct Committed {
    state: State,
    notice: Notice,
    store_id: StoreId,
    has_written: bool,
    jobs: u64,
}

/// Why a group did not commit.
struct Spoilt {
    /// The operation that spoilt it, or where to split the group.
    at: usize,
    /// What failed; `None` if the operation refused after it had written.
    error: Option<StoreError>,
}

enum End {
    Open,
    Closed(Option<oneshot::Sender<()>>),
}

/// A full disk fails one transaction alone. After any other failure to begin or commit one, nobody
/// knows what is on disk: the process must end, and recovery decides.
fn or_die<T>(store: &Arc<Inner>, done: Result<T, StoreError>) -> Result<T, StoreError> {
    match done {
        // A page that was written in part because the disk is full comes back as an I/O error.
        Err(StoreError::Broken(_)) if disk_left(store) < DISK_RESERVE => Err(StoreError::Full),
        Err(error) if error != StoreError::Full => {
            (store.on_failure)(&error);
            Err(error)
        }
        done => done,
    }
}

/// The bytes left on the disk; a system that does not tell has no bound.
fn disk_left(store: &Inner) -> u64 {
    let stat = rustix::fs::fstatvfs(&store.lock);
    stat.map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}
