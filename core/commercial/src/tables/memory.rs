//! A store in memory, for tests of what happens inside transactions.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use clavitor_core::hlc::Clock;
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::store::{
    Basis, Purpose, Row, Rows, RowsMut, State, StoreError, Table, Transaction, save_fact,
    settle_identity,
};
use clavitor_core::time::UnixTime;

/// What the wall clock shows in every transaction.
pub(crate) const NOON: UnixTime = UnixTime(43_200_000);

/// Rows that keep what is put into them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    rows: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
}

impl Memory {
    /// The store of a POP that has counted up to `last`.
    pub(crate) fn of(pop: PopId, store: StoreId, last: Seq) -> Self {
        let mut memory = Self::default();
        settle_identity(&mut memory, Purpose::Vaults, Some(pop), || store.0).unwrap();
        let state = State { seq: last, ..State::default() };
        save_fact(&mut memory, "state", &state).unwrap();
        memory
    }

    /// Runs one transaction, and keeps what it did.
    pub(crate) fn write<T>(
        &mut self,
        operation: impl FnOnce(&mut Transaction<'_, &mut Memory>) -> T,
    ) -> T {
        let owner = clavitor_core::store::Reader::new(&*self).identity().unwrap().unwrap();
        let mut clock = Clock::new(owner.pop, owner.state.floor);
        let basis = Basis {
            state: owner.state,
            store_id: owner.store_id,
            now: NOON,
            quota: u64::MAX,
            disk_left: u64::MAX,
            confirmed: Seq(u64::MAX),
            token_changes: 0,
        };
        let mut txn = Transaction::begin(self, &mut clock, basis);
        let outcome = operation(&mut txn);
        txn.finish().unwrap();
        outcome
    }
}

impl Rows for Memory {
    type Range<'t> = alloc::vec::IntoIter<Row<'t>>;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        Ok(self.rows.get(&(table.place(), key.to_vec())).map(Vec::as_slice))
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Self::Range<'_>, StoreError> {
        use core::ops::RangeBounds;
        let is_within = |key: &[u8]| (from, to).contains(key);
        let rows =
            self.rows.iter().filter(|((place, key), _)| *place == table.place() && is_within(key));
        let rows: Vec<Row<'_>> =
            rows.map(|((_, key), value)| Ok((key.as_slice(), value.as_slice()))).collect();
        Ok(rows.into_iter())
    }

    fn last(&self, table: Table) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        self.all(table)?.last().transpose()
    }

    fn count(&self, table: Table) -> Result<u64, StoreError> {
        Ok(self.all(table)?.count() as u64)
    }

    fn bytes_used(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}

impl Rows for &mut Memory {
    type Range<'t>
        = alloc::vec::IntoIter<Row<'t>>
    where
        Self: 't;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        (**self).get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Self::Range<'_>, StoreError> {
        (**self).range(table, from, to)
    }

    fn last(&self, table: Table) -> Result<Option<(&[u8], &[u8])>, StoreError> {
        (**self).last(table)
    }

    fn count(&self, table: Table) -> Result<u64, StoreError> {
        (**self).count(table)
    }

    fn bytes_used(&self) -> Result<u64, StoreError> {
        (**self).bytes_used()
    }
}

impl RowsMut for Memory {
    fn put_parts(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError> {
        self.rows.insert((table.place(), key.to_vec()), parts.concat());
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.rows.remove(&(table.place(), key.to_vec())).is_some())
    }

    fn clear(&mut self, table: Table) -> Result<(), StoreError> {
        self.rows.retain(|(place, _), _| *place != table.place());
        Ok(())
    }
}

impl RowsMut for &mut Memory {
    fn put_parts(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError> {
        (**self).put_parts(table, key, parts)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        (**self).delete(table, key)
    }

    fn clear(&mut self, table: Table) -> Result<(), StoreError> {
        (**self).clear(table)
    }
}
