//! Answers that take their time. The parser has no say in them any more: the head is written here,
//! and the connection is handed to whoever sends the body byte by byte.

use std::net::IpAddr;

use super::connection::finish;
use super::problem::{Code, Problem};
use super::request::Response;
use crate::wall;

/// The length of a slow answer's body.
pub const SLOW_BYTES: usize = 30;

/// What a slow answer says, for whoever waits for all of it. Spaces may follow a JSON document.
static NO_ROUTE: &[u8; SLOW_BYTES] = br#"{"code":"CV-NO-ROUTE"}        "#;
static METHOD: &[u8; SLOW_BYTES] = br#"{"code":"CV-METHOD"}          "#;

/// A slow answer that is yet to be given.
#[derive(Clone, Debug)]
pub struct SlowAnswer {
    /// Whom it is for.
    pub remote: IpAddr,
    /// The head as it is sent, up to the empty line.
    pub head: Vec<u8>,
    /// The body.
    pub body: &'static [u8; SLOW_BYTES],
}

/// A connection that no longer is the server's, and what is to be said on it.
pub struct HandedOver<Io> {
    /// The connection; everything before is written.
    pub io: Io,
    /// The answer.
    pub answer: SlowAnswer,
}

impl SlowAnswer {
    /// A refusal, slowly; see [`Problem::slowly`].
    pub(super) fn new(remote: IpAddr, problem: Problem) -> Self {
        let body = document(problem.code());
        Self { remote, head: written(&finish(problem.into_response(), true)), body }
    }
}

/// The whole body of a slow answer with this code.
pub(super) fn document(code: &str) -> &'static [u8; SLOW_BYTES] {
    if code == Code::Method.as_str() { METHOD } else { NO_ROUTE }
}

/// A head as it is sent, for answers that the parser does not write.
pub(super) fn written(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        let parts = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        parts.into_iter().for_each(|part| head.extend_from_slice(part));
    }
    head.extend_from_slice(
        format!("date: {}\r\n\r\n", wall::http_date(wall::unix_time())).as_bytes(),
    );
    head
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_slow_body_is_the_document_of_its_code() {
        for code in [Code::NoRoute, Code::Method] {
            let read: Value = serde_json::from_slice(document(code.as_str())).unwrap();
            assert_eq!(read["code"], code.as_str());
        }
    }

    #[test]
    fn a_slow_head_is_written_whole() {
        let allow = http::HeaderValue::from_static("GET, HEAD");
        let problem = Problem::from(Code::Method).header(http::header::ALLOW, allow).slowly();
        let answer = SlowAnswer::new(IpAddr::from([192, 0, 2, 7]), problem);
        let head = String::from_utf8(answer.head).unwrap();
        assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{head}");
        assert!(head.ends_with(" GMT\r\n\r\n"), "{head}");
        let lines: Vec<_> = head.split("\r\n").collect();
        for line in [
            "content-type: application/problem+json",
            "content-length: 30",
            "connection: close",
            "allow: GET, HEAD",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
        ] {
            assert_eq!(lines.iter().filter(|found| **found == line).count(), 1, "{line}: {head}");
        }
    }
}
