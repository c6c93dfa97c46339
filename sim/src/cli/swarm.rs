//! `clavitor-sim swarm`.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clavitor_sim::canary::Canary;
use clavitor_sim::panics;
use clavitor_sim::runfile::RunFile;
use clavitor_sim::swarm::{self, Failed, Kind, Order, Summary};
use clavitor_sim::timeline::spread;

use super::arguments::Arguments;
use super::report::{command_of_seed, grouped, option, planted};
use super::{Exit, Stop, say};

/// How often progress is told of: on a terminal, and elsewhere.
const EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// How many failures are told of one by one.
const TOLD: usize = 5;

pub(crate) fn swarm(arguments: Arguments) -> Result<Exit, Stop> {
    let Some(runs) = arguments.runs()? else { return Err(Stop::usage("swarm: needs --runs N")) };
    let order = Order {
        runs,
        base: arguments.seed()?.unwrap_or(1),
        jobs: arguments.jobs()?,
        kind: arguments.kind()?,
        is_checked: arguments.has("check"),
        canary: arguments.canary()?,
        keeps_going: true,
    };
    let output = arguments.output()?;
    if let Some(directory) = &output {
        std::fs::create_dir_all(directory).map_err(|error| Stop::file(directory, error))?;
    }
    let command = command(&order);
    say(&format!("{command}\n"))?;
    let summary = watched(&order);
    say(&told(&summary, &order))?;
    if let Some(directory) = &output {
        for failed in summary.failed.values() {
            write(directory, failed, &order)?;
        }
        if summary.times.write.count() > 0 {
            let path = directory.join("failovers.svg");
            super::replay::put(&path, spread::picture(&summary.times, &command).as_bytes())?;
            say(&format!("picture    {}\n", path.display()))?;
        }
    }
    say(&format!("{command}\n"))?;
    let first = summary.failed.first_key_value();
    Ok(Exit::from(first.and_then(|(_, failed)| failed.verdict.class())))
}

fn command(order: &Order) -> String {
    let check = if order.is_checked { " --check" } else { "" };
    let kind = option(order.kind);
    let (runs, base, canary) = (order.runs, order.base, planted(order.canary));
    format!("clavitor-sim swarm --runs {runs} --seed {base}{kind}{check}{canary}")
}

/// Runs a swarm, and tells of its progress on standard error.
pub(crate) fn watched(order: &Order) -> Summary {
    let is_terminal = std::io::stderr().is_terminal();
    let every = if is_terminal { EVERY[0] } else { EVERY[1] };
    let told = Mutex::new(Instant::now());
    let progress = |so_far: &Summary| {
        let Ok(mut told) = told.try_lock() else { return };
        if told.elapsed() < every {
            return;
        }
        *told = Instant::now();
        let (runs, failures) = (grouped(so_far.runs), grouped(so_far.failures()));
        let line = format!("{runs} of {} runs, {failures} failed", grouped(order.runs));
        let mut err = std::io::stderr().lock();
        // Who does not want to hear of it is not told.
        let _ = if is_terminal { write!(err, "\r{line}\x1b[K") } else { writeln!(err, "{line}") };
    };
    panics::be_quiet(true);
    let summary = swarm::run(order, &progress);
    panics::be_quiet(false);
    if is_terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    summary
}

fn told(summary: &Summary, order: &Order) -> String {
    let counts = &summary.counts;
    let seconds = summary.took.as_secs_f64().max(0.001);
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<10} {value}");
    };
    line("runs", grouped(summary.runs));
    let kinds: Vec<String> = summary
        .by_label
        .iter()
        .map(|(label, count)| format!("{} {label}", grouped(*count)))
        .collect();
    let failures = grouped(summary.failures());
    let of_which = if kinds.is_empty() { String::new() } else { format!(": {}", kinds.join(", ")) };
    line("failures", failures + &of_which);
    let (events, frames) = (grouped(counts.events), grouped(counts.frames));
    line("events", format!("{events}, of which {frames} frames"));
    let (requests, done) = (grouped(counts.requests), grouped(counts.acknowledged));
    line("requests", format!("{requests}, of which {done} acknowledged"));
    if counts.calls > 0 {
        let (calls, votes) = (grouped(counts.calls), grouped(counts.votes));
        let terms = grouped(counts.failovers);
        line("leases", format!("{terms} terms, {calls} calls of HQ, {votes} questions for votes"));
    }
    line(
        "took",
        format!(
            "{seconds:.1} s: {:.0} runs/s on {} threads",
            summary.runs as f64 / seconds,
            order.jobs
        ),
    );
    let simulated = summary.simulated_ms as f64 / 1_000.0;
    let days = simulated / 86_400.0;
    line("simulated", format!("{days:.1} days: {:.0} times wall time", simulated / seconds));
    if summary.times.write.count() > 0 {
        let count = grouped(summary.times.write.count());
        let _ = writeln!(out, "failovers  {count}, from the death of a primary\n{}", summary.times);
    }
    let _ = writeln!(out, "coverage   in so many runs was seen:\n{}", summary.coverage);
    for failed in summary.failed.values().take(TOLD) {
        let Failed { number, seed, verdict } = failed;
        let command = command_of_seed(*seed, order.kind, order.canary);
        let _ = writeln!(out, "run {number}: {verdict}\n{command}\n");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn write(directory: &Path, failed: &Failed, order: &Order) -> Result<(), Stop> {
    let path = directory.join(format!("{}.run", failed.seed));
    let origin = command_of_seed(failed.seed, order.kind, order.canary);
    panics::be_quiet(true);
    let file = run_file(order.kind, order.canary, failed.seed, origin);
    panics::be_quiet(false);
    super::replay::write(&path, &file)?;
    say(&format!("clavitor-sim replay {}\n", path.display()))
}

fn run_file(kind: Kind, canary: Option<Canary>, seed: u64, origin: String) -> RunFile {
    let plan = swarm::plan(kind, canary, seed);
    let outcome = plan.run();
    RunFile::of(&plan, &outcome, origin)
}
