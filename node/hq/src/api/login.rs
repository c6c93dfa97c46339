//! Logging in to the dashboard, and out of it.

use std::sync::Arc;

use clavitor_core::credential::Presented;
use clavitor_node::http::{Code, Problem, Response};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use super::access::{COOKIE, session};
use super::{Api, HqRequest, empty, problem};
use crate::sessions::SESSION_S;

const BODY_BYTES_MAX: usize = 4 * 1024;

#[derive(Deserialize)]
struct Credentials {
    token: String,
}

pub(super) async fn log_in<R: Runtime>(
    api: &Arc<Api<R>>,
    request: HqRequest<R>,
) -> Result<Response, Problem> {
    request.query(&[])?;
    let (source, now) = (request.remote.ip(), wall::instant());
    let body = request.body(BODY_BYTES_MAX).await?;
    let given: Credentials = serde_json::from_slice(&body).map_err(|_| Code::BadJson)?;
    let presented = given.token.trim_ascii().parse::<Presented>();
    // A token is a random number that nobody guesses, at whatever rate. So the right one counts however
    // many wrong ones came from there: many may share an address, and none of them may shut out the rest.
    if !presented.is_ok_and(|presented| api.tokens.admin.is(&presented)) {
        return Err(match api.sessions.failed(now, source) {
            true => problem::login_rate(),
            false => Code::Unauthenticated.into(),
        });
    }
    let session = api.sessions.begin(now).reveal();
    Ok(with_cookie(&format!("{COOKIE}={session}; Max-Age={SESSION_S}")))
}

pub(super) fn log_out<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    request.query(&[])?;
    if let Some(session) = session(&request.headers) {
        api.sessions.end(&session);
    }
    Ok(with_cookie(&format!("{COOKIE}=; Max-Age=0")))
}

/// No script sees the cookie, and no other site sends it.
fn with_cookie(cookie: &str) -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    let cookie = format!("{cookie}; Path=/; HttpOnly; SameSite=Strict");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
