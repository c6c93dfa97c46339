//! Which request is answered where.

use std::sync::Arc;

use clavitor_node::http::{Code, Problem, Response};
use clavitor_node::runtime::Runtime;
use http::Method;

use super::{
    Api, HqRequest, alerts, clusters, events, health, lease, login, metrics, pages, pops, problem,
    telemetry,
};
use crate::dashboard::{self, File};

/// The routes; a name in a path is looked at by whoever answers.
enum Route {
    Live,
    Ready,
    Metrics,
    Login,
    Logout,
    Lease,
    Watch,
    Pops,
    Pop(Option<String>, Option<String>),
    SwitchOver(Option<String>),
    Events,
    Changes,
    Alerts,
    Resolve(Option<String>),
    Telemetry,
    Index,
    Part(String),
}

const READ: &str = "GET, HEAD";

impl Route {
    fn of(segments: &[Option<&str>]) -> Option<Self> {
        let text = |segment: &Option<&str>| segment.map(str::to_owned);
        Some(match segments {
            [Some("livez")] => Route::Live,
            [Some("readyz")] => Route::Ready,
            [Some("metrics")] => Route::Metrics,
            [Some("login")] => Route::Login,
            [Some("logout")] => Route::Logout,
            [Some("v1"), Some("pops")] => Route::Pops,
            [Some("v1"), Some("pops"), Some("lease")] => Route::Lease,
            [Some("v1"), Some("pops"), Some("watch")] => Route::Watch,
            [Some("v1"), Some("pops"), cluster, pop] => Route::Pop(text(cluster), text(pop)),
            [Some("v1"), Some("clusters"), cluster, Some("switchover")] => {
                Route::SwitchOver(text(cluster))
            }
            [Some("v1"), Some("events")] => Route::Events,
            [Some("v1"), Some("live")] => Route::Changes,
            [Some("v1"), Some("alerts")] => Route::Alerts,
            [Some("v1"), Some("alerts"), id, Some("resolve")] => Route::Resolve(text(id)),
            [Some("v1"), Some("telemetry")] => Route::Telemetry,
            [Some("")] => Route::Index,
            [Some(name)] if dashboard::file(name).is_some_and(File::is_part) => {
                Route::Part((*name).to_owned())
            }
            _ => return None,
        })
    }

    fn allowed(&self) -> &'static str {
        match self {
            Route::Live | Route::Ready | Route::Metrics | Route::Events => READ,
            Route::Index | Route::Part(_) => READ,
            Route::Watch | Route::Changes => "GET",
            Route::Pops | Route::Alerts | Route::Telemetry | Route::Login => "GET, HEAD, POST",
            Route::Lease | Route::SwitchOver(_) | Route::Resolve(_) | Route::Logout => "POST",
            Route::Pop(..) => "DELETE",
        }
    }
}

pub(super) async fn answer<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    let route = Route::of(&request.segments()).ok_or(Code::NoRoute)?;
    let allowed = route.allowed();
    if !allowed.split(", ").any(|method| method == request.method.as_str()) {
        return Err(problem::method(allowed));
    }
    let is_post = request.method == Method::POST;
    match route {
        Route::Live => health::live::<R>(&request),
        Route::Ready => health::ready(api, &request),
        Route::Metrics => metrics::answer(api, &request),
        Route::Login if is_post => login::log_in(api, request).await,
        Route::Login => pages::login::<R>(&request),
        Route::Logout => login::log_out(api, &request),
        Route::Lease => lease::renew(api, request).await,
        Route::Watch => lease::watch(api, request).await,
        Route::Pops if is_post => pops::add(api, request).await,
        Route::Pops => pops::list(api, &request),
        Route::Pop(cluster, pop) => pops::remove(api, &request, cluster, pop).await,
        Route::SwitchOver(cluster) => clusters::switch_over(api, request, cluster).await,
        Route::Events => events::list(api, &request),
        Route::Changes => events::live(api, &request),
        Route::Alerts if is_post => alerts::take(api, request).await,
        Route::Alerts => alerts::list(api, &request),
        Route::Resolve(id) => alerts::resolve(api, &request, id).await,
        Route::Telemetry if is_post => telemetry::take(api, request).await,
        Route::Telemetry => telemetry::show(api, &request),
        Route::Index => pages::index(api, &request),
        Route::Part(name) => pages::file::<R>(&request, &name),
    }
}
