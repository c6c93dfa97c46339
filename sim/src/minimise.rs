//! Makes a failing run small: takes away whatever it fails without.

use crate::knobs::Knobs;
use crate::run::{Plan, Source};
use crate::script::Record;
use crate::verdict::{Class, Verdict, judge};
use crate::world::Interrupt;

mod simpler;
#[cfg(test)]
mod tests;

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What kind of world.
    pub knobs: Knobs,
    /// What happens to it.
    pub record: Record,
    /// What happens before a given event.
    pub interrupt: Option<Interrupt>,
}

/// A failing run, made small.
#[derive(Clone, Debug)]
pub struct Minimised {
    /// What decides the small run.
    pub case: Case,
    /// What is to be said of it: the same as of the large one, in kind and promise.
    pub verdict: Verdict,
    /// How many runs it took.
    pub runs: u64,
    /// How many actions, frames and groups of writes there were to begin with.
    pub before: Size,
}

/// How many actions a run has, how many frames with a fate of their own, and how many such groups
/// of writes.
pub type Size = (usize, usize, usize);

impl Case {
    /// The run.
    pub fn plan(&self) -> Plan {
        Plan {
            knobs: self.knobs.clone(),
            source: Source::Written(self.record.clone()),
            interrupt: self.interrupt,
            level: crate::trace::Level::Off,
        }
    }

    /// How much happens in it.
    pub fn size(&self) -> Size {
        let Record { actions, frames, syncs } = &self.record;
        (actions.len(), frames.len(), syncs.len())
    }
}

/// Makes a failing run small; `None` if it does not fail, or not when it is written down.
///
/// The same run comes to the same as long as `may_go_on` says the same, which hears the number of
/// runs so far.
pub fn minimise(plan: &Plan, may_go_on: &dyn Fn(u64) -> bool) -> Option<Minimised> {
    let (outcome, wanted) = judge(plan, true);
    let is_checked = wanted.class()? == Class::Nondeterminism;
    let case =
        Case { knobs: plan.knobs.clone(), record: outcome.record, interrupt: plan.interrupt };
    let (mut runs, before) = (0, case.size());
    let mut fails = |case: &Case| {
        if !may_go_on(runs) {
            return false;
        }
        runs += 1;
        is_same(&judge(&case.plan(), is_checked).1, &wanted)
    };
    if !fails(&case) {
        return None;
    }
    let case = shrink(case, &mut fails);
    let (_, verdict) = judge(&case.plan(), is_checked);
    Some(Minimised { case, verdict, runs, before })
}

/// Whether two runs fail alike: in the same promise, or with a panic in the same place.
pub fn is_same(one: &Verdict, other: &Verdict) -> bool {
    let place = |told: &str| told.rsplit_once(" (").map_or(told.to_owned(), |it| it.1.to_owned());
    match (one, other) {
        (Verdict::Crashed(one), Verdict::Crashed(other)) => place(one) == place(other),
        (one, other) => one.label() == other.label(),
    }
}

/// Takes away from a case whatever it fails without, until nothing more can be taken away.
pub fn shrink(case: Case, fails: &mut dyn FnMut(&Case) -> bool) -> Case {
    let mut search = Search { best: case, fails };
    loop {
        let before = search.best.clone();
        search.attempt(|case| case.interrupt = None);
        search.attempt(|case| case.record.frames.clear());
        search.attempt(|case| case.record.syncs.clear());
        search.thin(|case| &mut case.record.actions);
        search.thin(|case| &mut case.record.frames);
        search.thin(|case| &mut case.record.syncs);
        search.simplify();
        if search.best == before {
            return search.best;
        }
    }
}

/// A search for something smaller.
///
/// Invariant: `best` fails.
struct Search<'a> {
    best: Case,
    fails: &'a mut dyn FnMut(&Case) -> bool,
}

impl Search<'_> {
    /// Changes the case, if it still fails then.
    fn attempt(&mut self, change: impl FnOnce(&mut Case)) -> bool {
        let mut case = self.best.clone();
        change(&mut case);
        if case == self.best || !(self.fails)(&case) {
            return false;
        }
        self.best = case;
        true
    }

    /// Takes away halves, quarters, and so on down to one at a time; the last first, because what
    /// happens late decides little.
    fn thin<T>(&mut self, of: fn(&mut Case) -> &mut Vec<T>) {
        let mut chunk = of(&mut self.best).len().div_ceil(2);
        while chunk > 0 {
            let mut end = of(&mut self.best).len();
            while end > 0 {
                let start = end.saturating_sub(chunk);
                self.attempt(|case| drop(of(case).drain(start..end)));
                end = start;
            }
            chunk /= 2;
        }
    }
}
