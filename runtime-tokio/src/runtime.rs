//! tokio as a [`Runtime`].

use std::io;
use std::net::SocketAddr;

use clavitor_node::outbound::Outbound;
use clavitor_node::runtime::{Call, Called, Footprint, Runtime, Sockets, Unreachable};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use crate::{listen, outbound};

/// The tokio runtime of this process.
#[derive(Clone, Default)]
pub(crate) struct Tokio {
    outbound: Outbound,
}

impl Runtime for Tokio {
    const NAME: &'static str = "tokio";
    const PROGRAM: &'static str = "clavitor";
    const FOOTPRINT: Footprint = Footprint::Standard;

    type Timer = TokioTimer;

    fn timer(&self) -> TokioTimer {
        TokioTimer::new()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    async fn call(&self, call: Call) -> Result<Called, Unreachable> {
        self.outbound.call(self, call).await
    }
}

impl Sockets for Tokio {
    type Listener = TcpListener;
    type Connection = TokioIo<TcpStream>;

    fn listen(&self, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    async fn accept(listener: &TcpListener) -> io::Result<(Self::Connection, SocketAddr)> {
        listen::accept(listener).await
    }

    async fn connect(&self, address: &str) -> io::Result<Self::Connection> {
        outbound::connect(address).await
    }

    fn release(connection: Self::Connection) -> io::Result<std::net::TcpStream> {
        listen::release(connection)
    }

    fn watch_signals(&self, on_signal: impl Fn() + Clone + Send + 'static) -> io::Result<()> {
        listen::watch_signals(on_signal)
    }
}
