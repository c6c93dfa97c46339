//! The conflict journal: acknowledged versions that lost, kept within bounds, listed, restored.

use std::sync::Arc;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec;
use clavitor_core::credential::Scope;
use clavitor_core::hlc::Hlc;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{
    HEAD_BYTES_MAX, Item, Key, Record, loser_id, parse_loser_id, successor,
};
use clavitor_core::time::UnixTime;
use clavitor_node::api::{Api, ApiRequest, write_error};
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::plumbing::Plumbing;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{
    IMPORTED, Stop, Store, StoreError, Transaction, decode_key, encode_key,
};
use clavitor_node::wall;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Commercial;
use crate::tables::Tables;

/// How long an item is kept, in milliseconds: 90 days.
const KEPT_MS: u64 = 90 * 86_400_000;

/// The share of the quota that the journal may take: one part in this many.
const SHARE: u64 = 10;

/// The most items that one transaction gives up.
const TRIM_MAX: u32 = 128;

/// The fact that counts the journal's bytes.
const BYTES: &str = "journal_bytes";

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Lists an item by when it came to be known here, and gives up the oldest beyond the bounds;
/// answers how many.
pub(crate) fn list(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    item: &Record,
) -> Result<u32, StoreError> {
    let key = encode_key(&item.head.key());
    let known = listed(tables, txn, &key)?;
    // Of two items with one timestamp the later one may have taken the other's place.
    let at = known.map_or(txn.now(), |known| known.at);
    let listed = Listed { at, bytes: item.encode().len() as u64 };
    if known != Some(listed) {
        tables.journal.put(txn.raw(), &age_row(at, &key), &[])?;
        tables.journal.put(txn.raw(), &item_row(&key), &codec::encode(&listed))?;
        count(txn, known.map_or(0, |known| known.bytes), listed.bytes)?;
    }
    trim(tables, txn)
}

/// Takes out an item that was replaced by a write that had seen it.
pub(crate) fn settle(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    vault: &VaultName,
    entry: &EntryName,
    hlc: Hlc,
) -> Result<(), StoreError> {
    forget(tables, txn, &Key::Loser(vault.clone(), entry.clone(), hlc))
}

/// Lists what an import brought, which knows nothing of this table.
pub(crate) fn list_unlisted(store: &Store, tables: &Tables) -> Result<(), StoreError> {
    let is_imported = store.read(|reader| reader.fact::<bool>(IMPORTED))?.unwrap_or(false);
    if !is_imported {
        return Ok(());
    }
    let tables = *tables;
    let listed = store.write_blocking::<(), (), _>(move |txn| {
        for key in txn.reader().loser_keys()? {
            if let Some(stored) = txn.record(&key)? {
                list(&tables, txn, &stored.record)?;
            }
        }
        Ok(())
    });
    listed.map_err(|_| StoreError::Broken("the journal could not be listed".into()))
}

/// What a person is told when the journal gave something up.
pub(crate) fn trimmed_alert(items: u32) -> Alert {
    let message = "the conflict journal reached its bound and gave up its oldest items";
    Alert::new(AlertType::JournalTrimmed, message).with("items", items)
}

/// When an item came to be known here, and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    at: UnixTime,
    bytes: u64,
}

fn trim(tables: &Tables, txn: &mut Transaction<'_>) -> Result<u32, StoreError> {
    let mut given_up = 0;
    while given_up < TRIM_MAX {
        let bytes: u64 = txn.fact(BYTES)?.unwrap_or_default();
        let oldest = tables.journal.prefix_iter(txn.raw_reader(), &[AGE])?.next().transpose()?;
        let Some((at, key)) = oldest.and_then(|(row, _)| parse_age_row(row)) else { break };
        let is_old = at.plus_ms(KEPT_MS) < txn.now();
        if !is_old && bytes <= txn.quota() / SHARE {
            break;
        }
        forget(tables, txn, &key)?;
        given_up += 1;
    }
    Ok(given_up)
}

fn forget(tables: &Tables, txn: &mut Transaction<'_>, key: &Key) -> Result<(), StoreError> {
    let bytes = encode_key(key);
    if let Some(listed) = listed(tables, txn, &bytes)? {
        tables.journal.delete(txn.raw(), &age_row(listed.at, &bytes))?;
        tables.journal.delete(txn.raw(), &item_row(&bytes))?;
        count(txn, listed.bytes, 0)?;
    }
    txn.remove(key)
}

fn listed(
    tables: &Tables,
    txn: &Transaction<'_>,
    key: &[u8],
) -> Result<Option<Listed>, StoreError> {
    let row = tables.journal.get(txn.raw_reader(), &item_row(key))?;
    Ok(row.and_then(|row| codec::decode(row).ok()))
}

fn count(txn: &mut Transaction<'_>, gone: u64, come: u64) -> Result<(), StoreError> {
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

impl<R: Runtime> Commercial<R> {
    /// A page of a vault's journal.
    pub(crate) fn conflicts(
        self: &Arc<Self>,
        api: &Arc<Api<Self>>,
        request: &ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        let access = api.authenticate(request)?;
        let vault = vault_of(request)?;
        if !access.allows(Scope::Read, Some(&vault)) {
            return Err(Code::Forbidden.into());
        }
        let query = request.query(&["after", "limit"])?;
        let limit = query.number("limit", PAGE_DEFAULT, PAGE_MAX)?;
        let after = query.value("after").map(|id| parse_loser_id(id).ok_or(Code::BadQuery));
        let after = after.transpose()?;
        let page = self.store.read(|reader| reader.loser_page(&vault, after, limit));
        let page = page.map_err(|error| api.read_error(&error))?;
        let rows = page.rows.iter().map(|row| {
            json!({
                "id": loser_id(&row.entry, row.hlc),
                "entry": row.entry,
                "etag": format!("\"{}\"", row.hlc),
                "modified": wall::rfc3339(row.hlc.time()),
                "size": row.bytes,
                "deleted": row.deleted,
            })
        });
        let last = page.rows.last().filter(|_| page.has_more);
        let next = last.map(|row| loser_id(&row.entry, row.hlc));
        let rows: Vec<_> = rows.collect();
        let mut response = json(StatusCode::OK, &json!({"conflicts": rows, "next": next}));
        self.mark_read(response.headers_mut());
        Ok(response)
    }

    /// Makes a lost version the newest one. The new version has seen it, so it leaves the journal.
    pub(crate) async fn restore(
        self: &Arc<Self>,
        api: &Arc<Api<Self>>,
        request: ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        let access = api.authenticate(&request)?;
        let vault = vault_of(&request)?;
        if !access.allows(Scope::Write, Some(&vault)) {
            return Err(Code::Forbidden.into());
        }
        request.query(&[])?;
        let id = request.segments().get(4).copied().flatten().and_then(parse_loser_id);
        let (entry, lost) = id.ok_or(Code::NotFound)?;
        let (tables, edition, name) = (self.tables, self.clone(), entry.clone());
        let restored = self.store.write(HEAD_BYTES_MAX, move |txn| {
            edition.admit(txn)?.map_err(Stop::Refused)?;
            restore_in(&tables, txn, &vault, &name, lost)
        });
        let hlc = restored.await.map_err(|error| write_error(api, error))?;
        Ok(json(StatusCode::OK, &json!({"entry": entry, "etag": format!("\"{hlc}\"")})))
    }
}

fn vault_of<T: hyper::rt::Timer>(
    request: &clavitor_node::http::Request<T>,
) -> Result<VaultName, Problem> {
    let name = request.segments().get(2).copied().flatten().map(str::to_owned);
    name.and_then(|name| VaultName::try_from(name).ok()).ok_or_else(|| Code::BadName.into())
}

fn restore_in(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    vault: &VaultName,
    entry: &EntryName,
    lost: Hlc,
) -> Result<Hlc, Stop<Problem>> {
    let refuse = |code: Code| Stop::Refused(Problem::from(code));
    let item = txn.record(&Key::Loser(vault.clone(), entry.clone(), lost))?;
    let item = item.ok_or_else(|| refuse(Code::NotFound))?.record;
    let Item::Loser { deleted, .. } = item.head.item else { return Err(refuse(Code::NotFound)) };
    txn.check_room(item.blob.len() + HEAD_BYTES_MAX)?;
    let held = txn.head(&Key::Entry(vault.clone(), entry.clone()))?;
    let others: Vec<Hlc> =
        txn.losers(vault, entry)?.into_iter().filter(|other| *other != lost).collect();
    // A lost version may be from the future of this clock; its successor must be later all the same.
    txn.observe(lost);
    let hlc = txn.next_hlc();
    let item_now = Item::Entry { vault: vault.clone(), entry: entry.clone(), deleted };
    let mut head = successor(held.as_ref(), &others, hlc, item_now);
    head.context = head.context.superseding(lost, &others);
    txn.put(&Record { head, blob: item.blob }, None)?;
    settle(tables, txn, vault, entry, lost)?;
    Ok(hlc)
}

#[cfg(test)]
mod tests;
