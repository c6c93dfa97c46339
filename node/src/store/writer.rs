//! The thread that writes: it commits whatever waits as one group, with one sync.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use clavitor_core::hlc::Clock;
use clavitor_core::id::Seq;
use clavitor_core::store::{Basis, DISK_RESERVE, Outcome, State, StoreError};

use super::inbox::{Inbox, Message};
use super::job::{Job, Run};
use super::lmdb::WriteRows;
use super::{Inner, Transaction, WallClock, quota};

/// Invariant: `state` is that of the last committed transaction; the clock only moves forward, also
/// through transactions that fail.
pub(super) struct Writer {
    store: Weak<Inner>,
    inbox: Inbox,
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
        Self { store, inbox: Inbox::new(queue), clock, state, now }
    }

    pub(super) fn run(mut self) {
        loop {
            let group = self.inbox.first();
            let Some(store) = self.store.upgrade() else {
                return;
            };
            self.commit(&store, group);
            if let Some(end) = self.inbox.end() {
                drop(store);
                if let Some(reply) = end {
                    let _ = reply.send(());
                }
                return;
            }
        }
    }

    /// Commits a group. An operation that spoils the transaction for all is run again by itself,
    /// between those before it and those after it: each runs twice at most, and a spoiler costs two
    /// more transactions, however large the group.
    fn commit(&mut self, store: &Arc<Inner>, group: Vec<Box<dyn Job>>) {
        let mut groups = vec![group];
        let mut is_open = true;
        while let Some(mut group) = groups.pop() {
            if group.is_empty() {
                continue;
            }
            let tried = self.try_commit(store, &mut group, is_open);
            is_open = false;
            let end = match tried {
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

    /// Runs the operations of a group in one transaction. What comes while they run joins an open
    /// group: callers that were just answered come back one by one, and a group of those that are
    /// there at one moment would leave the others to the next sync.
    fn try_commit(
        &mut self,
        store: &Arc<Inner>,
        group: &mut Vec<Box<dyn Job>>,
        is_open: bool,
    ) -> Result<Committed, Spoilt> {
        let rows = or_die(store, WriteRows::begin(&store.env, &store.tables));
        let rows = rows.map_err(|error| Spoilt::all(group, error))?;
        let mut txn = Transaction::begin(rows, &mut self.clock, basis(store, self.state, self.now));
        let mut at = 0;
        loop {
            if at == group.len() {
                group.extend(is_open.then(|| self.inbox.more()).flatten());
            }
            let Some(job) = group.get_mut(at) else { break };
            txn.start_operation();
            match job.run(&mut txn) {
                Run::Refused if txn.has_written() => return Err(Spoilt { at, error: None }),
                Run::Failed(error) => return Err(Spoilt { at, error: Some(error) }),
                Run::Answered | Run::Refused => {}
            }
            at += 1;
        }
        let finished = txn.finish().and_then(|(rows, outcome)| {
            if outcome.has_written {
                or_die(store, rows.commit())?;
            }
            Ok(outcome)
        });
        let outcome = finished.map_err(|error| Spoilt::all(group, error))?;
        Ok(Committed { outcome, jobs: group.len() as u64 })
    }

    fn publish(&mut self, store: &Arc<Inner>, committed: Committed) {
        let Committed { outcome, jobs } = committed;
        let Outcome { state, notice, store_id, has_written, token_changes } = outcome;
        if !has_written {
            return;
        }
        let has_news = state.seq > self.state.seq;
        self.state = state;
        *store.store_id.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = store_id;
        store.last.store(state.seq.0, Ordering::Release);
        store.floor_ms.store(state.floor.ms, Ordering::Release);
        store.entries.store(state.entries, Ordering::Release);
        store.token_changes.store(token_changes, Ordering::Release);
        store.commits.fetch_add(1, Ordering::Relaxed);
        store.writes.fetch_add(jobs, Ordering::Relaxed);
        if let Some(observer) = store.observer.get().filter(|_| has_news) {
            observer(notice);
        }
    }
}

struct Committed {
    outcome: Outcome,
    jobs: u64,
}

/// What is known outside of the transaction that begins.
fn basis(store: &Arc<Inner>, state: State, now: WallClock) -> Basis {
    Basis {
        state,
        store_id: *store.store_id.lock().unwrap_or_else(|poisoned| poisoned.into_inner()),
        now: now(),
        quota: quota(store.bytes_max),
        disk_left: store.disk_left(),
        confirmed: Seq(store.confirmed.load(Ordering::Acquire)),
        token_changes: store.token_changes.load(Ordering::Acquire),
    }
}

/// Why a group did not commit.
struct Spoilt {
    /// The operation that spoilt it, or where to split the group.
    at: usize,
    /// What failed; `None` if the operation refused after it had written.
    error: Option<StoreError>,
}

impl Spoilt {
    /// The group failed as a whole: its halves may not.
    fn all(group: &[Box<dyn Job>], error: StoreError) -> Self {
        Self { at: group.len() / 2, error: Some(error) }
    }
}

/// A full disk fails one transaction alone. After any other failure to begin or commit one, nobody
/// knows what is on disk: the process must end, and recovery decides.
fn or_die<T>(store: &Arc<Inner>, done: Result<T, StoreError>) -> Result<T, StoreError> {
    match done {
        // A page that was written in part because the disk is full comes back as an I/O error.
        Err(StoreError::Cut) if store.disk_left() < DISK_RESERVE => Err(StoreError::Full),
        Err(error) if error != StoreError::Full => {
            (store.on_failure)(&error);
            Err(error)
        }
        done => done,
    }
}
