//! Answers DNS questions over UDP and TCP. What is answered is [`clavitor_hq_core::dns`]'s; this
//! carries it, on a thread for each of the two: no other part of HQ can keep answers waiting.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clavitor_hq_core::dns::{self, Transport, Zone};
use rustix::event::{EventfdFlags, eventfd};

use connections::Connections;

mod connections;
mod datagrams;
pub mod updates;

/// The most TCP connections at once; one more takes the place of the one that has been idle longest.
pub const CONNECTIONS_MAX: usize = 64;

/// How long a TCP connection may take over a question and over taking its answer.
pub const IDLE_MAX: Duration = Duration::from_secs(5);

/// How long to wait when the system cannot give what is asked of it.
const PAUSE: Duration = Duration::from_millis(50);

/// How often to look for a port that is free for both, when any will do.
const PORTS_TRIED_MAX: usize = 16;

/// Answers until it is dropped, once it was told to.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    // Whoever asks before there is an answer waits in them.
    sockets: Option<(UdpSocket, TcpListener)>,
    threads: Vec<JoinHandle<()>>,
}

/// What became of questions since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered over UDP.
    pub udp: u64,
    /// Answered over TCP.
    pub tcp: u64,
    /// Not answered at all, because they were no questions.
    pub dropped: u64,
}

/// What the threads share.
struct Shared {
    zone: RwLock<Zone>,
    stop: Stop,
    udp: AtomicU64,
    tcp: AtomicU64,
    dropped: AtomicU64,
}

/// Told once, and seen by whoever waits or is about to.
struct Stop {
    is_over: AtomicBool,
    wake: OwnedFd,
}

impl Server {
    /// Opens the sockets, or says what to do about it that they cannot be opened.
    pub fn bind(listen: SocketAddr, zone: Zone) -> Result<Server, String> {
        let bound = || {
            let (udp, tcp) = bind(listen)?;
            let address = udp.local_addr()?;
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let shared = Arc::new(Shared {
                zone: RwLock::new(zone),
                stop: Stop { is_over: AtomicBool::new(false), wake },
                udp: AtomicU64::new(0),
                tcp: AtomicU64::new(0),
                dropped: AtomicU64::new(0),
            });
            Ok(Server { shared, address, sockets: Some((udp, tcp)), threads: Vec::new() })
        };
        bound().map_err(|error: io::Error| complaint(listen, &error))
    }

    /// Answers from now on.
    pub fn answer(&mut self) -> Result<(), String> {
        let Some((udp, tcp)) = self.sockets.take() else { return Ok(()) };
        let (datagrams, connections) = (self.shared.clone(), self.shared.clone());
        let begun = self.begin("dns-udp", move || datagrams::serve(&udp, &datagrams));
        begun
            .and_then(|()| {
                self.begin("dns-tcp", move || Connections::new(tcp, connections).serve())
            })
            .map_err(|error| complaint(self.address, &error))
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the zone; every answer from then on is by what it has become.
    pub fn change<T>(&self, change: impl FnOnce(&mut Zone) -> T) -> T {
        change(&mut self.shared.zone.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What became of questions since the start.
    pub fn counts(&self) -> Counts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let shared = &self.shared;
        Counts { udp: count(&shared.udp), tcp: count(&shared.tcp), dropped: count(&shared.dropped) }
    }

    fn begin(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(run)?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.now();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dns::Server({})", self.address)
    }
}

impl Shared {
    fn answer(&self, query: &[u8], via: Transport) -> Option<Vec<u8>> {
        // Whoever could make the parser panic must not end DNS for everybody.
        let answered = catch_unwind(AssertUnwindSafe(|| {
            dns::answer(&self.zone.read().unwrap_or_else(PoisonError::into_inner), query, via)
        }));
        let answered = answered.ok().flatten();
        let counter = match (&answered, via) {
            (None, _) => &self.dropped,
            (Some(_), Transport::Udp) => &self.udp,
            (Some(_), Transport::Tcp) => &self.tcp,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        answered
    }
}

impl Stop {
    fn now(&self) {
        self.is_over.store(true, Ordering::Release);
        // Nobody reads it, so it wakes both threads, and for good.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

/// Opens both sockets on one port.
fn bind(listen: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut tried = 0;
    loop {
        let udp = UdpSocket::bind(listen)?;
        match TcpListener::bind(udp.local_addr()?) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && listen.port() == 0 => {
                tried += 1;
                if tried == PORTS_TRIED_MAX {
                    return Err(error);
                }
            }
            tcp => return Ok((udp, tcp?)),
        }
    }
}

fn complaint(listen: SocketAddr, error: &io::Error) -> String {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            "stop what answers there (another HQ, a resolver, or on port 5353 a service for local \
             names), or give another address with --dns-listen"
        }
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a right of their own: give it (setcap cap_net_bind_service=+ep, or \
             AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit), or use another port and have \
             port 53 forwarded to it"
        }
        ErrorKind::AddrNotAvailable => {
            "it is no address of this machine: give one that is with --dns-listen"
        }
        _ => "give another address with --dns-listen",
    };
    format!("cannot answer DNS on {listen} (UDP and TCP): {error}; {advice}")
}

#[cfg(test)]
mod tests;
