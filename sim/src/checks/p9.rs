//! [P9] A replayed, reordered, misdirected or tampered frame changes nothing it should not.

use std::collections::BTreeMap;

use clavitor_commercial::epoch;
use clavitor_core::id::{Epoch, PopId, StoreId};
use clavitor_core::store::Reader;

use super::{Held, Sight, broken};
use crate::event::Fact;
use crate::script::Attack;

/// Whose frames a data directory has taken.
type Course = (u8, StoreId, PopId, StoreId);

/// The ranges that were taken: sorted, and apart from each other.
#[derive(Debug, Default)]
pub(super) struct Taken {
    ranges: BTreeMap<Course, Vec<(u64, u64)>>,
    /// The epochs that servers went by before this event.
    epochs: BTreeMap<u8, Epoch>,
}

impl Taken {
    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) -> Held {
        match fact {
            Fact::Took { attack: Some(Attack::Tamper | Attack::Misdirect), pop, .. } => {
                let pop = sight.server(*pop).pop;
                broken("P9", format!("{pop} took a frame that nobody with the secret sent to it"))
            }
            Fact::Took { pop, frame, changed, .. } if !frame.is_hello() => {
                let server = sight.server(*pop);
                let known = self.epochs.get(pop).filter(|known| frame.epoch.as_ref() < Some(known));
                if let (Some(known), Some(old)) = (known, frame.epoch) {
                    let what =
                        format!("{} took a frame of {old:?}, and knew {known:?}", server.pop);
                    return broken("P9", what);
                }
                // The same group may have given it a new identity.
                let Some(store) = frame.destination_store else { return Ok(()) };
                let course = (*pop, store, frame.source.pop, frame.source.store);
                let ranges = self.ranges.entry(course).or_default();
                let (after, to) = (frame.range.after.0, frame.range.to.0);
                if *changed > 0 && is_covered(ranges, after, to) {
                    let what = format!(
                        "{} took ({after}, {to}] of {} again, and {changed} records changed",
                        server.pop, frame.source.pop
                    );
                    return broken("P9", what);
                }
                add(ranges, after, to);
                Ok(())
            }
            Fact::Emptied(pop) | Fact::PutBack(pop) => {
                self.ranges.retain(|course, _| course.0 != *pop);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Taken {
    /// Takes note of what every server goes by, which has to be on its disk.
    pub(super) fn note(&mut self, sight: Sight<'_>) -> Held {
        for server in sight.servers {
            let epoch = server.process.as_ref().and_then(|process| process.epoch);
            let Some(epoch) = epoch else {
                self.epochs.remove(&server.index);
                continue;
            };
            let is_news = self.epochs.insert(server.index, epoch) != Some(epoch);
            let stored = || epoch::known(&Reader::new(&server.disk)).expect("rows are whole");
            if is_news && stored() < Some(epoch) {
                let what = format!("{} goes by {epoch:?}, which it has not stored", server.pop);
                return broken("P9", what);
            }
        }
        Ok(())
    }
}

fn is_covered(ranges: &[(u64, u64)], after: u64, to: u64) -> bool {
    ranges.iter().any(|range| range.0 <= after && to <= range.1)
}

fn add(ranges: &mut Vec<(u64, u64)>, after: u64, to: u64) {
    let (mut low, mut high) = (after, to);
    ranges.retain(|range| {
        let touches = range.0 <= high && low <= range.1;
        if touches {
            (low, high) = (low.min(range.0), high.max(range.1));
        }
        !touches
    });
    ranges.push((low, high));
    ranges.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let mut ranges = Vec::new();
        for (after, to) in [(0, 5), (10, 15), (20, 25), (5, 10)] {
            add(&mut ranges, after, to);
        }
        assert_eq!(ranges, [(0, 15), (20, 25)]);
        assert!(is_covered(&ranges, 3, 15) && !is_covered(&ranges, 14, 21));
    }
}
