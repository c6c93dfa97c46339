//! The store's tables and the values in them.

use std::io::Write;

use clavitor_core::codec;
use clavitor_core::hlc::Floor;
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::record::{self, Head, Key, Record};
use clavitor_core::time::UnixTime;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, RoTxn, RwTxn, WithoutTls};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::checksum;
use super::error::{OpenError, StoreError};

/// The version of the tables' layout.
pub(super) const SCHEMA: u32 = 1;

/// What the POP id of a server that was given none begins with. The rest is random: timestamps of
/// two such servers must differ if their data ever meets.
const LOCAL_POP: &str = "local-";

/// A table of byte strings.
pub type Table = Database<'static, Bytes, Bytes>;

/// The tables of every store.
#[derive(Clone, Copy)]
pub struct Tables {
    /// Key bytes → stored record.
    pub records: Table,
    /// Sequence number, big-endian → [`Change`] and key bytes: each record once, at its newest.
    pub changes: Table,
    /// Name → single facts about the store.
    pub meta: Table,
}

impl Tables {
    /// The bytes in pages that hold data.
    pub(super) fn bytes_used(&self, txn: &RoTxn<'_>) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for table in [self.records, self.changes, self.meta] {
            bytes += table.stat(txn)?.non_free_page_size();
        }
        Ok(bytes as u64)
    }
}

/// Where a record that came from a peer was numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The peer.
    pub pop: PopId,
    /// Its data directory.
    pub store: StoreId,
    /// The end of the range of the frame that brought it: at or above the record's own number.
    pub seq: Seq,
}

/// One row of the index of changes, without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it came from, if from a peer to the letter.
    pub origin: Option<Origin>,
    /// The size of the encoded record.
    pub bytes: u32,
    /// When the record first changed without every peer having confirmed it.
    pub since: UnixTime,
}

/// What a store counts; written in the same transaction as the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The newest sequence number.
    pub seq: Seq,
    /// The highest timestamp issued or seen.
    pub floor: Floor,
    /// How many entries there are, deleted ones aside.
    pub entries: u64,
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its newest sequence number.
    pub seq: Seq,
    /// The record.
    pub record: Record,
}

pub(super) struct Facts {
    pub(super) pop: PopId,
    pub(super) store_id: StoreId,
    pub(super) state: State,
    pub(super) is_new: bool,
}

pub(super) const META_STATE: &str = "state";
pub(super) const META_STORE_ID: &str = "store_id";
/// Set while an import is under way: what it leaves half done is no store.
pub(super) const META_IMPORTING: &str = "importing";
const META_SCHEMA: &str = "schema";
const META_POP: &str = "pop_id";

/// Makes or checks the tables and the identity of the store.
pub(super) fn prepare(
    env: &Env<WithoutTls>,
    pop: Option<PopId>,
    entropy: fn() -> [u8; 16],
) -> Result<(Tables, Facts), OpenError> {
    let tables = Tables {
        records: create(env, "records")?,
        changes: create(env, "changes")?,
        meta: create(env, "meta")?,
    };
    let mut txn = env.write_txn()?;
    let schema: Option<u32> = load(tables.meta, &txn, META_SCHEMA)?;
    if let Some(found) = schema.filter(|found| *found > SCHEMA) {
        return Err(OpenError::NewerSchema { found });
    }
    if load(tables.meta, &txn, META_IMPORTING)?.unwrap_or(false) {
        return Err(OpenError::HalfImported);
    }
    let stored: Option<PopId> = load(tables.meta, &txn, META_POP)?;
    let pop = settle_pop(stored, pop, entropy)?;
    let known: Option<StoreId> = load(tables.meta, &txn, META_STORE_ID)?;
    let store_id = known.unwrap_or_else(|| StoreId(entropy()));
    let state: Option<State> = load(tables.meta, &txn, META_STATE)?;
    let is_new = known.is_none();
    if is_new || stored != Some(pop) {
        save(tables.meta, &mut txn, META_SCHEMA, &SCHEMA)?;
        save(tables.meta, &mut txn, META_POP, &pop)?;
        save(tables.meta, &mut txn, META_STORE_ID, &store_id)?;
        txn.commit()?;
    }
    Ok((tables, Facts { pop, store_id, state: state.unwrap_or_default(), is_new }))
}

/// Makes or opens a named table.
pub(super) fn create(env: &Env<WithoutTls>, name: &str) -> Result<Table, heed::Error> {
    let txn = env.write_txn()?;
    let created = env.create_databases_and_commit(txn, |opener, txn| {
        let table = opener.create_database::<Bytes, Bytes>(txn, Some(name))?;
        Ok::<_, heed::Error>(CommitOrAbort::<_, ()>::Commit(table))
    })?;
    Ok(created.unwrap_commit())
}

/// The POP id to go by: a given one is stored at the first start and cannot change later.
fn settle_pop(
    stored: Option<PopId>,
    given: Option<PopId>,
    entropy: fn() -> [u8; 16],
) -> Result<PopId, OpenError> {
    let chosen = stored.filter(|stored| !stored.as_str().starts_with(LOCAL_POP));
    match (chosen, given) {
        (Some(stored), Some(given)) if stored != given => {
            Err(OpenError::OtherPop { stored, given })
        }
        (_, Some(given)) => Ok(given),
        (_, None) => {
            let [a, b, c, d, ..] = entropy();
            let minted = format!("{LOCAL_POP}{a:02x}{b:02x}{c:02x}{d:02x}");
            stored.map_or_else(|| minted.parse().map_err(OpenError::BadPop), Ok)
        }
    }
}

/// Reads a named value.
pub(super) fn load<T: Serialize + DeserializeOwned>(
    table: Table,
    txn: &RoTxn<'_>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let bytes = table.get(txn, name.as_bytes())?;
    let value = bytes.map(codec::decode).transpose();
    value.map_err(|_| StoreError::Damaged("a fact about the store cannot be read"))
}

/// Writes a named value.
pub(super) fn save<T: Serialize>(
    table: Table,
    txn: &mut RwTxn<'_>,
    name: &str,
    value: &T,
) -> Result<(), StoreError> {
    Ok(table.put(txn, name.as_bytes(), &codec::encode(value))?)
}

/// Stores an encoded record: its sequence number big-endian, a checksum, then its encoding.
pub(super) fn put_stored(
    table: Table,
    txn: &mut RwTxn<'_>,
    key: &[u8],
    seq: Seq,
    record: &[u8],
) -> Result<(), StoreError> {
    let (seq, sum) = (seq.0.to_be_bytes(), checksum::of(record).to_be_bytes());
    let bytes = seq.len() + sum.len() + record.len();
    let written = table.put_reserved(txn, key, bytes, |place| {
        place.write_all(&seq)?;
        place.write_all(&sum)?;
        place.write_all(record)
    });
    Ok(written?)
}

/// The sequence number and the encoded record of a stored record, if its checksum holds: damage
/// must not spread to a client, a peer or an export.
pub(super) fn split_stored(bytes: &[u8]) -> Result<(Seq, &[u8]), StoreError> {
    let (seq, sum, record) = split_unchecked(bytes)?;
    if checksum::of(record).to_be_bytes() != *sum {
        return Err(DAMAGED_RECORD);
    }
    Ok((seq, record))
}

fn split_unchecked(bytes: &[u8]) -> Result<(Seq, &[u8; 8], &[u8]), StoreError> {
    let (seq, rest) = bytes.split_first_chunk::<8>().ok_or(DAMAGED_RECORD)?;
    let (sum, record) = rest.split_first_chunk::<8>().ok_or(DAMAGED_RECORD)?;
    Ok((Seq(u64::from_be_bytes(*seq)), sum, record))
}

pub(super) fn decode_stored(bytes: &[u8]) -> Result<Stored, StoreError> {
    let (seq, record) = split_stored(bytes)?;
    Ok(Stored { seq, record: Record::decode(record).map_err(|_| DAMAGED_RECORD)? })
}

pub(super) fn decode_stored_head(bytes: &[u8]) -> Result<(Seq, Head, usize), StoreError> {
    let (seq, _, record) = split_unchecked(bytes)?;
    let (head, blob_bytes) = record::decode_head(record).map_err(|_| DAMAGED_RECORD)?;
    Ok((seq, head, blob_bytes))
}

/// A row of the index of changes: a length byte pair, the change, the key.
pub(super) fn encode_change(change: &Change, key: &[u8]) -> Vec<u8> {
    let change = codec::encode(change);
    let len = u16::try_from(change.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes(), change.as_slice(), key].concat()
}

pub(super) fn decode_change(bytes: &[u8]) -> Result<(Change, &[u8]), StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged("the index of changes cannot be read");
    let (len, rest) = bytes.split_first_chunk::<2>().ok_or(DAMAGED)?;
    let split = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)));
    let (change, key) = split.ok_or(DAMAGED)?;
    Ok((codec::decode(change).map_err(|_| DAMAGED)?, key))
}

/// Whether a record is an entry that is there.
pub(super) fn is_live(head: &Head) -> bool {
    matches!(head.item, record::Item::Entry { deleted: false, .. })
}

pub(super) fn key_bytes(key: &Key) -> Vec<u8> {
    super::keys::encode_key(key)
}

pub(super) const DAMAGED_RECORD: StoreError = StoreError::Damaged("a record cannot be read");
