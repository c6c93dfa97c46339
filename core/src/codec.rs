//! Bytes of stored and sent values: the only module that knows bincode.
//!
//! Every payload starts with one version byte, followed by bincode's legacy layout (fixed-width
//! little-endian integers, 64-bit lengths). Only the canonical form is accepted: nothing may
//! trail, and what was read must encode to the bytes it was read from.

use alloc::vec::Vec;

use bincode::config;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of every payload this build writes.
pub const VERSION: u8 = 1;

/// The most bytes one encoded value may claim, a frame included.
pub const BYTES_MAX: usize = 10 * 1024 * 1024;

/// Why bytes are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The version byte is missing or names a version this build does not read.
    Version,
    /// The bytes are cut short, oversized, followed by others, or not in canonical form.
    Malformed,
}

impl core::fmt::Display for CodecError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            CodecError::Version => "the format version is not known to this build",
            CodecError::Malformed => "the bytes are damaged",
        })
    }
}

/// Encodes a value, version byte first.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    encode_into(value, &mut out);
    out
}

/// Appends a value's encoding, version byte first.
///
/// # Panics
/// Values of this project have no state that fails to encode: a failure is a bug of ours.
pub fn encode_into<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    struct Sink<'a>(&'a mut Vec<u8>);
    impl bincode::enc::write::Writer for Sink<'_> {
        fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }
    out.push(VERSION);
    let config = config::legacy().with_limit::<BYTES_MAX>();
    let written = bincode::serde::encode_into_writer(value, Sink(out), config);
    assert!(written.is_ok(), "a value of our own did not encode");
}

/// Decodes a value that stands alone in `bytes`.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value = view(bytes)?;
    is_encoding_of(&value, bytes).then_some(value).ok_or(CodecError::Malformed)
}

/// Decodes a value that may borrow from `bytes`, and does not ask for the canonical form: only for
/// what this server has written itself, and has checked.
pub fn view<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    let (version, payload) = bytes.split_first().ok_or(CodecError::Version)?;
    if *version != VERSION {
        return Err(CodecError::Version);
    }
    let config = config::legacy().with_limit::<BYTES_MAX>();
    let (value, read) = bincode::serde::borrow_decode_from_slice(payload, config)
        .map_err(|_| CodecError::Malformed)?;
    (read == payload.len()).then_some(value).ok_or(CodecError::Malformed)
}

fn is_encoding_of<T: Serialize>(value: &T, bytes: &[u8]) -> bool {
    struct Expect<'a>(&'a [u8]);
    impl bincode::enc::write::Writer for Expect<'_> {
        fn write(&mut self, part: &[u8]) -> Result<(), bincode::error::EncodeError> {
            let rest = self.0.strip_prefix(part);
            self.0 = rest.ok_or(bincode::error::EncodeError::Other("not canonical"))?;
            Ok(())
        }
    }
    let config = config::legacy().with_limit::<BYTES_MAX>();
    let payload = bytes.get(1..).unwrap_or_default();
    bincode::serde::encode_into_writer(value, Expect(payload), config).is_ok()
}

/// Opaque bytes that encode as one block instead of byte by byte.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block(pub Vec<u8>);

impl core::fmt::Debug for Block {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Block {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Block {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Block;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Block, E> {
                Ok(Block(bytes.to_vec()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Block, E> {
                Ok(Block(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests;
