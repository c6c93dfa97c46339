//! A table in memory.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Range as Within;
use core::ops::Bound;

use clavitor_core::store::{Pair, Row, Table};

use super::*;

type Bytes = Vec<u8>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory(pub(super) BTreeMap<Bytes, Bytes>);

pub(super) type Range<'t> =
    core::iter::Map<Within<'t, Bytes, Bytes>, fn((&'t Bytes, &'t Bytes)) -> Row<'t>>;

impl Rows for Memory {
    type Range<'t> = Range<'t>;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        assert_eq!(table, INCIDENTS);
        Ok(self.0.get(key).map(Vec::as_slice))
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Range<'_>, StoreError> {
        assert_eq!(table, INCIDENTS);
        Ok(self.0.range::<[u8], _>((from, to)).map(|(key, value)| Ok((key, value))))
    }

    fn last(&self, _: Table) -> Result<Option<Pair<'_>>, StoreError> {
        Ok(self.0.last_key_value().map(|(key, value)| (key.as_slice(), value.as_slice())))
    }

    fn count(&self, _: Table) -> Result<u64, StoreError> {
        Ok(self.0.len() as u64)
    }

    fn bytes_used(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl RowsMut for Memory {
    fn put_parts(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError> {
        assert_eq!(table, INCIDENTS);
        assert!((1..=511).contains(&key.len()), "no key for a database");
        self.0.insert(key.to_vec(), parts.concat());
        Ok(())
    }

    fn delete(&mut self, _: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.0.remove(key).is_some())
    }

    fn clear(&mut self, _: Table) -> Result<(), StoreError> {
        self.0.clear();
        Ok(())
    }
}
