//! Which path is what, and which methods it takes.

use std::sync::Arc;

use http::{HeaderValue, Method, header};

use super::{Api, ApiRequest, Face, entries, export, health, metrics, tokens};
use crate::http::{Code, Problem, Response};
use crate::plumbing::Plumbing;

#[derive(Clone, Debug)]
enum Route<R> {
    Live,
    Ready,
    RolePrimary,
    RoleBackup,
    Metrics,
    Node,
    Export,
    Entries(Option<String>),
    Entry(Option<String>, Option<String>),
    Tokens,
    Token(Option<String>),
    Edition(R),
}

static READ: &[Method] = &[Method::GET, Method::HEAD];
static ENTRY: &[Method] = &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE];
static TOKENS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
static TOKEN: &[Method] = &[Method::DELETE];

/// Answers a request, or says why not.
pub(super) async fn answer<P: Plumbing>(
    api: &Arc<Api<P>>,
    face: Face,
    request: ApiRequest<P>,
) -> Result<Response, Problem> {
    let route = find(api, face, &request).ok_or_else(|| api.not_found(Code::NoRoute))?;
    let methods = match &route {
        Route::Entry(..) => ENTRY,
        Route::Tokens => TOKENS,
        Route::Token(_) => TOKEN,
        Route::Edition(route) => P::methods(*route),
        _ => READ,
    };
    if !methods.contains(&request.method) {
        return Err(method_not_allowed(api, methods));
    }
    match route {
        Route::Live => health::live(&request),
        Route::Ready => health::ready(api, &request),
        Route::RolePrimary => health::role(api, &request, true),
        Route::RoleBackup => health::role(api, &request, false),
        Route::Metrics => metrics::answer(api, face, &request),
        Route::Node => health::node(api, &request),
        Route::Export => export::answer(api, &request),
        Route::Entries(vault) => entries::list(api, &request, vault),
        Route::Entry(vault, entry) => entries::answer(api, request, vault, entry).await,
        Route::Tokens => tokens::answer_all(api, request).await,
        Route::Token(id) => tokens::delete(api, request, id).await,
        Route::Edition(route) => api.plumbing.answer(api, route, request).await,
    }
}

fn find<P: Plumbing>(api: &Api<P>, face: Face, request: &ApiRequest<P>) -> Option<Route<P::Route>> {
    let segments = request.segments();
    let own = |name: &Option<&str>| name.map(str::to_owned);
    let route = match segments.as_slice() {
        [Some("livez")] => Route::Live,
        [Some("readyz")] => Route::Ready,
        [Some("role"), Some("primary")] => Route::RolePrimary,
        [Some("role"), Some("backup")] => Route::RoleBackup,
        [Some("metrics")] => Route::Metrics,
        _ if face == Face::Metrics => return None,
        [Some("v1"), Some("node")] => Route::Node,
        [Some("v1"), Some("export")] => Route::Export,
        [Some("v1"), Some("tokens")] => Route::Tokens,
        [Some("v1"), Some("tokens"), id] => Route::Token(own(id)),
        [Some("v1"), Some("vaults"), vault, Some("entries")] => Route::Entries(own(vault)),
        [Some("v1"), Some("vaults"), vault, Some("entries"), entry] => {
            Route::Entry(own(vault), own(entry))
        }
        other => return api.plumbing.route(other).map(Route::Edition),
    };
    Some(route)
}

fn method_not_allowed<P: Plumbing>(api: &Api<P>, methods: &[Method]) -> Problem {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = HeaderValue::from_str(&names.join(", "));
    let problem = api.not_found(Code::Method);
    match allow {
        Ok(allow) => problem.header(header::ALLOW, allow),
        Err(_) => problem,
    }
}
