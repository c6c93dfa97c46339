//! The bare loop: LMDB through heed, one thread, the same rows in groups, nothing else.

use std::time::{Duration, Instant};

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, RwTxn, WithoutTls};

use crate::rows::{Rows, shuffled};
use crate::{CALLERS, ENTRIES, Scratch};

type Table = Database<'static, Bytes, Bytes>;

/// What keeps an operation that fails from taking its group along.
#[derive(Clone, Copy)]
pub(crate) enum Isolation {
    /// Nothing.
    None,
    /// A nested transaction for each.
    Nested {
        /// How many of a group fail after they have written.
        spoilers: usize,
    },
    /// The group is run again: those before it, it alone, those after it.
    Around {
        /// How many of a group fail after they have written.
        spoilers: usize,
    },
}

/// An environment with the store's tables.
pub(crate) struct Bare {
    env: Env<WithoutTls>,
    records: Table,
    changes: Table,
    meta: Table,
    rows: Vec<Rows>,
    seq: u64,
    order: Box<dyn FnMut() -> u64>,
}

impl Bare {
    /// An environment in which every entry has been written once.
    pub(crate) fn filled(scratch: &Scratch) -> Self {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(64 << 30).max_dbs(16);
        // SAFETY: the directory is new, and nobody else knows it.
        let env = unsafe { options.open(&scratch.0) }.expect("an environment");
        let table = |name: &str| -> Table {
            let txn = env.write_txn().expect("a transaction");
            let made = env.create_databases_and_commit(txn, |opener, txn| {
                let table = opener.create_database::<Bytes, Bytes>(txn, Some(name))?;
                Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(table))
            });
            made.expect("a table").unwrap_commit()
        };
        let mut bare = Self {
            records: table("records"),
            changes: table("changes"),
            meta: table("meta"),
            rows: (0..ENTRIES).map(Rows::of).collect(),
            seq: 0,
            order: Box::new(shuffled(ENTRIES)),
            env,
        };
        for number in (0..ENTRIES).step_by(100) {
            let group: Vec<u64> = (number..number + 100).collect();
            bare.commit(&group);
        }
        bare
    }

    /// How long so many writes take in groups.
    pub(crate) fn time(&mut self, writes: u64, isolation: Isolation) -> Duration {
        let started = Instant::now();
        for _ in 0..writes / CALLERS as u64 {
            let group: Vec<u64> = (0..CALLERS).map(|_| (self.order)()).collect();
            match isolation {
                Isolation::None => self.commit(&group),
                Isolation::Nested { spoilers } => self.commit_nested(&group, spoilers),
                Isolation::Around { spoilers } => self.commit_around(&group, spoilers),
            }
        }
        started.elapsed()
    }

    fn commit(&mut self, group: &[u64]) {
        let env = self.env.clone();
        let mut txn = env.write_txn().expect("a transaction");
        for number in group {
            self.put(&mut txn, *number);
        }
        self.finish(txn);
    }

    fn commit_nested(&mut self, group: &[u64], spoilers: usize) {
        let env = self.env.clone();
        let mut txn = env.write_txn().expect("a transaction");
        for (at, number) in group.iter().enumerate() {
            let mut nested = env.nested_write_txn(&mut txn).expect("a transaction");
            self.put(&mut nested, *number);
            if is_spoiler(at, spoilers) {
                nested.abort();
            } else {
                nested.commit().expect("a commit");
            }
        }
        self.finish(txn);
    }

    fn commit_around(&mut self, group: &[u64], spoilers: usize) {
        let mut rest = group;
        let mut at = 0;
        while let Some(spoiler) = (0..rest.len()).find(|offset| is_spoiler(at + offset, spoilers)) {
            let (before, after) = rest.split_at(spoiler + 1);
            self.abort(before);
            self.commit(before.split_last().map_or(&[], |(_, before)| before));
            self.abort(&before[spoiler..]);
            rest = after;
            at += spoiler + 1;
        }
        self.commit(rest);
    }

    fn abort(&mut self, group: &[u64]) {
        let env = self.env.clone();
        let mut txn = env.write_txn().expect("a transaction");
        for number in group {
            self.put(&mut txn, *number);
        }
        txn.abort();
    }

    fn finish(&mut self, mut txn: RwTxn<'_>) {
        let state = &self.rows[0].state;
        self.meta.put(&mut txn, b"state", state).expect("a put");
        txn.commit().expect("a commit");
    }

    /// A record at a new number, and its row in the index of changes in place of the old one.
    fn put(&mut self, txn: &mut RwTxn<'_>, number: u64) {
        self.seq += 1;
        let seq = self.seq.to_be_bytes();
        let rows = &mut self.rows[usize::try_from(number).expect("an index")];
        let held = self.records.get(txn, &rows.key).expect("a get");
        if let Some(before) = held.and_then(|held| held.first_chunk::<8>().copied()) {
            self.changes.delete(txn, &before).expect("a delete");
        }
        self.changes.put(txn, &seq, &rows.change).expect("a put");
        rows.record[..8].copy_from_slice(&seq);
        self.records.put(txn, &rows.key, &rows.record).expect("a put");
    }
}

fn is_spoiler(at: usize, spoilers: usize) -> bool {
    spoilers > 0 && at % (CALLERS / spoilers) == CALLERS / spoilers / 2
}
