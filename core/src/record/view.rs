//! What a client's read needs of an encoded entry, without taking the rest of it apart.

use core::fmt;
use core::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{RecordError, split_head};
use crate::codec;
use crate::hlc::Hlc;

/// An entry's version and its blob, still where they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// The version.
    pub hlc: Hlc,
    /// Whether it deletes the entry.
    pub deleted: bool,
    /// The client-encrypted content.
    pub blob: &'a [u8],
}

// The fields in the order of `Head` and `Item`, which is all that the encoding knows.
#[derive(Deserialize)]
struct HeadView<'a> {
    hlc: Hlc,
    #[serde(borrow)]
    _context: ContextView<'a>,
    #[serde(borrow)]
    item: ItemView<'a>,
}

#[derive(Deserialize)]
struct ContextView<'a> {
    #[serde(borrow)]
    _up_to: Skipped<HlcView<'a>>,
    #[serde(borrow)]
    _lost: Skipped<HlcView<'a>>,
}

#[derive(Deserialize)]
struct HlcView<'a> {
    _ms: u64,
    _counter: u32,
    #[serde(borrow)]
    _pop: &'a str,
}

/// A list that is read past.
struct Skipped<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Skipped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Skipped(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Skipped<T> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<T>()?.is_some() {}
        Ok(self)
    }
}

#[derive(Deserialize)]
enum ItemView<'a> {
    Entry {
        #[serde(borrow)]
        _vault: &'a str,
        #[serde(borrow)]
        _entry: &'a str,
        deleted: bool,
    },
}

/// Reads an encoded entry that this server stored, and whose bytes it has checked. Another kind of
/// record is malformed here.
pub fn view_entry(bytes: &[u8]) -> Result<EntryView<'_>, RecordError> {
    let (head, blob) = split_head(bytes)?;
    let head: HeadView<'_> = codec::view(head).map_err(RecordError::Codec)?;
    let ItemView::Entry { deleted, .. } = head.item;
    Ok(EntryView { hlc: head.hlc, deleted, blob })
}
