//! Which request is answered where.

use std::sync::Arc;

use clavitor_node::http::{Code, Problem, Response};
use clavitor_node::runtime::Runtime;
use http::Method;

use super::{Api, HqRequest, health, pops, problem};

/// The routes; a name in a path is looked at by whoever answers.
enum Route {
    Live,
    Ready,
    Pops,
    Pop(Option<String>, Option<String>),
}

impl Route {
    fn of(segments: &[Option<&str>]) -> Option<Self> {
        let text = |segment: &Option<&str>| segment.map(str::to_owned);
        Some(match segments {
            [Some("livez")] => Route::Live,
            [Some("readyz")] => Route::Ready,
            [Some("v1"), Some("pops")] => Route::Pops,
            [Some("v1"), Some("pops"), cluster, pop] => Route::Pop(text(cluster), text(pop)),
            _ => return None,
        })
    }

    fn allowed(&self) -> &'static str {
        match self {
            Route::Live | Route::Ready => "GET, HEAD",
            Route::Pops => "GET, HEAD, POST",
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
    match route {
        Route::Live => health::live::<R>(&request),
        Route::Ready => health::ready(api, &request),
        Route::Pops if request.method == Method::POST => pops::add(api, request).await,
        Route::Pops => pops::list(api, &request),
        Route::Pop(cluster, pop) => pops::remove(api, &request, cluster, pop).await,
    }
}
