//! Connections to other servers.

use std::io;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Connects to `host:port`.
pub(crate) async fn connect(address: &str) -> io::Result<TokioIo<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(TokioIo::new(stream))
}
