//! One connection from accept to close, and how many there may be.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, FutureExt, ready, select};
use http::{HeaderName, HeaderValue, Method, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBuf, Timer, Write};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};

use super::alarm::Alarm;
use super::body::{BodyBudget, Cut, ResponseBody};
use super::head::SentHead;
use super::problem::Problem;
use super::request::{Means, Request, Response};
use super::slow::HandedOver;
use super::stall::{Pending, Stall};

/// The most bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most header fields of a request.
const HEADERS_MAX: usize = 64;

/// How long a request's head may take, and how long a kept connection may idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closing connection goes on reading, and how much at the most.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// What every answer says about itself, whoever writes it.
const COMMON_HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The most connections at once; one more is closed at once.
pub const CONNECTIONS_MAX: usize = 4_096;

/// Counts connections, and tells them when to end.
///
/// Invariant: `open` is at most [`CONNECTIONS_MAX`] and counts every live `Slot`; `serving` counts
/// those among them that may yet answer something.
#[derive(Clone, Debug)]
pub struct Connections {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    open: AtomicUsize,
    serving: AtomicUsize,
    // Closed when the server stops: whoever waits on it is woken.
    stop: async_channel::Sender<()>,
    stopped: async_channel::Receiver<()>,
    // A token when the last connection has answered everything.
    quiet: async_channel::Sender<()>,
    quieted: async_channel::Receiver<()>,
}

impl Default for Connections {
    fn default() -> Self {
        let (stop, stopped) = async_channel::bounded(1);
        let (quiet, quieted) = async_channel::bounded(1);
        let open = AtomicUsize::new(0);
        let serving = AtomicUsize::new(0);
        Self { shared: Arc::new(Shared { open, serving, stop, stopped, quiet, quieted }) }
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    is_serving: bool,
}

impl Slot {
    /// Nothing will be answered any more; the connection only closes.
    fn served(&mut self) {
        if !std::mem::take(&mut self.is_serving) {
            return;
        }
        // One order for all four: who waits has closed `stop` before it counted, so the last of
        // those that serve sees it closed.
        let was_last = self.shared.serving.fetch_sub(1, Ordering::SeqCst) == 1;
        if was_last && self.shared.stop.is_closed() {
            let _ = self.shared.quiet.try_send(());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.served();
        self.shared.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connections {
    /// A place for one more connection, unless all are taken or the server stops.
    pub fn admit(&self) -> Option<Slot> {
        let more = |open: usize| (open < CONNECTIONS_MAX).then_some(open + 1);
        self.shared.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        self.shared.serving.fetch_add(1, Ordering::SeqCst);
        let slot = Slot { shared: self.shared.clone(), is_serving: true };
        (!self.is_stopping()).then_some(slot)
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Acquire)
    }

    /// Ends idle connections, and the others after their request.
    pub fn stop(&self) {
        self.shared.stop.close();
    }

    /// Whether [`Connections::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.is_closed()
    }

    /// Waits for [`Connections::stop`].
    pub async fn stopped(&self) {
        let _ = self.shared.stopped.recv().await;
    }

    /// Waits until no connection has anything to answer any more.
    pub async fn quiet(&self) {
        while self.shared.serving.load(Ordering::SeqCst) > 0 {
            let _ = self.shared.quieted.recv().await;
        }
    }
}

/// Serves one connection to its end, or until an answer is to be given slowly: its place is free then,
/// and nothing on it is under way. `answer` is the API.
pub async fn serve<Io, T, F, A>(
    io: Io,
    remote: SocketAddr,
    mut slot: Slot,
    connections: Connections,
    budget: BodyBudget,
    timer: T,
    answer: F,
) -> Option<HandedOver<Io>>
where
    Io: Read + Write + Unpin,
    T: Timer + Clone + Send + Sync + Unpin + 'static,
    F: Fn(Request<T>) -> A,
    A: Future<Output = Result<Response, Problem>> + Unpin,
{
    let (pending, head) = (Pending::default(), SentHead::default());
    let slow = Mutex::new(None);
    let means = Arc::new(Means { connections, budget, timer, pending, head, slow });
    let service = service_fn(|request: http::Request<Incoming>| {
        let answering = Answering::begin(&means);
        let is_head = request.method() == Method::HEAD;
        let request = Request::new(request, remote, &means);
        let answer = match request {
            Ok(request) => Either::Left(answer(request)),
            Err(problem) => Either::Right(ready(Err(problem))),
        };
        answer.map(move |answer| {
            let response = finish(answer.unwrap_or_else(Problem::into_response), is_head);
            Ok::<_, Infallible>(response.map(|body| Sending { body, _answering: answering }))
        })
    });
    let mut builder = http1::Builder::new();
    builder.timer(Alarm::new(means.timer.clone())).header_read_timeout(HEAD_TIMEOUT);
    builder.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    let mut connection = builder.serve_connection(Stall::new(io, means.clone()), service);
    let end = serve_to_the_end(&mut connection, &means.connections, &means.pending).await;
    let io = connection.into_parts().io;
    if end == End::HandedOver {
        return means.take_slow().map(|answer| HandedOver { io: io.into_inner(), answer });
    }
    slot.served();
    linger(io, &means.timer).await;
    None
}

/// How serving a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is to be closed.
    Over,
    /// Somebody else answers the last request.
    HandedOver,
}

/// Serves a connection to its end. If the server is to stop before, the request that is under way is
/// still answered, if there is one; a head that is only half there is none.
async fn serve_to_the_end<Io, S, B>(
    connection: &mut http1::Connection<Io, S>,
    connections: &Connections,
    pending: &Pending,
) -> End
where
    Io: Read + Write + Unpin,
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Unpin,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut stopped = std::pin::pin!(connections.stopped());
    let (mut is_watching, mut is_stopping) = (false, false);
    poll_fn(|cx| {
        loop {
            // A client that breaks the protocol ends its own connection; nobody else is concerned.
            if connection.poll_without_shutdown(cx).is_ready() {
                return Poll::Ready(End::Over);
            }
            if pending.is_handed_over() {
                return Poll::Ready(End::HandedOver);
            }
            if is_stopping {
                return if pending.is_any() { Poll::Pending } else { Poll::Ready(End::Over) };
            }
            // Once it watches, the task is woken, and a look at the flag tells why.
            is_stopping = if std::mem::replace(&mut is_watching, true) {
                connections.is_stopping()
            } else {
                stopped.as_mut().poll(cx).is_ready()
            };
            if !is_stopping {
                return Poll::Pending;
            }
            Pin::new(&mut *connection).graceful_shutdown();
        }
    })
    .await
}

/// Closes without losing the answer: closing a socket that holds unread bytes makes the system
/// throw away what the client has not read yet.
async fn linger<Io: Read + Write + Unpin>(mut io: Io, timer: &impl Timer) {
    let mut left = LINGER_BYTES_MAX;
    let mut scratch = [0; 4_096];
    let drained = async {
        if poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await.is_err() {
            return;
        }
        while left > 0 {
            let mut buffer = ReadBuf::new(&mut scratch);
            let read = poll_fn(|cx| Pin::new(&mut io).poll_read(cx, buffer.unfilled())).await;
            let bytes = buffer.filled().len();
            if read.is_err() || bytes == 0 {
                return;
            }
            left = left.saturating_sub(bytes);
        }
    };
    let _ = select(std::pin::pin!(drained), timer.sleep(LINGER)).await;
}

/// An answer's body; its request is under way until the last byte is handed over.
struct Sending<T> {
    body: ResponseBody,
    _answering: Answering<T>,
}

struct Answering<T>(Arc<Means<T>>);

impl<T> Answering<T> {
    fn begin(means: &Arc<Means<T>>) -> Self {
        means.pending.begin();
        Self(means.clone())
    }
}

impl<T> Drop for Answering<T> {
    fn drop(&mut self) {
        self.0.pending.end();
    }
}

impl<T> Body for Sending<T> {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What every answer has in common.
pub(super) fn finish(mut response: Response, is_head: bool) -> Response {
    for (name, value) in COMMON_HEADERS {
        response.headers_mut().insert(name, value);
    }
    if is_head && let ResponseBody::Whole(bytes) = response.body() {
        let length = HeaderValue::from(bytes.len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        *response.body_mut() = ResponseBody::from("");
    }
    response
}

#[cfg(test)]
mod tests;
