//! The network between two POPs: a proxy that one POP is reached through, which can be told to
//! misbehave, and which remembers what passed.

use crate::ports;
use crate::raw::Message;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where frames and hellos are posted.
pub const FRAMES_PATH: &str = "/v1/replication/frames";

/// A frame with records of at least 2 KiB each is longer than this; one without is shorter.
pub const BODY_BYTES_WITHOUT_RECORDS: usize = 2048;

/// Changes an answer, knowing its request.
pub type AlterAnswer = Arc<dyn Fn(&Message, &mut Message) + Send + Sync>;

/// How the network misbehaves.
#[derive(Clone)]
pub enum Fault {
    /// It does not.
    None,
    /// Every connection is closed at once.
    Refuse,
    /// Requests are taken and never answered.
    BlackHole,
    /// Every answer takes this much longer.
    Delay(Duration),
    /// Requests arrive and are carried out; the answers are lost.
    LoseAnswer,
    /// Requests do not arrive; this status comes back, with an empty body.
    Answer(u16),
    /// Answers are changed on their way.
    Alter(AlterAnswer),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Refuse => "Refuse",
            Self::BlackHole => "BlackHole",
            Self::Delay(_) => "Delay",
            Self::LoseAnswer => "LoseAnswer",
            Self::Answer(_) => "Answer",
            Self::Alter(_) => "Alter",
        })
    }
}

/// A request that came through, and what the server behind the proxy answered to it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// When the request had been read.
    pub at: Instant,
    /// The request.
    pub request: Message,
    /// The server's own answer, before any fault; `None` if there was none.
    pub answer: Option<Message>,
}

impl Exchange {
    /// Whether it is a frame with records (of 2 KiB and more), not a hello.
    pub fn carries_records(&self) -> bool {
        self.is_frame() && self.request.body.len() > BODY_BYTES_WITHOUT_RECORDS
    }

    /// Whether it is a frame or a hello.
    pub fn is_frame(&self) -> bool {
        self.request.start.starts_with(&format!("POST {FRAMES_PATH} "))
    }
}

/// Forwards every connection to one server until dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    stopping: AtomicBool,
    fault: Mutex<Fault>,
    log: Mutex<Vec<Exchange>>,
    live: Mutex<BTreeMap<u64, TcpStream>>,
}

impl Proxy {
    /// A proxy in front of `upstream`, on a port of its own.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = ports::listener();
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            upstream,
            stopping: AtomicBool::new(false),
            fault: Mutex::new(Fault::None),
            log: Mutex::default(),
            live: Mutex::default(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// The URL that POPs are told.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Misbehaves from now on, with connections that are open as well.
    pub fn set(&self, fault: Fault) {
        let cuts = matches!(fault, Fault::Refuse);
        *lock(&self.shared.fault) = fault;
        if cuts {
            self.shared.cut();
        }
    }

    /// Everything that passed so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared.log).clone()
    }

    /// The frames with records that passed so far.
    pub fn record_frames(&self) -> Vec<Exchange> {
        self.exchanges().into_iter().filter(Exchange::carries_records).collect()
    }

    /// Forgets what passed.
    pub fn forget(&self) {
        lock(&self.shared.log).clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.cut();
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        lock(&self.fault).clone()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn cut(&self) {
        for stream in lock(&self.live).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Serves one connection until either side ends it.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = Message::read_request(&mut reader)? {
            let index = self.record(&request);
            let Some(answer) = self.answer(&request, index)? else {
                break;
            };
            (&*stream).write_all(&answer.bytes())?;
        }
        Ok(())
    }

    fn record(&self, request: &Message) -> Instant {
        let at = Instant::now();
        lock(&self.log).push(Exchange { at, request: request.clone(), answer: None });
        at
    }

    /// What the client is told; `None` closes the connection without an answer.
    fn answer(&self, request: &Message, at: Instant) -> io::Result<Option<Message>> {
        match self.fault() {
            Fault::None => self.forward(request, at),
            Fault::Refuse => Ok(None),
            Fault::BlackHole => {
                while matches!(self.fault(), Fault::BlackHole) && !self.is_stopping() {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Ok(None)
            }
            Fault::Delay(delay) => {
                let answer = self.forward(request, at);
                std::thread::sleep(delay);
                answer
            }
            Fault::LoseAnswer => self.forward(request, at).map(|_| None),
            Fault::Answer(status) => {
                let start = format!("HTTP/1.1 {status} Because");
                Ok(Some(Message { start, ..Message::default() }))
            }
            Fault::Alter(alter) => {
                let mut answer = self.forward(request, at)?;
                if let Some(answer) = &mut answer {
                    alter(request, answer);
                }
                Ok(answer)
            }
        }
    }

    /// A connection of its own for each request: what the far server has closed meanwhile, or
    /// lost by a restart, is then never mistaken for a failure of the network.
    fn forward(&self, request: &Message, at: Instant) -> io::Result<Option<Message>> {
        let mut upstream = TcpStream::connect(self.upstream)?;
        upstream.write_all(&request.bytes())?;
        let answer = Message::read_answer(&mut BufReader::new(upstream))?;
        let mut log = lock(&self.log);
        if let Some(entry) = log.iter_mut().rev().find(|entry| entry.at == at) {
            entry.answer.clone_from(&answer);
        }
        Ok(answer)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut number = 0;
    for stream in listener.incoming().flatten() {
        if shared.is_stopping() {
            return;
        }
        if matches!(shared.fault(), Fault::Refuse) {
            continue;
        }
        number += 1;
        let Ok(copy) = stream.try_clone() else {
            continue;
        };
        lock(&shared.live).insert(number, copy);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _ = shared.serve(&stream);
            let _ = stream.shutdown(Shutdown::Both);
            lock(&shared.live).remove(&number);
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{exchange, exchange_within};

    /// Answers every request with its own body, in chunks.
    fn echo() -> SocketAddr {
        let listener = ports::listener();
        let address = listener.local_addr().expect("a bound listener has an address");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                let Ok(Some(request)) = Message::read_request(&mut reader) else {
                    continue;
                };
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let body = String::from_utf8(request.body).expect("the tests send text");
                let chunks = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
                stream.write_all(chunks.as_bytes()).expect("the proxy reads");
            }
        });
        address
    }

    const REQUEST: &[u8] =
        b"POST /v1/replication/frames HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn requests_are_forwarded_and_remembered() {
        let proxy = Proxy::start(echo());
        assert_eq!(exchange(proxy.address, REQUEST).expect("an answer").text(), "hello");
        let passed = proxy.exchanges();
        assert_eq!((passed.len(), passed[0].request.text().as_str()), (1, "hello"));
        assert!(passed[0].is_frame() && !passed[0].carries_records());
        assert_eq!(passed[0].answer.as_ref().map(Message::status), Some(200));
    }

    #[test]
    fn every_fault_is_what_it_says() {
        let proxy = Proxy::start(echo());
        let brief = Duration::from_millis(200);
        proxy.set(Fault::Refuse);
        assert!(exchange(proxy.address, REQUEST).is_none());
        assert!(proxy.exchanges().is_empty());
        proxy.set(Fault::BlackHole);
        assert!(exchange_within(proxy.address, REQUEST, brief).is_none());
        assert!(proxy.exchanges()[0].answer.is_none());
        proxy.set(Fault::LoseAnswer);
        assert!(exchange(proxy.address, REQUEST).is_none());
        assert!(proxy.exchanges()[1].answer.is_some());
        proxy.set(Fault::Answer(503));
        assert_eq!(exchange(proxy.address, REQUEST).expect("an answer").status(), 503);
        proxy.set(Fault::Alter(Arc::new(|request, answer| {
            answer.body = [request.body.as_slice(), b"!"].concat();
        })));
        assert_eq!(exchange(proxy.address, REQUEST).expect("an answer").text(), "hello!");
        proxy.set(Fault::Delay(brief));
        let started = Instant::now();
        assert_eq!(exchange(proxy.address, REQUEST).expect("an answer").text(), "hello");
        assert!(started.elapsed() >= brief);
    }
}
