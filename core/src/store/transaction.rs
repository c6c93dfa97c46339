//! What an operation may do inside the write transaction it shares with others.

use alloc::vec::Vec;

use crate::hlc::{Clock, Floor, Hlc};
use crate::id::{OpId, PopId, Seq, StoreId};
use crate::name::{EntryName, VaultName};
use crate::record::{Head, Item, Key, Record, RecordId};
use crate::time::UnixTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::identity::{STATE, STORE_ID, load_fact, save_fact};
use super::keys::encode_key;
use super::reader::{HeadRow, Reader};
use super::rows::{CHANGES, RECORDS, RowsMut};
use super::values::{self, Change, Origin, State, Stored};

/// What client writes leave free on the disk, in bytes: a commit that runs out of disk half way
/// cannot be told from a disk that fails.
pub const DISK_RESERVE: u64 = 1024 * 1024;

/// What was committed, for whoever must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The newest sequence number.
    pub last: Seq,
    /// Whether something changed that came from no peer.
    pub own: bool,
    /// The peers, with their data directories, that other changes came from.
    pub from: Vec<(PopId, StoreId)>,
    /// Requests that wait until a backup holds what they wrote.
    pub awaited: Vec<Awaited>,
    /// Versions that lost to another one without having been replaced by it.
    pub beaten: Vec<(RecordId, Hlc)>,
}

impl Notice {
    /// Takes in what was committed since, so that one notice tells of both.
    pub fn merge(&mut self, newer: Notice) {
        let Notice { last, own, from, awaited, beaten } = newer;
        self.last = self.last.max(last);
        self.own |= own;
        for source in from {
            if !self.from.contains(&source) {
                self.from.push(source);
            }
        }
        self.awaited.extend(awaited);
        self.beaten.extend(beaten);
    }
}

/// A write whose client waits until a backup holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Names the request.
    pub op: OpId,
    /// What was written.
    pub record: RecordId,
    /// The version that was written.
    pub hlc: Hlc,
}

/// What a write transaction begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    /// What the store counted when the last transaction was committed.
    pub state: State,
    /// The identity of the data directory.
    pub store_id: StoreId,
    /// The wall clock.
    pub now: UnixTime,
    /// How many bytes client writes may fill.
    pub quota: u64,
    /// The bytes left on the disk.
    pub disk_left: u64,
    /// Up to where every peer has confirmed; without peers, [`u64::MAX`].
    pub confirmed: Seq,
    /// How many changes of access tokens were committed so far.
    pub token_changes: u64,
}

/// What a write transaction comes to, once it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the store counts now.
    pub state: State,
    /// What others must know.
    pub notice: Notice,
    /// The identity of the data directory.
    pub store_id: StoreId,
    /// Whether anything was written; if not, there is nothing to commit.
    pub has_written: bool,
    /// How many changes of access tokens were committed, these included.
    pub token_changes: u64,
}

/// A write transaction in progress, shared by the operations of a group.
///
/// Invariant: a record's row in `changes` is its only one and carries its newest sequence number.
pub struct Transaction<'c, R> {
    rows: R,
    clock: &'c mut Clock,
    basis: Basis,
    notice: Notice,
    planned: u64,
    // By the operations before the one that runs, and by that one.
    have_written: bool,
    has_written: bool,
}

impl<'c, R: RowsMut> Transaction<'c, R> {
    /// Begins on `rows`. The clock moves forward also if the transaction comes to nothing.
    pub fn begin(rows: R, clock: &'c mut Clock, basis: Basis) -> Self {
        let notice = Notice::default();
        Self { rows, clock, basis, notice, planned: 0, have_written: false, has_written: false }
    }

    /// Begins the next operation of the group: [`Transaction::has_written`] is about it alone.
    pub fn start_operation(&mut self) {
        self.have_written |= core::mem::take(&mut self.has_written);
    }

    /// Whether the operation has written: then a refusal spoils the group.
    pub fn has_written(&self) -> bool {
        self.has_written
    }

    /// Writes down what the store counts, and hands back the rows for their commit.
    pub fn finish(mut self) -> Result<(R, Outcome), StoreError> {
        self.start_operation();
        let Basis { mut state, store_id, token_changes, .. } = self.basis;
        let has_written = self.have_written;
        if has_written {
            state.floor = self.clock.floor();
            save_fact(&mut self.rows, STATE, &state)?;
        }
        let notice = Notice { last: state.seq, ..self.notice };
        Ok((self.rows, Outcome { state, notice, store_id, has_written, token_changes }))
    }

    /// The wall clock at the start of the group.
    pub fn now(&self) -> UnixTime {
        self.basis.now
    }

    /// The newest sequence number, changes of this transaction included.
    pub fn last(&self) -> Seq {
        self.basis.state.seq
    }

    /// The highest timestamp issued or seen.
    pub fn floor(&self) -> Floor {
        self.clock.floor()
    }

    /// The identity of the data directory.
    pub fn store_id(&self) -> StoreId {
        self.basis.store_id
    }

    /// What is there, changes of this transaction included.
    pub fn reader(&self) -> Reader<'_, R> {
        Reader::new(&self.rows)
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

    /// How many changes of access tokens were committed since the start, those of this transaction
    /// included.
    pub fn token_changes(&self) -> u64 {
        self.basis.token_changes
    }

    /// The timestamps of an entry's journalled versions.
    pub fn losers(&self, vault: &VaultName, entry: &EntryName) -> Result<Vec<Hlc>, StoreError> {
        self.reader().losers(vault, entry)
    }

    /// Refuses what would fill more than the quota, or the disk.
    pub fn check_room(&mut self, bytes: usize) -> Result<(), StoreError> {
        let used = self.rows.bytes_used()?;
        let planned = self.planned.saturating_add(bytes as u64);
        let fits_quota = used.saturating_add(bytes as u64) <= self.basis.quota;
        let fits_disk = planned.saturating_add(DISK_RESERVE) <= self.basis.disk_left;
        if !(fits_quota && fits_disk) {
            return Err(StoreError::Full);
        }
        self.planned = planned;
        Ok(())
    }

    /// How many bytes client writes may fill.
    pub fn quota(&self) -> u64 {
        self.basis.quota
    }

    /// The timestamp of a new version.
    pub fn next_hlc(&mut self) -> Hlc {
        self.clock.next(self.basis.now)
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
        let key = encode_key(&record.head.key());
        let encoded = record.encode();
        let since = held.map(|held| self.unlist(held)).transpose()?.flatten();
        let seq = self.take_number();
        let bytes = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
        self.list(seq, &Change { origin, bytes, since: since.unwrap_or(self.basis.now) }, &key)?;
        values::put_stored(&mut self.rows, &key, seq, &encoded)?;
        if values::is_live(&record.head) {
            self.basis.state.entries += 1;
        }
        self.basis.token_changes += u64::from(matches!(record.head.item, Item::Token(_)));
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
            self.basis.token_changes += u64::from(matches!(held.head.item, Item::Token(_)));
            self.rows.delete(RECORDS, &encode_key(key))?;
        }
        Ok(())
    }

    /// Takes note of a version that lost to another one without having been replaced by it.
    pub fn note_beaten(&mut self, record: RecordId, hlc: Hlc) {
        self.notice.beaten.push((record, hlc));
    }

    /// Lets a client wait until a backup holds what this operation wrote.
    pub fn await_backup(&mut self, awaited: Awaited) {
        self.notice.awaited.push(awaited);
    }

    /// Gives the data directory a new identity, above what anybody has seen of the old one.
    pub fn replace_identity(&mut self, store_id: StoreId, above: Seq) -> Result<(), StoreError> {
        self.has_written = true;
        self.basis.state.seq = self.basis.state.seq.max(above).next();
        self.basis.store_id = store_id;
        save_fact(&mut self.rows, STORE_ID, &store_id)
    }

    /// A named fact about the store.
    pub fn fact<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        load_fact(&self.rows, name)
    }

    /// Stores a named fact about the store.
    pub fn set_fact<T: Serialize>(&mut self, name: &str, value: &T) -> Result<(), StoreError> {
        self.has_written = true;
        save_fact(&mut self.rows, name, value)
    }

    /// The tables, for an edition's own.
    pub fn rows(&self) -> &R {
        &self.rows
    }

    /// The tables, for an edition to change its own.
    pub fn rows_mut(&mut self) -> &mut R {
        self.has_written = true;
        &mut self.rows
    }

    /// Takes the clock back; see [`Clock::set_back`].
    pub(super) fn set_clock_back(&mut self, limit: UnixTime) {
        // The clock alone may have run ahead: what carried its timestamps is gone.
        self.has_written = true;
        self.clock.set_back(limit);
    }

    fn take_number(&mut self) -> Seq {
        let seq = self.basis.state.seq.next();
        assert!(seq > self.basis.state.seq, "sequence numbers are used up");
        self.basis.state.seq = seq;
        seq
    }

    fn list(&mut self, seq: Seq, change: &Change, key: &[u8]) -> Result<(), StoreError> {
        self.has_written = true;
        let row = values::encode_change(change, key);
        self.rows.put(CHANGES, &seq.0.to_be_bytes(), &row)
    }

    /// Takes a record's row out of the index of changes, and says since when the record has been
    /// unconfirmed.
    fn unlist(&mut self, held: &HeadRow) -> Result<Option<UnixTime>, StoreError> {
        if values::is_live(&held.head) {
            self.basis.state.entries = self.basis.state.entries.saturating_sub(1);
        }
        let number = held.seq.0.to_be_bytes();
        let mut since = None;
        if held.seq > self.basis.confirmed {
            let row = self.rows.get(CHANGES, &number)?;
            let change = row.map(values::decode_change).transpose()?;
            since = change.map(|(change, _)| change.since);
        }
        self.has_written = true;
        self.rows.delete(CHANGES, &number)?;
        Ok(since)
    }
}
