//! Connections that are held, opened one after the other by one thread that then leaves them alone:
//! what they receive is little enough to wait in the system's buffers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use super::pit::{Pit, source};

/// Those who are held by one process.
#[derive(Default)]
pub(crate) struct Crowd {
    streams: Vec<TcpStream>,
    opened: usize,
}

impl Crowd {
    /// Opens more until there are so many, each once the one before has its answer's head, where
    /// there is one.
    pub(crate) fn grow(&mut self, pit: &Pit, count: usize) {
        self.come(pit.address(), pit.guess(), count);
    }

    /// The same at an address where this is to be said.
    pub(crate) fn come(&mut self, to: SocketAddr, guess: &[u8], count: usize) {
        while self.streams.len() < count {
            let mut stream = open(to, self.opened);
            self.opened += 1;
            if !guess.is_empty() {
                stream.write_all(guess).expect("the server reads");
                let bytes = stream.read(&mut [0; 1024]);
                assert!(matches!(bytes, Ok(1..)), "held is number {}: {bytes:?}", self.opened);
            }
            self.streams.push(stream);
        }
    }

    /// Leaves, everybody at once.
    pub(crate) fn leave(&mut self) {
        self.streams.clear();
    }
}

/// A connection from an address of its own range; `number` spreads them over it.
pub(crate) fn open(to: SocketAddr, number: usize) -> TcpStream {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let socket = socket.expect("a socket: `ulimit -Hn` has to allow for those who are held");
    bind(&socket, &source(number)).expect("all of 127.0.0.0/8 is this machine");
    connect(&socket, &to).expect("the server listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out above zero");
    stream
}
