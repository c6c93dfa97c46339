//! Writes of access tokens, as operations of a transaction.

use alloc::vec::Vec;

use crate::credential::{AccessToken, TokenId};
use crate::id::{OpId, Seq};
use crate::record::{Context, HEAD_BYTES_MAX, Head, Item, Key, Record};
use crate::store::{Awaited, RowsMut, Stop, StoreError, Transaction};

/// A token that is revoked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Its newest sequence number.
    pub seq: Seq,
    /// Whether it was in force until now.
    pub is_new: bool,
}

/// Why a token is not revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is none of that id.
    NotFound,
    /// Whoever asks may not revoke this one.
    Forbidden,
}

/// Stores a new token; `op` names a client that waits for a backup.
pub fn create<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    token: AccessToken,
    op: Option<OpId>,
) -> Result<Seq, StoreError> {
    txn.check_room(HEAD_BYTES_MAX)?;
    store(txn, token, op)
}

/// Revokes a token that `is_allowed` lets go; `op` names a client that waits for a backup. There is
/// always room for it.
pub fn revoke<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    id: TokenId,
    is_allowed: impl FnOnce(&AccessToken) -> bool,
    op: Option<OpId>,
) -> Result<Revoked, Stop<Refused>> {
    let stored = txn.record(&Key::Token(id))?.ok_or(Stop::Refused(Refused::NotFound))?;
    let Item::Token(mut token) = stored.record.head.item else {
        return Err(Stop::Refused(Refused::NotFound));
    };
    if !is_allowed(&token) {
        return Err(Stop::Refused(Refused::Forbidden));
    }
    if token.revoked.is_some() {
        return Ok(Revoked { seq: stored.seq, is_new: false });
    }
    token.revoked = Some(txn.next_hlc());
    Ok(Revoked { seq: store(txn, token, op)?, is_new: true })
}

fn store<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    token: AccessToken,
    op: Option<OpId>,
) -> Result<Seq, StoreError> {
    let key = Key::Token(token.id);
    let hlc = txn.next_hlc();
    let head = Head { hlc, context: Context::default(), item: Item::Token(token) };
    let seq = txn.put(&Record { head, blob: Vec::new() }, None)?;
    if let Some(op) = op {
        txn.await_backup(Awaited { op, record: key.id(), hlc });
    }
    Ok(seq)
}
