//! A receiver in place of HQ: takes what servers post, shows each idempotency key once, keeps every
//! byte, and can be away, refuse, lose its answers or say nothing.

use crate::raw::Message;
use crate::{ports, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// Where alerts are posted.
pub const ALERTS_PATH: &str = "/v1/alerts";

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It is taken: 202, or 409 if its key is known.
    Takes,
    /// It is answered with this status and not taken.
    Answers(u16),
    /// It is taken, and the connection closed without an answer.
    LosesAnswers,
    /// It is neither taken nor answered, and the connection stays open.
    Silent,
    /// It is taken and told so, in an answer whose body never ends.
    Rambles,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// When it had been read.
    pub at: Instant,
    /// The request.
    pub message: Message,
    /// Whether it was taken, for the first time or again.
    pub is_taken: bool,
}

/// The receiver; down when dropped.
#[derive(Debug)]
pub struct Hq {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    token: Option<String>,
    requests: Mutex<Vec<Request>>,
    shown: Mutex<BTreeMap<String, Vec<u8>>>,
    altered: Mutex<Vec<String>>,
    live: Mutex<Vec<TcpStream>>,
    bytes: Mutex<Vec<u8>>,
    connections: AtomicUsize,
    stopping: AtomicBool,
}

impl Hq {
    /// A receiver on a port of its own that asks for no token.
    pub fn start() -> Self {
        Self::demanding(None)
    }

    /// A receiver that answers 401 to everything without this token.
    pub fn with_token(token: &str) -> Self {
        Self::demanding(Some(token.to_owned()))
    }

    fn demanding(token: Option<String>) -> Self {
        let shared = Shared {
            mood: Mutex::new(Mood::Takes),
            token,
            requests: Mutex::default(),
            shown: Mutex::default(),
            altered: Mutex::default(),
            live: Mutex::default(),
            bytes: Mutex::default(),
            connections: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        };
        let mut hq =
            Self { address: ports::free_address(), shared: Arc::new(shared), acceptor: None };
        hq.come_up();
        hq
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what becomes of requests from now on.
    pub fn set(&self, mood: Mood) {
        *lock(&self.shared.mood) = mood;
    }

    /// Closes the port and every connection; what it took stays known.
    pub fn go_down(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.stopping.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        let _ = acceptor.join();
        for stream in lock(&self.shared.live).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again on the same port.
    pub fn come_up(&mut self) {
        if self.acceptor.is_some() {
            return;
        }
        self.shared.stopping.store(false, Ordering::Release);
        let mut bound = None;
        wait::eventually("the port is free", wait::seconds(5), || {
            bound = TcpListener::bind(self.address).ok();
            bound.is_some()
        });
        let listener = bound.expect("the loop above ended");
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(std::thread::spawn(move || accept(&listener, &shared)));
    }

    /// Every request to a path, in order.
    pub fn requests(&self, path: &str) -> Vec<Request> {
        let start = format!("POST {path} HTTP/1.1");
        let requests = lock(&self.shared.requests);
        requests.iter().filter(|request| request.message.start == start).cloned().collect()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Every byte that came, over all connections.
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.shared.bytes).clone()
    }

    /// Every alert that was taken, once for each key, as JSON.
    ///
    /// # Panics
    /// If a key came again with another body.
    pub fn alerts(&self) -> Vec<Value> {
        let altered = lock(&self.shared.altered);
        assert!(altered.is_empty(), "other bodies under a known key: {altered:?}");
        let shown = lock(&self.shared.shown);
        shown.values().map(|body| serde_json::from_slice(body).expect("JSON")).collect()
    }

    /// The alerts of one type that were taken.
    pub fn alerts_of(&self, alert_type: &str) -> Vec<Value> {
        self.alerts().into_iter().filter(|alert| alert["type"] == alert_type).collect()
    }
}

impl Drop for Hq {
    fn drop(&mut self) {
        self.go_down();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::AcqRel);
        if let Ok(copy) = stream.try_clone() {
            lock(&shared.live).push(copy);
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _ = serve(&stream, &shared);
            let _ = stream.shutdown(Shutdown::Both);
        });
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(Tap { stream, bytes: &shared.bytes });
    while let Some(message) = Message::read_request(&mut reader)? {
        let mood = *lock(&shared.mood);
        let authorization = shared.token.as_ref().map(|token| format!("Bearer {token}"));
        let is_denied =
            authorization.is_some() && message.header("authorization") != authorization.as_deref();
        let is_taken =
            !is_denied && matches!(mood, Mood::Takes | Mood::LosesAnswers | Mood::Rambles);
        let is_news = is_taken && shared.take(&message);
        lock(&shared.requests).push(Request { at: Instant::now(), message, is_taken });
        let status = match mood {
            Mood::Silent => continue,
            Mood::LosesAnswers => return Ok(()),
            Mood::Rambles => {
                write!(&*stream, "HTTP/1.1 200 Well\r\nContent-Length: 99999\r\n\r\nwell,")?;
                continue;
            }
            Mood::Answers(status) => status,
            Mood::Takes if is_denied => 401,
            Mood::Takes => {
                if is_news {
                    202
                } else {
                    409
                }
            }
        };
        write!(&*stream, "HTTP/1.1 {status} Told\r\nContent-Length: 2\r\n\r\n{{}}")?;
    }
    Ok(())
}

/// Keeps what is read.
struct Tap<'a> {
    stream: &'a TcpStream,
    bytes: &'a Mutex<Vec<u8>>,
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        lock(self.bytes).extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

impl Shared {
    /// Whether the alert's key is new; what is no alert always is.
    fn take(&self, message: &Message) -> bool {
        if !message.start.starts_with(&format!("POST {ALERTS_PATH} ")) {
            return true;
        }
        let mut shown = lock(&self.shown);
        let fallback = format!("keyless {}", shown.len());
        let key = message.header("idempotency-key").unwrap_or(&fallback);
        if let Some(known) = shown.get(key) {
            if *known != message.body {
                lock(&self.altered).push(message.text());
            }
            return false;
        }
        shown.insert(key.to_owned(), message.body.clone());
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
