//! What a client's read needs of an encoded entry, without taking the rest of it apart.

use serde::Deserialize;

use super::{Context, RecordError, split_head};
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
    _context: Context,
    #[serde(borrow)]
    item: ItemView<'a>,
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
