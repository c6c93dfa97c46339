//! The flight recorder's file: the last inputs of the machine, which outlive a `kill -9`.
//!
//! Everything goes out in plain writes, one for each turn of the driver, into a file of fixed size:
//! the kernel has it when the process dies, and no sync is waited for. A recorder that fails hurts
//! nobody: it says so once, and is off.

use std::fmt;
use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use clavitor_core::recording::{Layout, RecordingError, ResumeError, Tape, Writer};
use clavitor_core::time::Instant;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use serde::Serialize;

use crate::{entropy, wall};

/// Zeros are written in parts of this size.
const CLEAR_BYTES: usize = 64 * 1024;

/// A recording is for its owner alone.
const MODE: u32 = 0o600;

/// Why the recorder does not start.
#[derive(Debug)]
pub enum RecorderError {
    /// Another process records into the file.
    InUse,
    /// It is a directory, a device or a pipe.
    NotAFile,
    /// What is there is left alone.
    Refused(RecordingError),
    /// What is there was made with another size.
    OtherSize {
        /// The size that keeps it, in bytes.
        found: u64,
    },
    /// The operating system refuses.
    Io(io::Error),
}

impl fmt::Display for RecorderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecorderError::InUse => f.write_str("another server records into it"),
            RecorderError::NotAFile => f.write_str("it is not a regular file"),
            RecorderError::Refused(error) => {
                write!(f, "{error}. It is left alone: move it away, or name another file")
            }
            RecorderError::OtherSize { found } => write!(
                f,
                "it was made with --flight-recorder-bytes {found}: give the same, or move it away"
            ),
            RecorderError::Io(error) => write!(f, "it cannot be written: {error}"),
        }
    }
}

impl std::error::Error for RecorderError {}

impl From<io::Error> for RecorderError {
    fn from(error: io::Error) -> Self {
        RecorderError::Io(error)
    }
}

/// Keeps what a driver's machine is told; off, it does nothing.
///
/// Invariant: after a failure it is off, and the failure is told once.
#[derive(Default)]
pub struct Recorder {
    writer: Option<Writer<Track>>,
    failure: Option<io::Error>,
}

impl Recorder {
    /// Opens the file, which may hold a recording already, and takes up to so many bytes for it.
    pub fn open(path: &Path, bytes: u64) -> Result<Self, RecorderError> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(MODE);
        let file = options.open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(RecorderError::NotAFile);
        }
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => RecorderError::InUse,
            TryLockError::Error(error) => RecorderError::Io(error),
        })?;
        let asked = Layout::within(bytes, entropy::bytes());
        let writer = match metadata.len() {
            0 => {
                // It may be somebody's `touch`, which the mode above does not reach.
                file.set_permissions(Permissions::from_mode(MODE))?;
                create(file, asked)?
            }
            found => resume(file, found, &asked)?,
        };
        Ok(Self { writer: Some(writer), failure: None })
    }

    /// Begins with the machine of a server that starts.
    pub fn start<M: Serialize>(&mut self, edition: &'static str, machine: &M) {
        let (now, wall) = (wall::instant(), wall::unix_time());
        self.attempt(|writer| writer.start(edition, machine, now, wall));
    }

    /// Notes what the machine is about to take in.
    pub fn input<M: Serialize, I: Serialize>(&mut self, machine: &M, now: Instant, input: &I) {
        self.attempt(|writer| writer.input(machine, now, input));
    }

    /// Notes what the machine ordered.
    pub fn effects<E: Serialize>(&mut self, effects: &[E]) {
        self.attempt(|writer| writer.effects(effects));
    }

    /// Writes what was noted since the last time. Answers, once, why nothing is noted any more.
    pub fn flush(&mut self) -> Option<io::Error> {
        self.attempt(Writer::flush);
        self.failure.take()
    }

    fn attempt(&mut self, act: impl FnOnce(&mut Writer<Track>) -> io::Result<()>) {
        let Some(writer) = &mut self.writer else { return };
        if let Err(error) = act(writer) {
            self.writer = None;
            self.failure = Some(error);
        }
    }
}

fn create(file: File, layout: Layout) -> Result<Writer<Track>, RecorderError> {
    let room = file.try_clone()?;
    // The header goes first: whoever finds the file from here on knows whose it is.
    let writer = Writer::create(Track(file), layout)?;
    if let Err(error) = allocate(&room, layout.bytes()) {
        let _ = room.set_len(0);
        return Err(error.into());
    }
    Ok(writer)
}

fn resume(file: File, found: u64, asked: &Layout) -> Result<Writer<Track>, RecorderError> {
    let room = file.try_clone()?;
    let writer = Writer::resume(Track(file), found).map_err(|error| match error {
        ResumeError::Tape(error) => RecorderError::Io(error),
        ResumeError::Refused(error) => RecorderError::Refused(error),
    })?;
    let bytes = writer.layout().bytes();
    if bytes != asked.bytes() {
        return Err(RecorderError::OtherSize { found: bytes });
    }
    if found > bytes {
        let error = RecordingError::Size { found, expected: bytes };
        return Err(RecorderError::Refused(error));
    }
    // Shorter only if a process died while it made the file.
    allocate(&room, bytes)?;
    Ok(writer)
}

/// Takes the room at once, so that a full disk shows at the start.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP) => file.set_len(bytes),
        allocated => Ok(allocated?),
    }
}

/// The file as a tape.
struct Track(File);

impl Tape for Track {
    type Error = io::Error;

    fn read(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(into, at)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn clear(&mut self, at: u64, bytes: u64) -> io::Result<()> {
        let (zeros, end) = ([0; CLEAR_BYTES], at + bytes);
        let mut at = at;
        while at < end {
            let part = usize::try_from(end - at).unwrap_or(CLEAR_BYTES).min(CLEAR_BYTES);
            self.0.write_all_at(&zeros[..part], at)?;
            at += part as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
