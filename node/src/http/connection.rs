//! One connection from accept to close.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
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
use super::connections::{Connections, Slot};
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

/// What every answer says about itself, unless it says otherwise.
const COMMON_HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Serves one connection to its end, or until an answer is to be given slowly: its place is free
/// then, and nothing on it is under way. `answer` is the API.
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
            let mut response = finish(answer.unwrap_or_else(Problem::into_response), is_head);
            if answering.0.head.is_body_due() {
                // Whether the rest is there already is chance, and so would be whether the connection
                // is kept: a client that counts on it would lose its next request.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response.map(|body| Sending { body, _answering: answering }))
        })
    });
    let mut builder = http1::Builder::new();
    builder.timer(Alarm::new(means.timer.clone())).header_read_timeout(HEAD_TIMEOUT);
    builder.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    // Whoever is done sending still waits for its answer. It looks like one that is gone, which is now found
    // out by writing to it; until then it keeps its place, for seconds, since no answer takes longer.
    builder.half_close(true);
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

/// Serves a connection to its end. If the server is to stop before, the request that is under way
/// is still answered, if there is one; a head that is only half there is none.
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
        response.headers_mut().entry(name).or_insert(value);
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
