//! The model of a data directory: ordered maps that survive the process, and the transactions on
//! them. What a transaction did not commit never happened.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use clavitor_core::store::{OWN_TABLES, Row, Rows, RowsMut, StoreError, TABLES_MAX, Table};

pub mod conformance;

/// The size of the map of a server that was given no other, in bytes.
pub const BYTES_MAX: u64 = 1 << 30;

/// What a row takes beside its key and value, in bytes.
const ROW_OVERHEAD: u64 = 16;

type Rowset = BTreeMap<Vec<u8>, Vec<u8>>;

/// A data directory.
///
/// Invariant: `bytes` is what the rows of [`OWN_TABLES`] take.
#[derive(Clone, Debug)]
pub struct Disk {
    tables: [Rowset; TABLES_MAX as usize],
    bytes: u64,
    bytes_max: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self { tables: Default::default(), bytes: 0, bytes_max: BYTES_MAX }
    }
}

impl Disk {
    /// An empty data directory whose map is so large.
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// The size of the map.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Makes the map larger or smaller; what is stored stays.
    pub fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// Begins a transaction.
    pub fn begin(&mut self) -> Sheet<'_> {
        Sheet { disk: self, undo: Vec::new(), is_committed: false }
    }

    /// Whether both hold the same rows in a table.
    pub fn is_alike(&self, other: &Disk, table: Table) -> bool {
        self.rows(table) == other.rows(table)
    }

    fn rows(&self, table: Table) -> &Rowset {
        &self.tables[usize::from(table.place())]
    }

    fn set(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let come = value.as_ref().map_or(0, |value| cost(key, value));
        let rows = &mut self.tables[usize::from(table.place())];
        let before = match (rows.get_mut(key), value) {
            (Some(place), Some(value)) => Some(std::mem::replace(place, value)),
            (Some(_), None) => rows.remove(key),
            (None, Some(value)) => rows.insert(key.to_vec(), value),
            (None, None) => None,
        };
        if OWN_TABLES.contains(&table) {
            let gone = before.as_ref().map_or(0, |before| cost(key, before));
            self.bytes = self.bytes + come - gone;
        }
        before
    }
}

fn cost(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + ROW_OVERHEAD
}

/// Rows of a model table.
pub type Range<'t> = std::iter::Map<
    btree_map::Range<'t, Vec<u8>, Vec<u8>>,
    fn((&'t Vec<u8>, &'t Vec<u8>)) -> Row<'t>,
>;

impl Rows for Disk {
    type Range<'t> = Range<'t>;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.rows(table).get(key).map(Vec::as_slice))
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Range<'_>, StoreError> {
        // A map panics on bounds that cross; a database answers nothing.
        let (from, to) = crossing(from, to).unwrap_or((from, to));
        let rows = self.rows(table).range::<[u8], _>((from, to));
        Ok(rows.map(|(key, value)| Ok((key.as_slice(), value.as_slice()))))
    }

    fn last(&self, table: Table) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        let last = self.rows(table).last_key_value();
        Ok(last.map(|(key, value)| (key.as_slice(), value.as_slice())))
    }

    fn count(&self, table: Table) -> Result<u64, StoreError> {
        Ok(self.rows(table).len() as u64)
    }

    fn bytes_used(&self) -> Result<u64, StoreError> {
        Ok(self.bytes)
    }
}

type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);

/// Bounds that hold nothing, if these cross.
fn crossing<'b>(from: Bound<&'b [u8]>, to: Bound<&[u8]>) -> Option<Bounds<'b>> {
    let (Bound::Included(low) | Bound::Excluded(low)) = from else { return None };
    let (Bound::Included(high) | Bound::Excluded(high)) = to else { return None };
    let is_one = matches!((from, to), (Bound::Included(_), Bound::Included(_)));
    let is_crossed = low > high || (low == high && !is_one);
    is_crossed.then_some((Bound::Included(low), Bound::Excluded(low)))
}

/// A transaction in progress. Dropped without [`Sheet::commit`], it leaves nothing behind.
///
/// Invariant: `undo` leads back, step by step, to what was committed last.
#[derive(Debug)]
pub struct Sheet<'d> {
    disk: &'d mut Disk,
    undo: Vec<Step>,
    is_committed: bool,
}

#[derive(Debug)]
struct Step {
    table: Table,
    key: Vec<u8>,
    before: Option<Vec<u8>>,
}

impl Sheet<'_> {
    /// Makes everything durable; answers the keys of the changed rows of a table, some perhaps more
    /// than once.
    pub fn commit(mut self, table: Table) -> Vec<Vec<u8>> {
        self.is_committed = true;
        let steps = std::mem::take(&mut self.undo).into_iter();
        steps.filter(|step| step.table == table).map(|step| step.key).collect()
    }

    fn change(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) -> bool {
        let before = self.disk.set(table, key, value);
        let was_there = before.is_some();
        self.undo.push(Step { table, key: key.to_vec(), before });
        was_there
    }
}

impl Drop for Sheet<'_> {
    fn drop(&mut self) {
        if !self.is_committed {
            for step in self.undo.drain(..).rev() {
                self.disk.set(step.table, &step.key, step.before);
            }
        }
    }
}

impl Rows for Sheet<'_> {
    type Range<'t>
        = Range<'t>
    where
        Self: 't;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        self.disk.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Range<'_>, StoreError> {
        self.disk.range(table, from, to)
    }

    fn last(&self, table: Table) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        self.disk.last(table)
    }

    fn count(&self, table: Table) -> Result<u64, StoreError> {
        self.disk.count(table)
    }

    fn bytes_used(&self) -> Result<u64, StoreError> {
        self.disk.bytes_used()
    }
}

impl RowsMut for Sheet<'_> {
    fn put_parts(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError> {
        let value = parts.concat();
        if self.disk.bytes + cost(key, &value) > self.disk.bytes_max {
            return Err(StoreError::Full);
        }
        self.change(table, key, Some(value));
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        if !self.disk.rows(table).contains_key(key) {
            return Ok(false);
        }
        Ok(self.change(table, key, None))
    }

    fn clear(&mut self, table: Table) -> Result<(), StoreError> {
        let keys: Vec<Vec<u8>> = self.disk.rows(table).keys().cloned().collect();
        for key in &keys {
            self.change(table, key, None);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clavitor_core::store::RECORDS;

    #[test]
    fn the_model_conforms() {
        let mut disk = Disk::default();
        conformance::suite(&mut disk);
    }

    #[test]
    fn what_was_not_committed_never_happened() {
        let mut disk = Disk::default();
        let mut sheet = disk.begin();
        sheet.put(RECORDS, b"a", b"1").unwrap();
        assert_eq!(sheet.commit(RECORDS), [b"a"]);
        let committed = disk.clone();
        let mut sheet = disk.begin();
        sheet.put(RECORDS, b"a", b"longer").unwrap();
        sheet.put(RECORDS, b"b", b"").unwrap();
        sheet.delete(RECORDS, b"a").unwrap();
        sheet.clear(RECORDS).unwrap();
        drop(sheet);
        assert!(disk.is_alike(&committed, RECORDS));
        assert_eq!(disk.bytes_used(), committed.bytes_used());
    }

    #[test]
    fn a_full_map_refuses_rows_and_still_deletes() {
        let mut disk = Disk::new(40);
        let mut sheet = disk.begin();
        sheet.put(RECORDS, b"a", &[0; 20]).unwrap();
        assert_eq!(sheet.put(RECORDS, b"b", &[0; 20]), Err(StoreError::Full));
        assert_eq!(sheet.delete(RECORDS, b"a"), Ok(true));
        assert_eq!(sheet.put(RECORDS, b"b", &[0; 20]), Ok(()));
    }
}
