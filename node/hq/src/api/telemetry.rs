//! Reports: the latest of each server is kept as it came.

use std::sync::Arc;

use clavitor_core::time::UnixTime;
use clavitor_node::http::{Code, Problem, Response, ResponseBody, json};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use super::{Api, HqRequest, alerts, empty, problem};
use crate::bodies::{self, Reported};
use crate::registry::Name;
use crate::reports::REPORT_BYTES_MAX;

pub(super) async fn take<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    let reporter = alerts::reporter(api, &request)?;
    request.query(&[])?;
    let body = request.body(REPORT_BYTES_MAX).await?;
    let said = bodies::report(&body).ok_or(problem::BAD_REPORT)?;
    let name = owner(reporter, &said);
    let (report, _share) = body.into_parts();
    let owner = api.clone();
    let kept = api.see_through(async move { owner.registry.keep_report(name, report).await });
    kept.await.ok_or(Code::OutcomeUnknown)?.map_err(problem::of_keeping)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Whose report it is. Whoever has no token of a POP belongs to no cluster of HQ's, whatever it says: else
/// it could speak for any POP.
fn owner(reporter: Option<Name>, said: &Reported) -> Name {
    reporter.unwrap_or(Name { cluster: String::new(), pop: said.pop })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_token_of_a_pop_nobody_speaks_for_one() {
        let said = r#"{"pop":"calgary-01","cluster":"main"}"#;
        let said: Reported = serde_json::from_str(said).unwrap();
        let name = |cluster: &str, pop: &str| Name {
            cluster: cluster.to_owned(),
            pop: pop.parse().unwrap(),
        };
        assert_eq!(owner(None, &said), name("", "calgary-01"));
        assert_eq!(owner(Some(name("blue", "zurich-01")), &said), name("blue", "zurich-01"));
    }
}
