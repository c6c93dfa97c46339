//! The conflict journal: acknowledged versions that lost, kept within bounds, listed, restored.

use std::sync::Arc;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::credential::Scope;
use clavitor_core::hlc::Hlc;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{
    HEAD_BYTES_MAX, Item, Key, Record, loser_id, parse_loser_id, successor,
};
use clavitor_node::api::{Api, ApiRequest, write_error};
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::plumbing::Plumbing;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{Stop, StoreError, Transaction, decode_key, encode_key};
use clavitor_node::wall;
use http::StatusCode;
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

/// Lists an item by age, and gives up the oldest beyond the bounds; answers how many.
pub(crate) fn list(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    item: &Record,
) -> Result<u32, StoreError> {
    let size = item.encode().len() as u64;
    let row = age_key(item.head.hlc, &item.head.key());
    if tables.journal.get(txn.raw_reader(), &row)?.is_none() {
        tables.journal.put(txn.raw(), &row, &size.to_be_bytes())?;
        add_bytes(txn, i64::try_from(size).unwrap_or(i64::MAX))?;
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
    let key = Key::Loser(vault.clone(), entry.clone(), hlc);
    forget(tables, txn, &age_key(hlc, &key), &key)
}

/// What a person is told when the journal gave something up.
pub(crate) fn trimmed_alert(items: u32) -> Alert {
    let message = "the conflict journal reached its bound and gave up its oldest items";
    Alert::new(AlertType::JournalTrimmed, message).with("items", items)
}

fn trim(tables: &Tables, txn: &mut Transaction<'_>) -> Result<u32, StoreError> {
    let mut given_up = 0;
    while given_up < TRIM_MAX {
        let bytes: u64 = txn.fact(BYTES)?.unwrap_or_default();
        let oldest = tables.journal.first(txn.raw_reader())?;
        let Some((row, key)) = oldest.and_then(|(row, _)| parse_age_key(row)) else { break };
        let is_old = row.0 < txn.now().0.saturating_sub(KEPT_MS);
        if !is_old && bytes <= txn.quota() / SHARE {
            break;
        }
        forget(tables, txn, &row.1, &key)?;
        given_up += 1;
    }
    Ok(given_up)
}

fn forget(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    row: &[u8],
    key: &Key,
) -> Result<(), StoreError> {
    let size = tables.journal.get(txn.raw_reader(), row)?.and_then(|size| size.try_into().ok());
    if let Some(size) = size.map(u64::from_be_bytes) {
        tables.journal.delete(txn.raw(), row)?;
        add_bytes(txn, -i64::try_from(size).unwrap_or(i64::MAX))?;
    }
    txn.remove(key)
}

fn add_bytes(txn: &mut Transaction<'_>, bytes: i64) -> Result<(), StoreError> {
    let known: u64 = txn.fact(BYTES)?.unwrap_or_default();
    txn.set_fact(BYTES, &known.saturating_add_signed(bytes))
}

fn age_key(hlc: Hlc, key: &Key) -> Vec<u8> {
    [hlc.ms.to_be_bytes().as_slice(), &encode_key(key)].concat()
}

/// The time and the whole of a row, and the item it lists.
fn parse_age_key(row: &[u8]) -> Option<((u64, Vec<u8>), Key)> {
    let (ms, key) = row.split_first_chunk::<8>()?;
    Some(((u64::from_be_bytes(*ms), row.to_vec()), decode_key(key)?))
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
    let hlc = txn.next_hlc();
    let item_now = Item::Entry { vault: vault.clone(), entry: entry.clone(), deleted };
    let mut head = successor(held.as_ref(), &others, hlc, item_now);
    head.context = head.context.superseding(lost, &others);
    txn.put(&Record { head, blob: item.blob }, None)?;
    settle(tables, txn, vault, entry, lost)?;
    Ok(hlc)
}
