//! The store with many callers in one process, each waiting for its write to be on disk.

use std::time::{Duration, Instant};

use clavitor_core::record::{Record, successor};
use clavitor_node::store::{Opening, Stop, Store, block_on};
use clavitor_node::wall;
use futures_util::future::join_all;

use crate::rows::{BLOB_BYTES, entry, item, key, shuffled, vault};
use crate::{CALLERS, ENTRIES, Scratch};

/// A store and those who write to it.
pub(crate) struct Callers {
    store: Store,
    order: Box<dyn FnMut() -> u64>,
}

impl Callers {
    /// A store in which every entry has been written once.
    pub(crate) fn filled(scratch: &Scratch) -> Self {
        let opening = Opening { dir: &scratch.0, bytes_max: 64 << 30, pop: None };
        let on_failure = |error: &_| panic!("{error}");
        let store = Store::open(&opening, wall::unix_time, on_failure).expect("a new directory");
        let share = |from: u64| (from..ENTRIES).step_by(100).collect();
        write_all(&store, (0..100).map(share));
        Self { store, order: Box::new(shuffled(ENTRIES)) }
    }

    /// How long so many writes take callers who each write again as soon as they are answered.
    pub(crate) fn time(&mut self, writes: u64) -> Duration {
        let share = writes / CALLERS as u64;
        let mut order = |_| (0..share).map(|_| (self.order)()).collect::<Vec<_>>();
        let orders: Vec<Vec<u64>> = (0..CALLERS).map(&mut order).collect();
        let started = Instant::now();
        write_all(&self.store, orders.into_iter());
        started.elapsed()
    }

    /// How many writes shared a transaction, on average.
    pub(crate) fn writes_in_group(&self) -> f64 {
        let (writes, commits) = self.store.commits();
        writes as f64 / commits as f64
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        block_on(self.store.close());
    }
}

fn write_all(store: &Store, orders: impl Iterator<Item = Vec<u64>>) {
    let call = |order: Vec<u64>| async move {
        for number in order {
            put(store, number).await;
        }
    };
    block_on(join_all(orders.map(call)));
}

/// What a client's PUT does inside the write transaction.
async fn put(store: &Store, number: u64) {
    let mut blob = vec![7; BLOB_BYTES];
    let written = store.write(blob.len(), move |txn| {
        let held = txn.held(&key(number))?;
        txn.check_room(blob.len())?;
        let lost = txn.losers(&vault(), &entry(number))?;
        let before = held.as_ref().map(|held| &held.head);
        let head = successor(before, &lost, txn.next_hlc(), item(number));
        let record = Record { head, blob: std::mem::take(&mut blob) };
        let done = txn.put_over(held.as_ref(), &record, None);
        blob = record.blob;
        done.map_err(Stop::<()>::from)
    });
    written.await.expect("a write");
}
