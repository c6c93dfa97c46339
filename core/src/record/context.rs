//! The causal context of an entry's version: the exact set of versions it has replaced.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::hlc::Hlc;

/// The most POPs a context remembers; beyond it the oldest is forgotten, which can only add a
/// needless journal item.
pub const POPS_MAX: usize = 16;

/// The most journalled versions of one entry that a context keeps apart; beyond it the oldest is
/// given up, which is the journal's declared bound.
pub const LOST_MAX: usize = 64;

/// A set of versions of one entry: per POP everything up to a timestamp, except those that lost.
///
/// A loser above its POP's timestamp is remembered too: whoever replaces that POP's next version
/// raises the timestamp past a loser that it may not have heard of yet.
///
/// Invariant: `up_to` is sorted by POP with one timestamp each, `lost` is sorted; both are bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    up_to: Vec<Hlc>,
    lost: Vec<Hlc>,
}

impl Context {
    /// Whether nothing is covered.
    pub fn is_empty(&self) -> bool {
        self.up_to.is_empty() && self.lost.is_empty()
    }

    /// Whether the version was replaced by a write that had seen it.
    pub fn covers(&self, version: Hlc) -> bool {
        self.reaches(version) && self.lost.binary_search(&version).is_err()
    }

    /// This set and `other` together.
    #[must_use]
    pub fn union(&self, other: &Context) -> Context {
        let mut up_to = self.up_to.clone();
        other.up_to.iter().for_each(|hlc| raise(&mut up_to, *hlc));
        // What one side covers was replaced, even if the other side knows it as lost.
        let lost = self.lost.iter().chain(&other.lost).copied();
        let lost = lost.filter(|version| !self.covers(*version) && !other.covers(*version));
        Context { up_to, lost: lost.collect() }.bounded()
    }

    /// This set and `version`, but never one of `lost`, whatever its timestamp.
    #[must_use]
    pub fn superseding(&self, version: Hlc, lost: &[Hlc]) -> Context {
        let mut next = self.clone();
        raise(&mut next.up_to, version);
        next.lost.retain(|known| *known != version);
        next.lost.extend(lost.iter().filter(|hlc| !self.covers(**hlc)));
        next.bounded()
    }

    /// Whether a peer's context keeps the invariant and stays below the version it belongs to.
    pub(super) fn is_valid(&self, of: Hlc) -> bool {
        let sorted = self.up_to.windows(2).all(|pair| matches!(pair, [a, b] if a.pop < b.pop));
        let lost_sorted = self.lost.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        self.up_to.len() <= POPS_MAX
            && self.lost.len() <= LOST_MAX
            && sorted
            && lost_sorted
            && self.up_to.iter().all(|hlc| *hlc < of)
    }

    fn reaches(&self, version: Hlc) -> bool {
        let at = self.up_to.binary_search_by(|hlc| hlc.pop.cmp(&version.pop));
        at.ok().and_then(|at| self.up_to.get(at)).is_some_and(|highest| version <= *highest)
    }

    fn bounded(mut self) -> Context {
        while self.up_to.len() > POPS_MAX {
            let oldest = self.up_to.iter().copied().min();
            self.up_to.retain(|hlc| Some(*hlc) != oldest);
        }
        let mut lost = core::mem::take(&mut self.lost);
        lost.sort_unstable();
        lost.dedup();
        lost.drain(..lost.len().saturating_sub(LOST_MAX));
        self.lost = lost;
        self
    }
}

fn raise(up_to: &mut Vec<Hlc>, version: Hlc) {
    match up_to.binary_search_by(|hlc| hlc.pop.cmp(&version.pop)) {
        Ok(at) => up_to.iter_mut().skip(at).take(1).for_each(|hlc| *hlc = version.max(*hlc)),
        Err(at) => up_to.insert(at, version),
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn hlc(ms: u64, pop: &str) -> Hlc {
        Hlc { ms, counter: 0, pop: pop.parse().unwrap() }
    }

    #[test]
    fn a_lost_version_stays_lost_however_far_its_pop_gets() {
        let lost = hlc(3, "b");
        let after = Context::default().superseding(hlc(5, "a"), &[lost]);
        let later = after.superseding(hlc(9, "b"), &[lost]);
        assert!(!later.covers(lost));
        assert!(later.covers(hlc(4, "b")));
    }

    #[test]
    fn what_one_side_replaced_is_no_longer_lost() {
        let version = hlc(3, "b");
        let knows_it_lost = Context::default().superseding(hlc(5, "b"), &[version]);
        let replaced_it = Context::default().superseding(version, &[]);
        assert!(!knows_it_lost.covers(version));
        assert!(knows_it_lost.union(&replaced_it).covers(version));
        assert!(replaced_it.union(&knows_it_lost).covers(version));
    }

    #[test]
    fn a_loser_that_nothing_reaches_yet_stays_lost_when_its_pop_goes_on() {
        let lost = hlc(1, "b");
        let next_of_its_pop = Context::default().superseding(hlc(5, "a"), &[lost]);
        let elsewhere = next_of_its_pop.superseding(hlc(6, "b"), &[]);
        assert!(elsewhere.covers(hlc(2, "b")) && !elsewhere.covers(lost));
    }

    #[test]
    fn a_lost_version_that_is_superseded_after_all_is_covered() {
        let lost = hlc(3, "b");
        let knows_it_lost = Context::default().superseding(hlc(5, "b"), &[lost]);
        assert!(knows_it_lost.superseding(lost, &[]).covers(lost));
    }

    #[test]
    fn more_pops_than_the_limit_forget_the_oldest() {
        let mut context = Context::default();
        for at in 0..=POPS_MAX {
            let ms = u64::try_from(at).unwrap();
            context = context.superseding(hlc(ms, &alloc::format!("p{at:02}")), &[]);
        }
        assert_eq!(context.up_to.len(), POPS_MAX);
        assert!(!context.covers(hlc(0, "p00")));
        assert!(context.covers(hlc(16, "p16")));
    }

    #[test]
    fn more_losers_than_the_limit_give_up_the_oldest() {
        let lost: Vec<Hlc> = (0..=64).map(|ms| hlc(ms, "b")).collect();
        let context = Context::default().superseding(hlc(100, "b"), &lost);
        assert_eq!(context.lost.len(), LOST_MAX);
        assert!(context.covers(hlc(0, "b")) && !context.covers(hlc(1, "b")));
    }

    #[test]
    fn a_context_out_of_order_or_ahead_of_its_version_is_invalid() {
        let of = hlc(10, "a");
        let context = |up_to, lost| Context { up_to, lost };
        assert!(context(vec![hlc(1, "a"), hlc(2, "b")], vec![hlc(1, "b")]).is_valid(of));
        assert!(!context(vec![hlc(2, "b"), hlc(1, "a")], vec![]).is_valid(of));
        assert!(!context(vec![hlc(2, "b"), hlc(3, "b")], vec![]).is_valid(of));
        assert!(!context(vec![hlc(10, "a")], vec![]).is_valid(of));
        assert!(!context(vec![], vec![hlc(2, "b"), hlc(1, "b")]).is_valid(of));
    }
}
