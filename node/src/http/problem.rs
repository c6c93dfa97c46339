//! Problem documents (RFC 9457) with stable codes. They never carry a path, a key or an internal
//! message.

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use super::body::ResponseBody;
use super::request::Response;
use super::slow;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $detail:literal;)*) => {
        /// Every refusal of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// The stable code.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)* }
            }

            /// One sentence for a person.
            pub const fn detail(self) -> &'static str {
                match self { $(Code::$name => $detail,)* }
            }
        }
    };
}

codes! {
    /// The request cannot be understood.
    BadRequest = "CV-BAD-REQUEST", BAD_REQUEST, "the request cannot be understood";
    /// `Host` is missing or doubled.
    BadHost = "CV-BAD-HOST", BAD_REQUEST, "a request needs exactly one Host header";
    /// A vault or entry name breaks its rule.
    BadName = "CV-BAD-NAME", BAD_REQUEST, "a name in the path is not allowed";
    /// `Content-Length` is doubled or disagrees with the body.
    BadLength = "CV-BAD-LENGTH", BAD_REQUEST, "the length of the body is not clear";
    /// A query parameter is unknown, doubled or out of range.
    BadQuery = "CV-BAD-QUERY", BAD_REQUEST, "a query parameter is unknown, doubled or out of range";
    /// The body is not the JSON document that is asked for.
    BadJson = "CV-BAD-JSON", BAD_REQUEST, "the body is not the JSON document that is asked for";
    /// A precondition header cannot be read.
    BadPrecondition = "CV-BAD-PRECONDITION", BAD_REQUEST,
        "If-Match takes one ETag or *, If-None-Match takes *, and only one of both";
    /// A backup's confirmation is asked for where there is no backup.
    NoBackup = "CV-NO-BACKUP", BAD_REQUEST, "this server has no backup to wait for";
    /// No access token, or one that is not in force.
    Unauthenticated = "CV-UNAUTHENTICATED", UNAUTHORIZED, "an access token in force is needed";
    /// The access token does not allow this.
    Forbidden = "CV-FORBIDDEN", FORBIDDEN, "the access token does not allow this";
    /// What the path names is not there.
    NotFound = "CV-NOT-FOUND", NOT_FOUND, "there is nothing under that name";
    /// The path is not part of the API.
    NoRoute = "CV-NO-ROUTE", NOT_FOUND, "there is no such route";
    /// The path does not take this method.
    Method = "CV-METHOD", METHOD_NOT_ALLOWED, "the route does not take this method";
    /// The body stopped coming.
    BodyTimeout = "CV-BODY-TIMEOUT", REQUEST_TIMEOUT, "the body stopped coming";
    /// The local admin token cannot be revoked.
    LocalToken = "CV-LOCAL-TOKEN", CONFLICT,
        "the first admin token belongs to its server; to replace it, delete its file and restart";
    /// A precondition does not hold.
    Precondition = "CV-PRECONDITION", PRECONDITION_FAILED, "the precondition does not hold";
    /// The body or a part of it is too large.
    TooLarge = "CV-TOO-LARGE", PAYLOAD_TOO_LARGE, "the body is too large";
    /// The head is too large, or has too many fields.
    HeadTooLarge = "CV-HEAD-TOO-LARGE", REQUEST_HEADER_FIELDS_TOO_LARGE,
        "the head is larger than 16 KiB or has more than 64 fields";
    /// The path is too long.
    PathTooLong = "CV-PATH-TOO-LONG", URI_TOO_LONG, "the path is too long";
    /// The server has too much to do.
    Busy = "CV-BUSY", SERVICE_UNAVAILABLE, "the server has too much to do right now";
    /// This server is a backup.
    NotPrimary = "CV-NOT-PRIMARY", SERVICE_UNAVAILABLE, "this server does not take writes";
    /// This server is the primary and has no right to take writes at the moment.
    NoLease = "CV-NO-LEASE", SERVICE_UNAVAILABLE,
        "this primary cannot renew its lease, so it takes no writes; its health check says why";
    /// HQ decides who is primary.
    HqDecides = "CV-HQ-DECIDES", CONFLICT,
        "HQ decides who is primary: ask for a switchover, or start without --hq";
    /// The server's clock cannot be trusted.
    Clock = "CV-CLOCK", SERVICE_UNAVAILABLE, "this server's clock is too far off to stamp writes";
    /// The data is new or imported, and the peers are not heard yet.
    Imported = "CV-IMPORTED", SERVICE_UNAVAILABLE,
        "the data is new or imported: writes wait until every peer was heard, or a promotion";
    /// Whether the write happened is not known.
    OutcomeUnknown = "CV-OUTCOME-UNKNOWN", SERVICE_UNAVAILABLE,
        "whether the write happened is not known; read before trying again";
    /// The server is going away.
    Stopping = "CV-STOPPING", SERVICE_UNAVAILABLE, "the server is going away";
    /// Stored data cannot be read.
    Damaged = "CV-DAMAGED", INTERNAL_SERVER_ERROR, "stored data is damaged; the operator must look";
    /// There is no room for the write.
    StorageFull = "CV-STORAGE-FULL", INSUFFICIENT_STORAGE, "there is no room for the write";
}

/// The media type of a problem document.
const CONTENT_TYPE: &str = "application/problem+json";

/// A refusal on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    code: &'static str,
    status: StatusCode,
    detail: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_slow: bool,
}

impl Problem {
    /// A refusal with an edition's own code.
    pub fn new(code: &'static str, status: StatusCode, detail: &'static str) -> Self {
        Self { code, status, detail, headers: Vec::new(), is_slow: false }
    }

    /// The refusal with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The refusal that closes the connection, since its request was not read to the end.
    #[must_use]
    pub fn closing(self) -> Self {
        self.header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The refusal with the short document of a slow answer, after which the connection closes.
    #[must_use]
    pub(crate) fn slowly(self) -> Self {
        Self { is_slow: true, ..self.closing() }
    }

    /// Whether it is a slow answer's.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The problem document.
    pub(super) fn document(&self) -> String {
        let document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        document.to_string()
    }

    /// The answer.
    pub fn into_response(self) -> Response {
        let body = if self.is_slow {
            ResponseBody::from(&slow::document(self.code)[..])
        } else {
            ResponseBody::from(self.document())
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let content_type = HeaderValue::from_static(CONTENT_TYPE);
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response.headers_mut().extend(self.headers);
        response
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        let problem = Problem::new(code.as_str(), code.status(), code.detail());
        match code {
            Code::Unauthenticated => {
                problem.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Code::Busy | Code::Stopping => {
                problem.header(header::RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => problem,
        }
    }
}
