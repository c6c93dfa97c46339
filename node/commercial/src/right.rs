//! The right to take clients' writes, as the machine last said: compared with the clock wherever it
//! matters, so that giving it up takes no message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_core::id::PopId;
use clavitor_core::time::Instant;
use clavitor_node::wall;

use crate::lock;

/// Until when writes may be taken, who is going to take them instead, and those under way.
#[derive(Default)]
pub(crate) struct Right {
    until: AtomicU64,
    handing_to: Mutex<Option<PopId>>,
    writes: Arc<()>,
}

impl Right {
    /// From now on writes may be taken until then.
    pub(crate) fn hold(&self, until: Instant) {
        self.until.store(until.0, Ordering::SeqCst);
    }

    /// The end.
    pub(crate) fn until(&self) -> Instant {
        Instant(self.until.load(Ordering::SeqCst))
    }

    /// Whether it is held now.
    pub(crate) fn is_held(&self) -> bool {
        wall::instant() < self.until()
    }

    /// For how long yet, in milliseconds; `None` is for good.
    pub(crate) fn ms_left(&self) -> Option<u64> {
        let until = self.until();
        (until < Instant(u64::MAX)).then(|| until.ms_since(wall::instant()))
    }

    /// Writes are refused from now on, since somebody else is to take them; or not any longer.
    pub(crate) fn hand_to(&self, pop: Option<PopId>) {
        *lock(&self.handing_to) = pop;
    }

    /// Who is to take writes instead.
    pub(crate) fn handing_to(&self) -> Option<PopId> {
        *lock(&self.handing_to)
    }

    /// Held by each write under way.
    pub(crate) fn writes(&self) -> &Arc<()> {
        &self.writes
    }

    /// How many writes are under way.
    pub(crate) fn under_way(&self) -> usize {
        Arc::strong_count(&self.writes).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_by_the_clock_alone() {
        let right = Right::default();
        assert_eq!((right.is_held(), right.ms_left()), (false, Some(0)));
        right.hold(wall::instant().plus_ms(60_000));
        assert!(right.is_held() && right.ms_left().is_some_and(|left| left > 50_000));
        right.hold(Instant(wall::instant().0.saturating_sub(1)));
        assert!(!right.is_held());
        right.hold(Instant(u64::MAX));
        assert_eq!((right.is_held(), right.ms_left()), (true, None));
    }

    #[test]
    fn writes_under_way_are_counted_until_they_are_dropped() {
        let right = Right::default();
        let (one, two) = (right.writes().clone(), right.writes().clone());
        assert_eq!(right.under_way(), 2);
        drop(one);
        assert_eq!(right.under_way(), 1);
        drop(two);
        assert_eq!(right.under_way(), 0);
    }
}
