//! Listening sockets and signals.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clavitor_node::api::Face;
use clavitor_node::cli::Exit;
use clavitor_node::plumbing::Plumbing;
use clavitor_node::server::Server;
use clavitor_node::settings::Settings;
use clavitor_node::{launch, log};
use futures_util::future::{Either, select};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use crate::runtime::Tokio;

/// How long to wait when the system has no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Runs a server from its settings to its end.
pub(crate) async fn serve<P: Plumbing<Runtime = Tokio>>(settings: Settings) -> Exit {
    let main = match bind(settings.listen).await {
        Ok(listener) => listener,
        Err(complaint) => return launch::complain(&complaint),
    };
    let metrics = match settings.metrics_listen {
        None => None,
        Some(address) => match bind(address).await {
            Ok(listener) => Some(listener),
            Err(complaint) => return launch::complain(&complaint),
        },
    };
    let server = match Server::<P>::start(Tokio::default(), settings) {
        Ok(server) => server,
        Err(error) => return launch::complain(&error.to_string()),
    };
    if let Err(complaint) = watch_signals(&server) {
        return launch::complain(&complaint);
    }
    if let Some(metrics) = metrics {
        log::line(&format!("metrics on http://{}", metrics.address));
        tokio::spawn(accept(metrics.listener, server.clone(), Face::Metrics));
    }
    log::line(&format!("{} listening on http://{}", launch::version::<P>(), main.address));
    tokio::spawn(accept(main.listener, server.clone(), Face::Full));
    server.listening();
    if server.ended().await {
        Exit::Done
    } else {
        launch::complain("the server broke down; what it acknowledged is on disk")
    }
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

async fn bind(address: SocketAddr) -> Result<Bound, String> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Bound { listener, address })
    };
    bound.await.map_err(|error: io::Error| {
        format!(
            "cannot listen on {address}: {error}; stop what listens there, or give another address"
        )
    })
}

async fn accept<P: Plumbing<Runtime = Tokio>>(
    listener: TcpListener,
    server: Server<P>,
    face: Face,
) {
    loop {
        let next = std::pin::pin!(listener.accept());
        let stopping = std::pin::pin!(server.stopping());
        let accepted = match select(next, stopping).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(((), _)) => return,
        };
        match accepted {
            Ok((stream, remote)) => {
                // Answers are written whole; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                server.accept(face, TokioIo::new(stream), remote, release);
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn release(io: TokioIo<TcpStream>) -> io::Result<std::net::TcpStream> {
    io.into_inner().into_std()
}

fn watch_signals<P: Plumbing<Runtime = Tokio>>(server: &Server<P>) -> Result<(), String> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals =
            signal(kind).map_err(|error| format!("signals cannot be watched: {error}"))?;
        let server = server.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                server.request_shutdown();
            }
        });
    }
    Ok(())
}
