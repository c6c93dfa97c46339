//! HTTP/1.1 by hand: for what no client library would send, and for the proxy between POPs.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

const HEAD_BYTES_MAX: u64 = 64 * 1024;
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A request or an answer.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// Request line or status line, without the line's end.
    pub start: String,
    /// Headers in order, names as received.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Message {
    /// Reads a request; `None` if the other side closed before one began.
    pub fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(mut message) = Self::read_head(reader)? else {
            return Ok(None);
        };
        message.read_body(reader, false)?;
        Ok(Some(message))
    }

    /// Reads an answer; `None` if the other side closed before one began.
    pub fn read_answer(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(mut message) = Self::read_head(reader)? else {
            return Ok(None);
        };
        message.read_body(reader, true)?;
        Ok(Some(message))
    }

    /// Reads the answer to a `HEAD`, which has no body whatever it says about one.
    pub fn read_answer_to_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        Self::read_head(reader)
    }

    /// The first value of a header, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// An answer's status; 0 if the line is malformed.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
    }

    /// The stable code of a problem document; empty if the body is none.
    pub fn code(&self) -> String {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The bytes to send, with a `Content-Length` that fits the body.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.start).into_bytes();
        let own = |name: &str| {
            name.eq_ignore_ascii_case("content-length")
                || name.eq_ignore_ascii_case("transfer-encoding")
        };
        for (name, value) in self.headers.iter().filter(|(name, _)| !own(name)) {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", self.body.len()).as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut message = Self::default();
        let mut head = reader.take(HEAD_BYTES_MAX);
        loop {
            let mut line = Vec::new();
            let read = head.read_until(b'\n', &mut line)?;
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if read == 0 && message.start.is_empty() {
                return Ok(None);
            } else if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            } else if message.start.is_empty() {
                message.start = text;
            } else if text.is_empty() {
                return Ok(Some(message));
            } else {
                let (name, value) = text.split_once(':').unwrap_or((&text, ""));
                message.headers.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }

    fn read_body(&mut self, reader: &mut impl BufRead, is_answer: bool) -> io::Result<()> {
        let chunked = self.header("transfer-encoding").is_some_and(|value| value == "chunked");
        let length = self.header("content-length").and_then(|value| value.parse().ok());
        if chunked {
            return self.read_chunks(reader);
        }
        if let Some(length) = length {
            self.body = vec![0; length];
            return reader.read_exact(&mut self.body);
        }
        if is_answer && !matches!(self.status(), 100..200 | 204 | 304) {
            reader.read_to_end(&mut self.body)?;
        }
        Ok(())
    }

    fn read_chunks(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = line.trim().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            let start = self.body.len();
            self.body.resize(start + size, 0);
            reader.read_exact(&mut self.body[start..])?;
            let mut end = [0; 2];
            reader.read_exact(&mut end)?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

/// Sends `bytes` over a connection of its own and reads one answer. `None` means that the
/// server closed the connection, or said nothing for five seconds.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Message> {
    exchange_within(address, bytes, ANSWER_MAX)
}

/// Like [`exchange`], with another patience.
pub fn exchange_within(address: SocketAddr, bytes: &[u8], patience: Duration) -> Option<Message> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(patience)).expect("a time-out above zero");
    stream.set_write_timeout(Some(patience)).expect("a time-out above zero");
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    Message::read_answer(&mut BufReader::new(stream)).ok().flatten()
}

/// Sends `bytes`, then closes the sending half, and reads one answer.
pub fn exchange_half_closed(address: SocketAddr, bytes: &[u8]) -> Option<Message> {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a time-out above zero");
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    Message::read_answer(&mut BufReader::new(stream)).ok().flatten()
}
