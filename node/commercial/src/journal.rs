//! The routes of the conflict journal: its pages, and restoring an item.

use std::sync::Arc;

use clavitor_commercial::journal;
use clavitor_core::credential::Scope;
use clavitor_core::name::VaultName;
use clavitor_core::record::{HEAD_BYTES_MAX, loser_id, parse_loser_id};
use clavitor_node::api::{Ack, Api, ApiRequest};
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::plumbing::Plumbing;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::Stop;
use clavitor_node::wall;
use http::StatusCode;
use serde_json::json;

use crate::Commercial;

const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

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
        let ack = Ack::local(api);
        let (edition, name) = (self.clone(), entry.clone());
        let restored = self.store.write(HEAD_BYTES_MAX, move |txn| {
            edition.admit(txn)?.map_err(Stop::Refused)?;
            access.recheck(txn)?;
            let restored = journal::restore(txn, &vault, &name, lost);
            restored.map_err(|stop| stop.map(|journal::NotFound| Code::NotFound.into()))
        });
        let hlc = ack.written(api, restored).await?;
        ack.wait(api).await?;
        Ok(json(StatusCode::OK, &json!({"entry": entry, "etag": format!("\"{hlc}\"")})))
    }
}

fn vault_of<T: hyper::rt::Timer>(
    request: &clavitor_node::http::Request<T>,
) -> Result<VaultName, Problem> {
    let name = request.segments().get(2).copied().flatten().map(str::to_owned);
    name.and_then(|name| VaultName::try_from(name).ok()).ok_or_else(|| Code::BadName.into())
}

#[cfg(test)]
mod tests;
