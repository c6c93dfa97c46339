//! Ordered tables of byte strings, as one transaction sees them.

use core::ops::Bound;

use super::error::StoreError;

/// The most tables of a store, an edition's included.
pub const TABLES_MAX: u8 = 16;

/// A table of byte strings, ordered by key: its place among a store's tables, and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    place: u8,
    name: &'static str,
}

impl Table {
    /// A table at a place that no other one of the store has.
    ///
    /// # Panics
    /// At compile time, in a constant: if the place is not below [`TABLES_MAX`].
    pub const fn new(place: u8, name: &'static str) -> Self {
        assert!(place < TABLES_MAX, "a store has no such place");
        Self { place, name }
    }

    /// Its place, below [`TABLES_MAX`].
    pub const fn place(self) -> u8 {
        self.place
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// Key bytes → sequence number, checksum, encoded record.
pub const RECORDS: Table = Table::new(0, "records");

/// Sequence number, big-endian → [`super::Change`] and key bytes: each record once, at its newest.
pub const CHANGES: Table = Table::new(1, "changes");

/// Name → single facts about the store.
pub const META: Table = Table::new(2, "meta");

/// The tables of every store, each at its place. An edition's begin after them.
pub const OWN_TABLES: [Table; 3] = [RECORDS, CHANGES, META];

/// A key and what is stored under it.
pub type Pair<'t> = (&'t [u8], &'t [u8]);

/// A row as a walk over a table comes to it.
pub type Row<'t> = Result<Pair<'t>, StoreError>;

/// Tables as one transaction reads them: one moment, and its own changes.
pub trait Rows {
    /// Rows in the order of their keys.
    type Range<'t>: Iterator<Item = Row<'t>>
    where
        Self: 't;

    /// The value under a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, StoreError>;

    /// The rows between two keys, in the order of their keys.
    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Self::Range<'_>, StoreError>;

    /// The row with the highest key.
    fn last(&self, table: Table) -> Result<Option<Pair<'_>>, StoreError>;

    /// How many rows there are.
    fn count(&self, table: Table) -> Result<u64, StoreError>;

    /// The bytes that [`OWN_TABLES`] take, as the quota counts them.
    fn bytes_used(&self) -> Result<u64, StoreError>;

    /// Every row.
    fn all(&self, table: Table) -> Result<Self::Range<'_>, StoreError> {
        self.range(table, Bound::Unbounded, Bound::Unbounded)
    }

    /// The rows whose keys begin with `prefix`.
    fn prefixed<'t>(
        &'t self,
        table: Table,
        prefix: &'t [u8],
    ) -> Result<impl Iterator<Item = Row<'t>>, StoreError> {
        let rows = self.range(table, Bound::Included(prefix), Bound::Unbounded)?;
        // A failure is handed on, whatever the key.
        let begins =
            move |row: &Row<'t>| row.as_ref().map_or(true, |(key, _)| key.starts_with(prefix));
        Ok(rows.take_while(begins))
    }
}

/// Tables as one transaction changes them. Nothing holds before the transaction is committed, which
/// is the business of whoever began it.
pub trait RowsMut: Rows {
    /// Stores under a key what `parts` are in a row, in place of what was there.
    fn put_parts(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError>;

    /// Takes a row out; whether it was there.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError>;

    /// Takes every row out.
    fn clear(&mut self, table: Table) -> Result<(), StoreError>;

    /// Stores a value under a key, in place of what was there.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.put_parts(table, key, &[value])
    }
}
