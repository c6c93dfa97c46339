//! Which POPs there are: shown, registered, removed.

mod view;

use std::sync::Arc;

use clavitor_hq_core::control::Input;
use clavitor_hq_core::dns::is_cluster_label;
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::runtime::Runtime;
use clavitor_node::{settings, wall};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Api, HqRequest, empty, problem};
use crate::history::What;
use crate::lock;
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

/// Everything, as it is shown.
#[derive(Serialize)]
struct Overview<'a> {
    now: u64,
    zone: &'a str,
    lease_ms: u64,
    clusters: Vec<view::Cluster>,
}

pub(super) fn list<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    request.query(&[])?;
    let views = lock(&api.exchange.control).views(wall::instant());
    let view = view::View { exchange: &api.exchange, settings: &api.settings };
    let clusters = views.into_iter().map(|cluster| view.cluster(cluster)).collect();
    let (zone, lease_ms) = (&api.settings.zone, api.settings.lease_ms);
    Ok(json(StatusCode::OK, &Overview { now: wall::unix_time().0, zone, lease_ms, clusters }))
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
    let (owner, named) = (api.clone(), name.clone());
    let registered = api.see_through(async move {
        let write = owner.registry.register(named.clone(), wanted.replace);
        let tell = |_: &_| {
            let Name { cluster, pop } = named;
            owner.exchange.mailbox.push(Input::Registered { cluster: cluster.clone(), pop });
            owner.exchange.happened(cluster, What::Registered(pop));
        };
        owner.roster.change(write, tell).await
    });
    let registered = registered.await.ok_or(Code::OutcomeUnknown)?;
    let token = registered.map_err(problem::of_keeping)?;
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
    let owner = api.clone();
    let removed = api.see_through(async move {
        let write = owner.registry.remove(name.clone());
        let tell = |was_there: &bool| {
            if *was_there {
                owner.exchange.forget(&name);
                let Name { cluster, pop } = name;
                owner.exchange.mailbox.push(Input::Removed { cluster: cluster.clone(), pop });
                owner.exchange.happened(cluster, What::Removed(pop));
            }
        };
        owner.roster.change(write, tell).await
    });
    match removed.await.ok_or(Code::OutcomeUnknown)?.map_err(problem::of_keeping)? {
        true => Ok(empty(StatusCode::NO_CONTENT)),
        false => Err(Code::NotFound.into()),
    }
}

/// A POP as a request names it.
fn name(cluster: &str, pop: &str) -> Result<Name, Problem> {
    let cluster = settings::name(cluster).map_err(|_| Code::BadName)?;
    if !is_cluster_label(&cluster) {
        return Err(Code::BadName.into());
    }
    Ok(Name { cluster, pop: pop.parse().map_err(|_| Code::BadName)? })
}
