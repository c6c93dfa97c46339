//! How much of one source's changes was received: the guard against replays.

use alloc::vec::Vec;

use clavitor_core::id::Seq;
use serde::{Deserialize, Serialize};

use crate::frame::Range;

/// The most ranges beyond the contiguous prefix that are remembered of one source: twice what a
/// source may have in flight.
pub const RANGES_MAX: usize = 16;

/// How much of one source's changes was received.
///
/// Invariant: `beyond` is sorted, begins above the prefix and has at most [`RANGES_MAX`] ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The end of the contiguous prefix.
    pub prefix: Seq,
    beyond: Vec<Range>,
    // What a former data directory of this server had received.
    used_to: Seq,
}

impl Received {
    /// Whether the whole range was received before.
    pub fn covers(&self, range: Range) -> bool {
        let is_inside = |known: &Range| known.after <= range.after && range.to <= known.to;
        range.to <= self.prefix || self.beyond.iter().any(is_inside)
    }

    /// The highest number received, gaps or not: what a source must never number again.
    pub fn highest(&self) -> Seq {
        let beyond = self.beyond.iter().map(|range| range.to).max().unwrap_or_default();
        beyond.max(self.prefix).max(self.used_to)
    }

    /// The same source to a data directory that has received nothing of it.
    pub fn forgotten(&self) -> Received {
        Received { used_to: self.highest(), ..Received::default() }
    }

    /// Takes note of a range; `None` if too many others are missing before it.
    pub fn with(&self, range: Range) -> Option<Received> {
        let mut beyond = self.beyond.clone();
        beyond.push(range);
        beyond.sort_unstable();
        let mut prefix = self.prefix;
        beyond.retain(|known| {
            let joins = known.after <= prefix;
            if joins {
                prefix = prefix.max(known.to);
            }
            !joins
        });
        (beyond.len() <= RANGES_MAX).then_some(Received { prefix, beyond, used_to: self.used_to })
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn range(after: u64, to: u64) -> Range {
        Range { after: Seq(after), to: Seq(to) }
    }

    #[test]
    fn the_prefix_grows_through_ranges_that_came_early() {
        let received = Received::default().with(range(100, 200)).unwrap();
        assert_eq!(received.prefix, Seq(0));
        assert!(received.covers(range(100, 200)) && !received.covers(range(0, 100)));
        let received = received.with(range(0, 100)).unwrap();
        assert_eq!(received, Received { prefix: Seq(200), ..Received::default() });
    }

    #[test]
    fn a_seventeenth_gap_is_not_taken() {
        let mut received = Received::default();
        for at in 1..=16 {
            received = received.with(range(at * 10, at * 10 + 5)).unwrap();
        }
        assert_eq!(received.with(range(900, 905)), None);
        assert_eq!(received.with(range(0, 10)).unwrap().prefix, Seq(15));
    }

    #[test]
    fn what_is_forgotten_still_tells_how_far_the_source_had_numbered() {
        let received = Received::default().with(range(0, 100)).unwrap();
        let received = received.with(range(150, 200)).unwrap().forgotten();
        assert_eq!((received.prefix, received.highest()), (Seq(0), Seq(200)));
        assert!(!received.covers(range(0, 100)) && !received.covers(range(150, 200)));
        assert_eq!(received.with(range(0, 10)).unwrap().highest(), Seq(200));
    }
}
