//! Reports: the latest of each server is kept as it came.

use std::sync::Arc;

use clavitor_core::id::PopId;
use clavitor_core::time::UnixTime;
use clavitor_node::http::{Code, Problem, Response, ResponseBody, json};
use clavitor_node::runtime::Runtime;
use clavitor_node::{settings, wall};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{Api, HqRequest, alerts, empty, problem};
use crate::registry::Name;
use crate::reports::REPORT_BYTES_MAX;

/// What a report says about whose it is.
#[derive(Deserialize)]
struct Said {
    pop: PopId,
    cluster: Option<String>,
}

pub(super) async fn take<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    let reporter = alerts::reporter(api, &request)?;
    request.query(&[])?;
    let body = request.body(REPORT_BYTES_MAX).await?;
    let said: Said = serde_json::from_slice(&body).map_err(|_| problem::BAD_REPORT)?;
    let name = match reporter {
        Some(name) => name,
        // A server that HQ has no token for belongs to no cluster of HQ's.
        None => Name { cluster: said.cluster.unwrap_or_default(), pop: said.pop },
    };
    if !name.cluster.is_empty() && settings::name(&name.cluster).is_err() {
        return Err(problem::BAD_REPORT.into());
    }
    let (report, _share) = body.into_parts();
    let owner = api.clone();
    let kept = api.see_through(async move { owner.registry.keep_report(name, report).await });
    kept.await.ok_or(Code::OutcomeUnknown)?.map_err(problem::of_keeping)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Whose reports there are; or, if one is named, its latest.
pub(super) fn show<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    let query = request.query(&["cluster", "pop"])?;
    let Some(pop) = query.value("pop") else {
        let reports = api.registry.reports().map_err(|_| Problem::from(Code::Busy))?;
        let now = wall::unix_time();
        let row = |(name, at): &(Name, UnixTime)| {
            let age_ms = now.0.saturating_sub(at.0);
            json!({"cluster": name.cluster, "pop": name.pop, "age_ms": age_ms})
        };
        let rows: Vec<_> = reports.iter().map(row).collect();
        return Ok(json(StatusCode::OK, &json!({"reports": rows})));
    };
    let cluster = query.value("cluster").unwrap_or_default().to_owned();
    let name = Name { cluster, pop: pop.parse().map_err(|_| Code::BadQuery)? };
    let report = api.registry.report(&name).map_err(|_| Problem::from(Code::Busy))?;
    let mut response = Response::new(ResponseBody::from(report.ok_or(Code::NotFound)?));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
