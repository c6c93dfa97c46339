//! A receiver's bookkeeping about one source.

use alloc::collections::BTreeSet;

/// How much of one source a receiver has: the end of the prefix, and ranges beyond it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) prefix: u64,
    beyond: BTreeSet<(u64, u64)>,
}

impl Received {
    pub(crate) fn up_to(prefix: u64) -> Self {
        Self { prefix, beyond: BTreeSet::new() }
    }

    /// The last number of anything received.
    pub(crate) fn highest(&self) -> u64 {
        self.beyond.iter().map(|range| range.1).fold(self.prefix, u64::max)
    }

    pub(crate) fn is_covered(&self, after: u64, to: u64) -> bool {
        to <= self.prefix || self.beyond.iter().any(|range| range.0 <= after && to <= range.1)
    }

    pub(crate) fn add(&mut self, after: u64, to: u64) {
        self.beyond.insert((after, to));
        while let Some(range) = self.beyond.iter().find(|range| range.0 <= self.prefix).copied() {
            self.beyond.remove(&range);
            self.prefix = self.prefix.max(range.1);
        }
    }
}
