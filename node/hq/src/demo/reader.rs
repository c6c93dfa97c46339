//! Somebody who reads the same entry again and again, and counts how often that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clavitor_node::cli::client::{Ask, Connection, Failure};
use serde::Serialize;

use super::writer::VAULT;

/// The entry that is read.
pub(super) const ENTRY: &str = "hello";

const PAUSE: Duration = Duration::from_millis(10);

/// A thread that reads.
pub(super) struct Reader {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

/// What became of its reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Reads {
    /// So many were answered with the entry.
    pub(super) answered: u64,
    /// So many were not.
    pub(super) failed: u64,
}

impl Reader {
    /// Reads until it is dropped.
    pub(super) fn start(connection: Connection) -> Result<Reader, Failure> {
        let shared = Arc::<Shared>::default();
        let reading = shared.clone();
        let thread = thread::Builder::new().name("reader".into());
        let thread = thread.spawn(move || reading.read(&connection));
        let thread =
            thread.map_err(|error| Failure::refused(format!("no thread to read: {error}")))?;
        Ok(Reader { shared, thread: Some(thread) })
    }

    /// So far.
    pub(super) fn reads(&self) -> Reads {
        Reads {
            answered: self.shared.answered.load(Ordering::Acquire),
            failed: self.shared.failed.load(Ordering::Acquire),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn read(&self, connection: &Connection) {
        let path = format!("/v1/vaults/{VAULT}/entries/{ENTRY}");
        while !self.is_over.load(Ordering::Acquire) {
            let read = connection.ask(Ask::get(path.clone()));
            let is_it = read.is_ok_and(|answer| answer.body == ENTRY.as_bytes());
            let counter = if is_it { &self.answered } else { &self.failed };
            counter.fetch_add(1, Ordering::AcqRel);
            thread::sleep(PAUSE);
        }
    }
}
