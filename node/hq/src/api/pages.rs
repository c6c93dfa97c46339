//! The dashboard's pages.

use std::sync::Arc;

use clavitor_node::http::{Code, Problem, Response};
use clavitor_node::runtime::Runtime;
use http::{HeaderValue, StatusCode, header};

use super::{Api, HqRequest, empty};
use crate::dashboard::{self, INDEX, LOGIN};

/// Everything, for whoever is logged in; all others log in first.
pub(super) fn index<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    request.query(&[])?;
    if !api.is_logged_in(request) {
        let mut response = empty(StatusCode::SEE_OTHER);
        let login = HeaderValue::from_static("/login");
        response.headers_mut().insert(header::LOCATION, login);
        return Ok(response);
    }
    file::<R>(request, INDEX)
}

pub(super) fn login<R: Runtime>(request: &HqRequest<R>) -> Result<Response, Problem> {
    request.query(&[])?;
    file::<R>(request, LOGIN)
}

/// What pages are made of; there is nothing in it that is not in every copy of this program.
pub(super) fn file<R: Runtime>(request: &HqRequest<R>, name: &str) -> Result<Response, Problem> {
    let file = dashboard::file(name).ok_or(Code::NoRoute)?;
    Ok(file.response(&request.headers))
}
