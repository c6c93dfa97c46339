//! One picture of a run, as a single SVG that needs nothing else: POPs as lanes, frames as arrows,
//! faults as shaded spans, role and what is dirty over time.
//!
//! What fits is drawn one by one, with quiet stretches short. Of a longer run that failed, the end
//! is; any other longer run is counted in columns of equal time.

use clavitor_core::time::Instant;

use crate::run::Outcome;
use crate::trace::Mark;
use crate::verdict::Verdict;

mod axis;
mod columns;
mod detail;
mod look;
mod paper;
mod spans;
pub mod spread;
#[cfg(test)]
mod tests;

/// The most marks that are drawn one by one.
const MARKS_MAX: usize = 420;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// What kind of world it is.
    pub about: &'a str,
    /// How many POPs there are.
    pub pops: u8,
    /// What is to be said of the run.
    pub verdict: &'a Verdict,
    /// What happened.
    pub marks: &'a [Mark],
    /// When the run ended.
    pub end: Instant,
}

impl<'a> Subject<'a> {
    /// A run that was kept.
    pub fn of(
        title: &'a str,
        about: &'a str,
        pops: u8,
        outcome: &'a Outcome,
        verdict: &'a Verdict,
    ) -> Self {
        let marks = outcome.trace.marks();
        let end = marks.iter().map(at).max().unwrap_or_default();
        let end = end.max(Instant::from_ms(outcome.simulated_ms));
        Self { title, about, pops, verdict, marks, end }
    }

    /// The picture.
    pub fn svg(&self) -> String {
        let is_drawn = |mark: &&Mark| !matches!(mark, Mark::State { .. });
        let drawn = self.marks.iter().filter(is_drawn);
        let Some(first) = drawn.clone().rev().nth(MARKS_MAX) else {
            return detail::draw(self, Instant(0), 0);
        };
        if *self.verdict == Verdict::Passed {
            return columns::draw(self);
        }
        let from = at(first);
        let left_out = drawn.filter(|mark| at(mark) < from).count();
        detail::draw(self, from, left_out)
    }
}

/// When something happened.
fn at(mark: &Mark) -> Instant {
    match mark {
        Mark::Frame { at, .. }
        | Mark::Action { at, .. }
        | Mark::State { at, .. }
        | Mark::Committed { at, .. }
        | Mark::Asked { at, .. }
        | Mark::Answered { at, .. }
        | Mark::Advanced { at, .. }
        | Mark::Shown { at, .. }
        | Mark::Healed { at } => *at,
    }
}
