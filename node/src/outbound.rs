//! Outbound HTTP with connections that are kept: what is asked of other servers, whatever runtime
//! their answers come over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use clavitor_core::id::OpId;
use clavitor_core::time::Instant;
use futures_util::future::{AbortHandle, Either, abortable, select};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};

use crate::http::HEAD_TIMEOUT;
use crate::runtime::{Call, Called, Runtime, Sockets, Unreachable};
use crate::wall;

/// The most idle connections that are kept to one peer: as many as frames may be in flight.
const IDLE_MAX: usize = 8;

/// How long an idle connection is worth keeping, in milliseconds: other servers keep it for as long.
#[expect(clippy::cast_possible_truncation, reason = "it is seconds")]
const IDLE_AGE_MAX_MS: u64 = HEAD_TIMEOUT.as_millis() as u64;

/// How much of an answer that nobody reads is taken, and for how long, to keep its connection.
const UNREAD_BYTES_MAX: usize = 64 * 1024;
const UNREAD_MAX: Duration = Duration::from_millis(500);

type Connection = SendRequest<Full<Bytes>>;

/// Why a request has no answer.
enum Failure {
    /// None began.
    Unanswered,
    /// One began, and did not end as it should.
    Broken,
}

/// The kept connections, by URL. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    idle: Arc<Mutex<HashMap<String, Vec<Idle>>>>,
}

/// A connection that nothing is under way on, the longest idle one first where there are more.
#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A request on a kept connection. Whatever stands in the way may have forgotten the others too: unless
/// it is answered they all go, so that the next try does not wait in vain as this one did.
struct Doubt<'a> {
    outbound: &'a Outbound,
    url: &'a str,
    is_answered: bool,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.outbound.forget(self.url);
        }
    }
}

impl Outbound {
    /// Sends a request and waits for the whole answer.
    pub async fn call<R: Sockets>(&self, runtime: &R, call: Call) -> Result<Called, Unreachable> {
        // A kept connection may have been closed at the other end without our knowing. That is no
        // failure of the peer: requests are idempotent, so try once more on a new one.
        if let Some(kept) = self.take(&call.url).await {
            let mut doubt = Doubt { outbound: self, url: &call.url, is_answered: false };
            match self.send(runtime, kept, &call).await {
                Ok(called) => {
                    doubt.is_answered = true;
                    return Ok(called);
                }
                Err(Failure::Broken) => return Err(Unreachable),
                Err(Failure::Unanswered) => {}
            }
        }
        let connection = connect(runtime, &call.url).await?;
        self.send(runtime, connection, &call).await.map_err(|_| Unreachable)
    }

    async fn send(
        &self,
        runtime: &impl Runtime,
        mut connection: Connection,
        call: &Call,
    ) -> Result<Called, Failure> {
        let host = call.url.strip_prefix("http://").ok_or(Failure::Unanswered)?;
        let mut request = Request::builder()
            .method(if call.body.is_some() { Method::POST } else { Method::GET })
            .uri(&*call.path)
            .header(header::HOST, host)
            .body(Full::new(call.body.clone().unwrap_or_default()))
            .map_err(|_| Failure::Unanswered)?;
        request.headers_mut().extend(call.headers.clone());
        let response = connection.send_request(request).await.map_err(|_| Failure::Unanswered)?;
        let status = response.status().as_u16();
        let body = if call.answer_bytes_max == 0 {
            let unread = std::pin::pin!(read(response.into_body(), UNREAD_BYTES_MAX));
            if let Either::Left((Ok(_), _)) = select(unread, runtime.sleep(UNREAD_MAX)).await {
                self.keep(&call.url, connection);
            }
            Bytes::new()
        } else {
            let body = read(response.into_body(), call.answer_bytes_max).await;
            let body = body.map_err(|_| Failure::Broken)?;
            self.keep(&call.url, connection);
            body
        };
        Ok(Called { status, body })
    }

    async fn take(&self, url: &str) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.lock().get_mut(url)?.pop()?;
            if wall::instant().ms_since(since) > IDLE_AGE_MAX_MS {
                // The rest has been idle for longer.
                self.forget(url);
                return None;
            }
            if connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, url: &str, connection: Connection) {
        let mut idle = self.lock();
        let kept = idle.entry(url.to_owned()).or_default();
        kept.retain(|idle| !idle.connection.is_closed());
        if kept.len() < IDLE_MAX {
            kept.push(Idle { connection, since: wall::instant() });
        }
    }

    fn forget(&self, url: &str) {
        if let Some(kept) = self.lock().get_mut(url) {
            kept.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one task of a kind that may be under way, by the order that began it.
#[derive(Debug, Default)]
pub struct Flight {
    task: Mutex<Option<(OpId, AbortHandle)>>,
}

impl Flight {
    /// Runs a task until it ends or is cancelled.
    pub fn begin(
        &self,
        runtime: &impl Runtime,
        op: OpId,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let (task, abort) = abortable(task);
        *self.lock() = Some((op, abort));
        runtime.spawn(async move {
            let _ = task.await;
        });
    }

    /// Ends the task of this order, if it is the last one.
    pub fn cancel(&self, op: OpId) {
        if let Some((_, abort)) = self.lock().take_if(|(flying, _)| *flying == op) {
            abort.abort();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(OpId, AbortHandle)>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect<R: Sockets>(runtime: &R, url: &str) -> Result<Connection, Unreachable> {
    let address = url.strip_prefix("http://").ok_or(Unreachable)?;
    let stream = runtime.connect(address).await.map_err(|_| Unreachable)?;
    let (sender, connection) = http1::handshake(stream).await.map_err(|_| Unreachable)?;
    runtime.spawn(async move {
        // It ends when the peer closes or the sender is dropped; whoever waits on it is told there.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn read(mut body: Incoming, bytes_max: usize) -> Result<Bytes, Unreachable> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Unreachable)?.into_data() {
            if whole.len() + data.len() > bytes_max {
                return Err(Unreachable);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests;
