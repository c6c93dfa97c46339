//! A request as the API sees it: path segments decoded once, query parsed once, body on demand.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use hyper::body::{Body, Incoming};
use hyper::rt::Timer;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::body::{BodyBudget, ResponseBody, Whole, read_whole};
use super::connections::Connections;
use super::forwarded::{self, Network};
use super::head::SentHead;
use super::problem::{Code, Problem};
use super::slow::SlowAnswer;
use super::stall::Pending;

/// An answer.
pub type Response = http::Response<ResponseBody>;

/// The most segments of a path: the longest route has seven.
const SEGMENTS_MAX: usize = 8;

/// A header that is doubled or not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHeader;

/// A request whose head has been checked.
pub struct Request<T> {
    /// The method.
    pub method: Method,
    /// The headers.
    pub headers: HeaderMap,
    /// Where it came from; behind trusted proxies, whom they name, with the proxy's port.
    pub remote: SocketAddr,
    uri: Uri,
    path: Path,
    body: Incoming,
    means: Arc<Means<T>>,
}

/// What the requests of one connection share.
pub(super) struct Means<T> {
    pub(super) connections: Connections,
    pub(super) budget: BodyBudget,
    pub(super) timer: T,
    pub(super) pending: Pending,
    pub(super) head: SentHead,
    pub(super) slow: Mutex<Option<SlowAnswer>>,
}

impl<T> Means<T> {
    /// The slow answer, if a request got one.
    pub(super) fn take_slow(&self) -> Option<SlowAnswer> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T: Timer> Request<T> {
    /// Checks what must hold for every request.
    pub(super) fn new(
        request: http::Request<Incoming>,
        remote: SocketAddr,
        means: &Arc<Means<T>>,
    ) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        if head.headers.get_all(header::HOST).iter().count() != 1 {
            means.head.forget(has_body);
            return Err(Problem::from(Code::BadHost).closing());
        }
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            means.head.forget(has_body);
        } else if means.head.take_lengths(&head.method, has_body) > 1 {
            return Err(Problem::from(Code::BadLength).closing());
        }
        let path = Path::of(head.uri.path()).ok_or(Code::BadRequest)?;
        Ok(Self {
            method: head.method,
            headers: head.headers,
            remote,
            uri: head.uri,
            path,
            body,
            means: means.clone(),
        })
    }

    /// Takes a client's address from the proxies that are trusted.
    pub fn came_through(&mut self, trusted: &[Network]) {
        if !trusted.is_empty() {
            self.remote.set_ip(forwarded::client(self.remote, &self.headers, trusted));
        }
    }

    /// The decoded segments of the path; one that is not UTF-8 is `None`.
    pub fn segments(&self) -> Segments<'_> {
        self.path.segments(self.uri.path())
    }

    /// The query, checked against the parameters that the route takes.
    pub fn query(&self, known: &[&str]) -> Result<Query, Problem> {
        Query::parse(self.uri.query().unwrap_or_default(), known)
    }

    /// A header that may be given once, as text.
    pub fn header(&self, name: header::HeaderName) -> Result<Option<&str>, BadHeader> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(Some).map_err(|_| BadHeader),
            (Some(_), Some(_)) => Err(BadHeader),
        }
    }

    /// The whole body, at most `bytes_max`.
    pub async fn body(self, bytes_max: usize) -> Result<Whole, Problem> {
        read_body(self.body, bytes_max, &self.means.budget, &self.means).await
    }

    /// The whole body, at most `bytes_max`, counted against another budget.
    pub async fn body_within(
        self,
        bytes_max: usize,
        budget: &BodyBudget,
    ) -> Result<Whole, Problem> {
        read_body(self.body, bytes_max, budget, &self.means).await
    }

    /// Gives the refusal slowly: the connection is handed over with it, and ends there. The answer
    /// that is due must never come.
    pub(crate) fn hand_over(self, problem: Problem) {
        let answer = SlowAnswer::new(self.remote.ip(), problem);
        *self.means.slow.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        self.means.pending.hand_over();
    }

    /// Whether the request carries a body.
    pub fn has_body(&self) -> bool {
        !self.body.is_end_stream()
    }
}

async fn read_body<T: Timer>(
    body: Incoming,
    bytes_max: usize,
    budget: &BodyBudget,
    means: &Means<T>,
) -> Result<Whole, Problem> {
    let whole = read_whole(body, bytes_max, budget, &means.timer).await?;
    means.head.body_ended();
    Ok(whole)
}

/// A path, decoded once: where its segments are. A head is far below 64 KiB.
pub struct Path {
    // The decoded segments one after the other; `None` where nothing had to be decoded, and the
    // segments are where they came.
    decoded: Option<String>,
    ranges: [Option<Range<u16>>; SEGMENTS_MAX],
    count: usize,
}

impl Path {
    /// Decodes a path; `None` if it does not begin with `/`.
    pub fn of(whole: &str) -> Option<Self> {
        let path = whole.strip_prefix('/')?;
        let is_plain = !path.as_bytes().contains(&b'%');
        let decoded = (!is_plain).then(|| String::with_capacity(path.len()));
        let mut found = Self { decoded, ranges: Default::default(), count: 0 };
        let mut start = 1;
        for (segment, range) in path.as_bytes().split(|byte| *byte == b'/').zip(&mut found.ranges) {
            found.count += 1;
            *range = match &mut found.decoded {
                None => range_of(start, segment.len()),
                Some(decoded) => {
                    decode(whole.get(start..start + segment.len())?).and_then(|segment| {
                        let range = range_of(decoded.len(), segment.len());
                        decoded.push_str(&segment);
                        range
                    })
                }
            };
            start += segment.len() + 1;
        }
        Some(found)
    }

    /// Its segments, given the path it was made of; one that is not UTF-8 is `None`.
    pub fn segments<'a>(&'a self, whole: &'a str) -> Segments<'a> {
        let text = self.decoded.as_deref().unwrap_or(whole);
        let mut texts = [None; SEGMENTS_MAX];
        for (segment, range) in texts.iter_mut().zip(&self.ranges) {
            let range = range.clone().map(|range| usize::from(range.start)..range.end.into());
            *segment = range.and_then(|range| text.get(range));
        }
        Segments { texts, count: self.count }
    }
}

fn range_of(start: usize, len: usize) -> Option<Range<u16>> {
    Some(u16::try_from(start).ok()?..u16::try_from(start + len).ok()?)
}

/// The segments of a path.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a> {
    texts: [Option<&'a str>; SEGMENTS_MAX],
    count: usize,
}

impl<'a> Deref for Segments<'a> {
    type Target = [Option<&'a str>];

    fn deref(&self) -> &[Option<&'a str>] {
        self.texts.get(..self.count).unwrap_or_default()
    }
}

/// Percent-decodes; a stray `%`, or bytes that are not UTF-8, are nobody's name.
fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let is_escape = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !segment.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(segment).decode_utf8().ok()
}

/// The parameters of a query: each known, each at most once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query that may have these parameters.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                decode(&text.replace('+', " ")).map(Cow::into_owned).ok_or(Code::BadQuery)
            };
            let (name, value) = (decode(name)?, decode(value)?);
            if !known.contains(&name.as_str()) || pairs.iter().any(|(other, _)| *other == name) {
                return Err(Code::BadQuery.into());
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// A parameter's value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A number between 1 and `max`.
    pub fn number(&self, name: &str, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(value) = self.value(name) else {
            return Ok(default);
        };
        let number = value.parse().ok().filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| Code::BadQuery.into())
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, document: &impl Serialize) -> Response {
    let text = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(ResponseBody::from(text));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_strict() {
        let query = Query::parse("prefix=a%20b+c&limit=5", &["prefix", "limit"]).unwrap();
        assert_eq!(query.value("prefix"), Some("a b c"));
        assert_eq!(query.number("limit", 100, 1000).unwrap(), 5);
        assert_eq!(query.number("missing", 100, 1000).unwrap(), 100);
        for bad in ["x=1", "limit=1&limit=2", "limit=%ff", "limit=%", "limit=%zz", "limit=%1"] {
            assert_eq!(Query::parse(bad, &["limit"]).unwrap_err().code(), "CV-BAD-QUERY");
        }
        for bad in ["limit=0", "limit=1001", "limit=-1", "limit="] {
            let query = Query::parse(bad, &["limit"]).unwrap();
            assert!(query.number("limit", 100, 1000).is_err(), "{bad}");
        }
    }
}
