//! `clavitor export`: streams a copy of a running server and believes it only once its digest fits.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::connection::{Ask, Connection};
use super::{Console, Failure};
use crate::cli::Exit;

const FIRST_LINE: &[u8] = b"CLAVITOR-EXPORT 1\n";
const CHUNK_BYTES: usize = 64 * 1024;

/// What an exported file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportTotals {
    /// The number of records.
    pub records: u64,
    /// The size of the whole file.
    pub bytes: u64,
}

/// Why an exported stream was not copied.
#[derive(Debug)]
pub enum ExportError {
    /// Reading failed, or the stream ended early.
    Read(io::Error),
    /// Writing failed.
    Write(io::Error),
    /// It is not an export of a version this program knows.
    NotAnExport,
    /// Its content and its digest differ.
    Damaged,
    /// Something follows its end.
    TrailingBytes,
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("it ended before its end: it is truncated")
            }
            ExportError::Read(error) => write!(f, "it broke off: {error}"),
            ExportError::Write(error) => write!(f, "it cannot be written: {error}"),
            ExportError::NotAnExport => f.write_str("it is not an export of a known version"),
            ExportError::Damaged => f.write_str("it is damaged: its digest does not fit"),
            ExportError::TrailingBytes => f.write_str("it is damaged: something follows its end"),
        }
    }
}

impl std::error::Error for ExportError {}

/// Copies an export and verifies it on the way. Nothing written may be used if this fails.
pub fn copy_verified(
    source: &mut impl Read,
    target: &mut impl Write,
) -> Result<ExportTotals, ExportError> {
    let mut copy = Copy { source, target, digest: Sha256::new(), bytes: 0 };
    let mut first_line = [0; FIRST_LINE.len()];
    copy.pass(&mut first_line)?;
    if first_line != FIRST_LINE {
        return Err(ExportError::NotAnExport);
    }
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut records = 0;
    loop {
        let mut length = [0; 4];
        copy.pass(&mut length)?;
        let mut left = u32::from_le_bytes(length);
        if left == 0 {
            break;
        }
        while left > 0 {
            let size = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            copy.pass(&mut chunk[..size])?;
            left -= u32::try_from(size).expect("a chunk is far shorter than 4 GiB");
        }
        records += 1;
    }
    let digest: [u8; 32] = std::mem::take(&mut copy.digest).finalize().into();
    let mut trailer = [0; 32];
    copy.pass(&mut trailer)?;
    if digest != trailer {
        return Err(ExportError::Damaged);
    }
    let totals = ExportTotals { records, bytes: copy.bytes };
    match source.read(&mut [0]).map_err(ExportError::Read)? {
        0 => Ok(totals),
        _ => Err(ExportError::TrailingBytes),
    }
}

struct Copy<'a, R, W> {
    source: &'a mut R,
    target: &'a mut W,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read, W: Write> Copy<'_, R, W> {
    fn pass(&mut self, part: &mut [u8]) -> Result<(), ExportError> {
        self.source.read_exact(part).map_err(ExportError::Read)?;
        self.digest.update(&*part);
        self.bytes += part.len() as u64;
        self.target.write_all(part).map_err(ExportError::Write)
    }
}

pub(crate) fn export(
    connection: &Connection,
    file: Option<&Path>,
    force: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let totals = match file {
        None => {
            let mut stream = connection.stream(Ask::get("/v1/export"))?;
            let totals = copy_verified(&mut stream, &mut console.out).map_err(failed)?;
            console.out.flush().map_err(|error| failed(ExportError::Write(error)))?;
            totals
        }
        Some(path) => {
            check_target(path, force)?;
            let partial = Partial::create(path)?;
            let mut stream = connection.stream(Ask::get("/v1/export"))?;
            let totals = partial.fill(&mut stream)?;
            check_target(path, force)?;
            partial.finish(path)?;
            totals
        }
    };
    console.tell(&format!("exported records: {}, bytes: {}", totals.records, totals.bytes));
    Ok(Exit::Done)
}

fn failed(error: ExportError) -> Failure {
    Failure::refused(format!("the export failed: {error}"))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::refused(format!("cannot write {}: {error}", path.display()))
}

fn check_target(path: &Path, force: bool) -> Result<(), Failure> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let shown = path.display();
    // Renaming over a device or a directory would replace it rather than write to it.
    if !metadata.is_file() {
        return Err(Failure::refused(format!("{shown} is not a regular file; - is stdout")));
    }
    match force {
        true => Ok(()),
        false => Err(Failure::refused(format!("{shown} is there already; --force replaces it"))),
    }
}

/// The unfinished file, removed again unless it is finished.
struct Partial {
    path: PathBuf,
    file: File,
    is_finished: bool,
}

impl Partial {
    fn create(target: &Path) -> Result<Partial, Failure> {
        let mut path = target.as_os_str().to_owned();
        path.push(".partial");
        let path = PathBuf::from(path);
        // Not truncated before the lock is held: another export may be writing it right now.
        let opened =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|error| unwritable(&path, &error))?;
        let busy = || Failure::refused(format!("another export is writing {}", path.display()));
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy()),
            Err(TryLockError::Error(error)) => return Err(unwritable(&path, &error)),
        }
        // Between opening and locking, another export may have renamed this very file into place.
        let locked = file.metadata().map_err(|error| unwritable(&path, &error))?;
        let is_same = |named: fs::Metadata| {
            (named.dev(), named.ino()) == (locked.dev(), locked.ino()) && named.is_file()
        };
        if !fs::symlink_metadata(&path).is_ok_and(is_same) {
            return Err(busy());
        }
        let partial = Partial { path, file, is_finished: false };
        partial.file.set_len(0).map_err(|error| unwritable(&partial.path, &error))?;
        Ok(partial)
    }

    fn fill(&self, source: &mut impl Read) -> Result<ExportTotals, Failure> {
        let mut writer = BufWriter::with_capacity(CHUNK_BYTES, &self.file);
        let totals = copy_verified(source, &mut writer).map_err(failed)?;
        writer.flush().map_err(|error| failed(ExportError::Write(error)))?;
        Ok(totals)
    }

    fn finish(mut self, target: &Path) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| unwritable(&self.path, &error))?;
        fs::rename(&self.path, target).map_err(|error| unwritable(target, &error))?;
        self.is_finished = true;
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        let synced = File::open(directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| unwritable(directory, &error))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.path);
        }
    }
}
