//! The LMDB store: one environment per data directory, one thread that writes.
//!
//! A write is a closure over a [`Transaction`]; all writes that wait at one moment share one LMDB
//! transaction and one sync. A read copies what it needs out of a short read transaction. What is
//! decided inside of transactions is [`clavitor_core::store`]'s.

pub mod bare;
mod error;
mod export;
mod file;
mod inbox;
mod job;
mod lmdb;
mod verify;
mod writer;

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use clavitor_core::hlc::Clock;
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::store::{self as tables, TABLES_MAX, settle_identity};
use clavitor_core::time::UnixTime;
use futures_channel::oneshot;
use heed::{Env, EnvOpenOptions, WithoutTls};
use rustix::fs::FlockOperation;

use crate::entropy;

pub use clavitor_core::store::{
    Awaited, CHANGES, Change, ChangeRow, EntryPage, EntryRow, HQ_SCHEMA, HeadRow, IMPORTED,
    LoserPage, LoserRow, META, Notice, Origin, Purpose, RECORDS, Rows, RowsMut, State, Stop,
    StoreError, Stored, Table, decode_key, encode_key,
};
pub use error::{OpenError, WriteError};
pub use export::{ExportError, Exported, Imported, export_to, import_from};
pub use inbox::{GROUP_BYTES_MAX, GROUP_OPS_MAX};
pub use lmdb::{ReadRows, WriteRows};
pub use verify::{FINDINGS_MAX, Finding, Verified, restamp, verify};

use inbox::Message;
use job::{Job, Typed};
use lmdb::Tables;
use writer::Writer;

/// A view of the store at one moment.
pub type Reader<'a, R = ReadRows<'a>> = tables::Reader<'a, R>;

/// A write transaction in progress, shared by the operations of a group.
pub type Transaction<'a> = tables::Transaction<'a, WriteRows<'a>>;

/// The most writes that wait for the writer; one more is refused as busy.
pub const QUEUE_MAX: usize = 4_096;

/// The most read transactions at once.
const READERS_MAX: u32 = 1_024;

/// The share of the map that client writes may fill, in percent. The rest is for deletions, merges
/// and bookkeeping, which must go on when writes are refused.
pub const QUOTA_PERCENT: u64 = 90;

/// How to open a data directory.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// The directory; made if it is not there.
    pub dir: &'a Path,
    /// The size of the map, in bytes.
    pub bytes_max: u64,
    /// The POP id to use; `None` takes the stored one, else mints one.
    pub pop: Option<PopId>,
}

type Observer = Box<dyn Fn(Notice) + Send + Sync>;
type OnFailure = Box<dyn Fn(&StoreError) + Send + Sync>;
type WallClock = fn() -> UnixTime;

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    env: Env<WithoutTls>,
    tables: Tables,
    pop: PopId,
    now: WallClock,
    store_id: Mutex<StoreId>,
    is_new: bool,
    queue: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    observer: OnceLock<Observer>,
    on_failure: OnFailure,
    last: AtomicU64,
    confirmed: AtomicU64,
    floor_ms: AtomicU64,
    entries: AtomicU64,
    token_changes: AtomicU64,
    commits: AtomicU64,
    writes: AtomicU64,
    bytes_max: u64,
    dir: PathBuf,
    // Held for as long as the store is open; the lock goes with it, also after kill -9.
    lock: File,
}

impl Inner {
    fn disk_left(&self) -> u64 {
        let stat = rustix::fs::fstatvfs(&self.lock);
        stat.map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Store {
    /// Opens a server's data directory for this process alone, making it if needed.
    ///
    /// `on_failure` is called, on the writer's thread, when a commit fails in a way that leaves it
    /// unknown what is on disk, or the writer panics. It should end the process.
    pub fn open(
        opening: &Opening<'_>,
        now: WallClock,
        on_failure: impl Fn(&StoreError) + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        Self::open_with(opening, Purpose::Vaults, now, Box::new(on_failure))
    }

    /// The same for HQ's data directory; `schema` is the version of the layout of its tables, for a new
    /// one.
    pub fn open_for_hq(
        opening: &Opening<'_>,
        schema: u32,
        now: WallClock,
        on_failure: impl Fn(&StoreError) + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        Self::open_with(opening, Purpose::Hq { schema }, now, Box::new(on_failure))
    }

    // Once in the binary, whatever the callers.
    fn open_with(
        opening: &Opening<'_>,
        purpose: Purpose,
        now: WallClock,
        on_failure: OnFailure,
    ) -> Result<Self, OpenError> {
        let lock = lock_directory(opening.dir)?;
        let env = open_environment(opening.dir, opening.bytes_max)?;
        let tables = Tables::open_own(&env)?;
        let mut rows = WriteRows::begin(&env, &tables)?;
        let identity = settle_identity(&mut rows, purpose, opening.pop, entropy::bytes)?;
        if identity.has_changed {
            rows.commit()?;
        } else {
            drop(rows);
        }
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let store = Self {
            inner: Arc::new(Inner {
                env,
                tables,
                pop: identity.pop,
                now,
                store_id: Mutex::new(identity.store_id),
                is_new: identity.is_new,
                queue,
                writer: Mutex::new(None),
                observer: OnceLock::new(),
                on_failure,
                last: AtomicU64::new(identity.state.seq.0),
                confirmed: AtomicU64::new(u64::MAX),
                floor_ms: AtomicU64::new(identity.state.floor.ms),
                entries: AtomicU64::new(identity.state.entries),
                token_changes: AtomicU64::new(0),
                commits: AtomicU64::new(0),
                writes: AtomicU64::new(0),
                bytes_max: opening.bytes_max,
                dir: opening.dir.to_path_buf(),
                lock,
            }),
        };
        let clock = Clock::new(identity.pop, identity.state.floor);
        let writer = Writer::new(Arc::downgrade(&store.inner), jobs, clock, identity.state, now);
        let thread = std::thread::Builder::new().name("store-writer".into());
        let owner = Arc::downgrade(&store.inner);
        let thread = thread.spawn(move || {
            // A broken invariant in the writer: nothing can be written any more.
            if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err()
                && let Some(store) = owner.upgrade()
            {
                (store.on_failure)(&StoreError::Broken("the writer panicked".into()));
            }
        });
        let thread = thread.map_err(OpenError::Io)?;
        *store.inner.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(thread);
        Ok(store)
    }

    /// Calls `observer` after every commit, from the writer's thread. Only the first one counts.
    pub fn observe(&self, observer: impl Fn(Notice) + Send + Sync + 'static) {
        let _ = self.inner.observer.set(Box::new(observer));
    }

    /// Runs `operation` in a write transaction, and answers once it is on disk.
    ///
    /// It may run twice: a group that one operation spoils is run again around it. It should decide
    /// before it writes; a refusal after a write spoils the group.
    pub async fn write<T, E, F>(&self, bytes: usize, operation: F) -> Result<T, WriteError<E>>
    where
        F: FnMut(&mut Transaction<'_>) -> Result<T, Stop<E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Typed::new(operation, Some(reply), bytes)))?;
        answer.await.unwrap_or(Err(WriteError::Unknown))
    }

    /// The same for callers without an executor: blocks this thread.
    pub fn write_blocking<T, E, F>(&self, operation: F) -> Result<T, WriteError<E>>
    where
        F: FnMut(&mut Transaction<'_>) -> Result<T, Stop<E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        block_on(self.write(0, operation))
    }

    /// Runs `operation` together with the next write, or shortly after by itself. Nobody is told,
    /// and a crash may lose it.
    pub fn write_lazily<F>(&self, mut operation: F)
    where
        F: FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let run = move |txn: &mut Transaction<'_>| operation(txn).map_err(Stop::<()>::Storage);
        let _ = self.submit::<()>(Box::new(Typed::lazy(run)));
    }

    /// Reads through a short read transaction. Never await inside.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let rows = ReadRows::begin(&self.inner.env, &self.inner.tables)?;
        read(&Reader::new(&rows))
    }

    /// Makes or opens a table of an edition. Only at start-up: it waits for the writer.
    pub fn open_table(&self, table: Table) -> Result<(), StoreError> {
        self.inner.tables.open(&self.inner.env, table).map_err(lmdb::failure)
    }

    /// Finishes every accepted write and ends the writer; later writes are refused.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.inner.queue.send(Message::Close(reply)).is_ok() {
            let _ = closed.await;
        }
        let writer =
            self.inner.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }

    /// The POP id stored in the data directory.
    pub fn pop(&self) -> PopId {
        self.inner.pop
    }

    /// The identity of the data directory.
    pub fn store_id(&self) -> StoreId {
        *self.inner.store_id.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether this process made the data directory.
    pub fn is_new(&self) -> bool {
        self.inner.is_new
    }

    /// The newest committed sequence number.
    pub fn last(&self) -> Seq {
        Seq(self.inner.last.load(Ordering::Acquire))
    }

    /// Tells the store up to where every peer has confirmed, so that a record that is rewritten
    /// again and again keeps the time since when it has been owed.
    pub fn set_confirmed(&self, seq: Seq) {
        self.inner.confirmed.store(seq.0, Ordering::Release);
    }

    /// The milliseconds of the highest timestamp issued or seen.
    pub fn floor_ms(&self) -> u64 {
        self.inner.floor_ms.load(Ordering::Acquire)
    }

    /// What the clock shows that timestamps are issued by.
    pub fn now(&self) -> UnixTime {
        (self.inner.now)()
    }

    /// How many entries there are, deleted ones aside.
    pub fn entries(&self) -> u64 {
        self.inner.entries.load(Ordering::Acquire)
    }

    /// How many changes of access tokens were committed since the start: what was read of tokens
    /// holds until it moves on.
    pub fn token_changes(&self) -> u64 {
        self.inner.token_changes.load(Ordering::Acquire)
    }

    /// How many writes were committed since the start, and in how many transactions.
    pub fn commits(&self) -> (u64, u64) {
        (self.inner.writes.load(Ordering::Relaxed), self.inner.commits.load(Ordering::Relaxed))
    }

    /// How many bytes are in use, and how many client writes may use.
    pub fn usage(&self) -> Result<(u64, u64), StoreError> {
        let rows = ReadRows::begin(&self.inner.env, &self.inner.tables)?;
        Ok((rows.bytes_used()?, quota(self.inner.bytes_max)))
    }

    /// The bytes left on the disk; a system that does not tell has no bound.
    pub fn disk_left(&self) -> u64 {
        self.inner.disk_left()
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    fn submit<E>(&self, job: Box<dyn Job>) -> Result<(), WriteError<E>> {
        self.inner.queue.try_send(Message::Job(job)).map_err(|error| match error {
            TrySendError::Full(_) => WriteError::Busy,
            TrySendError::Disconnected(_) => WriteError::Stopped,
        })
    }
}

/// Waits for a future on this thread, for commands that have no runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}

const fn quota(bytes_max: u64) -> u64 {
    bytes_max / 100 * QUOTA_PERCENT
}

fn lock_directory(dir: &Path) -> Result<File, OpenError> {
    fs::create_dir_all(dir).map_err(OpenError::Io)?;
    let lock = File::options().create(true).truncate(false).write(true).open(dir.join("lock"));
    let lock = lock.map_err(OpenError::Io)?;
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| OpenError::InUse)?;
    Ok(lock)
}

fn open_environment(dir: &Path, bytes_max: u64) -> Result<Env<WithoutTls>, OpenError> {
    match File::open(dir.join("data.mdb")) {
        // A page beyond the end of the file would kill the process when it is touched.
        Ok(file) if !file::is_whole(&file).map_err(OpenError::Io)? => {
            return Err(StoreError::Damaged("the file is cut short").into());
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(OpenError::Io(error)),
        Ok(_) | Err(_) => {}
    }
    let bytes = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(bytes).max_dbs(TABLES_MAX.into()).max_readers(READERS_MAX);
    // SAFETY: the lock file keeps every other process of ours out of the directory, the map is
    // never written through, and no flag weakens LMDB's own guarantees.
    unsafe { options.open(dir) }.map_err(OpenError::from)
}

#[cfg(test)]
mod tests;
