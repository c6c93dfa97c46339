//! One server and one access token: sends requests and words what goes wrong.

use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::{Agent, Body, SendBody, Timeout};
use zeroize::Zeroizing;

use super::display::text_of;
use super::{Console, Failure, Hints, Target};
use crate::program;
use crate::settings::{ServerUrl, read_secret_file};

/// Long enough for a name server that is slow, short enough for a person who waits.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server may take 5 s for an acknowledgement by a backup and 30 s for a slow disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is kept in memory: a page of 1000 names of 256 bytes, twelve-fold.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Dots are left alone by the standard, but a segment of only dots would be taken for a step up.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');

/// One segment of a path, or one value of a query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A server to talk to.
pub struct Connection {
    agent: Agent,
    server: ServerUrl,
    token_file: PathBuf,
    hints: &'static Hints,
    authorization: HeaderValue,
}

/// A request, for the parts that differ.
pub struct Ask {
    method: Method,
    path: String,
    body: Option<Vec<u8>>,
    headers: Vec<(&'static str, String)>,
}

impl Ask {
    /// A request without a body.
    pub fn new(method: Method, path: impl Into<String>) -> Ask {
        Ask { method, path: path.into(), body: None, headers: Vec::new() }
    }

    /// A GET.
    pub fn get(path: impl Into<String>) -> Ask {
        Ask::new(Method::GET, path)
    }

    /// A POST without a body, which still says that its length is zero.
    pub fn post(path: impl Into<String>) -> Ask {
        Ask::new(Method::POST, path).body(Vec::new())
    }

    /// The request with a body.
    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Ask {
        self.body = Some(body);
        self
    }

    /// The request with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Ask {
        self.headers.push((name, value.into()));
        self
    }
}

/// An answer, in memory.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|_| {
            Failure::refused("the server's answer is not JSON: is it a Clavitor server?")
        })
    }

    /// The entity tag without its quotes.
    pub(crate) fn etag(&self) -> Option<String> {
        let etag = self.headers.get("etag")?.to_str().ok()?;
        Some(etag.trim_matches('"').to_owned())
    }
}

impl Connection {
    /// Reads the access token; the server is only spoken to when something is asked.
    pub fn open(target: Target, console: &mut Console<'_>) -> Result<Connection, Failure> {
        let Target { server, token_file, hints } = target;
        let file = read_secret_file(&token_file)
            .map_err(|error| Failure::unreached(format!("{error}\n{}", hints.token)))?;
        if file.is_open_to_others {
            let shown = token_file.display();
            console.warn(&format!(
                "warning: other accounts may read {shown}; chmod 600 would stop that"
            ));
        }
        let not_a_token = || {
            Failure::unreached(format!("{} does not hold an access token", token_file.display()))
        };
        let token = file.bytes.trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return Err(not_a_token());
        }
        let bearer = Zeroizing::new([b"Bearer ", token].concat());
        let mut authorization = HeaderValue::from_bytes(&bearer).map_err(|_| not_a_token())?;
        authorization.set_sensitive(true);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // Neither a proxy nor the target of a redirect may see the access token.
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("clavitor/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(ANSWER_TIMEOUT))
            .timeout_per_write(Some(ANSWER_TIMEOUT))
            .build()
            .new_agent();
        Ok(Connection { agent, server, token_file, hints, authorization })
    }

    /// Sends a request and hands out the answer whatever its status.
    pub fn send(&self, ask: Ask) -> Result<Answer, Failure> {
        let is_write = ask.method != Method::GET;
        let (head, mut reader) = self.start(ask)?.into_parts();
        let mut body = Vec::new();
        let read = reader.with_config().limit(ANSWER_BYTES_MAX).reader().read_to_end(&mut body);
        read.map_err(|error| self.broken(&ureq::Error::from(error), is_write))?;
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    /// Sends a request and hands out its answer if it is a success.
    pub fn ask(&self, ask: Ask) -> Result<Answer, Failure> {
        let answer = self.send(ask)?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(self.refusal(&answer)),
        }
    }

    /// Sends a request whose successful answer is read as a stream.
    pub(crate) fn stream(&self, ask: Ask) -> Result<impl Read + use<>, Failure> {
        let (head, mut body) = self.start(ask)?.into_parts();
        if head.status.is_success() {
            return Ok(body.into_reader());
        }
        let limited = body.with_config().limit(ANSWER_BYTES_MAX);
        let body = limited.read_to_vec().unwrap_or_default();
        Err(self.refusal(&Answer { status: head.status, headers: head.headers, body }))
    }

    fn start(&self, ask: Ask) -> Result<http::Response<Body>, Failure> {
        let is_write = ask.method != Method::GET;
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("{}{}", self.server, ask.path))
            .header(AUTHORIZATION, self.authorization.clone());
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let unsendable = |error: http::Error| {
            Failure::unreached(format!("this cannot be asked over HTTP: {error}"))
        };
        let response = match ask.body {
            None => self.agent.run(request.body(SendBody::none()).map_err(unsendable)?),
            Some(body) => self.agent.run(request.body(body).map_err(unsendable)?),
        };
        response.map_err(|error| self.broken(&error, is_write))
    }

    /// Words a problem document, or whatever came instead of one.
    pub(crate) fn refusal(&self, answer: &Answer) -> Failure {
        let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let detail = ["detail", "title"].iter().find_map(|key| problem.get(key)?.as_str());
        let code = problem.get("code").and_then(Value::as_str).unwrap_or_default();
        let mut message = match (detail, code) {
            (Some(detail), "") => format!("refused: {detail} (HTTP {})", answer.status.as_u16()),
            (Some(detail), code) => format!("refused: {detail} ({code})"),
            (None, _) => format!("refused: the server answered HTTP {}", answer.status),
        };
        let token_file = self.token_file.display();
        match code {
            "CV-UNAUTHENTICATED" => message.push_str(&format!(
                "\nThe access token in {token_file} is not valid on {}: it may belong to another \
                 server, be revoked, or have expired.",
                self.server
            )),
            "CV-FORBIDDEN" => message
                .push_str(&format!("\nThe access token in {token_file} does not allow this.")),
            "CV-NOT-PRIMARY" => {
                let primary = answer.headers.get("x-primary-location");
                if let Some(primary) = primary.and_then(|value| value.to_str().ok()) {
                    message.push_str(&format!(
                        "\nThe primary is {primary}: ask again with --server {primary}"
                    ));
                }
            }
            _ => {}
        }
        Failure::refused(message)
    }

    fn broken(&self, error: &ureq::Error, is_write: bool) -> Failure {
        let server = &self.server;
        if !is_before_the_request(error) {
            let doubt =
                if is_write { "\nIt may have been done all the same: look first." } else { "" };
            return Failure::unreached(format!(
                "the connection to {server} ended before the whole answer was there: {}{doubt}",
                reason(error)
            ));
        }
        Failure::unreached(format!(
            "cannot reach {server}: {}\n{}",
            reason(error),
            program::named(self.hints.server)
        ))
    }
}

/// Whether the server cannot have seen the request.
fn is_before_the_request(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        ureq::Error::Timeout(timeout) => matches!(timeout, Timeout::Resolve | Timeout::Connect),
        ureq::Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::AddrNotAvailable
        ),
        _ => false,
    }
}

fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => io_reason(error),
        ureq::Error::HostNotFound => "there is no host of that name".to_owned(),
        ureq::Error::Timeout(_) => "it took too long".to_owned(),
        other => other.to_string(),
    }
}

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        _ => error.to_string(),
    }
}

/// A field of a JSON object as text, for messages.
pub fn field(value: &Value, name: &str) -> String {
    text_of(value.get(name).unwrap_or(&Value::Null))
}
