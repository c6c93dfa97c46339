//! The store over real LMDB files in directories of their own, with clocks that stand still.

mod exports;
mod groups;
mod identity;
mod pages;
mod records;
mod repair;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};

use clavitor_core::hlc::Hlc;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{Item, Key, Record, successor};

use super::*;

const MIB: u64 = 1024 * 1024;
const DAY_MS: u64 = 86_400_000;
const MONDAY_MS: u64 = 1_700_000_000_000;

fn monday() -> UnixTime {
    UnixTime(MONDAY_MS)
}

fn sunday() -> UnixTime {
    UnixTime(MONDAY_MS - DAY_MS)
}

/// A directory of a test's own, gone with it.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clavitor-store-{}-{number}", std::process::id());
        let dir = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&dir.0).unwrap();
        dir
    }

    fn data_file(&self) -> PathBuf {
        self.0.join("data.mdb")
    }

    fn opening(&self) -> Opening<'_> {
        Opening { dir: &self.0, bytes_max: 64 * MIB, pop: None }
    }

    fn open(&self) -> Store {
        self.open_at(monday)
    }

    fn open_at(&self, now: WallClock) -> Store {
        open(&self.opening(), now)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(opening: &Opening<'_>, now: WallClock) -> Store {
    Store::open(opening, now, |error| panic!("{error}")).unwrap()
}

fn open_error(opening: &Opening<'_>) -> OpenError {
    match Store::open(opening, monday, |_| {}) {
        Ok(_) => panic!("the directory was opened"),
        Err(error) => error,
    }
}

fn close(store: Store) {
    block_on(store.close());
}

fn vault() -> VaultName {
    VaultName::try_from("v".to_string()).unwrap()
}

fn entry(name: &str) -> EntryName {
    EntryName::try_from(name.to_string()).unwrap()
}

fn key(name: &str) -> Key {
    Key::Entry(vault(), entry(name))
}

/// A client's write: a new version of an entry, or its tombstone.
fn version(
    txn: &mut Transaction<'_>,
    name: &str,
    blob: Option<&[u8]>,
) -> Result<Record, StoreError> {
    let held = txn.head(&key(name))?;
    let item = Item::Entry { vault: vault(), entry: entry(name), deleted: blob.is_none() };
    let head = successor(held.as_ref(), &[], txn.next_hlc(), item);
    let blob = blob.unwrap_or_default().to_vec();
    Ok(Record { head, blob })
}

fn write(txn: &mut Transaction<'_>, name: &str, blob: Option<&[u8]>) -> Result<Seq, StoreError> {
    let record = version(txn, name, blob)?;
    txn.put(&record, None)
}

/// An operation that any test can queue; its refusal is a word.
type Outcome = Result<Seq, WriteError<&'static str>>;

fn putting(
    name: &str,
    blob: &[u8],
) -> impl FnMut(&mut Transaction<'_>) -> Result<Seq, Stop<&'static str>> + Send + use<> {
    let (name, blob) = (name.to_owned(), blob.to_vec());
    move |txn| Ok(write(txn, &name, Some(&blob))?)
}

fn put(store: &Store, name: &str, blob: &[u8]) -> Seq {
    store.write_blocking(putting(name, blob)).unwrap()
}

fn delete(store: &Store, name: &str) -> Seq {
    let name = name.to_owned();
    let deleted = store.write_blocking::<_, (), _>(move |txn| Ok(write(txn, &name, None)?));
    deleted.unwrap()
}

fn get(store: &Store, name: &str) -> Option<Stored> {
    store.read(|reader| reader.record(&key(name))).unwrap()
}

fn blob(store: &Store, name: &str) -> Option<Vec<u8>> {
    get(store, name).map(|stored| stored.record.blob)
}

/// The index of changes: number and entry's name.
fn changes(store: &Store) -> Vec<(u64, String)> {
    let listed = store.read(|reader| {
        let named = |key: &[u8]| match decode_key(key) {
            Some(Key::Entry(_, entry)) => entry.as_str().to_owned(),
            other => format!("{other:?}"),
        };
        let rows = reader.changes(Seq(0))?;
        rows.map(|row| row.map(|(seq, _, key)| (seq.0, named(key)))).collect()
    });
    listed.unwrap()
}

/// A write that has been accepted and not answered yet.
struct Accepted(std::pin::Pin<Box<dyn Future<Output = Outcome>>>);

impl Accepted {
    /// Hands the writer an operation; it waits in the queue from here on.
    fn new<F>(store: &Store, operation: F) -> Self
    where
        F: FnMut(&mut Transaction<'_>) -> Result<Seq, Stop<&'static str>> + Send + 'static,
    {
        let store = store.clone();
        let mut write = Box::pin(async move { store.write(0, operation).await });
        let polled = write.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Pending => Self(write),
            Poll::Ready(outcome) => Self(Box::pin(std::future::ready(outcome))),
        }
    }

    fn outcome(self) -> Outcome {
        block_on(self.0)
    }
}

/// The gate's own operation, which is one of its group.
const GATE: u64 = 1;

/// Keeps the writer busy inside an operation, so that what is accepted meanwhile joins its group.
struct Gate {
    open: Sender<()>,
    write: Accepted,
}

impl Gate {
    fn shut(store: &Store) -> Self {
        let (entered, has_entered) = channel();
        let (open, opened): (Sender<()>, Receiver<()>) = channel();
        let write = Accepted::new(store, move |txn| {
            let _ = entered.send(());
            let _ = opened.recv();
            Ok(txn.last())
        });
        has_entered.recv().unwrap();
        Self { open, write }
    }

    fn open(self) {
        drop(self.open);
        self.write.outcome().unwrap();
    }
}

fn flip(path: &Path, needle: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}
