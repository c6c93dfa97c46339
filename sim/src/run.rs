//! One run from its beginning to its end, and what it came to.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::around::Counts;
use crate::entropy::Entropy;
use crate::knobs::Knobs;
use crate::panics;
use crate::resolver::TTL_MS;
use crate::script::{Action, Condition, Record, Request, Script};
use crate::succession::Succession;
use crate::trace::{Level, Trace};
use crate::world::{Failure, Interrupt, World};

/// What a run is made from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What kind of world.
    pub knobs: Knobs,
    /// What happens to it.
    pub source: Source,
    /// What happens before a given event.
    pub interrupt: Option<Interrupt>,
    /// How much is kept.
    pub level: Level,
}

/// Where what happens comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// It is drawn.
    Drawn(Entropy),
    /// Actions are told, and the rest is drawn.
    Told(Vec<(u64, Action)>, Entropy),
    /// It is written down.
    Written(Record),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every promise held.
    Passed,
    /// A promise was broken.
    Failed(Box<Failure>),
    /// Something panicked.
    Crashed(String),
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What was counted.
    pub counts: Counts,
    /// The world's time at its end, in milliseconds.
    pub simulated_ms: u64,
    /// Whether all agreed before faults were ended for them.
    pub agreed_early: bool,
    /// Each time that a primary died and another one took over.
    pub successions: Vec<Succession>,
    /// What happened from outside.
    pub record: Record,
    /// What was kept.
    pub trace: Trace,
}

impl Plan {
    /// A small run, decided by a seed.
    pub fn lite(seed: u64) -> Self {
        Self::drawn(seed, Knobs::lite)
    }

    /// A run of up to five POPs, decided by a seed.
    pub fn full(seed: u64) -> Self {
        Self::drawn(seed, Knobs::full)
    }

    /// A run in which HQ gives leases, decided by a seed.
    pub fn led(seed: u64) -> Self {
        Self::drawn(seed, Knobs::led)
    }

    /// A run in which a primary dies under writes, some time between two renewals, and nothing else is
    /// amiss; decided by a seed.
    pub fn failover(seed: u64) -> Self {
        let mut entropy = Entropy::of_seed(seed);
        let knobs = Knobs::failing(&mut entropy);
        let dies_ms = entropy.between(20_000, 24_000);
        let every_ms = entropy.pick(&[20, 50, 100]);
        let mut actions = vec![(dies_ms, Action::Crash { pop: Action::PRIMARY, down_ms: 60_000 })];
        // What a resolver holds is of any age.
        let mut at_ms = dies_ms - 1_000 - entropy.below(TTL_MS);
        while at_ms < dies_ms + 20_000 {
            let key = u8::try_from(at_ms % 7).unwrap_or_default();
            let (condition, waits) = (Condition::Always, false);
            let request = Request::Put { key, bytes: 16, condition, waits };
            actions.push((at_ms, Action::Ask { pop: Action::PRIMARY, request }));
            at_ms += every_ms;
        }
        actions.sort_by_key(|(at_ms, _)| *at_ms);
        let source = Source::Told(actions, entropy);
        Self { knobs, source, interrupt: None, level: Level::Off }
    }

    fn drawn(seed: u64, knobs: impl FnOnce(&mut Entropy) -> Knobs) -> Self {
        let mut entropy = Entropy::of_seed(seed);
        let knobs = knobs(&mut entropy);
        Self { knobs, source: Source::Drawn(entropy), interrupt: None, level: Level::Off }
    }

    /// Runs.
    pub fn run(&self) -> Outcome {
        let script = match &self.source {
            Source::Drawn(entropy) => Script::drawn(entropy.clone(), &self.knobs),
            Source::Told(actions, entropy) => {
                Script::told(actions.clone(), entropy.clone(), &self.knobs)
            }
            Source::Written(record) => Script::written(record.clone()),
        };
        let mut world = World::new(self.knobs.clone(), script, self.level, self.interrupt);
        let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
        let end = match ended {
            Ok(Ok(())) => End::Passed,
            Ok(Err(failure)) => End::Failed(Box::new(failure)),
            Err(panic) => End::Crashed(panics::told_by(&*panic)),
        };
        Outcome {
            end,
            counts: world.around.counts,
            simulated_ms: world.around.now_ms(),
            agreed_early: world.agreed_early(),
            successions: world.successions().to_vec(),
            record: world.around.script.record().clone(),
            trace: world.around.trace,
        }
    }
}

/// Drives a whole small world from bytes, as a fuzzer wants it.
///
/// # Panics
/// If a promise is broken.
pub fn run_bytes(bytes: &[u8]) {
    let mut entropy = Entropy::of_bytes(bytes);
    let operations = u32::try_from(entropy.between(1, 60)).unwrap_or(1);
    let knobs = Knobs { operations, ..Knobs::lite(&mut entropy) };
    let script = Script::drawn(entropy, &knobs);
    let mut world = World::new(knobs, script, Level::Off, None);
    if let Err(failure) = world.run() {
        panic!("{failure}");
    }
}

#[cfg(test)]
mod tests;
