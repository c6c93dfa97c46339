//! A legitimate client at work while others misbehave.

use crate::client::entry_path;
use crate::{Client, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Somebody who reads what was just written, a few milliseconds later.
const PAUSE: Duration = Duration::from_millis(4);

const VAULT: &str = "session";

/// Sessions beside each other write entries of their own.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// How a session connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    /// Once, for all requests.
    Once,
    /// Anew for every request.
    Anew,
}

/// A thread that writes an entry and reads it back, again and again.
#[derive(Debug)]
pub struct Session {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Outcome>,
}

/// What a session saw.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How long each read took that was answered.
    pub reads: Vec<Duration>,
    /// How long each write took that was acknowledged.
    pub writes: Vec<Duration>,
    /// What went wrong, a line for each request.
    pub failures: Vec<String>,
}

impl Session {
    /// Starts one with the server's admin access token; its first two requests are done already.
    pub fn start(server: &Server, connecting: Connecting) -> Self {
        let (base, token) = (server.url(), server.admin_token());
        let mut client = Client::new(&base, Some(&token));
        let path = entry_path(VAULT, &format!("entry-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut outcome = Outcome::default();
        outcome.write_and_read(&client, &path, 0);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(PAUSE);
                if connecting == Connecting::Anew {
                    client = Client::new(&base, Some(&token));
                }
                number += 1;
                outcome.write_and_read(&client, &path, number);
            }
            outcome
        });
        Self { is_over, thread }
    }

    /// Ends it after the request that is under way.
    pub fn end(self) -> Outcome {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a session does not panic")
    }
}

impl Outcome {
    fn write_and_read(&mut self, client: &Client, path: &str, number: u64) {
        let blob = number.to_be_bytes();
        let started = Instant::now();
        match client.request("PUT", path, &[], Some(&blob)) {
            Ok(answer) if answer.is_done() => self.writes.push(started.elapsed()),
            Ok(answer) => self.failures.push(format!("PUT: {} {}", answer.status, answer.text())),
            Err(error) => self.failures.push(error),
        }
        let started = Instant::now();
        match client.request("GET", path, &[], None) {
            Ok(answer) if answer.status == 200 && answer.body == blob => {
                self.reads.push(started.elapsed());
            }
            Ok(answer) => self.failures.push(format!("GET: {} {}", answer.status, answer.text())),
            Err(error) => self.failures.push(error),
        }
    }

    /// Demands that all went well, that there was something to go well, and that no request took
    /// longer than `each_max`.
    #[track_caller]
    pub fn assert_untouched(&self, what: &str, each_max: Duration) {
        let failures = self.failures.len();
        assert_eq!(failures, 0, "{what}: the first failure: {:?}", self.failures.first());
        assert!(self.reads.len() >= 20, "{what}: only {} reads", self.reads.len());
        let slowest = self.reads.iter().chain(&self.writes).max();
        assert!(slowest <= Some(&each_max), "{what}: the slowest request took {slowest:?}");
    }
}
