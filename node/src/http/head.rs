//! A request's head as the client sent it. The parser makes one `Content-Length` of several that
//! agree; a client that sends two does not know what it says, and is told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Method, header};

use super::connection::HEAD_BYTES_MAX;

/// The bytes that came since the last answer, as far as they can be a head.
#[derive(Debug, Default)]
pub(super) struct SentHead {
    sent: Mutex<Sent>,
}

/// Invariant: while a body is due, there are no bytes.
#[derive(Debug, Default)]
struct Sent {
    bytes: Vec<u8>,
    // What comes may belong to the last request's body: an answer does not wait for it.
    is_body_due: bool,
}

impl SentHead {
    /// Takes note of bytes that came while no request was under way.
    pub(super) fn note(&self, part: &[u8]) {
        let mut sent = self.lock();
        if sent.is_body_due {
            return;
        }
        let room = HEAD_BYTES_MAX - sent.bytes.len();
        sent.bytes.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    /// The head was parsed as one of `method`: forgets it, and answers how often it gives a length.
    pub(super) fn take_lengths(&self, method: &Method, has_body: bool) -> usize {
        let mut sent = self.lock();
        let lengths = count_lengths(&sent.bytes, method.as_str());
        sent.parsed(has_body);
        lengths
    }

    /// Whether it gives a length that is none, or more than one.
    pub(super) fn has_bad_length(&self) -> bool {
        let sent = self.lock();
        let is_good =
            |value: &[u8]| str::from_utf8(value).is_ok_and(|it| it.trim().parse::<u64>().is_ok());
        let mut lengths = lengths(&sent.bytes);
        lengths.next().is_some_and(|first| !is_good(first) || lengths.next().is_some())
    }

    /// The head was parsed: forgets it.
    pub(super) fn forget(&self, has_body: bool) {
        self.lock().parsed(has_body);
    }

    /// Whether the request's body, or a part of it, was not read.
    pub(super) fn is_body_due(&self) -> bool {
        self.lock().is_body_due
    }

    /// The body was read to its end: the next bytes are a head's again.
    pub(super) fn body_ended(&self) {
        self.lock().is_body_due = false;
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sent {
    fn parsed(&mut self, has_body: bool) {
        self.bytes.clear();
        self.is_body_due = has_body;
    }
}

/// What a client sends ahead of its answers is not looked at here: such bytes begin anywhere.
fn count_lengths(bytes: &[u8], method: &str) -> usize {
    if bytes.starts_with(method.as_bytes()) { lengths(bytes).count() } else { 0 }
}

/// The values of every `Content-Length` in a head.
fn lengths(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
        let is_length = name.eq_ignore_ascii_case(header::CONTENT_LENGTH.as_str().as_bytes());
        is_length.then(|| value.get(1..).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(parts: &[&str]) -> usize {
        let head = SentHead::default();
        parts.iter().for_each(|part| head.note(part.as_bytes()));
        let lengths = head.take_lengths(&Method::PUT, false);
        assert_eq!(head.take_lengths(&Method::PUT, false), 0, "it is forgotten");
        lengths
    }

    #[test]
    fn lengths_are_counted_up_to_the_end_of_the_head() {
        let line = "PUT / HTTP/1.1\r\n";
        assert_eq!(lengths(&[line, "Content-Length: 1\r\n\r\n", "Content-Length: 1\r\n"]), 1);
        assert_eq!(lengths(&[line, "content-length: 1\r\nCONTENT-", "LENGTH: 1\r\n\r\nx"]), 2);
        assert_eq!(lengths(&[line, "X: Content-Length: 1\r\n\r\n"]), 0);
    }

    #[test]
    fn bytes_that_do_not_begin_with_the_request_are_not_its_head() {
        let rest = "of a body\r\nContent-Length: 1\r\nContent-Length: 1\r\nPUT / HTTP/1.1\r\n\r\n";
        assert_eq!(lengths(&[rest]), 0);
    }

    #[test]
    fn no_more_is_kept_than_a_head_may_hold() {
        let head = SentHead::default();
        (0..3).for_each(|_| head.note(&[b'x'; HEAD_BYTES_MAX]));
        assert_eq!(head.lock().bytes.len(), HEAD_BYTES_MAX);
    }

    #[test]
    fn a_body_that_was_not_read_is_no_head_however_it_looks() {
        const DOUBLED: &[u8] = b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n";
        let head = SentHead::default();
        head.forget(true);
        head.note(DOUBLED);
        assert_eq!(head.take_lengths(&Method::PUT, true), 0);
        head.note(DOUBLED);
        assert_eq!(head.take_lengths(&Method::PUT, false), 0, "a length does not make it known");
        head.note(DOUBLED);
        assert_eq!(head.take_lengths(&Method::PUT, true), 2, "there was no body");
        head.body_ended();
        head.note(DOUBLED);
        assert_eq!(head.take_lengths(&Method::PUT, true), 2, "the body was read");
    }
}
