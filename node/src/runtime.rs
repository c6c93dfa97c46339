//! What a runtime supplies: tasks, timers, sockets, signals and outbound HTTP. What is done with
//! them is decided in [`crate::serve`] and [`crate::outbound`], and nothing is decided in a
//! runtime.

use std::borrow::Cow;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use hyper::rt::{Read, Sleep, Timer, Write};

use crate::alarm::Alarm;

/// A request to another server, which may be sent twice.
#[derive(Clone, Debug)]
pub struct Call {
    /// `http://host:port`.
    pub url: String,
    /// The path, beginning with a slash, and the query.
    pub path: Cow<'static, str>,
    /// Header fields beside `Host` and the length; the body's type among them.
    pub headers: HeaderMap,
    /// What is posted; a GET has none.
    pub body: Option<Bytes>,
    /// The longest answer to accept, in bytes; 0 if its status says all, and the rest may be what
    /// it will.
    pub answer_bytes_max: usize,
}

/// Header fields that say only what the body is.
pub fn content_type(value: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
    headers
}

/// The header field that proves who asks; its value is not shown where headers are. `None` if a
/// header cannot hold the token.
pub fn bearer(token: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Its answer.
#[derive(Clone, Debug)]
pub struct Called {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

/// There was no answer, or none that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable;

/// How much a server may keep in memory for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Footprint {
    /// What most hosts have room for.
    Standard,
    /// For hosts with half a gigabyte and less.
    Small,
}

/// A runtime, as seen by everything above it. Clones share it.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The runtime's name in `--version`.
    const NAME: &'static str;

    /// How the program is called by those who start it.
    const PROGRAM: &'static str;

    /// How much a server on it may keep in memory.
    const FOOTPRINT: Footprint;

    /// Its timer, for hyper and for sleeping.
    type Timer: Timer + Clone + Send + Sync + 'static;

    /// What wakes a driver.
    type Alarm: Alarm;

    /// The timer.
    fn timer(&self) -> Self::Timer;

    /// An alarm for one who sleeps most of the time.
    fn alarm(&self) -> io::Result<Self::Alarm>;

    /// Runs a task beside the others.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Sends a request and waits for the whole answer. Connections are kept and used again.
    fn call(&self, call: Call) -> impl Future<Output = Result<Called, Unreachable>> + Send;

    /// Waits.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.timer().sleep(duration)
    }
}

/// The sockets and signals of a runtime.
pub trait Sockets: Runtime {
    /// A listening socket.
    type Listener: Send + Sync + 'static;
    /// A connection.
    type Connection: Read + Write + Unpin + Send + 'static;

    /// Takes over a socket that listens and does not block.
    fn listen(&self, listener: TcpListener) -> io::Result<Self::Listener>;

    /// Waits for the next connection.
    fn accept(
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Connection, SocketAddr)>> + Send;

    /// Connects to `host:port`.
    fn connect(&self, address: &str) -> impl Future<Output = io::Result<Self::Connection>> + Send;

    /// Gives up a connection, so that it can be kept without a runtime. It does not block.
    fn release(connection: Self::Connection) -> io::Result<TcpStream>;

    /// Calls `on_signal` for each SIGTERM and SIGINT from now on.
    fn watch_signals(&self, on_signal: impl Fn() + Clone + Send + 'static) -> io::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_into_its_header_and_nowhere_else() {
        let value = bearer(b"0123456789abcdef").expect("it fits");
        assert_eq!(value.as_bytes(), b"Bearer 0123456789abcdef");
        assert!(value.is_sensitive());
        assert!(!format!("{value:?}").contains("0123456789abcdef"));
        assert_eq!(bearer(b"a\nb"), None);
    }
}
