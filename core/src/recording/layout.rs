//! The header of a recording, and where its segments lie.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::{Digest, FORMAT, RecordingError, half};

/// The smallest recording, in bytes.
pub const BYTES_MIN: u64 = 1024 * 1024;

/// The largest recording, in bytes.
pub const BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Segments begin at multiples of this, so that none shares a page with another.
const PAGE: usize = 4096;

/// With fewer, too much would be lost each time the oldest makes room.
const SEGMENTS_MIN: u64 = 8;

/// More would take too long to clear at once.
const SEGMENT_BYTES_MAX: u64 = 2 * 1024 * 1024;

const MAGIC: &[u8; 16] = b"clavitor-flight\n";
const SEALED: usize = 48;
const DIGEST_END: usize = 80;

const _: () = assert!(BYTES_MIN >= (1 + SEGMENTS_MIN * 2) * PAGE as u64);
const _: () = assert!(BYTES_MAX / SEGMENT_BYTES_MAX < u32::MAX as u64);

/// How a recording is laid out, and its identity.
///
/// Invariant: at least two segments, each of whole pages; the whole is at most [`BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    id: [u8; 16],
    segments: u32,
    segment_bytes: u32,
}

impl Layout {
    /// How many bytes the header takes; the first segment follows.
    pub const HEADER_BYTES: u64 = PAGE as u64;

    /// The layout of a new recording that takes at most `bytes`, which are brought between
    /// [`BYTES_MIN`] and [`BYTES_MAX`]. `id` is random.
    pub fn within(bytes: u64, id: [u8; 16]) -> Self {
        let room = bytes.clamp(BYTES_MIN, BYTES_MAX) - Self::HEADER_BYTES;
        let segments = room.div_ceil(SEGMENT_BYTES_MAX).max(SEGMENTS_MIN);
        let segment_bytes = room / segments / Self::HEADER_BYTES * Self::HEADER_BYTES;
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self { id, segments: narrow(segments), segment_bytes: narrow(segment_bytes) }
    }

    /// A layout that is small enough to try every byte of it.
    #[cfg(test)]
    pub(super) const fn tiny(segments: u32, id: [u8; 16]) -> Self {
        Self { id, segments, segment_bytes: PAGE as u32 }
    }

    /// How many segments there are.
    pub fn segments(&self) -> u64 {
        u64::from(self.segments)
    }

    /// The size of each, in bytes.
    pub fn segment_bytes(&self) -> u64 {
        u64::from(self.segment_bytes)
    }

    /// The size of the whole, in bytes.
    pub fn bytes(&self) -> u64 {
        Self::HEADER_BYTES + self.segments() * self.segment_bytes()
    }

    /// Where the segment of this number lies.
    pub fn segment_at(&self, number: u64) -> u64 {
        Self::HEADER_BYTES + number % self.segments() * self.segment_bytes()
    }

    /// The header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(DIGEST_END);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.segments.to_le_bytes());
        bytes.extend_from_slice(&self.segment_bytes.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.id);
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes.resize(PAGE, 0);
        bytes
    }

    /// Reads the header of a recording.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordingError> {
        if !bytes.starts_with(MAGIC) {
            return Err(RecordingError::Foreign);
        }
        let number = |at: usize| {
            let part = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(part.try_into().ok()?))
        };
        let found = bytes.len() as u64;
        let short = RecordingError::Size { found, expected: Self::HEADER_BYTES };
        let format = number(16).ok_or(short)?;
        if format != FORMAT {
            return Err(RecordingError::Format { found: format });
        }
        let header = bytes.get(..PAGE).ok_or(short)?;
        let (segments, segment_bytes) = (number(20).ok_or(short)?, number(24).ok_or(short)?);
        let id = header.get(32..SEALED).and_then(|id| id.try_into().ok()).ok_or(short)?;
        let layout = Self { id, segments, segment_bytes };
        let damaged =
            RecordingError::Damaged { at: 0, what: "the header is not as it was written" };
        let is_sound = segments >= 2
            && segment_bytes > 0
            && layout.segment_bytes().is_multiple_of(Self::HEADER_BYTES)
            && layout.bytes() <= BYTES_MAX
            && header == layout.encode();
        is_sound.then_some(layout).ok_or(damaged)
    }

    /// What the first piece of each segment is chained to.
    pub(super) fn seed(&self) -> Digest {
        half(&Sha256::digest(self.encode()))
    }
}
