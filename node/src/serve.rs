//! A server's life on a runtime: its sockets and signals, from the settings to the exit.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::api::Face;
use crate::cli::Exit;
use crate::http::CONNECTIONS_MAX;
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
        runtime.spawn(accept(runtime.clone(), listener, server.clone(), Face::Metrics));
    }
    log::line(&format!("{} listening on http://{}", launch::version::<P>(), main.address));
    runtime.spawn(accept(runtime.clone(), main.listener, server.clone(), Face::Full));
    server.listening();
    if server.ended().await {
        return Ok(Exit::Done);
    }
    Err("the server broke down; what it acknowledged is on disk".to_owned())
}

struct Bound<L> {
    listener: L,
    address: SocketAddr,
}

fn bind<R: Sockets>(runtime: &R, address: SocketAddr) -> Result<Bound<R::Listener>, String> {
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

async fn accept<P: Plumbing<Runtime: Sockets<Timer: Unpin>>>(
    runtime: P::Runtime,
    listener: <P::Runtime as Sockets>::Listener,
    server: Server<P>,
    face: Face,
) {
    loop {
        let next = std::pin::pin!(P::Runtime::accept(&listener));
        let stopping = std::pin::pin!(server.stopping());
        let accepted = match select(next, stopping).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(((), _)) => return,
        };
        match accepted {
            Ok((connection, remote)) => {
                server.accept(face, connection, remote, P::Runtime::release);
            }
            Err(_) => runtime.sleep(ACCEPT_PAUSE).await,
        }
    }
}
