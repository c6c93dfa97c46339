//! A server's life on a runtime: its sockets and signals, from the settings to the exit.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::api::Face;
use crate::cli::Exit;
use crate::http::{CONNECTIONS_MAX, Connections};
use crate::plumbing::Plumbing;
use crate::runtime::{Runtime, Sockets};
use crate::server::Server;
use crate::settings::Settings;
use crate::{launch, log};

/// How long to wait when the system has no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many connections may wait to be accepted: as many as may be open, so that no burst within the
/// limit loses a second to a client's second attempt.
const BACKLOG: i32 = 4_096;

const _: () = assert!(BACKLOG as usize == CONNECTIONS_MAX);

/// Runs a server from its settings to its end. To be called on the runtime.
pub async fn serve<P: Plumbing<Runtime: Sockets<Timer: Unpin>>>(
    runtime: P::Runtime,
    settings: Settings,
) -> Exit {
    run::<P>(runtime, settings).await.unwrap_or_else(|complaint| launch::complain(&complaint))
}

async fn run<P: Plumbing<Runtime: Sockets<Timer: Unpin>>>(
    runtime: P::Runtime,
    settings: Settings,
) -> Result<Exit, String> {
    let main = bind(&runtime, settings.listen)?;
    let metrics = settings.metrics_listen.map(|address| bind(&runtime, address)).transpose()?;
    let server =
        Server::<P>::start(runtime.clone(), settings).map_err(|error| error.to_string())?;
    let stopping = server.clone();
    let watched = runtime.watch_signals(move || stopping.request_shutdown());
    watched.map_err(|error| format!("signals cannot be watched: {error}"))?;
    if let Some(Bound { listener, address }) = metrics {
        log::line(&format!("metrics on http://{address}"));
        runtime.spawn(serve_face(&runtime, listener, server.clone(), Face::Metrics));
    }
    log::line(&format!("{} listening on http://{}", launch::version::<P>(), main.address));
    runtime.spawn(serve_face(&runtime, main.listener, server.clone(), Face::Full));
    server.listening();
    if server.ended().await {
        return Ok(Exit::Done);
    }
    Err("the server broke down; what it acknowledged is on disk".to_owned())
}

fn serve_face<P: Plumbing<Runtime: Sockets<Timer: Unpin>>>(
    runtime: &P::Runtime,
    listener: <P::Runtime as Sockets>::Listener,
    server: Server<P>,
    face: Face,
) -> impl Future<Output = ()> + Send + 'static {
    let connections = server.connections().clone();
    accept(runtime.clone(), listener, connections, move |connection, remote| {
        server.accept(face, connection, remote, P::Runtime::release);
    })
}

/// A socket that listens.
pub struct Bound<L> {
    /// The socket.
    pub listener: L,
    /// Its address, the port included that the system picked.
    pub address: SocketAddr,
}

/// Listens, or says why it cannot.
pub fn bind<R: Sockets>(runtime: &R, address: SocketAddr) -> Result<Bound<R::Listener>, String> {
    let bound = || {
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, BACKLOG)?;
        // Answers are written whole; waiting to fill a packet only delays them. Connections inherit it.
        rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Bound { listener: runtime.listen(listener)?, address })
    };
    bound().map_err(|error: std::io::Error| {
        format!(
            "cannot listen on {address}: {error}; stop what listens there, or give another address"
        )
    })
}

/// Takes connections in until no further one is to be accepted.
pub async fn accept<R: Sockets>(
    runtime: R,
    listener: R::Listener,
    connections: Connections,
    take: impl Fn(R::Connection, SocketAddr),
) {
    loop {
        let next = std::pin::pin!(R::accept(&listener));
        let stopping = std::pin::pin!(connections.stopped());
        let accepted = match select(next, stopping).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(((), _)) => return,
        };
        match accepted {
            Ok((connection, remote)) => take(connection, remote),
            Err(_) => runtime.sleep(ACCEPT_PAUSE).await,
        }
    }
}
