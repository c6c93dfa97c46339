//! Records: everything a server stores and replicates, with its timestamp and causal context.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::codec::{self, CodecError};
use crate::credential::{AccessToken, TokenId};
use crate::hlc::Hlc;
use crate::name::{EntryName, VaultName};

mod context;
mod view;

pub use context::{Context, LOST_MAX, POPS_MAX};
pub use view::{EntryView, view_entry};

/// The largest blob, in bytes.
pub const BLOB_BYTES_MAX: usize = 1024 * 1024;

/// The most bytes a record takes beyond its blob: names, timestamp and a full causal context.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The most bytes of one encoded record.
pub const RECORD_BYTES_MAX: usize = BLOB_BYTES_MAX + HEAD_BYTES_MAX;

/// What a record is about, without its blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// One entry of a vault, or the tombstone of a deleted one.
    Entry {
        /// The vault it belongs to.
        vault: VaultName,
        /// Its name in the vault.
        entry: EntryName,
        /// Whether this version deletes the entry; a tombstone has no blob.
        deleted: bool,
    },
    /// An access token, without its secret.
    Token(AccessToken),
    /// A version that lost to a concurrent one; its timestamp is the lost version's.
    Loser {
        /// The vault of the lost version.
        vault: VaultName,
        /// The entry of the lost version.
        entry: EntryName,
        /// Whether the lost version was a deletion.
        deleted: bool,
    },
}

/// What identifies a record among all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Key {
    /// An entry.
    Entry(VaultName, EntryName),
    /// An access token.
    Token(TokenId),
    /// A version of an entry that lost to a concurrent one.
    Loser(VaultName, EntryName, Hlc),
}

/// A digest of a [`Key`], for machines and logs that must not carry names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordId(#[serde(with = "crate::bytes")] pub [u8; 16]);

impl Key {
    /// The key's digest.
    pub fn id(&self) -> RecordId {
        let digest = Sha256::digest(codec::encode(self));
        let mut id = [0; 16];
        id.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        RecordId(id)
    }
}

/// A record without its blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// When, and by which POP, this version was written.
    pub hlc: Hlc,
    /// The versions this one replaces.
    pub context: Context,
    /// What it is about.
    pub item: Item,
}

impl Head {
    /// What identifies the record.
    pub fn key(&self) -> Key {
        match &self.item {
            Item::Entry { vault, entry, .. } => Key::Entry(vault.clone(), entry.clone()),
            Item::Token(token) => Key::Token(token.id),
            Item::Loser { vault, entry, .. } => Key::Loser(vault.clone(), entry.clone(), self.hlc),
        }
    }
}

/// One version of an entry, an access token or a journal item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Everything but the blob.
    pub head: Head,
    /// The client-encrypted content; empty for tombstones and access tokens.
    pub blob: Vec<u8>,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The head does not decode.
    Codec(CodecError),
    /// It decodes, but breaks a rule every record keeps (size, plausible times, context order).
    Invalid,
}

impl Record {
    /// Encodes the record: head length, head, blob.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.blob.len() + 256);
        out.extend_from_slice(&[0; 4]);
        codec::encode_into(&self.head, &mut out);
        let head_bytes = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
        out.iter_mut().zip(head_bytes.to_le_bytes()).for_each(|(to, from)| *to = from);
        out.extend_from_slice(&self.blob);
        out
    }

    /// Decodes a record and checks every rule that a peer's record must keep.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (head, blob) = split(bytes)?;
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::Invalid);
        }
        let record = Record { head, blob: blob.to_vec() };
        record.is_valid().then_some(record).ok_or(RecordError::Invalid)
    }

    /// A digest of what the record says, its causal context aside: breaks ties of equal timestamps.
    pub fn content_digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(codec::encode(&self.head.item));
        hash.update(&self.blob);
        hash.finalize().into()
    }

    fn is_valid(&self) -> bool {
        let blob_fits = match &self.head.item {
            Item::Entry { deleted, .. } | Item::Loser { deleted, .. } => {
                self.blob.len() <= if *deleted { 0 } else { BLOB_BYTES_MAX }
            }
            Item::Token(token) => self.blob.is_empty() && token.is_valid(),
        };
        let context_fits = match self.head.item {
            Item::Entry { .. } => self.head.context.is_valid(self.head.hlc),
            Item::Token(_) | Item::Loser { .. } => self.head.context.is_empty(),
        };
        blob_fits && context_fits && self.head.hlc.is_plausible()
    }
}

/// Reads only the head of an encoded record, and the length of its blob.
pub fn decode_head(bytes: &[u8]) -> Result<(Head, usize), RecordError> {
    split(bytes).map(|(head, blob)| (head, blob.len()))
}

fn split(bytes: &[u8]) -> Result<(Head, &[u8]), RecordError> {
    let (head, blob) = split_head(bytes)?;
    Ok((codec::decode(head).map_err(RecordError::Codec)?, blob))
}

fn split_head(bytes: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let damaged = RecordError::Codec(CodecError::Malformed);
    let (prefix, rest) = bytes.split_first_chunk::<4>().ok_or(damaged)?;
    let head_bytes = usize::try_from(u32::from_le_bytes(*prefix)).map_err(|_| damaged)?;
    if head_bytes > HEAD_BYTES_MAX {
        return Err(damaged);
    }
    rest.split_at_checked(head_bytes).ok_or(damaged)
}

/// The head of a client's new version of an entry: it supersedes what the server holds now.
///
/// `lost` are the journalled versions of the entry: the client has not seen them, so the new
/// version must not count as having replaced them.
pub fn successor(held: Option<&Head>, lost: &[Hlc], hlc: Hlc, item: Item) -> Head {
    let context =
        held.map_or_else(Context::default, |head| head.context.superseding(head.hlc, lost));
    Head { hlc, context, item }
}

/// The text a journal item is addressed by: its timestamp, a dot, and the entry's name in hex.
pub fn loser_id(entry: &EntryName, lost: Hlc) -> String {
    let hex = entry.as_str().bytes().map(|byte| alloc::format!("{byte:02x}")).collect::<String>();
    alloc::format!("{lost}.{hex}")
}

/// Reads the text made by [`loser_id`].
pub fn parse_loser_id(text: &str) -> Option<(EntryName, Hlc)> {
    let (lost, hex) = text.split_once('.')?;
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes = (0..hex.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>()?;
    let entry = EntryName::try_from(String::from_utf8(bytes).ok()?).ok()?;
    Some((entry, lost.parse().ok()?))
}

#[cfg(test)]
mod tests;
