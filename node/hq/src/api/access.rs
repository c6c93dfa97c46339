//! Who asks: a POP, an operator, or whoever may report.

use clavitor_core::credential::Presented;
use clavitor_node::api::presented;
use clavitor_node::http::{Code, Problem};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use http::{HeaderMap, Method, header};

use super::{Api, HqRequest, problem};
use crate::registry::Name;

/// The cookie that holds a session's text.
pub(super) const COOKIE: &str = "clavitor_hq_session";

/// Whom a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// An operator.
    Admin,
    /// A POP.
    Pop(Name),
    /// Whoever may send alerts and telemetry.
    Telemetry,
}

impl<R: Runtime> Api<R> {
    /// Who asks, if anybody known does.
    pub(super) fn authenticate(&self, request: &HqRequest<R>) -> Result<Who, Problem> {
        let presented = presented(request).ok_or(Code::Unauthenticated)?;
        self.whose(&presented)?.ok_or_else(|| Code::Unauthenticated.into())
    }

    /// Lets nobody pass but operators: with their token, or logged in with a browser.
    pub(super) fn require_admin(&self, request: &HqRequest<R>) -> Result<(), Problem> {
        if !request.headers.contains_key(header::AUTHORIZATION) && self.is_logged_in(request) {
            return match is_own_page::<R>(request) {
                true => Ok(()),
                false => Err(problem::ORIGIN.into()),
            };
        }
        match self.authenticate(request)? {
            Who::Admin => Ok(()),
            Who::Pop(_) | Who::Telemetry => Err(Code::Forbidden.into()),
        }
    }

    /// Which POP asks.
    pub(super) fn require_pop(&self, request: &HqRequest<R>) -> Result<Name, Problem> {
        match self.authenticate(request)? {
            Who::Pop(name) => Ok(name),
            Who::Admin | Who::Telemetry => Err(Code::Forbidden.into()),
        }
    }

    /// Whether the request comes from a browser that is logged in.
    pub(super) fn is_logged_in(&self, request: &HqRequest<R>) -> bool {
        let session = session(&request.headers);
        session.is_some_and(|session| self.sessions.is_open(wall::instant(), &session))
    }

    fn whose(&self, presented: &Presented) -> Result<Option<Who>, Problem> {
        if self.tokens.admin.is(presented) {
            return Ok(Some(Who::Admin));
        }
        if self.tokens.telemetry.is(presented) {
            return Ok(Some(Who::Telemetry));
        }
        let pop = self.registry.whose(presented).map_err(|_| Problem::from(Code::Busy))?;
        Ok(pop.map(Who::Pop))
    }
}

/// The session that a browser presents.
pub(super) fn session(headers: &HeaderMap) -> Option<Presented> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).map(str::trim_ascii);
    let named = |pair: &str| Some(pair.strip_prefix(COOKIE)?.strip_prefix('=')?.to_owned());
    pairs.find_map(named)?.parse().ok()
}

/// Whether a browser's request comes from HQ's own pages. The cookie is not sent from elsewhere
/// either; a second lock costs nothing.
fn is_own_page<R: Runtime>(request: &HqRequest<R>) -> bool {
    if matches!(request.method, Method::GET | Method::HEAD) {
        return true;
    }
    let text = |name| request.header(name).ok().flatten();
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            own == Some(host)
        }
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let text = format!("cvt_{}_{}", "0a".repeat(12), "0b".repeat(32));
        let headers = |value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::try_from(value).unwrap());
            headers
        };
        let is_found = |value: String| session(&headers(value)).is_some();
        assert!(is_found(format!("{COOKIE}={text}")));
        assert!(is_found(format!("theme=dark; {COOKIE}={text} ; x=y")));
        assert!(!is_found(format!("not_{COOKIE}={text}")));
        assert!(!is_found(format!("{COOKIE}={text}0")));
        assert!(!is_found(COOKIE.to_owned()));
        assert!(session(&HeaderMap::new()).is_none());
    }
}
