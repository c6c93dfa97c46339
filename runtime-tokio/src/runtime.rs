//! tokio as a [`Runtime`].

use std::io;
use std::net::SocketAddr;

use clavitor_node::alarm::{self, KernelTimer};
use clavitor_node::outbound::Outbound;
use clavitor_node::runtime::{Call, Called, Footprint, Runtime, Sockets, Unreachable};
use clavitor_node::wall::Instant;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
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
    type Alarm = Alarm;

    fn timer(&self) -> TokioTimer {
        TokioTimer::new()
    }

    fn alarm(&self) -> io::Result<Alarm> {
        let timer = KernelTimer::new()?;
        // SAFETY: the timer owns its descriptor, and keeps the same one open until it is dropped.
        let watched = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
        Ok(Alarm(watched?))
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

/// A timer of the kernel that tokio waits for. tokio's own are kept in a wheel, which costs a sleeper up
/// to two more wake-ups, where the wheel turns, and one for a deadline that was put away while another
/// thread had begun to wait for it.
pub(crate) struct Alarm(AsyncFd<KernelTimer>);

impl alarm::Alarm for Alarm {
    async fn wait(&mut self, at: Option<Instant>) {
        self.0.get_mut().set(at);
        loop {
            // It fails only once tokio goes away, and whoever sleeps with it.
            let Ok(mut ready) = self.0.readable_mut().await else {
                return std::future::pending().await;
            };
            if let Ok(Ok(())) = ready.try_io(|timer| timer.get_mut().take()) {
                // It fires once: there is nothing to read before it is set again.
                return ready.clear_ready();
            }
        }
    }
}
