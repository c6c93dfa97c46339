//! `clavitor-sim minimise`.

use std::time::{Duration, Instant};

use clavitor_sim::minimise::{self, Minimised};
use clavitor_sim::run::Plan;
use clavitor_sim::runfile::RunFile;
use clavitor_sim::swarm::Kind;
use clavitor_sim::trace::Level;
use clavitor_sim::{panics, story, swarm};

use super::arguments::Arguments;
use super::report::command_of_seed;
use super::timeline::ran;
use super::{Exit, Stop, replay, say};

/// How many runs it may take.
const RUNS: u64 = 20_000;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(120);

/// How many lines of what happened are printed: the last ones.
const LINES: usize = 60;

pub(crate) fn minimise(mut arguments: Arguments) -> Result<Exit, Stop> {
    let (plan, origin) = if arguments.has("scenario") {
        let (ran, origin) = ran(&mut arguments, "minimise")?;
        (Plan { level: Level::Off, ..ran.plan }, origin)
    } else {
        which(&mut arguments, "minimise")?
    };
    let runs = arguments.runs()?.unwrap_or(RUNS);
    let output = arguments.output()?;
    say(&format!("{origin}\n{}\n", plan.knobs))?;
    let began = Instant::now();
    panics::be_quiet(true);
    let small = minimise::minimise(&plan, &|so_far| so_far < runs && began.elapsed() < LIMIT);
    let kept = small.as_ref().map(|it| Plan { level: Level::Short, ..it.case.plan() }.run());
    panics::be_quiet(false);
    let (Some(small), Some(kept)) = (small, kept) else {
        let what = "breaks no promise: there is nothing to minimise";
        return Err(Stop::usage(format!("`{origin}` {what}")));
    };
    say(&told(&small, kept.trace.lines()))?;
    if let Some(path) = output {
        replay::write(&path, &RunFile::of(&small.case.plan(), &kept, origin.clone()))?;
        let path = path.display();
        say(&format!("clavitor-sim replay {path} --trace short\n"))?;
    }
    say(&format!("{origin}\n"))?;
    Ok(Exit::Fine)
}

/// The run that a command line names by seed or by file, and the command for it.
pub(crate) fn which(arguments: &mut Arguments, command: &str) -> Result<(Plan, String), Stop> {
    let (kind, canary, seed) = (arguments.kind()?, arguments.canary()?, arguments.seed()?);
    match (arguments.operand(), seed) {
        (Some(_), Some(_)) => Err(Stop::usage(format!("{command}: a FILE or --seed, not both"))),
        (None, None) => Err(Stop::usage(format!("{command}: needs --seed N or a FILE"))),
        (None, Some(seed)) => {
            let origin = command_of_seed(seed, kind, canary);
            Ok((swarm::plan(kind, canary, seed), origin))
        }
        (Some(_), None) if kind != Kind::Full || canary.is_some() => Err(Stop::usage(format!(
            "{command}: a FILE says all of it; leave the other options out"
        ))),
        (Some(operand), None) => {
            let (path, file) = replay::read(operand)?;
            Ok((file.plan(), format!("clavitor-sim replay {}", path.display())))
        }
    }
}

fn told(small: &Minimised, lines: &[String]) -> String {
    let (before, after) = (small.before, small.case.size());
    let mut out = format!(
        "minimised  in {} runs: {} actions of {}, {} fates of frames of {}, {} of groups of writes \
         of {}\n{}\n\nWhat is done to it:\n",
        small.runs, after.0, before.0, after.1, before.1, after.2, before.2, small.case.knobs
    );
    for line in story::lines(&small.case.record) {
        out += &format!("{line}\n");
    }
    if let Some(interrupt) = small.case.interrupt {
        let action = story::of_action(&interrupt.action);
        out += &format!("before event {}: {action}\n", interrupt.event);
    }
    let left_out = lines.len().saturating_sub(LINES);
    out += "\nWhat happens:\n";
    if left_out > 0 {
        out += &format!("({left_out} lines before)\n");
    }
    lines.iter().skip(left_out).for_each(|line| out += &format!("{line}\n"));
    out + &format!("\nend        {}\n", small.verdict)
}
