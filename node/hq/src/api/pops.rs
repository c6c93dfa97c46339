//! Which POPs there are: shown, registered, removed.

use std::sync::Arc;

use clavitor_hq_core::dns::is_cluster_label;
use clavitor_node::http::{Code, Problem, Response, ResponseBody, json};
use clavitor_node::runtime::Runtime;
use clavitor_node::{settings, wall};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{Api, HqRequest, problem};
use crate::registry::Name;

const BODY_BYTES_MAX: usize = 4 * 1024;

/// What an operator asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    pop: String,
    cluster: String,
    #[serde(default)]
    replace: bool,
}

pub(super) fn list<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    request.query(&[])?;
    let pops = api.registry.pops().map_err(|_| Problem::from(Code::Busy))?;
    let mut clusters: Vec<serde_json::Value> = Vec::new();
    for group in pops.chunk_by(|one, next| one.0.cluster == next.0.cluster) {
        let rows: Vec<_> = group.iter().map(|(name, _)| json!({"pop": name.pop})).collect();
        let name = group.first().map(|(name, _)| name.cluster.as_str());
        clusters.push(json!({"name": name, "pops": rows}));
    }
    let (zone, lease_ms) = (&api.settings.zone, api.settings.lease_ms);
    let now = wall::unix_time().0;
    let document = json!({"now": now, "zone": zone, "lease_ms": lease_ms, "clusters": clusters});
    Ok(json(StatusCode::OK, &document))
}

pub(super) async fn add<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(&request)?;
    request.query(&[])?;
    let body = request.body(BODY_BYTES_MAX).await?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|_| Code::BadJson)?;
    let name = name(&wanted.cluster, &wanted.pop)?;
    let (registry, named) = (api.registry.clone(), name.clone());
    let registered =
        api.see_through(async move { registry.register(named, wanted.replace).await }).await;
    let token = registered.ok_or(Code::OutcomeUnknown)?.map_err(problem::of_registration)?;
    let document = json!({"pop": name.pop, "cluster": name.cluster, "token": token.reveal()});
    Ok(json(StatusCode::CREATED, &document))
}

pub(super) async fn remove<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
    cluster: Option<String>,
    pop: Option<String>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    request.query(&[])?;
    let name = name(&cluster.ok_or(Code::BadName)?, &pop.ok_or(Code::BadName)?)?;
    let registry = api.registry.clone();
    let removed = api.see_through(async move { registry.remove(name).await }).await;
    match removed.ok_or(Code::OutcomeUnknown)?.map_err(problem::of_registration)? {
        true => {
            let mut response = Response::new(ResponseBody::from(""));
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        false => Err(Code::NotFound.into()),
    }
}

/// A POP as a request names it.
pub(super) fn name(cluster: &str, pop: &str) -> Result<Name, Problem> {
    let cluster = settings::name(cluster).map_err(|_| Code::BadName)?;
    if !is_cluster_label(&cluster) {
        return Err(Code::BadName.into());
    }
    Ok(Name { cluster, pop: pop.parse().map_err(|_| Code::BadName)? })
}
