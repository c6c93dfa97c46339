//! Health, roles and what this server is.

use std::borrow::Cow;

use clavitor_core::credential::Scope;
use http::StatusCode;
use serde_json::json;

use super::{Api, ApiRequest};
use crate::http::{Problem, Response, json};
use crate::plumbing::{Plumbing, Role};
use crate::runtime::Runtime;

pub(super) fn live<T: hyper::rt::Timer>(
    request: &crate::http::Request<T>,
) -> Result<Response, Problem> {
    request.query(&[])?;
    Ok(status(Ok(())))
}

pub(super) fn ready<P: Plumbing>(
    api: &Api<P>,
    request: &ApiRequest<P>,
) -> Result<Response, Problem> {
    request.query(&[])?;
    Ok(status(readiness(api)))
}

/// Why what is asked of this server's role is refused, if it is.
fn readiness<P: Plumbing>(api: &Api<P>) -> Result<(), Cow<'static, str>> {
    if api.connections.is_stopping() {
        return Err("stopping".into());
    }
    api.plumbing.readiness()
}

pub(super) fn role<P: Plumbing>(
    api: &Api<P>,
    request: &ApiRequest<P>,
    wants_primary: bool,
) -> Result<Response, Problem> {
    request.query(&[])?;
    let is_primary = api.plumbing.role() == Role::Primary;
    let health = match (is_primary, wants_primary) {
        // Whoever is sent here to write is to be able to.
        (true, true) => readiness(api),
        (false, false) => Ok(()),
        (true, false) => Err("this is the primary".into()),
        (false, true) => Err("this is a backup".into()),
    };
    Ok(status(health))
}

pub(super) fn node<P: Plumbing>(
    api: &Api<P>,
    request: &ApiRequest<P>,
) -> Result<Response, Problem> {
    api.authorize(request, Scope::Admin, None)?;
    request.query(&[])?;
    let epoch = api.plumbing.epoch();
    Ok(json(
        StatusCode::OK,
        &json!({
            "edition": api.plumbing.name(),
            "runtime": <P::Runtime as Runtime>::NAME,
            "version": env!("CARGO_PKG_VERSION"),
            "pop": api.store.pop(),
            "cluster": api.plumbing.cluster(),
            "role": api.plumbing.role(),
            "epoch": epoch.map(|epoch| json!({"number": epoch.number, "primary": epoch.primary})),
            "lease_ms_left": api.plumbing.lease_ms_left(),
            "entries": api.store.entries(),
            "uptime_s": api.uptime_ms() / 1_000,
        }),
    ))
}

fn status(health: Result<(), Cow<'static, str>>) -> Response {
    match health {
        Ok(()) => json(StatusCode::OK, &json!({"status": "ok"})),
        Err(reason) => json(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({"status": "unavailable", "reason": reason}),
        ),
    }
}
