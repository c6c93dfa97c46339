//! What the outbox holds, and what has to be written to it.

use alloc::vec::Vec;

use clavitor_core::id::OpId;
use clavitor_core::time::{Instant, UnixTime};
use serde::{Deserialize, Serialize};

use super::queue::Queue;
use super::{Effect, Item};

/// How long what is not urgent waits to be written together, and what found no room waits before it
/// is tried again, in milliseconds.
pub const KEEP_EVERY_MS: u64 = 1_000;

/// What is being written, and what waits to be.
///
/// Invariant: one order at a time; `removed` are numbers that the queue does not have and that the
/// outbox holds, or may hold once the order that is under way is answered. So they are never more
/// than [`super::outbox::ROWS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keeping {
    under_way: Option<UnderWay>,
    removed: Vec<u64>,
    last: Last,
    // Closing, and no order was given since.
    is_last_due: bool,
    next_at: Instant,
}

/// How the last order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Last {
    Kept,
    Full,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct UnderWay {
    op: OpId,
    put: Vec<Put>,
    remove: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Put {
    number: u64,
    count: u32,
    is_new: bool,
}

impl Keeping {
    pub(super) fn new(removed: Vec<u64>) -> Self {
        let (last, next_at) = (Last::Kept, Instant(0));
        Self { under_way: None, removed, last, is_last_due: false, next_at }
    }

    /// Whether the last order found no room.
    pub(super) fn has_no_room(&self) -> bool {
        self.last == Last::Full
    }

    /// From now on nothing is put off, and one more order is given whatever became of the last one.
    pub(super) fn close(&mut self) {
        self.is_last_due = true;
    }

    /// Whether nothing is left to write, or the last try to failed.
    pub(super) fn is_settled(&self, queue: &Queue) -> bool {
        let has_failed = self.last != Last::Kept && !self.is_last_due;
        self.under_way.is_none() && (has_failed || !self.is_dirty(queue))
    }

    /// Forgets an item that the outbox may hold.
    pub(super) fn remove(&mut self, number: u64) {
        self.removed.push(number);
    }

    /// Orders what is to be written, if it is time; whether it did.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        op: OpId,
        queue: &mut Queue,
        is_closing: bool,
        out: &mut Vec<Effect>,
    ) -> bool {
        let is_waited_for = self.last == Last::Kept && (is_closing || queue.is_urgent());
        let is_urgent = is_waited_for || self.is_last_due;
        let is_due = is_urgent || self.next_at <= now;
        if !is_due || self.under_way.is_some() || !self.is_dirty(queue) {
            return false;
        }
        let (put, remove) = (queue.dirty(), core::mem::take(&mut self.removed));
        let noted = put.iter().map(|(item, is_new)| {
            let Item { number, count, .. } = *item;
            Put { number, count, is_new: *is_new }
        });
        self.under_way = Some(UnderWay { op, put: noted.collect(), remove: remove.clone() });
        self.is_last_due = false;
        let put = put.into_iter().map(|(item, _)| item).collect();
        self.next_at = now.plus_ms(KEEP_EVERY_MS);
        out.push(Effect::Keep { op, put, remove });
        true
    }

    pub(super) fn on_kept(&mut self, op: OpId, at: UnixTime, queue: &mut Queue) {
        let Some(done) = self.under_way.take_if(|under_way| under_way.op == op) else { return };
        self.last = Last::Kept;
        for Put { number, count, .. } in done.put {
            queue.tried(number, Some(count), at);
        }
    }

    pub(super) fn on_unkept(
        &mut self,
        now: Instant,
        (op, at, is_full): (OpId, UnixTime, bool),
        queue: &mut Queue,
    ) {
        let Some(undone) = self.under_way.take_if(|under_way| under_way.op == op) else { return };
        self.last = if is_full { Last::Full } else { Last::Failed };
        self.next_at = now.plus_ms(KEEP_EVERY_MS);
        self.removed.extend(undone.remove);
        for Put { number, is_new, .. } in undone.put {
            if is_new {
                self.removed.retain(|removed| *removed != number);
            }
            queue.tried(number, None, at);
        }
    }

    /// When something is to be written.
    pub(super) fn next_wake(&self, queue: &Queue) -> Option<Instant> {
        (self.under_way.is_none() && self.is_dirty(queue)).then_some(self.next_at)
    }

    #[cfg(test)]
    pub(super) fn removals(&self) -> usize {
        self.removed.len() + self.under_way.as_ref().map_or(0, |order| order.remove.len())
    }

    fn is_dirty(&self, queue: &Queue) -> bool {
        !self.removed.is_empty() || queue.is_dirty()
    }
}
