//! smol as a [`Runtime`].

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use async_executor::StaticExecutor;
use async_io::Async;
use clavitor_node::alarm::TimerAlarm;
use clavitor_node::outbound::Outbound;
use clavitor_node::runtime::{Call, Called, Footprint, Runtime, Sockets, Unreachable};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use crate::{listen, outbound};

/// Runs every task. One thread does: the store and the tarpit have their own, and a second one here
/// would mostly contend with it for the reactor.
static EXECUTOR: StaticExecutor = StaticExecutor::new();

/// Runs a future, and all that it spawns, until the future ends.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    smol::block_on(EXECUTOR.run(future))
}

/// The smol runtime of this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Smol {
    outbound: Outbound,
}

impl Smol {
    /// Kept connections to other servers.
    pub(crate) fn outbound(&self) -> &Outbound {
        &self.outbound
    }
}

impl Runtime for Smol {
    const NAME: &'static str = "smol";
    const PROGRAM: &'static str = "clavitor-smol";
    const FOOTPRINT: Footprint = Footprint::Small;

    type Timer = SmolTimer;
    type Alarm = TimerAlarm<SmolTimer>;

    fn timer(&self) -> SmolTimer {
        SmolTimer::new()
    }

    fn alarm(&self) -> io::Result<Self::Alarm> {
        Ok(TimerAlarm(self.timer()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        EXECUTOR.spawn(task).detach();
    }

    async fn call(&self, call: Call) -> Result<Called, Unreachable> {
        outbound::call(self, call).await.map_err(|_| Unreachable)
    }
}

impl Sockets for Smol {
    type Listener = Async<TcpListener>;
    type Connection = FuturesIo<Async<TcpStream>>;

    fn listen(&self, listener: TcpListener) -> io::Result<Self::Listener> {
        Async::new_nonblocking(listener)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<(Self::Connection, SocketAddr)> {
        listen::accept(listener).await
    }

    async fn connect(&self, address: &str) -> io::Result<Self::Connection> {
        outbound::connect(address).await
    }

    fn release(connection: Self::Connection) -> io::Result<TcpStream> {
        listen::release(connection)
    }

    fn watch_signals(&self, on_signal: impl Fn() + Clone + Send + 'static) -> io::Result<()> {
        self.spawn(listen::watched_signals(on_signal)?);
        Ok(())
    }
}
