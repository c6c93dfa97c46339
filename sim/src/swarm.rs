//! Many runs, each decided by a seed of its own, on as many threads as wanted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::around::Counts;
use crate::canary::Canary;
use crate::entropy::seed_of;
use crate::run::{Outcome, Plan};
use crate::verdict::{Verdict, judge};

mod coverage;
mod times;

pub use coverage::Coverage;
pub use times::{Spread, Times};

/// The most failures that are kept; of more, the first ones are.
pub const FAILURES_MAX: usize = 20;

/// How many runs a thread does between two looks at what the others do.
const BATCH: u64 = 16;

/// What kind of runs a swarm is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Of every kind.
    #[default]
    Full,
    /// Small ones: a pair of POPs, whose roles come from the configuration.
    Lite,
    /// Those in which HQ gives leases.
    Led,
    /// Those in which a primary dies under writes, and nothing else is amiss.
    Failover,
}

impl Kind {
    /// The kind that shows a planted bug.
    pub fn of_canary(canary: Canary) -> Self {
        if canary.is_of_leases() { Kind::Led } else { Kind::Lite }
    }
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// How many runs.
    pub runs: u64,
    /// What their seeds are made from.
    pub base: u64,
    /// How many threads.
    pub jobs: usize,
    /// What kind of runs.
    pub kind: Kind,
    /// Whether every run is run twice, and both compared.
    pub is_checked: bool,
    /// A planted bug, if any.
    pub canary: Option<Canary>,
    /// Whether to go on after a failure.
    pub keeps_going: bool,
}

/// A run that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Which run of the swarm, from 1.
    pub number: u64,
    /// Its seed.
    pub seed: u64,
    /// What is to be said of it.
    pub verdict: Verdict,
}

/// What a swarm came to.
///
/// Invariant: what it holds does not grow with the number of runs.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many runs were done.
    pub runs: u64,
    /// What they counted together.
    pub counts: Counts,
    /// How much time passed in their worlds, in milliseconds.
    pub simulated_ms: u64,
    /// How much passed outside.
    pub took: Duration,
    /// How many runs failed in which way.
    pub by_label: BTreeMap<String, u64>,
    /// The first of them, by their numbers.
    pub failed: BTreeMap<u64, Failed>,
    /// Which faults they have seen.
    pub coverage: Coverage,
    /// How long it took until somebody took over from primaries that died.
    pub times: Times,
}

impl Summary {
    /// How many runs failed.
    pub fn failures(&self) -> u64 {
        self.by_label.values().sum()
    }

    /// Adds a run.
    fn add(&mut self, number: u64, seed: u64, plan: &Plan, outcome: &Outcome, verdict: Verdict) {
        self.runs += 1;
        self.counts.add(&outcome.counts);
        self.simulated_ms += outcome.simulated_ms;
        self.coverage.add(&plan.knobs, &outcome.record);
        self.times.add(&outcome.successions);
        if verdict != Verdict::Passed {
            *self.by_label.entry(verdict.label()).or_default() += 1;
            self.failed.insert(number, Failed { number, seed, verdict });
            self.keep_first();
        }
    }

    /// Adds what another thread has done.
    fn join(&mut self, other: Summary) {
        self.runs += other.runs;
        self.counts.add(&other.counts);
        self.simulated_ms += other.simulated_ms;
        self.coverage.join(&other.coverage);
        self.times.join(&other.times);
        for (label, count) in other.by_label {
            *self.by_label.entry(label).or_default() += count;
        }
        self.failed.extend(other.failed);
        self.keep_first();
    }

    fn keep_first(&mut self) {
        while self.failed.len() > FAILURES_MAX {
            self.failed.pop_last();
        }
    }
}

/// The run of a seed.
pub fn plan(kind: Kind, canary: Option<Canary>, seed: u64) -> Plan {
    let mut plan = match kind {
        Kind::Full => Plan::full(seed),
        Kind::Lite => Plan::lite(seed),
        Kind::Led => Plan::led(seed),
        Kind::Failover => Plan::failover(seed),
    };
    plan.knobs.canary = canary;
    plan
}

/// Runs a swarm; `tell` hears of the progress, now and then.
pub fn run(order: &Order, tell: &(dyn Fn(&Summary) + Sync)) -> Summary {
    let began = Instant::now();
    let (next, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..order.jobs.max(1) {
            scope.spawn(|| work(order, began, &next, &stopped, &summary, tell));
        }
    });
    let mut summary = summary.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    summary.took = began.elapsed();
    summary
}

fn work(
    order: &Order,
    began: Instant,
    next: &AtomicU64,
    stopped: &AtomicBool,
    summary: &Mutex<Summary>,
    tell: &(dyn Fn(&Summary) + Sync),
) {
    // Whoever stops at the first failure must not have skipped an earlier one.
    let batch = if order.keeps_going { BATCH } else { 1 };
    while !stopped.load(Ordering::Relaxed) {
        let first = next.fetch_add(batch, Ordering::Relaxed);
        if first >= order.runs {
            return;
        }
        let mut mine = Summary::default();
        for number in first..order.runs.min(first.saturating_add(batch)) {
            let seed = seed_of(order.base, number);
            let plan = plan(order.kind, order.canary, seed);
            let (outcome, verdict) = judge(&plan, order.is_checked);
            mine.add(number + 1, seed, &plan, &outcome, verdict);
        }
        stopped.fetch_or(mine.failures() > 0 && !order.keeps_going, Ordering::Relaxed);
        let mut summary = summary.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        summary.join(mine);
        summary.took = began.elapsed();
        tell(&summary);
    }
}

impl Counts {
    /// Adds what another run counted.
    pub fn add(&mut self, other: &Counts) {
        self.events += other.events;
        self.inputs += other.inputs;
        self.frames += other.frames;
        self.wakes += other.wakes;
        self.awakenings += other.awakenings;
        self.requests += other.requests;
        self.acknowledged += other.acknowledged;
        self.attacks += other.attacks;
        self.scanners += other.scanners;
        self.alerts += other.alerts;
        self.posts += other.posts;
        self.shown += other.shown;
        self.reports += other.reports;
        self.calls += other.calls;
        self.votes += other.votes;
        self.failovers += other.failovers;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swarm_comes_to_the_same_on_one_thread_and_on_several() {
        let order = Order {
            runs: 40,
            base: 3,
            jobs: 1,
            kind: Kind::Lite,
            is_checked: false,
            canary: None,
            keeps_going: true,
        };
        let one = run(&order, &|_| {});
        let three = run(&Order { jobs: 3, ..order }, &|_| {});
        assert_eq!(
            (one.runs, one.counts, one.simulated_ms),
            (40, three.counts, three.simulated_ms)
        );
        assert_eq!((one.runs, &one.coverage), (three.runs, &three.coverage));
        assert_eq!(one.by_label, three.by_label);
    }
}
