//! A process that holds those who connect: a Commercial server, or endlessh.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Edition, Runtime, Server, ServerBuilder, foreign, metrics, ports, process};

use super::{HELD_MAX, RIVAL};

/// A guess at a path that no vault has.
pub(crate) const GUESS: &[u8] = b"GET /wp-login.php HTTP/1.1\r\nHost: bench\r\n\r\n";

/// How long what was opened may take to be held.
const SETTLE: Duration = Duration::from_millis(500);

/// The process.
pub(crate) enum Pit {
    Ours(Box<Server>),
    Endlessh(Endlessh),
}

/// The rival's process, ended when dropped.
pub(crate) struct Endlessh {
    child: Child,
    address: SocketAddr,
}

impl Pit {
    /// A Commercial server that holds so many at the most.
    pub(crate) fn ours(held_max: usize) -> Self {
        Self::ours_on(Runtime::under_test(), held_max)
    }

    /// The same on this runtime.
    pub(crate) fn ours_on(runtime: Runtime, held_max: usize) -> Self {
        let cap = ["--tarpit-connections-max".to_owned(), held_max.to_string()];
        let server = ServerBuilder::new(Edition::Commercial).runtime(runtime);
        Self::Ours(Box::new(server.arguments(cap).start()))
    }

    /// The rival, writing once a second to each; the reason if there is none.
    pub(crate) fn endlessh() -> Result<Self, String> {
        let program = foreign::find(RIVAL).ok_or(format!("{RIVAL} is not installed"))?;
        let address = ports::free_address();
        let (port, held_max) = (address.port().to_string(), HELD_MAX.to_string());
        let mut command = Command::new(program);
        command.args(["-4", "-d", "1000", "-m", &held_max, "-p", &port]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{RIVAL}: {error}"))?;
        let endlessh = Endlessh { child, address };
        eventually("the rival listens", seconds(5), || TcpStream::connect(address).is_ok());
        Ok(Self::Endlessh(endlessh))
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(server) => server.address(),
            Self::Endlessh(endlessh) => endlessh.address,
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Ours(server) => server.id(),
            Self::Endlessh(endlessh) => endlessh.child.id(),
        }
    }

    /// What to say to be held.
    pub(crate) fn guess(&self) -> &'static [u8] {
        match self {
            Self::Ours(_) => GUESS,
            Self::Endlessh(_) => b"",
        }
    }

    /// How many it holds: by its own word, or by its open files, of which few are for anything else.
    pub(crate) fn held(&self) -> f64 {
        match self {
            Self::Ours(server) => held(server),
            Self::Endlessh(endlessh) => process::open_files(endlessh.child.id()) as f64,
        }
    }

    /// Waits until all of `count` are held, and then until whatever that caused is over.
    pub(crate) fn settle(&self, count: usize) {
        eventually(&format!("{count} are held"), seconds(5), || self.held() >= count as f64);
        std::thread::sleep(SETTLE);
    }

    /// Demands that nobody of `count` was let go since `opened`.
    pub(crate) fn assert_still_held(&self, count: usize, opened: Instant) {
        let held = self.held();
        assert!(held >= count as f64, "{held} of {count} are held {:?} later", opened.elapsed());
    }
}

impl Drop for Endlessh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many a server says that it holds.
pub(crate) fn held(server: &Server) -> f64 {
    metric(server, "clavitor_tarpit_held")
}

/// One of a server's metrics.
pub(crate) fn metric(server: &Server, name: &str) -> f64 {
    metrics::value(&server.client().metrics(), name)
}

/// A source for the `number`th connection: one address alone has too few ports.
pub(super) fn source(number: usize) -> SocketAddr {
    const EACH: usize = 8_000;
    let host = u8::try_from(number / EACH % 200).expect("below 200");
    (Ipv4Addr::new(127, 0, 1, host + 1), 0).into()
}
