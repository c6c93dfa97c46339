//! The export file: a consistent copy of every record, with a digest at its end.
//!
//! `CLAVITOR-EXPORT 1\n`, then each record as its length (u32, little-endian) and its encoding, a
//! zero length, and the SHA-256 of everything before.

use std::fmt;
use std::io::{self, Read, Write};

use clavitor_core::record::{RECORD_BYTES_MAX, Record};
use clavitor_core::store::{
    DAMAGED_RECORD, IMPORTED, IMPORTING, RECORDS, Rows, Stop, StoreError, split_stored,
};
use sha2::{Digest, Sha256};

use super::error::{OpenError, WriteError};
use super::lmdb::ReadRows;
use super::{Opening, Store, WallClock};

const MAGIC: &[u8] = b"CLAVITOR-EXPORT 1\n";

/// How many records an import commits at once.
const BATCH: usize = 1_000;

/// How many bytes an import commits at once.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// How many records.
    pub records: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What an import read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// How many records.
    pub records: u64,
    /// How many of them are entries that are there.
    pub entries: u64,
}

/// Why an export or import failed.
#[derive(Debug)]
pub enum ExportError {
    /// The file is not an export, or not of a version this build reads.
    NotAnExport,
    /// The file is cut short or altered.
    Damaged,
    /// Reading or writing the file failed.
    Io(io::Error),
    /// The data directory cannot be opened.
    Open(OpenError),
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::NotAnExport => f.write_str("the file is not an export of this version"),
            ExportError::Damaged => {
                f.write_str("the export is cut short or altered; nothing of it was kept")
            }
            ExportError::Io(error) => write!(f, "the export cannot be read or written: {error}"),
            ExportError::Open(error) => write!(f, "{error}"),
            ExportError::Store(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ExportError {}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        ExportError::Io(error)
    }
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        ExportError::Store(error)
    }
}

/// Writes every record of one moment. Holds a read transaction throughout: call it from a thread
/// of its own, and let a slow reader fail rather than wait.
pub fn export_to(store: &Store, out: &mut impl Write) -> Result<Exported, ExportError> {
    let rows = ReadRows::begin(&store.inner.env, &store.inner.tables)?;
    let mut hash = Sha256::new();
    let mut done = Exported::default();
    let mut put = |bytes: &[u8], done: &mut Exported| {
        hash.update(bytes);
        done.bytes += bytes.len() as u64;
        out.write_all(bytes)
    };
    put(MAGIC, &mut done)?;
    for row in rows.all(RECORDS)? {
        let (_, stored) = row?;
        let (_, record) = split_stored(stored)?;
        let len = u32::try_from(record.len()).map_err(|_| DAMAGED_RECORD)?;
        put(&len.to_le_bytes(), &mut done)?;
        put(record, &mut done)?;
        done.records += 1;
    }
    put(&[0; 4], &mut done)?;
    out.write_all(&hash.finalize())?;
    out.flush()?;
    Ok(done)
}

/// Reads an export into an empty directory. The new store has an identity of its own, and is
/// marked with [`IMPORTED`].
pub fn import_from(
    input: &mut impl Read,
    opening: &Opening<'_>,
    now: WallClock,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ExportError> {
    if opening.dir.join("data.mdb").exists() {
        return Err(ExportError::Open(OpenError::NotEmpty));
    }
    let mut records = Records::open(input)?;
    let store = Store::open(opening, now, |_| {}).map_err(ExportError::Open)?;
    let result = if store.is_new() {
        import_into(&store, &mut records, progress)
    } else {
        Err(ExportError::Open(OpenError::NotEmpty))
    };
    super::block_on(store.close());
    if result.is_err() && store.is_new() {
        // Half an import must not pass for a store. The directory is still ours.
        for file in ["data.mdb", "lock.mdb", "lock"] {
            let _ = std::fs::remove_file(opening.dir.join(file));
        }
    }
    result
}

fn import_into<R: Read>(
    store: &Store,
    records: &mut Records<'_, R>,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ExportError> {
    let begun = store.write_blocking::<(), (), _>(|txn| {
        txn.set_fact(IMPORTED, &true)?;
        txn.set_fact(IMPORTING, &true).map_err(Stop::from)
    });
    begun.map_err(store_error)?;
    let mut done = Imported::default();
    loop {
        let batch = records.batch()?;
        if batch.is_empty() {
            break;
        }
        done.records += batch.len() as u64;
        let written = store.write_blocking::<(), (), _>(move |txn| {
            for record in &batch {
                txn.observe(record.head.hlc);
                txn.put(record, None)?;
            }
            Ok(())
        });
        written.map_err(store_error)?;
        progress(done.records);
    }
    let imported = store
        .write_blocking::<(), (), _>(|txn| txn.set_fact(IMPORTING, &false).map_err(Stop::from));
    imported.map_err(store_error)?;
    done.entries = store.entries();
    Ok(done)
}

fn store_error(error: WriteError<()>) -> ExportError {
    ExportError::Store(match error {
        WriteError::Full => StoreError::Full,
        WriteError::Damaged => DAMAGED_RECORD,
        _ => StoreError::Broken("the writer stopped".into()),
    })
}

struct Records<'a, R> {
    input: &'a mut R,
    hash: Sha256,
    is_done: bool,
}

impl<'a, R: Read> Records<'a, R> {
    fn open(input: &'a mut R) -> Result<Self, ExportError> {
        let mut records = Self { input, hash: Sha256::new(), is_done: false };
        let mut magic = [0; MAGIC.len()];
        records.fill(&mut magic).map_err(|_| ExportError::NotAnExport)?;
        (magic == MAGIC).then_some(records).ok_or(ExportError::NotAnExport)
    }

    fn batch(&mut self) -> Result<Vec<Record>, ExportError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while !self.is_done && batch.len() < BATCH && bytes < BATCH_BYTES {
            let mut len = [0; 4];
            self.fill(&mut len)?;
            match usize::try_from(u32::from_le_bytes(len)) {
                Ok(0) => self.finish()?,
                Ok(len) if len <= RECORD_BYTES_MAX => {
                    let mut encoded = vec![0; len];
                    self.fill(&mut encoded)?;
                    bytes += len;
                    batch.push(Record::decode(&encoded).map_err(|_| ExportError::Damaged)?);
                }
                Ok(_) | Err(_) => return Err(ExportError::Damaged),
            }
        }
        Ok(batch)
    }

    fn finish(&mut self) -> Result<(), ExportError> {
        let expected: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        let mut digest = [0; 32];
        self.input.read_exact(&mut digest).map_err(damaged)?;
        let has_more = self.input.read(&mut [0])? > 0;
        self.is_done = true;
        (digest == expected && !has_more).then_some(()).ok_or(ExportError::Damaged)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ExportError> {
        self.input.read_exact(bytes).map_err(damaged)?;
        self.hash.update(bytes);
        Ok(())
    }
}

fn damaged(error: io::Error) -> ExportError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ExportError::Damaged,
        _ => ExportError::Io(error),
    }
}
