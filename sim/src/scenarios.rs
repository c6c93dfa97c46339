//! Stories with a name, each of a few lines, and what is demanded beside the promises.

use clavitor_core::time::Instant;

use crate::entropy::Entropy;
use crate::hq::Storm;
use crate::knobs::{Knobs, Leases};
use crate::run::{End, Outcome, Plan, Source};
use crate::scanners::Burst;
use crate::script::{Action, Condition, Request};
use crate::trace::Level;
use crate::world::Interrupt;

mod led;
mod stories;

const COUNT: usize = stories::CONFIGURED.len() + led::LED.len();

const JOINED: [Scenario; COUNT] = {
    let mut all = [stories::CONFIGURED[0]; COUNT];
    let mut at = 0;
    while at < COUNT {
        let first = stories::CONFIGURED.len();
        all[at] = if at < first { stories::CONFIGURED[at] } else { led::LED[at - first] };
        at += 1;
    }
    all
};

/// Every scenario.
pub const ALL: &[Scenario] = &JOINED;

/// A named story.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about, in one line.
    pub about: &'static str,
    /// The story.
    tell: fn(&mut Story),
    /// What happens before every event of it in turn, each in a run of its own.
    at_every_event: &'static [Action],
    /// What is demanded beside the promises; answers what is worth telling.
    demand: fn(&Outcome) -> Result<String, String>,
}

/// A story as it is told.
#[derive(Debug, Default)]
pub struct Story {
    /// What kind of world it is about.
    pub knobs: Knobs,
    at_ms: u64,
    actions: Vec<(u64, Action)>,
}

impl Story {
    /// Time passes.
    pub fn wait(&mut self, ms: u64) -> &mut Self {
        self.at_ms += ms;
        self
    }

    /// Something happens.
    pub fn act(&mut self, action: Action) -> &mut Self {
        self.actions.push((self.at_ms, action));
        self
    }

    /// A client writes an entry at the primary.
    pub fn put(&mut self, key: u8) -> &mut Self {
        self.put_at(Action::PRIMARY, key)
    }

    /// A client writes an entry at a POP.
    pub fn put_at(&mut self, pop: u8, key: u8) -> &mut Self {
        let request = Request::Put { key, bytes: 16, condition: Condition::Always, waits: false };
        self.act(Action::Ask { pop, request })
    }

    /// Clients write so many times, at even distances, so many entries in turn.
    pub fn puts(&mut self, count: u8, every_ms: u64, keys: u8) -> &mut Self {
        for at in 0..count {
            self.wait(every_ms).put(at % keys);
        }
        self
    }

    /// A client writes an entry, and waits for a backup.
    pub fn put_to_backup(&mut self, key: u8) -> &mut Self {
        let request = Request::Put { key, bytes: 16, condition: Condition::Always, waits: true };
        self.act(Action::Ask { pop: Action::PRIMARY, request })
    }

    /// So many scanners come to a POP within so long.
    pub fn scan(&mut self, pop: u8, count: u16, over_ms: u32) -> &mut Self {
        let salt = u32::try_from(self.actions.len()).unwrap_or_default();
        let burst = Burst { count, over_ms, addresses: 9, salt };
        self.act(Action::Scan { pop, burst })
    }

    /// So many alerts of so many kinds are raised at a POP.
    pub fn storm(&mut self, pop: u8, count: u16, kinds: u8) -> &mut Self {
        self.storm_from(pop, count, kinds, 2)
    }

    /// The same, beginning with another kind.
    pub fn storm_from(&mut self, pop: u8, count: u16, kinds: u8, first: u8) -> &mut Self {
        self.act(Action::Storm { pop, storm: Storm { count, kinds, first } })
    }

    /// A link works in neither direction for a while.
    pub fn part(&mut self, one: u8, other: u8, ms: u32) -> &mut Self {
        self.act(Action::Cut { from: one, to: other, ms });
        self.act(Action::Cut { from: other, to: one, ms })
    }

    /// HQ gives leases to so many POPs.
    pub fn led(&mut self, pops: u8) -> &mut Self {
        (self.knobs.pops, self.knobs.leases) = (pops, Some(Leases::default()));
        self
    }

    /// A client reads, so that the story goes on until then.
    pub fn end(&mut self) -> &mut Self {
        self.act(Action::Ask { pop: 0, request: Request::Get { key: 0 } })
    }
}

/// The scenario of that name.
pub fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

impl Scenario {
    /// The scenario of that name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        find(name)
    }

    /// The story as a run; the seed decides what the story leaves open.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut story = Story::default();
        (self.tell)(&mut story);
        let source = Source::Told(story.actions, Entropy::of_seed(seed));
        Plan { knobs: story.knobs, source, interrupt: None, level: Level::Off }
    }

    /// Runs it, and again with every interruption before every event; stops at the first run that
    /// fails, and answers it with its plan.
    pub fn run(&self, seed: u64, level: Level) -> Ran {
        self.run_plan(Plan { level, ..self.plan(seed) })
    }

    /// The same with a plan that is the story's, but for a planted bug or how much is kept.
    pub fn run_plan(&self, plan: Plan) -> Ran {
        let clean = plan.run();
        if clean.end != End::Passed {
            return Ran { plan, outcome: clean, runs: 1, told: String::new() };
        }
        let told = match (self.demand)(&clean) {
            Ok(told) => told,
            Err(what) => {
                let outcome = Outcome { end: End::Failed(Box::new(unmet(&clean, what))), ..clean };
                return Ran { plan, outcome, runs: 1, told: String::new() };
            }
        };
        let mut runs = 1;
        for action in self.at_every_event {
            for event in 1..=clean.counts.events {
                let interrupt = Some(Interrupt { event, action: *action });
                let plan = Plan { interrupt, ..plan.clone() };
                let outcome = plan.run();
                runs += 1;
                if outcome.end != End::Passed {
                    return Ran { plan, outcome, runs, told };
                }
            }
        }
        Ran { plan, outcome: clean, runs, told }
    }
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Ran {
    /// The run that is told of: the failed one, else the one without interruption.
    pub plan: Plan,
    /// What it came to.
    pub outcome: Outcome,
    /// How many runs it took.
    pub runs: u64,
    /// What is worth telling.
    pub told: String,
}

fn unmet(outcome: &Outcome, what: String) -> crate::world::Failure {
    crate::world::Failure {
        kind: crate::world::Kind::Liveness,
        promise: "scenario",
        what,
        event: outcome.counts.events,
        at_ms: outcome.simulated_ms,
        pending: format!("nothing at {} ms", Instant::from_ms(outcome.simulated_ms).0 / 1_000_000),
    }
}

#[cfg(test)]
mod tests;
