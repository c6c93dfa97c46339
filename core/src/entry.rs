//! A client's write of an entry, as one operation of a transaction.

use alloc::vec::Vec;

use crate::hlc::Hlc;
use crate::id::OpId;
use crate::name::{EntryName, VaultName};
use crate::record::{HEAD_BYTES_MAX, Head, Item, Key, Record, successor};
use crate::store::{Awaited, RowsMut, Stop, Transaction, is_live};

/// A condition on the version that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// None.
    Always,
    /// Anything is there.
    Exists,
    /// Nothing is there.
    Absent,
    /// This very version is there.
    Is(Hlc),
    /// A version that this server never issued: never holds.
    Never,
}

impl Precondition {
    /// Whether it holds for what is there.
    pub fn holds(self, held: Option<Hlc>) -> bool {
        match self {
            Precondition::Always => true,
            Precondition::Exists => held.is_some(),
            Precondition::Absent => held.is_none(),
            Precondition::Is(hlc) => held == Some(hlc),
            Precondition::Never => false,
        }
    }
}

/// A client's new version of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The vault.
    pub vault: VaultName,
    /// The entry's name in it.
    pub entry: EntryName,
    /// What must be there for it to be written.
    pub precondition: Precondition,
    /// Whether it deletes the entry; then there is no blob.
    pub deleted: bool,
    /// The client-encrypted content.
    pub blob: Vec<u8>,
}

/// A version that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its timestamp.
    pub hlc: Hlc,
    /// Whether there was an entry that was not deleted.
    pub was_there: bool,
}

/// Why a version is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The precondition does not hold.
    Precondition,
    /// There is nothing to delete.
    NotFound,
}

impl Put {
    /// Writes the version over what is there; `op` names a client that waits for a backup.
    ///
    /// Decides before it writes, and may run again: the blob is lent to the transaction, not copied.
    pub fn apply<R: RowsMut>(
        &mut self,
        txn: &mut Transaction<'_, R>,
        op: Option<OpId>,
    ) -> Result<Written, Stop<Refused>> {
        let key = Key::Entry(self.vault.clone(), self.entry.clone());
        let held = txn.held(&key)?;
        let before: Option<&Head> = held.as_ref().map(|held| &held.head);
        let live = before.filter(|head| is_live(head)).map(|head| head.hlc);
        if !self.precondition.holds(live) {
            return Err(Stop::Refused(Refused::Precondition));
        }
        if self.deleted && live.is_none() {
            return Err(Stop::Refused(Refused::NotFound));
        }
        if !self.deleted {
            txn.check_room(self.blob.len() + HEAD_BYTES_MAX)?;
        }
        let lost = txn.losers(&self.vault, &self.entry)?;
        let hlc = txn.next_hlc();
        let (vault, entry) = (self.vault.clone(), self.entry.clone());
        let item = Item::Entry { vault, entry, deleted: self.deleted };
        let head = successor(before, &lost, hlc, item);
        let record = Record { head, blob: core::mem::take(&mut self.blob) };
        let done = txn.put_over(held.as_ref(), &record, None);
        self.blob = record.blob;
        done?;
        if let Some(op) = op {
            txn.await_backup(Awaited { op, record: key.id(), hlc });
        }
        Ok(Written { hlc, was_there: live.is_some() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_precondition_holds_for_what_it_says() {
        let hlc: Hlc = "5-0-a".parse().unwrap();
        let cases = [
            (Precondition::Always, true, true),
            (Precondition::Exists, true, false),
            (Precondition::Absent, false, true),
            (Precondition::Is(hlc), true, false),
            (Precondition::Never, false, false),
        ];
        for (precondition, if_held, if_absent) in cases {
            assert_eq!(precondition.holds(Some(hlc)), if_held, "{precondition:?}");
            assert_eq!(precondition.holds(None), if_absent, "{precondition:?}");
        }
    }
}
