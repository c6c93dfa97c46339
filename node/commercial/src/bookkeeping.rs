//! Writes what must not be forgotten, in the order it was given: of two orders about one peer the
//! later one counts, and a full disk must not turn them round.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::edition::Edition;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{Stop, StoreError, Transaction, WriteError};

use crate::{Commercial, lock};

/// How long to wait before what found no room is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// The most that waits. What comes on top is given up: a restart finds out anew what it told.
const WAITING_MAX: usize = 1_024;

type Operation = Box<dyn FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send>;
type Then<R> = Box<dyn FnOnce(&Arc<Commercial<R>>) + Send>;

/// What waits to be written.
///
/// Invariant: a task writes it if and only if `is_written`; nothing waits otherwise.
pub(crate) struct Bookkeeping<R: Runtime> {
    waiting: VecDeque<(Operation, Then<R>)>,
    is_written: bool,
    is_overfull: bool,
}

impl<R: Runtime> Default for Bookkeeping<R> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), is_written: false, is_overfull: false }
    }
}

impl<R: Runtime> Commercial<R> {
    /// Writes something after all that was given before, again and again until there is room;
    /// `then` follows. What is too much to wait is given up: a restart mends it.
    pub(crate) fn keep<F, T>(self: &Arc<Self>, operation: F, then: T)
    where
        F: FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
        T: FnOnce(&Arc<Self>) + Send + 'static,
    {
        let mut bookkeeping = lock(&self.bookkeeping);
        let is_overfull = bookkeeping.waiting.len() >= WAITING_MAX;
        let is_news = is_overfull && !std::mem::replace(&mut bookkeeping.is_overfull, true);
        drop(bookkeeping);
        if is_news {
            let message =
                "bookkeeping about peers is given up for want of room: make room, and restart";
            self.alert_operator(Alert::new(AlertType::StorageFull, message));
        }
        if !is_overfull {
            self.keep_surely(operation, then);
        }
    }

    /// The same for what nothing mends, and of which there is little.
    pub(crate) fn keep_surely<F, T>(self: &Arc<Self>, operation: F, then: T)
    where
        F: FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
        T: FnOnce(&Arc<Self>) + Send + 'static,
    {
        let mut bookkeeping = lock(&self.bookkeeping);
        bookkeeping.waiting.push_back((Box::new(operation), Box::new(then)));
        if !std::mem::replace(&mut bookkeeping.is_written, true) {
            let edition = self.clone();
            self.runtime.spawn(async move { edition.write_books().await });
        }
    }

    /// Whether something given before has yet to be written.
    pub(crate) fn is_keeping(&self) -> bool {
        lock(&self.bookkeeping).is_written
    }

    async fn write_books(self: Arc<Self>) {
        loop {
            let next = {
                let mut bookkeeping = lock(&self.bookkeeping);
                let next = bookkeeping.waiting.pop_front();
                bookkeeping.is_written = next.is_some();
                bookkeeping.is_overfull &= next.is_some();
                next
            };
            let Some((operation, then)) = next else { return };
            if self.persist(operation).await {
                then(&self);
            }
        }
    }

    async fn persist(&self, operation: Operation) -> bool {
        let operation = Arc::new(Mutex::new(operation));
        loop {
            let again = operation.clone();
            let write = self.store.write::<(), (), _>(0, move |txn| {
                let mut operation = lock(&again);
                (*operation)(txn).map_err(Stop::from)
            });
            match write.await {
                Ok(()) => return true,
                Err(WriteError::Full | WriteError::Busy) => {}
                Err(WriteError::Damaged) => {
                    let message = "bookkeeping about peers cannot be read; run the `check` command";
                    self.alert_operator(Alert::new(AlertType::StorageFailed, message));
                    return false;
                }
                // The server ends.
                Err(_) => return false,
            }
            self.runtime.sleep(AGAIN).await;
        }
    }
}
