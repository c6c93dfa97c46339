//! The held connections in the order in which their next bytes are due: a doubly linked list
//! through slots, so that one that leaves early is gone at once, and memory is one slot for each.

use alloc::vec::Vec;
use core::net::IpAddr;

use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::Held;

/// The end of a list.
const NONE: u32 = u32::MAX;

/// A place for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// When its next byte is due.
    pub(super) due: Instant,
    /// Since when it is held.
    pub(super) since: Instant,
    // Neighbours in the queue; a free slot has only `after`, the next free one.
    before: u32,
    after: u32,
    generation: u32,
    /// How many bytes it was sent.
    pub(super) sent: u8,
    is_held: bool,
    /// Whom it is counted for.
    pub(super) client: Option<IpAddr>,
}

const _: () = assert!(size_of::<Slot>() <= 48);

/// Invariant: from `first` to `last` every held slot, once, `due` ascending; from `free` every
/// other one, once; `len` counts the held ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    slots: Vec<Slot>,
    first: u32,
    last: u32,
    free: u32,
    len: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { slots: Vec::new(), first: NONE, last: NONE, free: NONE, len: 0 }
    }
}

impl Queue {
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn holds(&self, held: Held) -> bool {
        let slot = self.slots.get(held.slot as usize);
        slot.is_some_and(|slot| slot.is_held && slot.generation == held.generation)
    }

    /// The one whose byte is due first.
    pub(super) fn first(&self) -> Option<(Held, Slot)> {
        let slot = *self.slots.get(self.first as usize)?;
        Some((Held { slot: self.first, generation: slot.generation }, slot))
    }

    /// A slot for one more.
    pub(super) fn add(&mut self, now: Instant, due: Instant, client: Option<IpAddr>) -> Held {
        let mut slot = Slot {
            due,
            since: now,
            before: NONE,
            after: NONE,
            generation: 0,
            sent: 0,
            is_held: true,
            client,
        };
        let index = self.free;
        let index = if index == NONE {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).expect("no more slots than the limit")
        } else {
            let free = self.slot(index);
            slot.generation = free.generation;
            (self.free, *self.slot(index)) = (self.slot(index).after, slot);
            index
        };
        self.len += 1;
        self.link(index, self.last);
        Held { slot: index, generation: slot.generation }
    }

    /// A byte was sent; the next one is due later. `behind` is a slot near the new place.
    pub(super) fn sent(&mut self, held: Held, due: Instant, behind: Option<u32>) {
        self.unlink(held.slot);
        let slot = self.slot(held.slot);
        slot.due = due;
        slot.sent += 1;
        self.link(held.slot, behind.unwrap_or(self.last));
    }

    /// Frees a slot, and answers what it was.
    pub(super) fn remove(&mut self, held: Held) -> Slot {
        assert!(self.holds(held), "a slot is returned once");
        self.unlink(held.slot);
        let free = core::mem::replace(&mut self.free, held.slot);
        let slot = self.slot(held.slot);
        let was = *slot;
        slot.is_held = false;
        slot.generation = slot.generation.wrapping_add(1);
        (slot.before, slot.after) = (NONE, free);
        self.len -= 1;
        was
    }

    /// Puts a slot where it is due, beginning to look at `near`.
    fn link(&mut self, index: u32, near: u32) {
        let due = self.slot(index).due;
        let mut before = near;
        while before != NONE && self.slot(before).due > due {
            before = self.slot(before).before;
        }
        let mut after = if before == NONE { self.first } else { self.slot(before).after };
        while after != NONE && self.slot(after).due <= due {
            (before, after) = (after, self.slot(after).after);
        }
        let slot = self.slot(index);
        (slot.before, slot.after) = (before, after);
        self.join(before, index);
        self.join(index, after);
    }

    fn unlink(&mut self, index: u32) {
        let Slot { before, after, .. } = *self.slot(index);
        self.join(before, after);
    }

    /// Makes two slots neighbours; none is the end of the queue.
    fn join(&mut self, before: u32, after: u32) {
        if before == NONE {
            self.first = after;
        } else {
            self.slot(before).after = after;
        }
        if after == NONE {
            self.last = before;
        } else {
            self.slot(after).before = before;
        }
    }

    fn slot(&mut self, index: u32) -> &mut Slot {
        self.slots.get_mut(index as usize).expect("the queue names slots that are there")
    }
}

#[cfg(test)]
impl Queue {
    /// What the invariant says, looked at in full.
    pub(super) fn assert_is_sound(&mut self) {
        let (mut seen, mut before, mut at) =
            (alloc::collections::BTreeSet::new(), NONE, self.first);
        while at != NONE {
            let slot = *self.slot(at);
            assert!(slot.is_held && slot.before == before && seen.insert(at));
            assert!(before == NONE || self.slot(before).due <= slot.due);
            (before, at) = (at, slot.after);
        }
        assert_eq!((self.last, self.len as usize), (before, seen.len()));
        at = self.free;
        while at != NONE {
            let slot = *self.slot(at);
            assert!(!slot.is_held && seen.insert(at));
            at = slot.after;
        }
        assert_eq!(seen.len(), self.slots.len());
    }
}
