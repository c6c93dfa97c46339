//! The values in the store's tables.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::checksum;
use super::error::StoreError;
use super::rows::{RECORDS, RowsMut};
use crate::codec;
use crate::hlc::Floor;
use crate::id::{PopId, Seq, StoreId};
use crate::record::{self, Head, Record};
use crate::time::UnixTime;

/// What is said of a record whose bytes are not what was stored.
pub const DAMAGED_RECORD: StoreError = StoreError::Damaged("a record cannot be read");

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

/// Stores an encoded record: its sequence number big-endian, a checksum, then its encoding.
pub(super) fn put_stored<R: RowsMut>(
    rows: &mut R,
    key: &[u8],
    seq: Seq,
    record: &[u8],
) -> Result<(), StoreError> {
    let (seq, sum) = (seq.0.to_be_bytes(), checksum::of(record).to_be_bytes());
    rows.put_parts(RECORDS, key, &[&seq, &sum, record])
}

/// The sequence number and the encoded record of a stored record, if its checksum holds: damage
/// must not spread to a client, a peer or an export.
pub fn split_stored(bytes: &[u8]) -> Result<(Seq, &[u8]), StoreError> {
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

/// A stored record, if its checksum holds.
pub fn decode_stored(bytes: &[u8]) -> Result<Stored, StoreError> {
    let (seq, record) = split_stored(bytes)?;
    Ok(Stored { seq, record: Record::decode(record).map_err(|_| DAMAGED_RECORD)? })
}

/// The number, the head and the size of the blob of a stored record. Its checksum is not asked for:
/// what a page of names or a write needs is not worth reading every blob.
pub fn decode_stored_head(bytes: &[u8]) -> Result<(Seq, Head, usize), StoreError> {
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

/// Reads a row of the index of changes, as change and key bytes.
pub fn decode_change(bytes: &[u8]) -> Result<(Change, &[u8]), StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged("the index of changes cannot be read");
    let (len, rest) = bytes.split_first_chunk::<2>().ok_or(DAMAGED)?;
    let split = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)));
    let (change, key) = split.ok_or(DAMAGED)?;
    Ok((codec::decode(change).map_err(|_| DAMAGED)?, key))
}

/// Whether a record is an entry that is there.
pub fn is_live(head: &Head) -> bool {
    matches!(head.item, record::Item::Entry { deleted: false, .. })
}
