//! Requests of clients over connections in memory, through the API to the store and back.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll};

use clavitor_core::credential::{AccessToken, Presented, Scope, TokenId};
use clavitor_core::token;
use clavitor_node::api::Face;
use clavitor_node::http::{Connections, serve};
use hyper::rt::{Read, ReadBufCursor, Write};

use super::super::*;
use crate::apply::tests::cluster::{A, Cluster};
use crate::apply::tests::executor::TestRuntime;
use crate::apply::tests::fixtures::monday;

/// A client that sends one request, and closes once it is answered.
struct Client {
    request: Option<String>,
    got: Arc<Mutex<Vec<u8>>>,
}

impl Read for Client {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.request.take() {
            Some(request) => buf.put_slice(request.as_bytes()),
            None if lock(&this.got).is_empty() => return Poll::Pending,
            None => {}
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.got).extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Stores an admin token.
pub(super) fn store_token(cluster: &Cluster, id: u8) -> Presented {
    let presented = Presented { id: TokenId([id; TokenId::BYTES]), secret: [id; 32] };
    let made = AccessToken {
        id: presented.id,
        vault: None,
        scope: Scope::Admin,
        label: String::new(),
        secret_hash: presented.secret_hash(),
        created: monday(),
        expires: None,
        revoked: None,
    };
    let stored = cluster
        .store(A)
        .write_blocking::<_, (), _>(move |txn| Ok(token::create(txn, made.clone(), None)?));
    stored.unwrap();
    presented
}

/// The store's writer waits until the gate is dropped; then it does this first.
fn close_gate(
    cluster: &Cluster,
    mut first: impl FnMut(&mut Transaction<'_>) + Send + 'static,
) -> Sender<()> {
    let (gate, opened) = channel();
    let store = cluster.store(A).clone();
    let wait = move |txn: &mut Transaction<'_>| {
        let _ = opened.recv();
        first(txn);
        Ok(())
    };
    cluster.executor.spawn(A, async move {
        store.write::<(), (), _>(0, wait).await.unwrap();
    });
    cluster.executor.run();
    gate
}

/// The status and the body of the answer to a client's write at `a`; `meanwhile` comes when the store
/// is done with it, and before it is answered.
pub(super) fn ask(
    cluster: &mut Cluster,
    access: &Presented,
    head: &str,
    meanwhile: impl FnOnce(&Commercial<TestRuntime>),
) -> String {
    ask_late(cluster, access, head, |_| {}, meanwhile)
}

/// The same for a write that has to wait for its turn, behind what is done `first`.
pub(super) fn ask_late(
    cluster: &mut Cluster,
    access: &Presented,
    head: &str,
    first: impl FnMut(&mut Transaction<'_>) + Send + 'static,
    meanwhile: impl FnOnce(&Commercial<TestRuntime>),
) -> String {
    let commercial = cluster.commercial(A).clone();
    *lock(&commercial.peers_origin_ms) = None;
    let connections = Connections::default();
    let (store, edition) = (cluster.store(A).clone(), commercial.clone());
    let api = Arc::new(Api::new(store, edition, connections.clone(), Vec::new(), None));
    let (method, rest) = head.split_once(' ').unwrap();
    let (path, fields) = rest.split_once('\n').unwrap_or((rest, ""));
    let (access, got) = (access.reveal(), Arc::new(Mutex::new(Vec::new())));
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Authorization: Bearer {access}\r\n{fields}\r\n"
    );
    let client = Client { request: Some(request), got: got.clone() };
    let timer = commercial.runtime.timer();
    let gate = close_gate(cluster, first);
    cluster.executor.spawn(A, async move {
        let slot = connections.admit().unwrap();
        let (remote, budget) = (SocketAddr::from(([127, 0, 0, 1], 1)), BodyBudget::of(1 << 20));
        let answer = |request| api.answer(Face::Full, request);
        serve(client, remote, slot, connections, budget, timer, answer).await;
    });
    while commercial.right.under_way() == 0 {
        assert!(cluster.executor.run(), "the write begins");
    }
    drop(gate);
    cluster.write_out();
    meanwhile(&commercial);
    cluster.settle();
    let answer = String::from_utf8(lock(&got).clone()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    format!("{} {body}", &head["HTTP/1.1 ".len()..][..3])
}
