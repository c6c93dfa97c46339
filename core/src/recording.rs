//! The flight recorder's format: the last inputs of a POP's machine, to be run again offline.
//!
//! A recording is one file of a fixed size: a header, and behind it a ring of segments. Each
//! segment begins with a [`Checkpoint`] (who records, and the machine's whole state), followed by
//! [`Step`]s: when, what went in, and the digest of what came out. Segments are numbered without
//! end; number *n* lies in place *n* modulo their count, so that the newest replaces the oldest.
//!
//! Every piece carries a digest that is chained to the piece before it, back to the header. That
//! finds damage, edits and pieces of other recordings; it does not stop a forger who computes all
//! digests anew. What is not written yet is zero, so that a write that a kill cut short can be told
//! from damage.
//!
//! [`Writer`] writes to a [`Tape`], [`read`] checks a whole file.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::codec::{self, Block};
use crate::time::{Instant, UnixTime};

mod layout;
mod piece;
mod reader;
mod writer;

pub use layout::{BYTES_MAX, BYTES_MIN, Layout};
pub use reader::{Recording, Segment, Steps, read};
pub use writer::{ResumeError, Writer};

/// The version of the format that this build writes and reads.
pub const FORMAT: u32 = 1;

/// The version of the machines of this build: another one may decide otherwise.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first half of a SHA-256.
pub type Digest = [u8; 16];

/// What a machine was when a segment began, and who it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The segment's number.
    pub number: u64,
    /// How the segment comes after the one before it.
    pub follows: Follows,
    /// The edition that recorded.
    pub edition: String,
    /// The version that recorded; see [`VERSION`].
    pub version: String,
    /// The monotonic clock when the segment began.
    pub at: Instant,
    /// The wall clock at that moment, as told by the monotonic clock since the process started.
    pub wall: UnixTime,
    /// The machine's state, in the codec's bytes.
    pub state: Block,
}

/// How a segment comes after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Follows {
    /// A process started.
    Start,
    /// The segment before it, which ends with a piece of this digest, was full.
    Segment(Digest),
    /// Something came in that fits in no segment; what it did is only in the checkpoint.
    Gap,
}

/// One call of a machine's `handle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// When.
    pub at: Instant,
    /// What went in, in the codec's bytes.
    pub input: &'a [u8],
    /// The digest of what came out; `None` if the machine broke down over this input.
    pub effects: Option<Digest>,
}

/// Where a recording is kept: a file, or bytes in memory.
pub trait Tape {
    /// What can go wrong.
    type Error;

    /// Fills `into` with the bytes at `at`.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Self::Error>;

    /// Writes all of `bytes` at `at`.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Writes so many zeros at `at`, from the first to the last.
    fn clear(&mut self, at: u64, bytes: u64) -> Result<(), Self::Error>;
}

/// Why bytes are not a recording that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingError {
    /// Something else lies there.
    Foreign,
    /// It is of a format that this build does not know.
    Format {
        /// The version found.
        found: u32,
    },
    /// It does not have the size that its header names.
    Size {
        /// The bytes there are.
        found: u64,
        /// The bytes there should be.
        expected: u64,
    },
    /// Nothing was recorded yet.
    Empty,
    /// It is not what was written.
    Damaged {
        /// Where: an offset into the file.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordingError::Foreign => f.write_str("it is not a recording of the flight recorder"),
            RecordingError::Format { found } => {
                write!(f, "it has format version {found}; this build knows version {FORMAT}")
            }
            RecordingError::Size { found, expected } if found < expected => {
                write!(f, "it is cut short: {found} of {expected} bytes are there")
            }
            RecordingError::Size { found, expected } => {
                write!(f, "it is too long: {found} bytes instead of {expected}")
            }
            RecordingError::Empty => f.write_str("nothing was recorded in it yet"),
            RecordingError::Damaged { at, what } => {
                write!(f, "it was damaged or altered, at byte {at}: {what}")
            }
        }
    }
}

impl core::error::Error for RecordingError {}

/// The digest of what a machine's `handle` ordered.
pub fn digest_of_effects<E: Serialize>(effects: &[E]) -> Digest {
    half(&Sha256::digest(codec::encode(&effects)))
}

fn half(whole: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.iter_mut().zip(whole).for_each(|(to, from)| *to = *from);
    digest
}

#[cfg(test)]
mod tests;
