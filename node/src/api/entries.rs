//! Entries: put, get, delete, list.

use std::sync::Arc;

use clavitor_core::credential::Scope;
use clavitor_core::entry::{Put, Refused};
use clavitor_core::hlc::{Hlc, HlcText};
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{BLOB_BYTES_MAX, HEAD_BYTES_MAX};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::access::Access;
use super::writing::{Ack, Wish, precondition_of};
use super::{Api, ApiRequest, empty};
use crate::http::{Code, Problem, Response, ResponseBody, Share, json};
use crate::plumbing::Plumbing;
use crate::store::Stop;
use crate::wall;

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

type Name<'a> = Option<&'a str>;

/// Writes or deletes an entry.
pub(super) async fn put<P: Plumbing>(
    api: Arc<Api<P>>,
    request: ApiRequest<P>,
    vault: Option<String>,
    entry: Option<String>,
) -> Result<Response, Problem> {
    let (vault, entry) = (vault.as_deref(), entry.as_deref());
    let (access, vault, entry) = admit(&api, &request, vault, entry, Scope::Write)?;
    let wish = Wish::of(&api, &request.query(&["ack"])?)?;
    let precondition = precondition_of(&request)?;
    let deleted = request.method == Method::DELETE;
    let blob_bytes_max = if deleted { 0 } else { BLOB_BYTES_MAX };
    let blob = request.body(blob_bytes_max).await?;
    let (blob, share) = blob.into_parts();
    let put = Put { vault, entry, precondition, deleted, blob };
    let ack = wish.begin(&api);
    write(&api, Write { put, access, _share: share }, ack).await
}

fn admit<P: Plumbing>(
    api: &Api<P>,
    request: &ApiRequest<P>,
    vault: Name<'_>,
    entry: Name<'_>,
    needed: Scope,
) -> Result<(Access, VaultName, EntryName), Problem> {
    let access = api.authenticate(request)?;
    let vault = vault_name(vault)?;
    let entry =
        entry.and_then(|name| EntryName::try_from(name.to_owned()).ok()).ok_or(Code::BadName)?;
    if !access.allows(needed, Some(&vault)) {
        return Err(Code::Forbidden.into());
    }
    Ok((access, vault, entry))
}

pub(super) fn vault_name(name: Name<'_>) -> Result<VaultName, Problem> {
    let name = name.and_then(|name| VaultName::try_from(name.to_owned()).ok());
    name.ok_or_else(|| Code::BadName.into())
}

/// Reads an entry.
pub(super) fn get<P: Plumbing>(
    api: &Api<P>,
    request: &ApiRequest<P>,
    vault: Name<'_>,
    entry: Name<'_>,
) -> Result<Response, Problem> {
    let (_, vault, entry) = admit(api, request, vault, entry, Scope::Read)?;
    request.query(&[])?;
    let stored = api.store.read(|reader| reader.entry(&vault, &entry));
    let (hlc, blob) = stored.map_err(|error| api.read_error(&error))?.ok_or(Code::NotFound)?;
    let mut response = Response::new(ResponseBody::from(blob));
    let content_type = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    set_etag(&mut response, hlc);
    api.plumbing.mark_read(response.headers_mut());
    Ok(response)
}

/// One client's new version of an entry, and what it may not outlive.
struct Write {
    put: Put,
    access: Access,
    // Counts against the budget of bodies until the write is done with it.
    _share: Share,
}

async fn write<P: Plumbing>(
    api: &Arc<Api<P>>,
    mut write: Write,
    ack: Ack,
) -> Result<Response, Problem> {
    let (op, deleted) = (ack.op(), write.put.deleted);
    let plumbing = api.plumbing.clone();
    let bytes = write.put.blob.len() + HEAD_BYTES_MAX;
    let written = api.store.write(bytes, move |txn| {
        plumbing.admit(txn)?.map_err(Stop::Refused)?;
        write.access.recheck(txn)?;
        write.put.apply(txn, op).map_err(|stop| stop.map(refusal))
    });
    let written = ack.written(api, written).await?;
    api.note_room(false);
    let status = match (deleted, written.was_there) {
        (true, _) => StatusCode::NO_CONTENT,
        (false, true) => StatusCode::OK,
        (false, false) => StatusCode::CREATED,
    };
    let mut response = if ack.wait(api).await? {
        empty(status)
    } else {
        let document = json!({"status": "accepted", "etag": format!("\"{}\"", written.hlc)});
        json(StatusCode::ACCEPTED, &document)
    };
    set_etag(&mut response, written.hlc);
    Ok(response)
}

fn refusal(refused: Refused) -> Problem {
    match refused {
        Refused::Precondition => Code::Precondition.into(),
        Refused::NotFound => Code::NotFound.into(),
    }
}

pub(super) fn list<P: Plumbing>(
    api: &Api<P>,
    request: &ApiRequest<P>,
    vault: Name<'_>,
) -> Result<Response, Problem> {
    let access = api.authenticate(request)?;
    let vault = vault_name(vault)?;
    if !access.allows(Scope::Read, Some(&vault)) {
        return Err(Code::Forbidden.into());
    }
    let query = request.query(&["prefix", "after", "limit"])?;
    let limit = query.number("limit", PAGE_DEFAULT, PAGE_MAX)?;
    let prefix = query.value("prefix").unwrap_or_default();
    let page = api.store.read(|reader| {
        let page = reader.entries(&vault, prefix, query.value("after"), limit)?;
        let mut entries = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let replicated_at = api.plumbing.replicated_at(reader, row.seq)?;
            entries.push(json!({
                "name": row.entry,
                "size": row.bytes,
                "etag": format!("\"{}\"", row.hlc),
                "modified": wall::rfc3339(row.hlc.time()),
                "replicated_at": replicated_at.map(wall::rfc3339),
            }));
        }
        let next = page.rows.last().filter(|_| page.has_more).map(|row| row.entry.as_str());
        Ok(json!({"entries": entries, "next": next}))
    });
    let page = page.map_err(|error| api.read_error(&error))?;
    let mut response = json(StatusCode::OK, &page);
    api.plumbing.mark_read(response.headers_mut());
    Ok(response)
}

fn set_etag(response: &mut Response, hlc: Hlc) {
    let text = hlc.text();
    let mut bytes = [b'"'; HlcText::BYTES_MAX + 2];
    let end = 1 + text.as_str().len();
    bytes[1..end].copy_from_slice(text.as_str().as_bytes());
    if let Ok(tag) = HeaderValue::from_bytes(&bytes[..=end]) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}
