//! What an operation may do inside the write transaction it shares with others.

use clavitor_core::hlc::{Clock, Floor, Hlc};
use clavitor_core::id::{Seq, StoreId};
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{Head, Item, Key, Record};
use clavitor_core::time::UnixTime;
use heed::RwTxn;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::reader::{HeadRow, Reader};
use super::tables::{self, Change, Origin, State, Stored, Tables};
use super::{Awaited, Notice};

/// What client writes leave free on the disk, in bytes: a commit that runs out of disk half way
/// cannot be told from a disk that fails.
pub(super) const DISK_RESERVE: u64 = 1024 * 1024;

/// A write transaction in progress, shared by the operations of a group.
///
/// Invariant: a record's row in `changes` is its only one and carries its newest sequence number.
pub struct Transaction<'e> {
    pub(super) txn: RwTxn<'e>,
    pub(super) tables: Tables,
    pub(super) clock: &'e mut Clock,
    pub(super) state: State,
    pub(super) notice: Notice,
    pub(super) store_id: StoreId,
    pub(super) now: UnixTime,
    pub(super) quota: u64,
    pub(super) disk_left: u64,
    pub(super) planned: u64,
    pub(super) confirmed: Seq,
    pub(super) has_written: bool,
    pub(super) token_changes: u64,
}

impl<'e> Transaction<'e> {
    /// The wall clock at the start of the group.
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The newest sequence number, changes of this transaction included.
    pub fn last(&self) -> Seq {
        self.state.seq
    }

    /// The highest timestamp issued or seen.
    pub fn floor(&self) -> Floor {
        self.clock.floor()
    }

    /// The identity of the data directory.
    pub fn store_id(&self) -> StoreId {
        self.store_id
    }

    /// What is there, changes of this transaction included.
    pub fn reader(&self) -> Reader<'_> {
        Reader::new(&self.txn, &self.tables)
    }

    /// A record.
    pub fn record(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.reader().record(key)
    }

    /// A record without its blob.
    pub fn head(&self, key: &Key) -> Result<Option<Head>, StoreError> {
        Ok(self.held(key)?.map(|row| row.head))
    }

    /// A record without its blob, for a write that replaces it.
    pub fn held(&self, key: &Key) -> Result<Option<HeadRow>, StoreError> {
        self.reader().head(key)
    }

    /// [`super::Store::token_changes`], changes of this transaction included.
    pub fn token_changes(&self) -> u64 {
        self.token_changes
    }

    /// The timestamps of an entry's journalled versions.
    pub fn losers(&self, vault: &VaultName, entry: &EntryName) -> Result<Vec<Hlc>, StoreError> {
        self.reader().losers(vault, entry)
    }

    /// Refuses what would fill more than the quota, or the disk.
    pub fn check_room(&mut self, bytes: usize) -> Result<(), StoreError> {
        let used = self.tables.bytes_used(&self.txn)?;
        let planned = self.planned.saturating_add(bytes as u64);
        let fits_quota = used.saturating_add(bytes as u64) <= self.quota;
        let fits_disk = planned.saturating_add(DISK_RESERVE) <= self.disk_left;
        if !(fits_quota && fits_disk) {
            return Err(StoreError::Full);
        }
        self.planned = planned;
        Ok(())
    }

    /// How many bytes client writes may fill.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// The timestamp of a new version.
    pub fn next_hlc(&mut self) -> Hlc {
        self.clock.next(self.now)
    }

    /// Takes note of a timestamp issued elsewhere.
    pub fn observe(&mut self, hlc: Hlc) {
        self.clock.observe(hlc);
    }

    /// Stores a record under a new sequence number. `origin` is the peer it came from to the
    /// letter; `None` owes it to every peer.
    pub fn put(&mut self, record: &Record, origin: Option<Origin>) -> Result<Seq, StoreError> {
        let held = self.held(&record.head.key())?;
        self.put_over(held.as_ref(), record, origin)
    }

    /// The same for a caller that has just read what is there: `held` is [`Transaction::held`] of
    /// the record's key.
    pub fn put_over(
        &mut self,
        held: Option<&HeadRow>,
        record: &Record,
        origin: Option<Origin>,
    ) -> Result<Seq, StoreError> {
        let key = tables::key_bytes(&record.head.key());
        let encoded = record.encode();
        let since = held.map(|held| self.unlist(held)).transpose()?.flatten();
        let seq = self.take_number();
        let bytes = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
        self.list(seq, &Change { origin, bytes, since: since.unwrap_or(self.now) }, &key)?;
        tables::put_stored(self.tables.records, &mut self.txn, &key, seq, &encoded)?;
        if tables::is_live(&record.head) {
            self.state.entries += 1;
        }
        self.token_changes += u64::from(matches!(record.head.item, Item::Token(_)));
        match origin.map(|origin| (origin.pop, origin.store)) {
            None => self.notice.own = true,
            Some(source) if !self.notice.from.contains(&source) => self.notice.from.push(source),
            Some(_) => {}
        }
        Ok(seq)
    }

    /// Gives a record a new sequence number, so that it is owed to every peer again.
    pub fn renumber(&mut self, key: &Key) -> Result<(), StoreError> {
        match self.record(key)? {
            Some(stored) => self.put(&stored.record, None).map(drop),
            None => Ok(()),
        }
    }

    /// Forgets a record without a trace. Only for what needs no tombstone: settled journal items.
    pub fn remove(&mut self, key: &Key) -> Result<(), StoreError> {
        if let Some(held) = self.held(key)? {
            self.unlist(&held)?;
            self.token_changes += u64::from(matches!(held.head.item, Item::Token(_)));
            self.tables.records.delete(&mut self.txn, &tables::key_bytes(key))?;
        }
        Ok(())
    }

    /// Lets a client wait until a backup holds what this operation wrote.
    pub fn await_backup(&mut self, awaited: Awaited) {
        self.notice.awaited.push(awaited);
    }

    /// Gives the data directory a new identity, above what anybody has seen of the old one.
    pub fn replace_identity(&mut self, store_id: StoreId, above: Seq) -> Result<(), StoreError> {
        self.has_written = true;
        self.state.seq = self.state.seq.max(above).next();
        self.store_id = store_id;
        tables::save(self.tables.meta, &mut self.txn, tables::META_STORE_ID, &store_id)
    }

    /// A named fact about the store.
    pub fn fact<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        tables::load(self.tables.meta, &self.txn, name)
    }

    /// Stores a named fact about the store.
    pub fn set_fact<T: Serialize>(&mut self, name: &str, value: &T) -> Result<(), StoreError> {
        self.has_written = true;
        tables::save(self.tables.meta, &mut self.txn, name, value)
    }

    /// The raw transaction, for an edition's own tables.
    pub fn raw(&mut self) -> &mut RwTxn<'e> {
        self.has_written = true;
        &mut self.txn
    }

    /// The raw transaction, for reading an edition's own tables.
    pub fn raw_reader(&self) -> &RwTxn<'e> {
        &self.txn
    }

    fn take_number(&mut self) -> Seq {
        let seq = self.state.seq.next();
        assert!(seq > self.state.seq, "sequence numbers are used up");
        self.state.seq = seq;
        seq
    }

    fn list(&mut self, seq: Seq, change: &Change, key: &[u8]) -> Result<(), StoreError> {
        self.has_written = true;
        let row = tables::encode_change(change, key);
        Ok(self.tables.changes.put(&mut self.txn, &seq.0.to_be_bytes(), &row)?)
    }

    /// Takes a record's row out of the index of changes, and says since when the record has been
    /// unconfirmed.
    fn unlist(&mut self, held: &HeadRow) -> Result<Option<UnixTime>, StoreError> {
        if tables::is_live(&held.head) {
            self.state.entries = self.state.entries.saturating_sub(1);
        }
        let number = held.seq.0.to_be_bytes();
        let mut since = None;
        if held.seq > self.confirmed {
            let row = self.tables.changes.get(&self.txn, &number)?;
            let change = row.map(tables::decode_change).transpose()?;
            since = change.map(|(change, _)| change.since);
        }
        self.has_written = true;
        self.tables.changes.delete(&mut self.txn, &number)?;
        Ok(since)
    }
}
