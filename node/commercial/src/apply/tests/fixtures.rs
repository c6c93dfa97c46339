//! Stores in directories of their own, clocks that stand still, and hand-made records and frames.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use clavitor_commercial::apply::{Applied, decode_records, take};
use clavitor_commercial::frame::{Frame, Member, Range, Refusal, Verdict};
use clavitor_commercial::tables::{self, TABLES};
use clavitor_core::codec::Block;
use clavitor_core::credential::{AccessToken, Scope, TokenId};
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{Context, Head, Item, Key, Record};
use clavitor_core::store::OWN_TABLES;
use clavitor_core::time::UnixTime;
use clavitor_node::store::{Opening, Rows, Store, Table, WriteError, block_on};

pub(crate) const MIB: u64 = 1024 * 1024;
pub(crate) const DAY_MS: u64 = 86_400_000;

pub(crate) type WallClock = fn() -> UnixTime;

/// When the first test began; for every store the clock stands still there.
pub(crate) fn monday() -> UnixTime {
    static BEGAN: OnceLock<UnixTime> = OnceLock::new();
    *BEGAN.get_or_init(clavitor_node::wall::unix_time)
}

pub(crate) fn ten_minutes_later() -> UnixTime {
    monday().plus_ms(600_000)
}

/// A directory of a test's own, gone with it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("clavitor-commercial-{}-{number}", std::process::id());
        let dir = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&dir.0).unwrap();
        dir
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn data_file(&self) -> PathBuf {
        self.0.join("data.mdb")
    }

    pub(crate) fn open(&self, pop: &str, bytes_max: u64, now: WallClock) -> Store {
        let opening = Opening { dir: &self.0, bytes_max, pop: Some(pop_id(pop)) };
        Store::open(&opening, now, |error| panic!("{error}")).unwrap()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Opens the edition's tables.
pub(crate) fn open_tables(store: &Store) {
    TABLES.into_iter().for_each(|table| store.open_table(table).unwrap());
}

/// The store of POP `b`, and nothing around it.
pub(crate) struct Receiver {
    pub(crate) dir: Dir,
    pub(crate) store: Store,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self::with_room(64 * MIB)
    }

    pub(crate) fn with_room(bytes_max: u64) -> Self {
        let dir = Dir::new();
        let store = dir.open("b", bytes_max, monday);
        open_tables(&store);
        Self { dir, store }
    }

    pub(crate) fn reopened(self, bytes_max: u64, now: WallClock) -> Self {
        let Self { dir, store } = self;
        block_on(store.close());
        drop(store);
        let store = dir.open("b", bytes_max, now);
        open_tables(&store);
        Self { dir, store }
    }

    fn take(&self, frame: &Frame) -> Result<Applied, Refusal> {
        let (frame, records) = (frame.clone(), decode_records(frame));
        let taken = self.store.write_blocking(move |txn| take(txn, &frame, &records));
        taken.map_err(|error| match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Full => Refusal::StorageFull,
            other => panic!("{other:?}"),
        })
    }

    pub(in crate::apply) fn taken(&self, frame: &Frame) -> Applied {
        self.take(frame).unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    /// Takes a frame whose every record applies; answers how many journal items it cost.
    #[track_caller]
    pub(crate) fn apply(&self, frame: &Frame) -> u32 {
        let taken = self.taken(frame);
        assert!(taken.verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
        taken.trimmed
    }

    pub(crate) fn refusal(&self, frame: &Frame) -> Option<Refusal> {
        self.take(frame).err()
    }

    pub(crate) fn received(&self, source: &str) -> Seq {
        let source = member(source);
        let (pop, store) = (source.pop, source.store);
        let received = self.store.read(|reader| tables::received(reader, pop, store));
        received.unwrap().prefix
    }
}

/// Spoils a blob wherever it is on the disk.
pub(crate) fn damage(dir: &Dir, blob: &str) {
    let mut bytes = fs::read(dir.data_file()).unwrap();
    let is_it = |at: &usize| bytes[*at..].starts_with(blob.as_bytes());
    let places: Vec<usize> = (0..bytes.len()).filter(is_it).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    fs::write(dir.data_file(), bytes).unwrap();
}

/// The rows of every table, by its name.
pub(crate) type Image = BTreeMap<&'static str, Vec<(Vec<u8>, Vec<u8>)>>;

/// Every row of every table: what "nothing changed" means.
pub(crate) fn image(store: &Store) -> Image {
    let rows = |table: Table| {
        let rows = store.read(|reader| {
            let rows = reader.rows().all(table)?;
            rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
        });
        (table.name(), rows.unwrap())
    };
    OWN_TABLES.into_iter().chain(TABLES).map(rows).collect()
}

/// Every record, in the order of the keys.
pub(crate) fn records(store: &Store) -> Vec<Record> {
    let mut keys = BTreeMap::new();
    let read = store.read(|reader| {
        for row in reader.changes(Seq(0))? {
            let (_, _, key) = row?;
            let key = clavitor_node::store::decode_key(key).unwrap();
            let stored = reader.record(&key)?.unwrap();
            keys.insert(key, stored.record);
        }
        Ok(())
    });
    read.unwrap();
    keys.into_values().collect()
}

pub(crate) fn record(store: &Store, key: &Key) -> Option<Record> {
    store.read(|reader| reader.record(key)).unwrap().map(|stored| stored.record)
}

pub(crate) fn blob(store: &Store, name: &str) -> Option<String> {
    record(store, &key(name)).map(|record| String::from_utf8(record.blob).unwrap())
}

pub(crate) fn pop_id(name: &str) -> PopId {
    name.parse().unwrap()
}

pub(crate) fn vault() -> VaultName {
    VaultName::try_from("v".to_string()).unwrap()
}

pub(crate) fn entry(name: &str) -> EntryName {
    EntryName::try_from(name.to_string()).unwrap()
}

pub(crate) fn key(name: &str) -> Key {
    Key::Entry(vault(), entry(name))
}

/// A timestamp so many milliseconds after Monday began.
pub(crate) fn hlc(ms: u64, pop: &str) -> Hlc {
    Hlc { ms: monday().plus_ms(ms).0, counter: 0, pop: pop_id(pop) }
}

/// A version of an entry that has seen no other.
pub(crate) fn version(name: &str, hlc: Hlc, blob: &str) -> Record {
    let item = Item::Entry { vault: vault(), entry: entry(name), deleted: false };
    let head = Head { hlc, context: Context::default(), item };
    Record { head, blob: blob.into() }
}

pub(crate) fn seen(mut record: Record, versions: &[Hlc]) -> Record {
    for version in versions {
        record.head.context = record.head.context.superseding(*version, &[]);
    }
    record
}

pub(crate) fn loser(name: &str, hlc: Hlc, blob: &str) -> Record {
    let item = Item::Loser { vault: vault(), entry: entry(name), deleted: false };
    Record { head: Head { hlc, context: Context::default(), item }, blob: blob.into() }
}

pub(crate) fn token(id: u8, at: Hlc, revoked: Option<Hlc>) -> Record {
    let item = Item::Token(AccessToken {
        id: TokenId([id; 12]),
        vault: None,
        scope: Scope::Admin,
        label: String::new(),
        secret_hash: [id; 32],
        created: monday(),
        expires: None,
        revoked,
    });
    Record { head: Head { hlc: at, context: Context::default(), item }, blob: Vec::new() }
}

pub(crate) fn is_revoked(store: &Store, id: u8) -> bool {
    let record = record(store, &Key::Token(TokenId([id; 12]))).unwrap();
    matches!(record.head.item, Item::Token(token) if token.revoked.is_some())
}

/// A POP as hand-made frames name it.
pub(crate) fn member(name: &str) -> Member {
    let store = StoreId([name.as_bytes()[0]; 16]);
    Member { pop: pop_id(name), store, url: format!("http://{name}") }
}

/// A frame from `source` to `b`.
pub(crate) fn frame(source: &str, after: u64, to: u64, records: &[Record]) -> Frame {
    Frame {
        source: member(source),
        destination: "http://b".to_string(),
        destination_store: None,
        cluster: "default".to_string(),
        epoch: None,
        range: Range { after: Seq(after), to: Seq(to) },
        sent: clavitor_node::wall::unix_time(),
        is_complete: false,
        received: Seq(0),
        peers: Vec::new(),
        records: records.iter().map(|record| Block(record.encode())).collect(),
    }
}
