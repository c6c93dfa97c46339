//! The conflict journal: acknowledged versions that lost, kept within bounds, restored.

use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec;
use clavitor_core::hlc::Hlc;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{HEAD_BYTES_MAX, Item, Key, Record, successor};
use clavitor_core::store::{
    IMPORTED, Reader, Rows, RowsMut, Stop, StoreError, Transaction, decode_key, encode_key,
};
use clavitor_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::tables::JOURNAL;

/// How long an item is kept, in milliseconds: 90 days.
const KEPT_MS: u64 = 90 * 86_400_000;

/// The share of the quota that the journal may take: one part in this many.
pub const SHARE: u64 = 10;

/// The most items that one transaction gives up.
const TRIM_MAX: u32 = 128;

/// The fact that counts the journal's bytes.
const BYTES: &str = "journal_bytes";

/// There is no such item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;

/// Lists an item by when it came to be known here, and gives up the oldest beyond the bounds;
/// answers how many.
pub fn list<R: RowsMut>(txn: &mut Transaction<'_, R>, item: &Record) -> Result<u32, StoreError> {
    let key = encode_key(&item.head.key());
    let known = listed(txn, &key)?;
    // Of two items with one timestamp the later one may have taken the other's place.
    let at = known.map_or(txn.now(), |known| known.at);
    let listed = Listed { at, bytes: item.encode().len() as u64 };
    if known != Some(listed) {
        txn.rows_mut().put(JOURNAL, &age_row(at, &key), &[])?;
        txn.rows_mut().put(JOURNAL, &item_row(&key), &codec::encode(&listed))?;
        count(txn, known.map_or(0, |known| known.bytes), listed.bytes)?;
    }
    trim(txn)
}

/// Takes out an item that was replaced by a write that had seen it.
pub fn settle<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    vault: &VaultName,
    entry: &EntryName,
    hlc: Hlc,
) -> Result<(), StoreError> {
    forget(txn, &Key::Loser(vault.clone(), entry.clone(), hlc))
}

/// Lists what an import brought, which knows nothing of this table.
pub fn list_unlisted<R: RowsMut>(txn: &mut Transaction<'_, R>) -> Result<(), StoreError> {
    if !txn.fact::<bool>(IMPORTED)?.unwrap_or(false) {
        return Ok(());
    }
    for key in txn.reader().loser_keys()? {
        if let Some(stored) = txn.record(&key)? {
            list(txn, &stored.record)?;
        }
    }
    Ok(())
}

/// Makes a lost version the newest one. The new version has seen it, so it leaves the journal.
pub fn restore<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    vault: &VaultName,
    entry: &EntryName,
    lost: Hlc,
) -> Result<Hlc, Stop<NotFound>> {
    let not_found = || Stop::Refused(NotFound);
    let item = txn.record(&Key::Loser(vault.clone(), entry.clone(), lost))?;
    let item = item.ok_or_else(not_found)?.record;
    let Item::Loser { deleted, .. } = item.head.item else { return Err(not_found()) };
    txn.check_room(item.blob.len() + HEAD_BYTES_MAX)?;
    let held = txn.head(&Key::Entry(vault.clone(), entry.clone()))?;
    let others: Vec<Hlc> =
        txn.losers(vault, entry)?.into_iter().filter(|other| *other != lost).collect();
    // A lost version may be from the future of this clock; its successor must be later all the
    // same.
    txn.observe(lost);
    let hlc = txn.next_hlc();
    let item_now = Item::Entry { vault: vault.clone(), entry: entry.clone(), deleted };
    let mut head = successor(held.as_ref(), &others, hlc, item_now);
    head.context = head.context.superseding(lost, &others);
    txn.put(&Record { head, blob: item.blob }, None)?;
    settle(txn, vault, entry, lost)?;
    Ok(hlc)
}

/// What a person is told when the journal gave something up.
pub fn trimmed_alert(items: u32) -> Alert {
    let message = "the conflict journal reached its bound and gave up its oldest items";
    Alert::new(AlertType::JournalTrimmed, message).with("items", items)
}

/// Checks what must hold between the items and their index: it lists those that are there and no
/// others, each with one age, and their sizes add up to what is counted.
pub fn check<R: Rows>(reader: &Reader<'_, R>) -> Result<(), StoreError> {
    const DAMAGED: StoreError = StoreError::Damaged("the journal's index is not what it lists");
    let (mut rows, mut bytes) = (0, 0);
    for key in reader.loser_keys()? {
        let item = reader.record(&key)?.ok_or(DAMAGED)?.record;
        let key = encode_key(&key);
        let row = reader.rows().get(JOURNAL, &item_row(&key))?.ok_or(DAMAGED)?;
        let listed: Listed = codec::decode(row).map_err(|_| DAMAGED)?;
        let has_age = reader.rows().get(JOURNAL, &age_row(listed.at, &key))?.is_some();
        if !has_age || listed.bytes != item.encode().len() as u64 {
            return Err(DAMAGED);
        }
        rows += 2;
        bytes += listed.bytes;
    }
    let counted: u64 = reader.fact(BYTES)?.unwrap_or_default();
    let is_exact = reader.rows().count(JOURNAL)? == rows && counted == bytes;
    if is_exact { Ok(()) } else { Err(DAMAGED) }
}

/// When an item came to be known here, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    at: UnixTime,
    bytes: u64,
}

fn trim<R: RowsMut>(txn: &mut Transaction<'_, R>) -> Result<u32, StoreError> {
    let mut given_up = 0;
    while given_up < TRIM_MAX {
        let bytes: u64 = txn.fact(BYTES)?.unwrap_or_default();
        let oldest = txn.rows().prefixed(JOURNAL, &[AGE])?.next().transpose()?;
        let Some((at, key)) = oldest.and_then(|(row, _)| parse_age_row(row)) else { break };
        let is_old = at.plus_ms(KEPT_MS) < txn.now();
        if !is_old && bytes <= txn.quota() / SHARE {
            break;
        }
        forget(txn, &key)?;
        given_up += 1;
    }
    Ok(given_up)
}

fn forget<R: RowsMut>(txn: &mut Transaction<'_, R>, key: &Key) -> Result<(), StoreError> {
    let bytes = encode_key(key);
    if let Some(listed) = listed(txn, &bytes)? {
        txn.rows_mut().delete(JOURNAL, &age_row(listed.at, &bytes))?;
        txn.rows_mut().delete(JOURNAL, &item_row(&bytes))?;
        count(txn, listed.bytes, 0)?;
    }
    txn.remove(key)
}

fn listed<R: RowsMut>(txn: &Transaction<'_, R>, key: &[u8]) -> Result<Option<Listed>, StoreError> {
    let row = txn.rows().get(JOURNAL, &item_row(key))?;
    Ok(row.and_then(|row| codec::decode(row).ok()))
}

fn count<R: RowsMut>(txn: &mut Transaction<'_, R>, gone: u64, come: u64) -> Result<(), StoreError> {
    let known: u64 = txn.fact(BYTES)?.unwrap_or_default();
    txn.set_fact(BYTES, &known.saturating_sub(gone).saturating_add(come))
}

const AGE: u8 = b'a';
const ITEM: u8 = b'i';

fn age_row(at: UnixTime, key: &[u8]) -> Vec<u8> {
    [&[AGE], at.0.to_be_bytes().as_slice(), key].concat()
}

fn item_row(key: &[u8]) -> Vec<u8> {
    [&[ITEM], key].concat()
}

fn parse_age_row(row: &[u8]) -> Option<(UnixTime, Key)> {
    let (at, key) = row.strip_prefix(&[AGE])?.split_first_chunk::<8>()?;
    Some((UnixTime(u64::from_be_bytes(*at)), decode_key(key)?))
}
