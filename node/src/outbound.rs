//! Outbound HTTP with connections that are kept: what is asked of other servers, whatever runtime their
//! answers come over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};

use crate::runtime::{Post, Posted, Sockets, Unreachable};

/// The most idle connections that are kept to one peer: as many as frames may be in flight.
const IDLE_MAX: usize = 8;

type Connection = SendRequest<Full<Bytes>>;

/// The kept connections, by URL. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    idle: Arc<Mutex<HashMap<String, Vec<Connection>>>>,
}

impl Outbound {
    /// Posts a request and waits for the whole answer.
    pub async fn post<R: Sockets>(&self, runtime: &R, post: Post) -> Result<Posted, Unreachable> {
        // A kept connection may have been closed at the other end without our knowing. That is no
        // failure of the peer: requests are idempotent, so try once more on a new one.
        if let Some(kept) = self.take(&post.url).await
            && let Ok(posted) = self.send(kept, &post).await
        {
            return Ok(posted);
        }
        let connection = connect(runtime, &post.url).await?;
        self.send(connection, &post).await
    }

    async fn send(&self, mut connection: Connection, post: &Post) -> Result<Posted, Unreachable> {
        let host = post.url.strip_prefix("http://").ok_or(Unreachable)?;
        let mut request = Request::post(&*post.path)
            .header(header::HOST, host)
            .body(Full::new(post.body.clone()))
            .map_err(|_| Unreachable)?;
        request.headers_mut().extend(post.headers.clone());
        let response = connection.send_request(request).await.map_err(|_| Unreachable)?;
        let status = response.status().as_u16();
        let body = read(response.into_body(), post.answer_bytes_max).await?;
        self.keep(&post.url, connection);
        Ok(Posted { status, body })
    }

    async fn take(&self, url: &str) -> Option<Connection> {
        loop {
            let mut connection = self.lock().get_mut(url)?.pop()?;
            if connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, url: &str, connection: Connection) {
        let mut idle = self.lock();
        let kept = idle.entry(url.to_owned()).or_default();
        kept.retain(|connection| !connection.is_closed());
        if kept.len() < IDLE_MAX {
            kept.push(connection);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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
