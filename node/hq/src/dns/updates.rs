//! Tells another server what has changed in the zone. What is sent and when is
//! [`clavitor_hq_core::dns::push`]'s; this carries it, on a thread of its own, for a server that does
//! not answer must keep nobody waiting.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use clavitor_core::id::OpId;
use clavitor_hq_core::dns::push::{Effect, Input, Push};
use clavitor_hq_core::dns::update::{Answered, Change, Failure, Key, Request};
use clavitor_hq_core::dns::{Origin, PAYLOAD_BYTES_MAX};
use clavitor_node::{entropy, wall};

/// How long a server gets to answer over UDP before it is asked over TCP.
pub const UDP_PATIENCE: Duration = Duration::from_secs(1);

/// How long it gets to take a connection, and then to answer on it.
pub const TCP_PATIENCE: Duration = Duration::from_secs(2);

/// How many addresses of a server are tried.
const ADDRESSES_MAX: usize = 2;

/// The port of a server that is named without one.
const PORT: u16 = 53;

const KEY_BYTES_MAX: u64 = 4_096;

const ANSWER_BYTES_MAX: usize = 65_535;

/// Whom to tell, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server, as [`server`] reads it.
    pub server: String,
    /// The zone.
    pub origin: Origin,
    /// The key that both have.
    pub key: Key,
}

/// What becomes of it, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The server does not take updates, and why.
    Failing(Failure),
    /// It takes them again.
    Mended,
}

/// Tells the server until it is dropped.
#[derive(Debug)]
pub struct Updater {
    wanted: Sender<Change>,
}

impl Updater {
    /// Begins. Whatever the server is to have has to be said once, since nobody knows what it has.
    pub fn start(target: Target, tell: impl FnMut(News) + Send + 'static) -> io::Result<Updater> {
        let (wanted, changes) = channel();
        let run = move || Updates { target, tell, push: Push::default() }.run(&changes);
        // It ends by itself when there is nobody left to want anything.
        thread::Builder::new().name("dns-updates".to_owned()).spawn(run)?;
        Ok(Updater { wanted })
    }

    /// A cluster is to have these addresses from now on, or none.
    pub fn want(&self, cluster: &str, at: &[IpAddr]) {
        let change = Change { cluster: cluster.to_owned(), addresses: at.to_vec() };
        let _ = self.wanted.send(change);
    }
}

/// Reads `--dns-update`: a server with a port, or without.
pub fn server(text: &str) -> Result<String, String> {
    let wrong = || format!("\"{text}\" is not a server and port such as ns1.example.com:53");
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, PORT).to_string());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| text.to_owned()).ok_or_else(wrong);
    }
    let (host, port) =
        text.split_once(':').map_or((text, Ok(PORT)), |(host, port)| (host, port.parse::<u16>()));
    let is_host = Origin::parse(host).is_ok();
    match port {
        Ok(1..) if is_host => Ok(format!("{host}:{}", port.unwrap_or(PORT))),
        _ => Err(wrong()),
    }
}

/// A key as it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The key.
    pub key: Key,
    /// Whether accounts other than the owner's may read the file.
    pub is_open_to_others: bool,
}

/// Reads `--dns-update-key-file`, or says in words what is wrong with it.
pub fn key_file(path: &Path) -> Result<KeyFile, String> {
    let unreadable = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    let mut text = String::new();
    file.take(KEY_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    let key = Key::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(KeyFile { key, is_open_to_others: mode & 0o044 != 0 })
}

struct Updates<T> {
    target: Target,
    tell: T,
    push: Push,
}

impl<T: FnMut(News)> Updates<T> {
    fn run(mut self, changes: &Receiver<Change>) {
        loop {
            let wanted = match self.push.next_wake() {
                None => changes.recv().map_err(RecvTimeoutError::from),
                Some(wake) => {
                    let left = wake.0.saturating_sub(wall::instant().0);
                    changes.recv_timeout(Duration::from_nanos(left))
                }
            };
            // What came together goes together.
            match wanted {
                Ok(change) => {
                    let more: Vec<Change> = changes.try_iter().collect();
                    self.take([change].into_iter().chain(more).map(Input::Wanted));
                }
                Err(RecvTimeoutError::Timeout) => self.take([Input::Tick]),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let mut orders = Vec::new();
        for input in inputs {
            self.push.handle(wall::instant(), input, &mut orders);
        }
        while !orders.is_empty() {
            for order in std::mem::take(&mut orders) {
                match order {
                    Effect::Send { op, changes } => {
                        let sent = self.sent(op, &changes);
                        self.push.handle(wall::instant(), sent, &mut orders);
                    }
                    Effect::Failing(failure) => (self.tell)(News::Failing(failure)),
                    Effect::Mended => (self.tell)(News::Mended),
                }
            }
        }
    }

    fn sent(&self, op: OpId, changes: &[Change]) -> Input {
        let Target { server, origin, key } = &self.target;
        let id = u16::from_be_bytes(entropy::bytes());
        let outcome = match Request::new(origin, key, changes, id, wall::unix_time()) {
            Some(request) => Asking { server, key, request: &request }.ask(),
            None => Err(Failure::NotItsZone),
        };
        Input::Sent { op, outcome }
    }
}

/// One update on its way.
struct Asking<'a> {
    server: &'a str,
    key: &'a Key,
    request: &'a Request,
}

impl Asking<'_> {
    fn ask(&self) -> Result<(), Failure> {
        let addresses = self.server.to_socket_addrs().map_err(|_| Failure::Unanswered)?;
        for address in addresses.take(ADDRESSES_MAX) {
            let answered = match self.over_udp(address) {
                Ok(Some(outcome)) => return outcome,
                Ok(None) | Err(_) => self.over_tcp(address),
            };
            if let Ok(Some(outcome)) = answered {
                return outcome;
            }
        }
        Err(Failure::Unanswered)
    }

    fn over_udp(&self, address: SocketAddr) -> io::Result<Option<Result<(), Failure>>> {
        if self.request.bytes().len() > PAYLOAD_BYTES_MAX.into() {
            return Ok(None);
        }
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.send(self.request.bytes())?;
        let end = Instant::now() + UDP_PATIENCE;
        let mut answer = vec![0; ANSWER_BYTES_MAX];
        while let Some(left) = left(end) {
            socket.set_read_timeout(Some(left))?;
            let length = match socket.recv(&mut answer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let outcome = self.outcome(answer.get(..length).unwrap_or_default());
            // Whatever else comes here is not from whom was asked.
            if outcome.is_some() {
                return Ok(outcome);
            }
        }
        Ok(None)
    }

    fn over_tcp(&self, address: SocketAddr) -> io::Result<Option<Result<(), Failure>>> {
        let mut stream = TcpStream::connect_timeout(&address, TCP_PATIENCE)?;
        stream.set_write_timeout(Some(TCP_PATIENCE))?;
        let length = u16::try_from(self.request.bytes().len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), self.request.bytes()].concat())?;
        let end = Instant::now() + TCP_PATIENCE;
        let mut length = [0; 2];
        read_until(&mut stream, &mut length, end)?;
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        read_until(&mut stream, &mut answer, end)?;
        Ok(self.outcome(&answer))
    }

    fn outcome(&self, answer: &[u8]) -> Option<Result<(), Failure>> {
        match self.request.read(self.key, answer, wall::unix_time()) {
            Answered::Done => Some(Ok(())),
            Answered::Failed(failure) => Some(Err(failure)),
            Answered::Unrelated => None,
        }
    }
}

/// Fills the buffer, however the bytes drip.
fn read_until(stream: &mut TcpStream, mut buffer: &mut [u8], end: Instant) -> io::Result<()> {
    while !buffer.is_empty() {
        stream.set_read_timeout(Some(left(end).ok_or(ErrorKind::TimedOut)?))?;
        match stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => buffer = buffer.get_mut(read..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The time left, if there is any: a socket takes none for all the time there is.
fn left(end: Instant) -> Option<Duration> {
    Some(end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
