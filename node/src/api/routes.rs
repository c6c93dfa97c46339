//! Which path is what, and which methods it takes.

use std::future::pending;
use std::sync::Arc;

use clavitor_core::edition::NotFound;
use futures_util::future::{BoxFuture, Either, FutureExt, Ready, ready};
use http::{HeaderValue, Method, header};

use super::{Api, ApiRequest, Face, entries, export, health, metrics, tokens};
use crate::http::{Code, Problem, Response};
use crate::plumbing::Plumbing;

type Name<'a> = Option<&'a str>;

#[derive(Clone, Copy, Debug)]
enum Route<'a, R> {
    Live,
    Ready,
    RolePrimary,
    RoleBackup,
    Metrics,
    Node,
    Export,
    Entries(Name<'a>),
    Entry(Name<'a>, Name<'a>),
    Tokens,
    Token(Name<'a>),
    Edition(R),
}

static READ: &[Method] = &[Method::GET, Method::HEAD];
static ENTRY: &[Method] = &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE];
static TOKENS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
static TOKEN: &[Method] = &[Method::DELETE];

/// An answer: at once for whatever only reads, so that such a request carries no future about;
/// later for the rest.
pub(super) type Answering =
    Either<Ready<Result<Response, Problem>>, BoxFuture<'static, Result<Response, Problem>>>;

/// Answers a request, or says why not.
pub(super) fn answer<P: Plumbing>(
    api: &Arc<Api<P>>,
    face: Face,
    request: ApiRequest<P>,
) -> Answering {
    let now = |answer| Either::Left(ready(answer));
    let Some(route) = find(api, face, &request) else {
        return unmatched(api, face, request, Code::NoRoute.into());
    };
    let methods = match &route {
        Route::Entry(..) => ENTRY,
        Route::Tokens => TOKENS,
        Route::Token(_) => TOKEN,
        Route::Edition(route) => P::methods(*route),
        _ => READ,
    };
    if !methods.contains(&request.method) {
        return unmatched(api, face, request, method_not_allowed(methods));
    }
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    now(match route {
        Route::Live => health::live(&request),
        Route::Ready => health::ready(api, &request),
        Route::RolePrimary => health::role(api, &request, true),
        Route::RoleBackup => health::role(api, &request, false),
        Route::Metrics => metrics::answer(api, face, &request),
        Route::Node => health::node(api, &request),
        Route::Export => export::answer(api, &request),
        Route::Entries(vault) => entries::list(api, &request, vault),
        Route::Entry(vault, entry) if is_read => entries::get(api, &request, vault, entry),
        Route::Entry(vault, entry) => {
            let (vault, entry) = (vault.map(str::to_owned), entry.map(str::to_owned));
            return later(entries::put(api.clone(), request, vault, entry));
        }
        Route::Tokens => return later(tokens::answer_all(api.clone(), request)),
        Route::Token(id) => {
            let id = id.map(str::to_owned);
            return later(tokens::delete(api.clone(), request, id));
        }
        Route::Edition(route) => {
            let api = api.clone();
            return later(async move { api.plumbing.answer(&api, route, request).await });
        }
    })
}

/// What becomes of a request that matches no route, or no method of its route.
fn unmatched<P: Plumbing>(
    api: &Api<P>,
    face: Face,
    request: ApiRequest<P>,
    problem: Problem,
) -> Answering {
    if !is_slow(api, face, &request) {
        return Either::Left(ready(Err(problem)));
    }
    let problem = problem.slowly();
    if request.method == Method::HEAD {
        return Either::Left(ready(Err(problem)));
    }
    api.note_refusal(request.remote.ip(), &problem);
    request.hand_over(problem);
    later(pending())
}

/// Whether it is answered slowly. Whoever has an access token has only mistyped something.
fn is_slow<P: Plumbing>(api: &Api<P>, face: Face, request: &ApiRequest<P>) -> bool {
    let is_stranger = |problem: Problem| problem.code() == Code::Unauthenticated.as_str();
    face == Face::Full
        && api.plumbing.not_found(&request.segments()) == NotFound::Slowly
        && api.authenticate(request).is_err_and(is_stranger)
}

fn later(answer: impl Future<Output = Result<Response, Problem>> + Send + 'static) -> Answering {
    Either::Right(answer.boxed())
}

fn find<'a, P: Plumbing>(
    api: &Api<P>,
    face: Face,
    request: &'a ApiRequest<P>,
) -> Option<Route<'a, P::Route>> {
    let segments = request.segments();
    let route = match *segments {
        [Some("livez")] => Route::Live,
        [Some("readyz")] => Route::Ready,
        [Some("role"), Some("primary")] => Route::RolePrimary,
        [Some("role"), Some("backup")] => Route::RoleBackup,
        [Some("metrics")] => Route::Metrics,
        _ if face == Face::Metrics => return None,
        [Some("v1"), Some("node")] => Route::Node,
        [Some("v1"), Some("export")] => Route::Export,
        [Some("v1"), Some("tokens")] => Route::Tokens,
        [Some("v1"), Some("tokens"), id] => Route::Token(id),
        [Some("v1"), Some("vaults"), vault, Some("entries")] => Route::Entries(vault),
        [Some("v1"), Some("vaults"), vault, Some("entries"), entry] => Route::Entry(vault, entry),
        ref other => return api.plumbing.route(other).map(Route::Edition),
    };
    Some(route)
}

fn method_not_allowed(methods: &[Method]) -> Problem {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = HeaderValue::from_str(&names.join(", "));
    let problem = Problem::from(Code::Method);
    match allow {
        Ok(allow) => problem.header(header::ALLOW, allow),
        Err(_) => problem,
    }
}
