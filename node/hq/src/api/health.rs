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
    if api.connections.is_stopping() {
        let document = json!({"status": "unavailable", "reason": "stopping"});
        return Ok(json(StatusCode::SERVICE_UNAVAILABLE, &document));
    }
    Ok(json(StatusCode::OK, &json!({"status": "ok"})))
}
