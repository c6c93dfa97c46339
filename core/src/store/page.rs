//! Pages of entries and journal items, in the order of their names.

use alloc::vec::Vec;
use core::ops::Bound;

use crate::hlc::Hlc;
use crate::id::Seq;
use crate::name::{EntryName, VaultName};
use crate::record::{Item, Key};

use super::error::StoreError;
use super::keys;
use super::reader::Reader;
use super::rows::{RECORDS, Row, Rows};
use super::values;

/// One entry of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// Its name.
    pub entry: EntryName,
    /// Its version.
    pub hlc: Hlc,
    /// Its newest sequence number.
    pub seq: Seq,
    /// The size of its blob.
    pub bytes: usize,
}

/// Entries in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryPage {
    /// The entries.
    pub rows: Vec<EntryRow>,
    /// Whether there are more after the last one.
    pub has_more: bool,
}

/// One journal item of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoserRow {
    /// The entry it is a version of.
    pub entry: EntryName,
    /// The version.
    pub hlc: Hlc,
    /// Whether it was a deletion.
    pub deleted: bool,
    /// The size of its blob.
    pub bytes: usize,
}

/// Journal items in the order of their entries' names, then of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoserPage {
    /// The items.
    pub rows: Vec<LoserRow>,
    /// Whether there are more after the last one.
    pub has_more: bool,
}

impl<'a, R: Rows> Reader<'a, R> {
    /// The entries of a vault whose names begin with `prefix` and come after `after`.
    pub fn entries(
        &self,
        vault: &VaultName,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<EntryPage, StoreError> {
        let base = [keys::vault_prefix(keys::ENTRY, vault), prefix.as_bytes().to_vec()].concat();
        let after = after.map(|name| {
            [keys::vault_prefix(keys::ENTRY, vault), name.as_bytes().to_vec()].concat()
        });
        let mut page = EntryPage::default();
        for row in self.from(&base, after.as_deref())? {
            let (key, stored) = row?;
            if !key.starts_with(&base) {
                break;
            }
            let (seq, head, bytes) = values::decode_stored_head(stored)?;
            let Item::Entry { entry, deleted: false, .. } = head.item else {
                continue;
            };
            if page.rows.len() == limit {
                page.has_more = true;
                break;
            }
            page.rows.push(EntryRow { entry, hlc: head.hlc, seq, bytes });
        }
        Ok(page)
    }

    /// The journal items of a vault after the one named by `after`.
    pub fn loser_page(
        &self,
        vault: &VaultName,
        after: Option<(EntryName, Hlc)>,
        limit: usize,
    ) -> Result<LoserPage, StoreError> {
        let base = keys::vault_prefix(keys::LOSER, vault);
        let after =
            after.map(|(entry, hlc)| keys::encode_key(&Key::Loser(vault.clone(), entry, hlc)));
        let mut page = LoserPage::default();
        for row in self.from(&base, after.as_deref())? {
            let (key, stored) = row?;
            if !key.starts_with(&base) {
                break;
            }
            if page.rows.len() == limit {
                page.has_more = true;
                break;
            }
            let (_, head, bytes) = values::decode_stored_head(stored)?;
            if let Item::Loser { entry, deleted, .. } = head.item {
                page.rows.push(LoserRow { entry, hlc: head.hlc, deleted, bytes });
            }
        }
        Ok(page)
    }

    fn from(
        &self,
        base: &[u8],
        after: Option<&[u8]>,
    ) -> Result<impl Iterator<Item = Row<'a>>, StoreError> {
        let start = match after {
            Some(after) if after >= base => Bound::Excluded(after),
            Some(_) | None => Bound::Included(base),
        };
        self.rows().range(RECORDS, start, Bound::Unbounded)
    }
}
