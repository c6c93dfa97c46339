//! Somebody who writes without a pause, whoever is primary, and remembers every acknowledgement.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clavitor_node::cli::client::{Answer, Ask, Connection, Failure};
use http::{Method, StatusCode};

use crate::lock;

/// Where it writes.
pub(super) const VAULT: &str = "demo";

/// The time between two writes under load, and while somebody only looks on, in milliseconds: how
/// exactly an interruption is measured, and how long the disk lasts.
const PAUSE_MS: u64 = 4;
const LEISURE_MS: u64 = 500;

/// How many surprises are remembered.
const SURPRISES_MAX: usize = 100;

/// A write that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acknowledged {
    /// Which entry; no two have the same, and they grow.
    pub(super) number: u64,
    /// Its version.
    pub(super) etag: String,
    /// By which POP.
    pub(super) pop: usize,
    /// When.
    pub(super) at: Instant,
}

/// A thread that writes.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    is_over: AtomicBool,
    pause_ms: AtomicU64,
    turn: Mutex<()>,
    acknowledged: Mutex<Vec<Acknowledged>>,
    tally: Arc<AtomicUsize>,
    surprises: Mutex<Vec<String>>,
}

/// A POP as a client knows it.
pub(super) struct Route {
    /// What a refusal may name as the primary.
    pub(super) url: String,
    /// The way there.
    pub(super) connection: Connection,
}

impl Writer {
    /// Writes until it is dropped, to the first POP first, and counts acknowledgements in `tally`.
    pub(super) fn start(routes: [Route; 2], tally: Arc<AtomicUsize>) -> Result<Writer, Failure> {
        let shared = Arc::new(Shared {
            is_over: AtomicBool::new(false),
            pause_ms: AtomicU64::new(PAUSE_MS),
            turn: Mutex::default(),
            acknowledged: Mutex::default(),
            tally,
            surprises: Mutex::default(),
        });
        let writing = shared.clone();
        let thread = thread::Builder::new().name("writer".into());
        let thread = thread.spawn(move || writing.write(&routes));
        let thread =
            thread.map_err(|error| Failure::refused(format!("no thread to write: {error}")))?;
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// How many writes were acknowledged.
    pub(super) fn count(&self) -> usize {
        lock(&self.shared.acknowledged).len()
    }

    /// What was acknowledged after the first `count` ones.
    pub(super) fn since(&self, count: usize) -> Vec<Acknowledged> {
        lock(&self.shared.acknowledged).get(count..).unwrap_or_default().to_vec()
    }

    /// When this POP first acknowledged a write after that.
    pub(super) fn first_after(&self, pop: usize, after: Instant) -> Option<Instant> {
        let acknowledged = lock(&self.shared.acknowledged);
        let later = acknowledged.iter().rev().take_while(|one| one.at > after);
        later.filter(|one| one.pop == pop).map(|one| one.at).last()
    }

    /// What it was told lately instead of an acknowledgement or where the primary is, and how often its
    /// connection broke. A client is to see nothing of the kind unless a POP dies.
    pub(super) fn take_surprises(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.surprises))
    }

    /// Nothing is written, nor under way, while this is held.
    pub(super) fn held(&self) -> MutexGuard<'_, ()> {
        lock(&self.shared.turn)
    }

    /// From now on it writes no more than somebody who looks on wants to see.
    pub(super) fn slow_down(&self) {
        self.shared.pause_ms.store(LEISURE_MS, Ordering::Release);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn write(&self, routes: &[Route; 2]) {
        let (mut to, mut number) = (0, 0);
        while !self.is_over.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(self.pause_ms.load(Ordering::Acquire)));
            number += 1;
            to = self.write_one(routes, to, number);
        }
    }

    /// Writes an entry that nobody wrote before, and tells whom to ask next.
    fn write_one(&self, routes: &[Route; 2], to: usize, number: u64) -> usize {
        let _turn = lock(&self.turn);
        let Some(route) = routes.get(to) else { return 0 };
        let next = (to + 1) % routes.len();
        let path = format!("/v1/vaults/{VAULT}/entries/{}", name(number));
        let ask = Ask::new(Method::PUT, path).body(name(number).into_bytes());
        let answer = match route.connection.send(ask) {
            Ok(answer) => answer,
            Err(failure) => {
                self.be_surprised(failure.message);
                return next;
            }
        };
        if matches!(answer.status, StatusCode::CREATED | StatusCode::OK) {
            let etag = header(&answer, "etag").to_owned();
            let one = Acknowledged { number, etag, pop: to, at: Instant::now() };
            lock(&self.acknowledged).push(one);
            self.tally.fetch_add(1, Ordering::AcqRel);
            return to;
        }
        let location = header(&answer, "x-primary-location");
        let primary = routes.iter().position(|route| route.url == location);
        if answer.status != StatusCode::SERVICE_UNAVAILABLE || primary.is_none() {
            let code = answer.json().ok();
            let code = code.as_ref().and_then(|said| said.get("code")?.as_str()).unwrap_or("-");
            self.be_surprised(format!("{} {code} from {}", answer.status.as_u16(), route.url));
        }
        primary.unwrap_or(next)
    }

    fn be_surprised(&self, by: String) {
        let mut surprises = lock(&self.surprises);
        if surprises.len() < SURPRISES_MAX {
            surprises.push(by);
        }
    }
}

/// The longest time without an acknowledgement among these.
pub(super) fn longest_pause(acknowledged: &[Acknowledged]) -> Duration {
    let pairs = acknowledged.iter().zip(acknowledged.iter().skip(1));
    pairs.map(|(one, next)| next.at.duration_since(one.at)).max().unwrap_or_default()
}

/// An entry's name; names are sorted as the numbers are.
pub(super) fn name(number: u64) -> String {
    format!("entry-{number:010}")
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pause_is_found_wherever_it_is() {
        let start = Instant::now();
        let at = |ms: &u64| Acknowledged {
            number: *ms,
            etag: String::new(),
            pop: 0,
            at: start + Duration::from_millis(*ms),
        };
        let pause = |times: &[u64]| longest_pause(&times.iter().map(at).collect::<Vec<_>>());
        assert_eq!(pause(&[0, 5, 105, 110]), Duration::from_millis(100));
        assert_eq!(pause(&[7]), Duration::ZERO);
        assert_eq!(pause(&[]), Duration::ZERO);
    }

    #[test]
    fn names_are_sorted_like_numbers() {
        assert!(name(9) < name(10) && name(999_999) < name(1_000_000));
    }
}
