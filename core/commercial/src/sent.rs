//! The frames under way, by the orders they carry out.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_core::id::OpId;
use clavitor_core::record::Key;

/// How many of a peer's newest frames are remembered: far more than may be in flight.
pub const KEPT: u64 = 64;

/// The frames under way, each with the handle that ends its task and the records it carries.
///
/// Invariant: none is older than the [`KEPT`] newest of its peer.
#[derive(Clone, Debug)]
pub struct Sent<H> {
    frames: BTreeMap<OpId, (H, Vec<Key>)>,
}

impl<H> Default for Sent<H> {
    fn default() -> Self {
        Self { frames: BTreeMap::new() }
    }
}

impl<H> Sent<H> {
    /// Takes note of a frame. Answers the handles of those that are given up for it: an answer that
    /// led nowhere leaves its frame behind, and the window bounds the live ones.
    #[must_use]
    pub fn add(&mut self, op: OpId, handle: H, keys: Vec<Key>) -> Vec<H> {
        let is_old = |other: &OpId, _: &mut _| {
            other.0 >> 48 == op.0 >> 48 && other.0.saturating_add(KEPT) <= op.0
        };
        let old = self.frames.extract_if(.., is_old).map(|(_, (handle, _))| handle).collect();
        self.frames.insert(op, (handle, keys));
        old
    }

    /// The orders whose frames are remembered.
    pub fn ops(&self) -> impl Iterator<Item = OpId> {
        self.frames.keys().copied()
    }

    /// Takes out a frame that is answered or that nobody waits for any more.
    pub fn take(&mut self, op: OpId) -> Option<(H, Vec<Key>)> {
        self.frames.remove(&op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(peer: u64, number: u64) -> OpId {
        OpId(peer << 48 | number)
    }

    #[test]
    fn a_frame_that_was_never_answered_is_given_up_after_64_of_its_peer() {
        let mut sent = Sent::default();
        assert!(sent.add(op(1, 0), 'a', Vec::new()).is_empty());
        assert!(sent.add(op(2, 100), 'b', Vec::new()).is_empty());
        assert!(sent.add(op(1, 63), 'c', Vec::new()).is_empty());
        assert_eq!(sent.add(op(1, 64), 'd', Vec::new()), ['a']);
        assert!(sent.take(op(1, 0)).is_none() && sent.take(op(2, 100)).is_some());
        assert!(sent.take(op(1, 63)).is_some() && sent.take(op(1, 63)).is_none());
    }
}
