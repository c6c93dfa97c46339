//! The outbox: what waits for HQ, on disk. It is its server's own and no part of an export.

use alloc::vec::Vec;

use clavitor_core::codec;
use clavitor_core::store::{Rows, RowsMut, StoreError, Table, Transaction};
use clavitor_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{ITEMS_MAX, Item, LOST_ITEMS_MAX};

/// Number, big-endian → [`Item`].
pub const OUTBOX: Table = Table::new(8, "outbox");

/// The most rows that an order to keep leaves.
pub const ROWS_MAX: usize = ITEMS_MAX + LOST_ITEMS_MAX;

/// What the outbox holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The items, oldest first.
    pub items: Vec<Item>,
    /// The numbers of those that cannot be read.
    pub damaged: Vec<u64>,
}

/// Stores some items and forgets others. Those without a time are of the transaction's, which is
/// answered. It may run twice.
pub fn keep<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    put: &[Item],
    remove: &[u64],
) -> Result<UnixTime, StoreError> {
    let now = txn.now();
    for number in remove {
        txn.rows_mut().delete(OUTBOX, &number.to_be_bytes())?;
    }
    for item in put {
        let item = Item { at: item.at.or(Some(now)), ..item.clone() };
        txn.rows_mut().put(OUTBOX, &item.number.to_be_bytes(), &codec::encode(&item))?;
    }
    Ok(now)
}

/// Reads everything that waits. What cannot be read is told, and is no reason to fail.
pub fn load<R: Rows>(rows: &R) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for row in rows.all(OUTBOX)? {
        let (key, value) = row?;
        // No such key was ever written; there is no number by which it could be forgotten.
        let Ok(key) = key.try_into().map(u64::from_be_bytes) else { continue };
        match codec::decode::<Item>(value) {
            Ok(item) if item.number == key => loaded.items.push(item),
            Ok(_) | Err(_) => loaded.damaged.push(key),
        }
    }
    Ok(loaded)
}
