//! What can be read in one transaction.

use alloc::vec::Vec;
use core::ops::Bound;

use crate::credential::AccessToken;
use crate::hlc::Hlc;
use crate::id::Seq;
use crate::name::{EntryName, VaultName};
use crate::record::{self, Head, Item, Key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::identity::{Owner, load_fact, owner};
use super::keys;
use super::rows::{CHANGES, RECORDS, Rows};
use super::values::{self, Change, Stored};

/// A record without its blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRow {
    /// Its newest sequence number.
    pub seq: Seq,
    /// Its head.
    pub head: Head,
    /// The size of its blob.
    pub blob_bytes: usize,
}

/// One row of the index of changes: sequence number, change, key bytes.
pub type ChangeRow<'a> = Result<(Seq, Change, &'a [u8]), StoreError>;

/// A view of the store at one moment.
pub struct Reader<'a, R> {
    rows: &'a R,
}

impl<'a, R: Rows> Reader<'a, R> {
    /// A view of these tables.
    pub fn new(rows: &'a R) -> Self {
        Self { rows }
    }

    /// A record.
    pub fn record(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let stored = self.rows.get(RECORDS, &keys::encode_key(key))?;
        stored.map(values::decode_stored).transpose()
    }

    /// The version and the blob of an entry that is there.
    pub fn entry(
        &self,
        vault: &VaultName,
        entry: &EntryName,
    ) -> Result<Option<(Hlc, Vec<u8>)>, StoreError> {
        let key = keys::entry_key(vault, entry);
        let Some(stored) = self.rows.get(RECORDS, &key)? else {
            return Ok(None);
        };
        let (_, encoded) = values::split_stored(stored)?;
        let view = record::view_entry(encoded).map_err(|_| values::DAMAGED_RECORD)?;
        Ok((!view.deleted).then(|| (view.hlc, view.blob.to_vec())))
    }

    /// A record without its blob.
    pub fn head(&self, key: &Key) -> Result<Option<HeadRow>, StoreError> {
        let stored = self.rows.get(RECORDS, &keys::encode_key(key))?;
        let row = stored.map(values::decode_stored_head).transpose()?;
        Ok(row.map(|(seq, head, blob_bytes)| HeadRow { seq, head, blob_bytes }))
    }

    /// The timestamps of an entry's journalled versions, ascending.
    pub fn losers(&self, vault: &VaultName, entry: &EntryName) -> Result<Vec<Hlc>, StoreError> {
        let prefix = keys::loser_prefix(vault, entry);
        let mut losers = Vec::new();
        for row in self.rows.prefixed(RECORDS, &prefix)? {
            if let Some(Key::Loser(_, _, hlc)) = keys::decode_key(row?.0) {
                losers.push(hlc);
            }
        }
        Ok(losers)
    }

    /// The keys of every journal item.
    pub fn loser_keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut losers = Vec::new();
        for row in self.rows.prefixed(RECORDS, &[keys::LOSER])? {
            losers.extend(keys::decode_key(row?.0));
        }
        Ok(losers)
    }

    /// Every access token, revoked and expired ones included.
    pub fn tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        let mut tokens = Vec::new();
        for row in self.rows.prefixed(RECORDS, &[keys::TOKEN])? {
            let (_, head, _) = values::decode_stored_head(row?.1)?;
            if let Item::Token(token) = head.item {
                tokens.push(token);
            }
        }
        Ok(tokens)
    }

    /// The changes above `after`, oldest first, as sequence number, change and key bytes.
    pub fn changes(
        &self,
        after: Seq,
    ) -> Result<impl Iterator<Item = ChangeRow<'a>> + use<'a, R>, StoreError> {
        let from = after.next().0.to_be_bytes();
        let rows = self.rows.range(CHANGES, Bound::Included(&from), Bound::Unbounded)?;
        Ok(rows.map(|row| {
            let (number, row) = row?;
            let number: [u8; 8] = number.try_into().map_err(|_| values::DAMAGED_RECORD)?;
            let (change, key) = values::decode_change(row)?;
            Ok((Seq(u64::from_be_bytes(number)), change, key))
        }))
    }

    /// The encoded record under these key bytes.
    pub fn encoded(&self, key: &[u8]) -> Result<Option<&'a [u8]>, StoreError> {
        let stored = self.rows.get(RECORDS, key)?;
        Ok(stored.map(values::split_stored).transpose()?.map(|(_, record)| record))
    }

    /// A named fact about the store.
    pub fn fact<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        load_fact(self.rows, name)
    }

    /// Whose store it is; `None` before its first start.
    pub fn identity(&self) -> Result<Option<Owner>, StoreError> {
        owner(self.rows)
    }

    /// The tables, for an edition's own.
    pub fn rows(&self) -> &'a R {
        self.rows
    }
}
