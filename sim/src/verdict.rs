//! What is to be said of a run, or of the same run twice.

use std::fmt;

use crate::run::{End, Outcome, Plan};
use crate::trace::Level;
use crate::world::{Failure, Kind};

/// What is to be said of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every promise held.
    Passed,
    /// A promise was broken.
    Broken(Box<Failure>),
    /// Something panicked.
    Crashed(String),
    /// It went otherwise when it was run again.
    Differs(String),
}

/// What kind of verdict; each is an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Something panicked.
    Crash,
    /// Something happened that must never happen.
    Safety,
    /// Something did not happen that must.
    Liveness,
    /// Two runs of the same differ.
    Nondeterminism,
}

impl Verdict {
    /// What kind it is, if it is a bad one.
    pub fn class(&self) -> Option<Class> {
        match self {
            Verdict::Passed => None,
            Verdict::Crashed(_) => Some(Class::Crash),
            Verdict::Differs(_) => Some(Class::Nondeterminism),
            Verdict::Broken(failure) => Some(match failure.kind {
                Kind::Safety => Class::Safety,
                Kind::Liveness => Class::Liveness,
            }),
        }
    }

    /// The kind and, if there is one, the promise: what failures are counted by.
    pub fn label(&self) -> String {
        let class = self.class().map_or("passed", Class::as_str);
        match self {
            Verdict::Broken(failure) => format!("{class} [{}]", failure.promise),
            _ => class.to_owned(),
        }
    }
}

impl Class {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Crash => "crash",
            Class::Safety => "safety",
            Class::Liveness => "liveness",
            Class::Nondeterminism => "nondeterminism",
        }
    }
}

impl From<&End> for Verdict {
    fn from(end: &End) -> Self {
        match end {
            End::Passed => Verdict::Passed,
            End::Failed(failure) => Verdict::Broken(failure.clone()),
            End::Crashed(told) => Verdict::Crashed(told.clone()),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Passed => f.write_str("passed"),
            Verdict::Broken(failure) => write!(f, "{failure}"),
            Verdict::Crashed(told) => write!(f, "crash: {told}"),
            Verdict::Differs(how) => write!(f, "nondeterminism: {how}"),
        }
    }
}

/// Runs a plan; twice, if it is to be checked that both runs are the same.
pub fn judge(plan: &Plan, is_checked: bool) -> (Outcome, Verdict) {
    if !is_checked {
        let outcome = plan.run();
        let verdict = Verdict::from(&outcome.end);
        return (outcome, verdict);
    }
    let plan = Plan { level: plan.level.max(Level::Digest), ..plan.clone() };
    let (first, again) = (plan.run(), plan.run());
    let verdict = compare(&first, &again).unwrap_or_else(|| Verdict::from(&first.end));
    (first, verdict)
}

/// How two runs of the same differ, if they do.
pub fn compare(first: &Outcome, again: &Outcome) -> Option<Verdict> {
    let (one, other) = (first.trace.digest(), again.trace.digest());
    if one != other {
        let how = format!("the digest is {one:032x}, and {other:032x} when it is run again");
        return Some(Verdict::Differs(how));
    }
    let is_same = first.end == again.end
        && first.counts == again.counts
        && first.simulated_ms == again.simulated_ms
        && first.record == again.record;
    let how = || "its end, counts or faults are others when it is run again".to_owned();
    (!is_same).then(|| Verdict::Differs(how()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_goes_otherwise_the_second_time_is_told_apart() {
        let at = Level::Digest;
        let run = |seed| Plan { level: at, ..Plan::lite(seed) }.run();
        assert_eq!(compare(&run(3), &run(3)), None);
        let differs = compare(&run(3), &run(4));
        assert_eq!(differs.and_then(|it| it.class()), Some(Class::Nondeterminism));
        let (one, mut other) = (run(3), run(3));
        other.counts.frames += 1;
        assert!(matches!(compare(&one, &other), Some(Verdict::Differs(_))));
        let mut other = run(3);
        other.trace = crate::trace::Trace::new(at);
        assert!(
            matches!(compare(&one, &other), Some(Verdict::Differs(how)) if how.contains("digest"))
        );
    }

    #[test]
    fn a_checked_run_is_judged_as_an_unchecked_one() {
        let (once, twice) = (judge(&Plan::lite(3), false), judge(&Plan::lite(3), true));
        assert_eq!((once.1, once.0.counts), (twice.1, twice.0.counts));
        assert_ne!(twice.0.trace.digest(), once.0.trace.digest(), "only a checked run keeps one");
    }
}
