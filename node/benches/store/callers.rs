//! The store with many callers in one process, each waiting for its write to be on disk.

use std::time::Instant;

use clavitor_core::record::{Record, successor};
use clavitor_node::store::{Opening, Stop, Store, block_on};
use clavitor_node::wall;
use futures_util::future::join_all;

use crate::rows::{BLOB_BYTES, item, key, shuffled};
use crate::{ENTRIES, Scratch, WRITES};

/// What was measured.
pub(crate) struct Measured {
    /// Writes per second.
    pub(crate) per_second: f64,
    /// How many writes shared a transaction, on average.
    pub(crate) writes_in_group: f64,
}

/// Measures `callers` that each write again as soon as they are answered.
pub(crate) fn rate(scratch: &Scratch, callers: usize) -> Measured {
    let opening = Opening { dir: &scratch.0, bytes_max: 64 << 30, pop: None };
    let on_failure = |error: &_| panic!("{error}");
    let store = Store::open(&opening, wall::unix_time, on_failure).expect("a new directory");
    let fill = |share: u64| {
        let store = store.clone();
        async move {
            for number in (share..ENTRIES).step_by(100) {
                put(&store, number).await;
            }
        }
    };
    block_on(join_all((0..100).map(fill)));
    let before = store.commits();
    let mut next = shuffled(ENTRIES);
    let mut order = || (0..WRITES / callers as u64).map(|_| next()).collect::<Vec<_>>();
    let orders: Vec<Vec<u64>> = (0..callers).map(|_| order()).collect();
    let call = |order: Vec<u64>| {
        let store = store.clone();
        async move {
            for number in order {
                put(&store, number).await;
            }
        }
    };
    let started = Instant::now();
    block_on(join_all(orders.into_iter().map(call)));
    let elapsed = started.elapsed();
    let after = store.commits();
    block_on(store.close());
    let (writes, commits) = (after.0 - before.0, after.1 - before.1);
    Measured {
        per_second: writes as f64 / elapsed.as_secs_f64(),
        writes_in_group: writes as f64 / commits as f64,
    }
}

/// What a client's PUT does inside the write transaction.
async fn put(store: &Store, number: u64) {
    let blob = vec![7; BLOB_BYTES];
    let written = store.write(blob.len(), move |txn| {
        txn.check_room(blob.len())?;
        let held = txn.head(&key(number))?;
        let lost = txn.losers(&crate::rows::vault(), &crate::rows::entry(number))?;
        let head = successor(held.as_ref(), &lost, txn.next_hlc(), item(number));
        let blob = blob.clone();
        txn.put(&Record { head, blob }, None).map_err(Stop::<()>::from)
    });
    written.await.expect("a write");
}
