//! Which path is what, and which methods it takes.

use std::sync::Arc;

use clavitor_core::credential::Scope;
use http::{HeaderValue, Method, header};

use super::{Api, ApiRequest, Face, entries, health, metrics, tokens};
use crate::http::{Code, Problem, Response, ResponseBody};
use crate::plumbing::Plumbing;
use crate::{log, store};

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
        Route::Export => export(api, &request),
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

/// Streams a consistent copy from a thread of its own: the read transaction lives as long as the
/// copy, and a client that stops reading is cut off.
fn export<P: Plumbing>(api: &Arc<Api<P>>, request: &ApiRequest<P>) -> Result<Response, Problem> {
    api.authorize(request, Scope::Admin, None)?;
    request.query(&[])?;
    let (mut sender, body) = ResponseBody::stream();
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_static("application/octet-stream");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    if request.method == Method::HEAD {
        return Ok(response);
    }
    let from = api.store.clone();
    let copy = move || {
        if let Err(error) = store::export_to(&from, &mut sender) {
            log::line(&format!("an export was cut off: {error}"));
            sender.abort();
        }
    };
    let thread = std::thread::Builder::new()
        .name("export".into())
        .spawn(copy);
    thread.map_err(|_| Code::Busy)?;
    Ok(response)
}
