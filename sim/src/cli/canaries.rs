//! `clavitor-sim canaries`: what the checkers are worth.

use clavitor_sim::canary::Canary;
use clavitor_sim::swarm::{self, Failed, Kind, Order};
use clavitor_sim::verdict::Verdict;

use super::arguments::{self, Arguments};
use super::report::command_of_seed;
use super::swarm::watched;
use super::{Exit, Stop, say};

/// Within how many runs a planted bug has to be caught.
const RUNS: u64 = 2_000;

pub(crate) fn canaries(mut arguments: Arguments) -> Result<Exit, Stop> {
    let wanted = match arguments.operand() {
        None => Canary::ALL.to_vec(),
        Some(name) => vec![arguments::canary(&name.to_string_lossy())?],
    };
    let runs = arguments.runs()?.unwrap_or(RUNS);
    let (base, jobs) = (arguments.seed()?.unwrap_or(1), arguments.jobs()?);
    let one = if let [canary] = wanted.as_slice() { format!(" {canary}") } else { String::new() };
    let command = format!("clavitor-sim canaries{one} --runs {runs} --seed {base}");
    say(&format!("{command}\n"))?;
    let widest = Canary::ALL.iter().map(|canary| canary.as_str().len()).max().unwrap_or_default();
    let mut uncaught = Vec::new();
    for canary in wanted {
        let kind = Kind::of_canary(canary);
        let order = Order {
            runs,
            base,
            jobs,
            kind,
            is_checked: false,
            canary: Some(canary),
            keeps_going: false,
        };
        let summary = watched(&order);
        let Some((_, Failed { number, seed, verdict })) = summary.failed.first_key_value() else {
            uncaught.push(canary.as_str());
            say(&format!(
                "{canary:<widest$}  NOT CAUGHT in {runs} runs\n",
                canary = canary.as_str()
            ))?;
            continue;
        };
        // A run that fails anyway shows nothing.
        if let Some(class) = Verdict::from(&swarm::plan(kind, None, *seed).run().end).class() {
            let sound = command_of_seed(*seed, kind, None);
            let what = format!("{canary}: run {number} fails without the bug as well: {sound}");
            return Err(Stop::with(Exit::from(Some(class)), what));
        }
        let again = command_of_seed(*seed, kind, Some(canary));
        let (name, label) = (canary.as_str(), verdict.label());
        say(&format!("{name:<widest$}  caught in run {number:<5} {label:<16} {again}\n"))?;
    }
    say(&format!("{command}\n"))?;
    if uncaught.is_empty() {
        return Ok(Exit::Fine);
    }
    Err(Stop::with(Exit::Uncaught, format!("not caught: {}", uncaught.join(", "))))
}
