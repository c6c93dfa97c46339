//! LMDB's tables as transactions see them.

use std::io::Write;
use std::ops::Bound;
use std::sync::OnceLock;

use clavitor_core::store::{OWN_TABLES, Pair, Row, Rows, RowsMut, StoreError, TABLES_MAX, Table};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, RoRange, RoTxn, RwTxn, WithoutTls};

/// A named database of byte strings.
type Bytewise = Database<'static, Bytes, Bytes>;

/// The open databases, each at its table's place.
///
/// Invariant: the store's own are open; an edition's once it has asked for them.
#[derive(Default)]
pub(super) struct Tables {
    open: [OnceLock<(Table, Bytewise)>; TABLES_MAX as usize],
}

impl Tables {
    /// Makes or opens the tables of every store.
    pub(super) fn open_own(env: &Env<WithoutTls>) -> Result<Self, heed::Error> {
        let tables = Self::default();
        OWN_TABLES.into_iter().try_for_each(|table| tables.open(env, table))?;
        Ok(tables)
    }

    /// Makes or opens a table.
    ///
    /// # Panics
    /// If another table has its place: one would be read and written as the other.
    pub(super) fn open(&self, env: &Env<WithoutTls>, table: Table) -> Result<(), heed::Error> {
        let txn = env.write_txn()?;
        let created = env.create_databases_and_commit(txn, |opener, txn| {
            let database = opener.create_database::<Bytes, Bytes>(txn, Some(table.name()))?;
            Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(database))
        })?;
        let database = created.unwrap_commit();
        if let Some(place) = self.open.get(usize::from(table.place())) {
            let (taken, _) = place.get_or_init(|| (table, database));
            assert_eq!(*taken, table, "two tables at one place");
        }
        Ok(())
    }

    fn at(&self, table: Table) -> Result<Bytewise, StoreError> {
        let open = self.open.get(usize::from(table.place())).and_then(OnceLock::get);
        let database = open.map(|(_, database)| *database);
        database.ok_or_else(|| StoreError::Broken(format!("no table {}", table.name())))
    }

    fn bytes_used(&self, txn: &RoTxn<'_>) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for table in OWN_TABLES {
            bytes += self.at(table)?.stat(txn).map_err(failure)?.non_free_page_size();
        }
        Ok(bytes as u64)
    }
}

/// The tables at one moment.
pub struct ReadRows<'e> {
    txn: RoTxn<'e, WithoutTls>,
    tables: &'e Tables,
}

impl<'e> ReadRows<'e> {
    pub(super) fn begin(env: &'e Env<WithoutTls>, tables: &'e Tables) -> Result<Self, StoreError> {
        Ok(Self { txn: env.read_txn().map_err(failure)?, tables })
    }
}

/// The tables in the one write transaction.
pub struct WriteRows<'e> {
    txn: RwTxn<'e>,
    tables: &'e Tables,
}

impl<'e> WriteRows<'e> {
    pub(super) fn begin(env: &'e Env<WithoutTls>, tables: &'e Tables) -> Result<Self, StoreError> {
        Ok(Self { txn: env.write_txn().map_err(failure)?, tables })
    }

    pub(super) fn commit(self) -> Result<(), StoreError> {
        self.txn.commit().map_err(failure)
    }
}

/// Rows in the order of their keys.
pub struct Range<'t>(RoRange<'t, Bytes, Bytes>);

impl<'t> Iterator for Range<'t> {
    type Item = Row<'t>;

    fn next(&mut self) -> Option<Row<'t>> {
        self.0.next().map(|row| row.map_err(failure))
    }
}

// Both kinds of transaction read alike.
macro_rules! rows {
    ($rows:ident) => {
        impl Rows for $rows<'_> {
            type Range<'t>
                = Range<'t>
            where
                Self: 't;

            fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
                self.tables.at(table)?.get(&self.txn, key).map_err(failure)
            }

            fn range(
                &self,
                table: Table,
                from: Bound<&[u8]>,
                to: Bound<&[u8]>,
            ) -> Result<Range<'_>, StoreError> {
                let rows = self.tables.at(table)?.range(&self.txn, &(from, to));
                rows.map(Range).map_err(failure)
            }

            fn last(&self, table: Table) -> Result<Option<Pair<'_>>, StoreError> {
                self.tables.at(table)?.last(&self.txn).map_err(failure)
            }

            fn count(&self, table: Table) -> Result<u64, StoreError> {
                self.tables.at(table)?.len(&self.txn).map_err(failure)
            }

            fn bytes_used(&self) -> Result<u64, StoreError> {
                self.tables.bytes_used(&self.txn)
            }
        }
    };
}

rows!(ReadRows);
rows!(WriteRows);

impl RowsMut for WriteRows<'_> {
    fn put_parts(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        let database = self.tables.at(table)?;
        let written = database.put_reserved(&mut self.txn, key, bytes, |place| {
            parts.iter().try_for_each(|part| place.write_all(part))
        });
        written.map_err(failure)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        self.tables.at(table)?.delete(&mut self.txn, key).map_err(failure)
    }

    fn clear(&mut self, table: Table) -> Result<(), StoreError> {
        self.tables.at(table)?.clear(&mut self.txn).map_err(failure)
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.tables.at(table)?.put(&mut self.txn, key, value).map_err(failure)
    }
}

/// What a failure of LMDB's means to whoever reads or writes.
pub(super) fn failure(error: heed::Error) -> StoreError {
    const NO_SPACE: i32 = 28;
    const QUOTA: i32 = 122;
    const TOO_LARGE: i32 = 27;
    const IO: i32 = 5;
    match error {
        heed::Error::Mdb(heed::MdbError::MapFull) => StoreError::Full,
        heed::Error::Io(error)
            if matches!(error.raw_os_error(), Some(NO_SPACE | QUOTA | TOO_LARGE)) =>
        {
            StoreError::Full
        }
        heed::Error::Io(error) if error.raw_os_error() == Some(IO) => StoreError::Cut,
        heed::Error::Mdb(heed::MdbError::Corrupted | heed::MdbError::PageNotFound) => {
            StoreError::Damaged("a page of the store cannot be read")
        }
        error => StoreError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::super::open_environment;
    use super::*;

    const PLACE: u8 = OWN_TABLES.len() as u8;
    const FIRST: Table = Table::new(PLACE, "first");

    fn with_tables(name: &str, test: impl FnOnce(&Env<WithoutTls>, &Tables)) {
        let name = format!("clavitor-lmdb-{name}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let env = open_environment(&dir, 1024 * 1024).unwrap();
        // Its open files are all that the test needs, and no panic leaves it behind.
        std::fs::remove_dir_all(&dir).unwrap();
        test(&env, &Tables::open_own(&env).unwrap());
    }

    #[test]
    fn a_table_is_opened_as_often_as_one_likes() {
        with_tables("again", |env, tables| {
            (0..2).for_each(|_| tables.open(env, FIRST).unwrap());
            assert_eq!(ReadRows::begin(env, tables).unwrap().count(FIRST).unwrap(), 0);
        });
    }

    #[test]
    fn a_table_at_anothers_place_is_a_broken_invariant() {
        with_tables("taken", |env, tables| {
            tables.open(env, FIRST).unwrap();
            let second = || tables.open(env, Table::new(PLACE, "second"));
            assert!(catch_unwind(AssertUnwindSafe(second)).is_err());
        });
    }
}
