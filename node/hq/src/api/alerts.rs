//! Alerts: taken from POPs, shown to operators, and said to be over.

use std::sync::Arc;

use clavitor_hq_core::incidents::{Alert, By, Filter, Incident, Key, Outcome, PAGE_MAX, Source};
use clavitor_node::cli::client::display::printable;
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::log;
use clavitor_node::runtime::Runtime;
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use super::access::Who;
use super::{Api, HqRequest, problem};
use crate::bodies;
use crate::registry::Name;

const BODY_BYTES_MAX: usize = 64 * 1024;

/// How many incidents there are in an answer unless somebody asks for fewer or more.
const LIMIT_DEFAULT: usize = 100;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub(super) async fn take<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    let name = reporter(api, &request)?;
    request.query(&[])?;
    let key = request.header(IDEMPOTENCY_KEY).ok().flatten().and_then(Key::parse);
    let key = key.ok_or(problem::BAD_KEY)?;
    let body = request.body(BODY_BYTES_MAX).await?;
    let alert = bodies::alert(&body, name).ok_or(problem::BAD_ALERT)?;
    let line = printable(&format!("{} at {}: {}", alert.kind, from(&alert), alert.message));
    let owner = api.clone();
    let taken = api.see_through(async move {
        let outcome = owner.registry.take_alert(key, alert).await?;
        if let Outcome::New(id) = outcome {
            log::line(&format!("incident {id}: {line}"));
        }
        owner.exchange.live.changed();
        Ok(outcome)
    });
    let outcome = taken.await.ok_or(Code::OutcomeUnknown)?.map_err(problem::of_keeping)?;
    Ok(match outcome {
        Outcome::New(id) => json(StatusCode::ACCEPTED, &json!({"incident": id.to_string()})),
        Outcome::Repeated(id) => json(StatusCode::OK, &json!({"incident": id.to_string()})),
        Outcome::AlreadyShown => json(StatusCode::OK, &json!({"incident": null})),
    })
}

/// Who raised an alert, for the log.
fn from(alert: &Alert) -> String {
    match (&alert.source.cluster, alert.source.pop) {
        (Some(cluster), Some(pop)) => format!("{pop} of {cluster}"),
        _ => alert.source.hostname.clone(),
    }
}

/// Who reports: a POP, or somebody who only has the telemetry token.
pub(super) fn reporter<R: Runtime>(
    api: &Api<R>,
    request: &HqRequest<R>,
) -> Result<Option<Name>, Problem> {
    match api.authenticate(request)? {
        Who::Pop(name) => Ok(Some(name)),
        Who::Telemetry => Ok(None),
        Who::Admin => Err(Code::Forbidden.into()),
    }
}

pub(super) fn list<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    let query = request.query(&["state", "type", "cluster", "after", "limit"])?;
    let is_open = match query.value("state") {
        None => None,
        Some("open") => Some(true),
        Some("resolved") => Some(false),
        Some(_) => return Err(Code::BadQuery.into()),
    };
    let filter = Filter { is_open, kind: query.value("type"), cluster: query.value("cluster") };
    let after = query.value("after").map(str::parse::<u64>).transpose();
    let after = after.map_err(|_| Code::BadQuery)?;
    let limit = query.number("limit", LIMIT_DEFAULT, PAGE_MAX)?;
    let page = api.registry.incidents(&filter, after, limit);
    let page = page.map_err(|_| Problem::from(Code::Busy))?;
    let incidents: Vec<_> = page.incidents.iter().map(|one| document(api, one)).collect();
    let next = page.next.map(|next| next.to_string());
    Ok(json(StatusCode::OK, &json!({"incidents": incidents, "next": next})))
}

pub(super) async fn resolve<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
    id: Option<String>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    request.query(&[])?;
    let id = id.and_then(|id| id.parse::<u64>().ok()).ok_or(Code::NotFound)?;
    let owner = api.clone();
    let resolved = api.see_through(async move {
        let resolved = owner.registry.resolve(id).await;
        owner.exchange.live.changed();
        resolved
    });
    let resolved = resolved.await.ok_or(Code::OutcomeUnknown)?;
    let incident = resolved.map_err(problem::of_keeping)?.ok_or(Code::NotFound)?;
    Ok(json(StatusCode::OK, &document(api, &incident)))
}

fn document<R: Runtime>(api: &Api<R>, incident: &Incident) -> Value {
    let Source { cluster, pop, hostname } = &incident.source;
    let name = cluster.clone().zip(*pop).map(|(cluster, pop)| Name { cluster, pop });
    let seen = name.and_then(|name| api.exchange.presence.seen(&name));
    json!({
        "id": incident.id.to_string(),
        "state": if incident.resolved.is_some() { "resolved" } else { "open" },
        "type": incident.kind,
        "message": incident.message,
        "cluster": cluster,
        "pop": pop,
        "hostname": hostname,
        "pop_region": seen.map(|seen| seen.known.region),
        "details": incident.details,
        "count": incident.count,
        "first_ms": incident.first_at.0,
        "last_ms": incident.last_at.0,
        "raised_ms": incident.raised_at.0,
        "resolved_ms": incident.resolved.map(|resolved| resolved.at.0),
        "resolved_by": incident.resolved.map(|resolved| match resolved.by {
            By::Operator => "operator",
            By::Hq => "hq",
        }),
    })
}
