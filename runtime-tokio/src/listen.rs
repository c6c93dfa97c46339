//! Connections from others, and signals.

use std::io;
use std::net::SocketAddr;

use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// Waits for the next connection.
pub(crate) async fn accept(listener: &TcpListener) -> io::Result<(TokioIo<TcpStream>, SocketAddr)> {
    let (stream, remote) = listener.accept().await?;
    Ok((TokioIo::new(stream), remote))
}

/// Gives up a connection.
pub(crate) fn release(connection: TokioIo<TcpStream>) -> io::Result<std::net::TcpStream> {
    connection.into_inner().into_std()
}

/// Calls `on_signal` for each SIGTERM and SIGINT.
pub(crate) fn watch_signals(on_signal: impl Fn() + Clone + Send + 'static) -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let on_signal = on_signal.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                on_signal();
            }
        });
    }
    Ok(())
}
