//! Whoever servers report to: a real HTTP receiver that keeps every byte, and can misbehave.

use crate::ports;
use crate::raw::Message;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// How requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With this status and an empty body.
    Status(u16),
    /// Never.
    Hang,
    /// By closing the connection.
    Close,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Post {
    /// When it had been read.
    pub at: Instant,
    /// The request.
    pub request: Message,
}

/// Takes what servers send until dropped.
#[derive(Debug)]
pub struct Hq {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    stopping: AtomicBool,
    manner: Mutex<Manner>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    posts: Vec<Post>,
    bytes: Vec<u8>,
}

impl Hq {
    /// A receiver on a port of its own that answers with 204.
    pub fn start() -> Self {
        Self::on(ports::listener())
    }

    /// The same on this listener.
    pub fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            manner: Mutex::new(Manner::Status(204)),
            seen: Mutex::default(),
        });
        let of = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if of.stopping.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), of) = (stream, Arc::clone(&of)) else { continue };
                lock(&of.seen).connections += 1;
                std::thread::spawn(move || {
                    // Whoever breaks off in the middle has said what it said.
                    let _ = of.serve(stream);
                });
            }
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// `http://` and where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers like this from now on.
    pub fn answer(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        lock(&self.shared.seen).connections
    }

    /// Every byte that came, over all connections.
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.shared.seen).bytes.clone()
    }

    /// Every request to a path, in the order in which they came.
    pub fn posts(&self, path: &str) -> Vec<Post> {
        let start = format!("POST {path} HTTP/1.1");
        let seen = lock(&self.shared.seen);
        seen.posts.iter().filter(|post| post.request.start == start).cloned().collect()
    }
}

impl Drop for Hq {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut reader = BufReader::new(Tap { stream, seen: &self.seen });
        while let Some(request) = Message::read_request(&mut reader)? {
            let manner = *lock(&self.manner);
            lock(&self.seen).posts.push(Post { at: Instant::now(), request });
            match manner {
                Manner::Status(status) => {
                    write!(answers, "HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n")?;
                }
                Manner::Hang => {}
                Manner::Close => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Keeps what is read.
struct Tap<'a> {
    stream: TcpStream,
    seen: &'a Mutex<Seen>,
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        lock(self.seen).bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
