//! Every command, and the options it knows.

use super::arguments::Arguments;
use super::{Exit, Stop, canaries, minimise, replay, run, scenarios, swarm, timeline};

/// A command.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    pub(crate) operands_max: usize,
    pub(crate) options: &'static [&'static Opt],
    pub(crate) act: fn(Arguments) -> Result<Exit, Stop>,
}

/// An option; one without a placeholder takes no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) placeholder: &'static str,
    pub(crate) about: &'static str,
}

const fn option(name: &'static str, placeholder: &'static str, about: &'static str) -> Opt {
    Opt { name, placeholder, about }
}

pub(crate) static SCENARIO: Opt = option("scenario", "NAME", "a story with a name");
pub(crate) static SEED: Opt = option("seed", "N", "decides everything that is left open");
static BASE: Opt = option("seed", "N", "decides the seeds of all runs [1]");
pub(crate) static LITE: Opt =
    option("lite", "", "a pair of POPs and about 200 requests, not up to five POPs");
pub(crate) static LED: Opt =
    option("leases", "", "only worlds in which HQ gives leases, and primaries fail");
pub(crate) static FAILOVER: Opt =
    option("failover", "", "only worlds in which a primary dies, and nothing else is amiss");
pub(crate) static CHECK: Opt = option("check", "", "run it twice, and compare both runs");
pub(crate) static TRACE: Opt = option(
    "trace",
    "short|full",
    "print what happened and what machines ordered; in full, also what they were told",
);
pub(crate) static CANARY: Opt = option("canary", "NAME", "plant a bug");
pub(crate) static RUNS: Opt = option("runs", "N", "how many runs");
static RUNS_OF_SEARCH: Opt = option("runs", "N", "at most so many runs [20000]; and two minutes");
static RUNS_OF_CANARY: Opt = option("runs", "N", "within how many runs it has to be caught [2000]");
pub(crate) static JOBS: Opt = option("jobs", "J", "how many threads [all processors]");
pub(crate) static OUTPUT: Opt =
    option("output", "FILE", "where to write; a file there is replaced");
static OUTPUT_DIR: Opt =
    option("output", "DIR", "write the first 20 failing runs there, and how long failovers took");

pub(crate) static ALL: &[Command] = &[
    Command {
        name: "run",
        usage: "[--scenario NAME] --seed N",
        about: "One run: a named scenario, or the run that a swarm makes of a seed.",
        operands_max: 0,
        options: &[&SCENARIO, &SEED, &LITE, &LED, &FAILOVER, &TRACE, &CHECK, &CANARY],
        act: run::run,
    },
    Command {
        name: "swarm",
        usage: "--runs N",
        about: "Many runs, each of a seed of its own, with knobs of its own. The first failures are \
                told of one by one.",
        operands_max: 0,
        options: &[&RUNS, &BASE, &JOBS, &LITE, &LED, &FAILOVER, &CHECK, &CANARY, &OUTPUT_DIR],
        act: swarm::swarm,
    },
    Command {
        name: "replay",
        usage: "FILE",
        about: "Runs a file again: a run of the simulator, or what a server's flight recorder kept.",
        operands_max: 1,
        options: &[&TRACE, &CHECK],
        act: replay::replay,
    },
    Command {
        name: "minimise",
        usage: "([--scenario NAME] --seed N | FILE)",
        about: "Takes away from a failing run whatever it fails without, and tells what is left.",
        operands_max: 1,
        options: &[&SCENARIO, &SEED, &LITE, &LED, &FAILOVER, &CANARY, &RUNS_OF_SEARCH, &OUTPUT],
        act: minimise::minimise,
    },
    Command {
        name: "timeline",
        usage: "([--scenario NAME] --seed N | FILE) --output FILE",
        about: "Draws a run as one self-contained SVG.",
        operands_max: 1,
        options: &[&SCENARIO, &SEED, &LITE, &LED, &FAILOVER, &CANARY, &OUTPUT],
        act: timeline::timeline,
    },
    Command {
        name: "scenarios",
        usage: "",
        about: "Lists the named scenarios.",
        operands_max: 0,
        options: &[],
        act: scenarios::scenarios,
    },
    Command {
        name: "canaries",
        usage: "[NAME]",
        about: "Plants each bug, or one, and demands that a promise is seen broken within so many runs.",
        operands_max: 1,
        options: &[&RUNS_OF_CANARY, &BASE, &JOBS],
        act: canaries::canaries,
    },
];

/// The command of that name.
pub(crate) fn named(name: &str) -> Option<&'static Command> {
    ALL.iter().find(|command| command.name == name)
}
