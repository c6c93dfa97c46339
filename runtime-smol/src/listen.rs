//! Connections from others, and signals.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use async_io::Async;
use async_signal::{Signal, Signals};
use smol::stream::StreamExt;
use smol_hyper::rt::FuturesIo;

/// Waits for the next connection.
pub(crate) async fn accept(
    listener: &Async<TcpListener>,
) -> io::Result<(FuturesIo<Async<TcpStream>>, SocketAddr)> {
    let (stream, remote) = listener.accept().await?;
    Ok((FuturesIo::new(stream), remote))
}

/// Gives up a connection.
pub(crate) fn release(connection: FuturesIo<Async<TcpStream>>) -> io::Result<TcpStream> {
    connection.into_inner().into_inner()
}

/// Calls `on_signal` for each SIGTERM and SIGINT.
pub(crate) fn watched_signals(on_signal: impl Fn()) -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new([Signal::Term, Signal::Int])?;
    Ok(async move {
        while let Some(Ok(_)) = signals.next().await {
            on_signal();
        }
    })
}
