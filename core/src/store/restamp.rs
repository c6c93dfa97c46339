//! The way back after a clock ran far ahead and its timestamps would win over every later write.

use alloc::vec::Vec;

use super::error::StoreError;
use super::rows::{RECORDS, RowsMut};
use super::transaction::Transaction;
use super::values;
use crate::record::{Context, Key};
use crate::time::UnixTime;

impl<R: RowsMut> Transaction<'_, R> {
    /// Gives every entry whose timestamp is later than `limit` one of now, in the order they had.
    /// Answers how many were changed.
    pub fn restamp(&mut self, limit: UnixTime) -> Result<u64, StoreError> {
        let mut ahead = Vec::new();
        for row in self.rows().all(RECORDS)? {
            let (_, stored) = row?;
            let (_, head, _) = values::decode_stored_head(stored)?;
            if head.hlc.ms > limit.0 && matches!(head.key(), Key::Entry(..)) {
                ahead.push((head.hlc, head.key()));
            }
        }
        ahead.sort_unstable();
        self.set_clock_back(limit);
        for (_, key) in &ahead {
            let Some(stored) = self.record(key)? else {
                continue;
            };
            let mut record = stored.record;
            record.head.hlc = self.next_hlc();
            record.head.context = Context::default();
            self.put(&record, None)?;
        }
        Ok(ahead.len() as u64)
    }
}
