//! Health.

use clavitor_node::http::{Problem, Response, json};
use clavitor_node::runtime::Runtime;
use http::StatusCode;
use serde_json::json;

use super::{Api, HqRequest};

pub(super) fn live<R: Runtime>(request: &HqRequest<R>) -> Result<Response, Problem> {
    request.query(&[])?;
    Ok(json(StatusCode::OK, &json!({"status": "ok"})))
}

pub(super) fn ready<R: Runtime>(api: &Api<R>, request: &HqRequest<R>) -> Result<Response, Problem> {
    request.query(&[])?;
    let fault = api.exchange.keeper.fault();
    let reason = match api.connections.is_stopping() {
        true => Some("stopping".to_owned()),
        false => fault.map(|fault| format!("what HQ decides is not stored: {fault}")),
    };
    if let Some(reason) = reason {
        let document = json!({"status": "unavailable", "reason": reason});
        return Ok(json(StatusCode::SERVICE_UNAVAILABLE, &document));
    }
    Ok(json(StatusCode::OK, &json!({"status": "ok"})))
}
