//! What can be read in one transaction.

use std::ops::Bound;

use clavitor_core::credential::AccessToken;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::Seq;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{self, Head, Item, Key};
use heed::RoTxn;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::keys;
use super::tables::{self, Change, Stored, Tables};

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
pub struct Reader<'a> {
    pub(super) txn: &'a RoTxn<'a>,
    pub(super) tables: &'a Tables,
}

impl<'a> Reader<'a> {
    pub(super) fn new(txn: &'a RoTxn<'a>, tables: &'a Tables) -> Self {
        Self { txn, tables }
    }

    /// A record.
    pub fn record(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let stored = self.tables.records.get(self.txn, &keys::encode_key(key))?;
        stored.map(tables::decode_stored).transpose()
    }

    /// The version and the blob of an entry that is there.
    pub fn entry(
        &self,
        vault: &VaultName,
        entry: &EntryName,
    ) -> Result<Option<(Hlc, Vec<u8>)>, StoreError> {
        let key = keys::entry_key(vault, entry);
        let Some(stored) = self.tables.records.get(self.txn, &key)? else {
            return Ok(None);
        };
        let (_, encoded) = tables::split_stored(stored)?;
        let view = record::view_entry(encoded).map_err(|_| tables::DAMAGED_RECORD)?;
        Ok((!view.deleted).then(|| (view.hlc, view.blob.to_vec())))
    }

    /// A record without its blob.
    pub fn head(&self, key: &Key) -> Result<Option<HeadRow>, StoreError> {
        let stored = self.tables.records.get(self.txn, &keys::encode_key(key))?;
        let row = stored.map(tables::decode_stored_head).transpose()?;
        Ok(row.map(|(seq, head, blob_bytes)| HeadRow { seq, head, blob_bytes }))
    }

    /// The timestamps of an entry's journalled versions, ascending.
    pub fn losers(&self, vault: &VaultName, entry: &EntryName) -> Result<Vec<Hlc>, StoreError> {
        let prefix = keys::loser_prefix(vault, entry);
        let mut losers = Vec::new();
        for row in self.tables.records.prefix_iter(self.txn, &prefix)? {
            if let Some(Key::Loser(_, _, hlc)) = keys::decode_key(row?.0) {
                losers.push(hlc);
            }
        }
        Ok(losers)
    }

    /// The keys of every journal item.
    pub fn loser_keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut losers = Vec::new();
        for row in self.tables.records.prefix_iter(self.txn, &[keys::LOSER])? {
            losers.extend(keys::decode_key(row?.0));
        }
        Ok(losers)
    }

    /// Every access token, revoked and expired ones included.
    pub fn tokens(&self) -> Result<Vec<AccessToken>, StoreError> {
        let mut tokens = Vec::new();
        for row in self.tables.records.prefix_iter(self.txn, &[keys::TOKEN])? {
            let (_, head, _) = tables::decode_stored_head(row?.1)?;
            if let Item::Token(token) = head.item {
                tokens.push(token);
            }
        }
        Ok(tokens)
    }

    /// The changes above `after`, oldest first, as sequence number, change and key bytes.
    pub fn changes(&self, after: Seq) -> Result<impl Iterator<Item = ChangeRow<'a>>, StoreError> {
        let from = after.next().0.to_be_bytes();
        let range = (Bound::Included(from.as_slice()), Bound::Unbounded);
        let rows = self.tables.changes.range(self.txn, &range)?;
        Ok(rows.map(|row| {
            let (number, row) = row?;
            let number: [u8; 8] = number.try_into().map_err(|_| tables::DAMAGED_RECORD)?;
            let (change, key) = tables::decode_change(row)?;
            Ok((Seq(u64::from_be_bytes(number)), change, key))
        }))
    }

    /// The encoded record under these key bytes.
    pub fn encoded(&self, key: &[u8]) -> Result<Option<&'a [u8]>, StoreError> {
        let stored = self.tables.records.get(self.txn, key)?;
        Ok(stored.map(tables::split_stored).transpose()?.map(|(_, record)| record))
    }

    /// A named fact about the store.
    pub fn fact<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, StoreError> {
        tables::load(self.tables.meta, self.txn, name)
    }

    /// The raw transaction, for an edition's own tables.
    pub fn raw(&self) -> &'a RoTxn<'a> {
        self.txn
    }
}
