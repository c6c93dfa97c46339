//! What the outbox holds, and what has to be written to it.

use alloc::vec::Vec;

use clavitor_core::id::OpId;
use clavitor_core::time::{Instant, UnixTime};
use serde::{Deserialize, Serialize};

use super::Effect;
use super::queue::Queue;

/// How long what is not urgent waits to be written together, and what found no room waits before it
/// is tried again, in milliseconds.
pub const KEEP_EVERY_MS: u64 = 1_000;

/// What is being written, and what waits to be.
///
/// Invariant: one order at a time; `removed` are numbers that the queue does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keeping {
    under_way: Option<UnderWay>,
    removed: Vec<u64>,
    has_no_room: bool,
    next_at: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct UnderWay {
    op: OpId,
    put: Vec<(u64, u32)>,
    remove: Vec<u64>,
}

impl Keeping {
    pub(super) fn new(removed: Vec<u64>) -> Self {
        Self { under_way: None, removed, has_no_room: false, next_at: Instant(0) }
    }

    /// Whether the last order found no room.
    pub(super) fn has_no_room(&self) -> bool {
        self.has_no_room
    }

    /// Whether nothing is left to write, or there is no room for it.
    pub(super) fn is_settled(&self, queue: &Queue) -> bool {
        self.under_way.is_none() && (self.has_no_room || !self.is_dirty(queue))
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
        let is_urgent = !self.has_no_room && (is_closing || queue.is_urgent());
        let is_due = is_urgent || self.next_at <= now;
        if !is_due || self.under_way.is_some() || !self.is_dirty(queue) {
            return false;
        }
        let (put, remove) = (queue.dirty(), core::mem::take(&mut self.removed));
        let counts = put.iter().map(|item| (item.number, item.count)).collect();
        self.under_way = Some(UnderWay { op, put: counts, remove: remove.clone() });
        self.next_at = now.plus_ms(KEEP_EVERY_MS);
        out.push(Effect::Keep { op, put, remove });
        true
    }

    pub(super) fn on_kept(&mut self, op: OpId, at: UnixTime, queue: &mut Queue) {
        let Some(done) = self.under_way.take_if(|under_way| under_way.op == op) else { return };
        self.has_no_room = false;
        for (number, count) in done.put {
            queue.tried(number, Some(count), at);
        }
    }

    pub(super) fn on_unkept(&mut self, now: Instant, op: OpId, at: UnixTime, queue: &mut Queue) {
        let Some(undone) = self.under_way.take_if(|under_way| under_way.op == op) else { return };
        self.has_no_room = true;
        self.next_at = now.plus_ms(KEEP_EVERY_MS);
        self.removed.extend(undone.remove);
        for (number, _) in undone.put {
            queue.tried(number, None, at);
        }
    }

    /// When something is to be written.
    pub(super) fn next_wake(&self, queue: &Queue) -> Option<Instant> {
        (self.under_way.is_none() && self.is_dirty(queue)).then_some(self.next_at)
    }

    fn is_dirty(&self, queue: &Queue) -> bool {
        !self.removed.is_empty() || queue.is_dirty()
    }
}
