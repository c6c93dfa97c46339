//! What a renewal says: what the machine knows, and what the store does.

use alloc::vec::Vec;

use clavitor_core::id::{Epoch, OpId};
use clavitor_core::store::{Reader, Rows, StoreError};
use serde::{Deserialize, Serialize};

use crate::renewal::{GRANT_MEMBERS_MAX, GrantId, Held, KeptBack, Renewal, Wish};
use crate::tables;

/// What the machine says in a renewal; the rest of [`crate::renewal::Renewal`] is in the store, and
/// [`Draft::complete`] reads it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// See [`crate::renewal::Renewal`], as for all that follows.
    pub start: u64,
    /// The newest epoch that is stored.
    pub epoch: Option<Epoch>,
    /// The grant it goes by.
    pub grant: Option<GrantId>,
    /// Whether that is given up.
    pub is_released: bool,
    /// Whether it may be promoted.
    pub is_ready: bool,
    /// Whether it is the configured primary.
    pub is_preferred: bool,
    /// For how long it refuses promotion.
    pub refuses_ms: u64,
    /// For how long its vote carries the primary.
    pub voted_ms: u64,
    /// What an operator asked for.
    pub wish: Option<Wish>,
    /// Why it did not hand over.
    pub kept_back: Option<KeptBack>,
}

impl Draft {
    /// The whole renewal that `op` orders. What a process orders later has a higher number.
    pub fn complete<R: Rows>(
        self,
        op: OpId,
        reader: &Reader<'_, R>,
    ) -> Result<Renewal, StoreError> {
        let own = reader.identity()?.ok_or(StoreError::Damaged("the store has no identity"))?;
        let mut held: Vec<Held> = tables::positions(reader, own.pop, usize::MAX)?
            .into_iter()
            .map(|position| Held {
                pop: position.source,
                store: position.store,
                seq: position.received,
            })
            .collect();
        // Who follows is chosen by what it holds of the primary; a POP that is no more may be left out.
        let primary = self.epoch.map(|epoch| epoch.primary);
        held.sort_by_key(|held| Some(held.pop) != primary);
        held.insert(0, Held { pop: own.pop, store: own.store_id, seq: own.state.seq });
        held.truncate(GRANT_MEMBERS_MAX);
        Ok(Renewal {
            start: self.start,
            number: op.0,
            store: own.store_id,
            epoch: self.epoch,
            grant: self.grant,
            is_released: self.is_released,
            is_ready: self.is_ready,
            is_preferred: self.is_preferred,
            refuses_ms: self.refuses_ms,
            voted_ms: self.voted_ms,
            held,
            floor_ms: own.state.floor.ms,
            wish: self.wish,
            kept_back: self.kept_back,
        })
    }
}
