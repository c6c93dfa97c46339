//! What happened, and that something does.

use std::sync::Arc;

use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::runtime::Runtime;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::{Api, HqRequest};
use crate::history::Filter;

/// The most events of one answer, and how many there are unless somebody asks for fewer or more.
const LIMIT_MAX: usize = 1_000;
const LIMIT_DEFAULT: usize = 100;

pub(super) fn list<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    let query = request.query(&["cluster", "type", "after", "limit"])?;
    let after = query.value("after").map(str::parse::<u64>).transpose();
    let filter = Filter {
        cluster: query.value("cluster").map(str::to_owned),
        kind: query.value("type").map(str::to_owned),
        after: after.map_err(|_| Code::BadQuery)?,
        limit: query.number("limit", LIMIT_DEFAULT, LIMIT_MAX)?,
    };
    let page = api.registry.history(&filter).map_err(|_| Problem::from(Code::Busy))?;
    let events: Vec<_> =
        page.events.iter().map(|(number, happened)| happened.document(*number)).collect();
    let next = page.next.map(|next| next.to_string());
    Ok(json(StatusCode::OK, &json!({"events": events, "next": next})))
}

/// Tells that something changed, as long as somebody listens.
pub(super) fn live<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    request.query(&[])?;
    let mut response = Response::new(api.exchange.live.stream(&api.runtime).ok_or(Code::Busy)?);
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
