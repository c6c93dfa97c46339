//! Questions on connections: each begins with its length, and so does its answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use clavitor_hq_core::dns::{QUERY_BYTES_MAX, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{CONNECTIONS_MAX, IDLE_MAX, PAUSE, Shared};

const LENGTH_BYTES: usize = 2;

/// Invariant: at most [`CONNECTIONS_MAX`] are open, the one that has been idle longest first.
pub(super) struct Connections {
    listener: TcpListener,
    shared: Arc<Shared>,
    open: Vec<Connection>,
}

/// Invariant: what was read is at most one question, and none is read before the answer to the last
/// one is written.
struct Connection {
    stream: TcpStream,
    idle_since: Instant,
    read: Vec<u8>,
    unwritten: Vec<u8>,
}

/// What became of a connection when it was looked at.
enum Looked {
    /// A question was answered.
    Served,
    /// It waits, for the rest of a question or for its answer to be taken.
    Waiting,
    /// It is to be closed.
    Over,
}

impl Connections {
    pub(super) fn new(listener: TcpListener, shared: Arc<Shared>) -> Self {
        Self { listener, shared, open: Vec::new() }
    }

    /// Answers until all is over.
    pub(super) fn serve(mut self) {
        while !self.shared.stop.is_over() {
            let ready = self.wait();
            let now = Instant::now();
            let (mut idle, mut served) = (Vec::new(), Vec::new());
            for (at, mut connection) in self.open.drain(..).enumerate() {
                let looked = match ready.get(at) {
                    Some(true) => connection.look(&self.shared),
                    _ => Looked::Waiting,
                };
                match looked {
                    Looked::Served => {
                        connection.idle_since = now;
                        served.push(connection);
                    }
                    Looked::Waiting if now < connection.idle_since + IDLE_MAX => {
                        idle.push(connection);
                    }
                    Looked::Waiting | Looked::Over => {}
                }
            }
            self.open = idle;
            self.open.append(&mut served);
            self.accept(now);
        }
    }

    /// Waits until there is something to do; answers which connections are ready.
    fn wait(&self) -> Vec<bool> {
        let first_idle = self.open.first().map(|connection| connection.idle_since + IDLE_MAX);
        let timeout = first_idle.map(|end| {
            let left = end.saturating_duration_since(Instant::now());
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() }
        });
        let connections = self.open.iter().map(Connection::waiting);
        let mut waiting: Vec<PollFd<'_>> = connections.collect();
        waiting.push(PollFd::new(&self.listener, PollFlags::IN));
        waiting.push(PollFd::new(&self.shared.stop.wake, PollFlags::IN));
        if poll(&mut waiting, timeout.as_ref()).is_err() {
            return Vec::new();
        }
        waiting.iter().map(|waiting| !waiting.revents().is_empty()).collect()
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..CONNECTIONS_MAX {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if stream.set_nonblocking(true).is_err() {
                        continue;
                    }
                    // The answer is written whole; waiting to fill a packet would only delay it.
                    let _ = stream.set_nodelay(true);
                    if self.open.len() == CONNECTIONS_MAX {
                        self.open.remove(0);
                    }
                    self.open.push(Connection {
                        stream,
                        idle_since: now,
                        read: Vec::new(),
                        unwritten: Vec::new(),
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Whoever left before, or was reset.
                Err(error) if is_of_the_client(error.kind()) => {}
                Err(_) => return thread::sleep(PAUSE),
            }
        }
    }
}

impl Connection {
    fn waiting(&self) -> PollFd<'_> {
        let flags = if self.unwritten.is_empty() { PollFlags::IN } else { PollFlags::OUT };
        PollFd::new(&self.stream, flags)
    }

    /// Goes on with the question, or with the answer to it.
    fn look(&mut self, shared: &Shared) -> Looked {
        if self.unwritten.is_empty() {
            match self.read() {
                Some(true) => {}
                Some(false) => return Looked::Waiting,
                None => return Looked::Over,
            }
            let query = self.read.get(LENGTH_BYTES..).unwrap_or_default();
            let Some(reply) = shared.answer(query, Transport::Tcp) else { return Looked::Over };
            let Ok(length) = u16::try_from(reply.len()) else { return Looked::Over };
            self.read.clear();
            self.unwritten.extend(length.to_be_bytes());
            self.unwritten.extend(reply);
        }
        self.write()
    }

    /// Reads on; whether the question is whole, or `None` if none will ever be.
    fn read(&mut self) -> Option<bool> {
        loop {
            let whole = match self.read.first_chunk::<LENGTH_BYTES>() {
                Some(length) => LENGTH_BYTES + usize::from(u16::from_be_bytes(*length)),
                None => LENGTH_BYTES,
            };
            if whole > LENGTH_BYTES + QUERY_BYTES_MAX {
                return None;
            }
            let had = self.read.len();
            if had == whole {
                // A question without a byte is none.
                return (whole > LENGTH_BYTES).then_some(true);
            }
            self.read.resize(whole, 0);
            let read = self.stream.read(self.read.get_mut(had..).unwrap_or_default());
            self.read.truncate(had + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    fn write(&mut self) -> Looked {
        while !self.unwritten.is_empty() {
            match self.stream.write(&self.unwritten) {
                Ok(0) => return Looked::Over,
                Ok(written) => drop(self.unwritten.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Looked::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Looked::Over,
            }
        }
        Looked::Served
    }
}

fn is_of_the_client(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
