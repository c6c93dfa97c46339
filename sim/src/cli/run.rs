//! `clavitor-sim run`.

use clavitor_sim::run::{Outcome, Plan};
use clavitor_sim::scenarios::{Ran, Scenario};
use clavitor_sim::swarm::{self, Kind};
use clavitor_sim::trace::Level;
use clavitor_sim::verdict::{Verdict, compare, judge};

use super::arguments::Arguments;
use super::report::{self, command_of_seed, planted};
use super::{Exit, Stop, say};

pub(crate) fn run(arguments: Arguments) -> Result<Exit, Stop> {
    let Some(seed) = arguments.seed()? else { return Err(Stop::usage("run: needs --seed N")) };
    let trace = arguments.trace()?;
    let level = trace.unwrap_or(Level::Digest);
    let kind = arguments.kind()?;
    let (canary, is_checked) = (arguments.canary()?, arguments.has("check"));
    if let Some(scenario) = arguments.scenario()? {
        if kind != Kind::Full {
            return Err(Stop::usage(
                "run: --lite, --leases and --failover are about runs without a scenario",
            ));
        }
        let mut plan = Plan { level, ..scenario.plan(seed) };
        plan.knobs.canary = canary;
        let name = scenario.name;
        let command =
            format!("clavitor-sim run --scenario {name} --seed {seed}{}", planted(canary));
        say(&format!("{command}\n{}\n", plan.knobs))?;
        let (ran, verdict) = tell(scenario, &plan, is_checked);
        report::trace(&ran.outcome, trace)?;
        say(&about(&ran))?;
        return end(&ran.outcome, &verdict, is_checked, &command);
    }
    let plan = Plan { level, ..swarm::plan(kind, canary, seed) };
    let command = command_of_seed(seed, kind, canary);
    say(&format!("{command}\n{}\n", plan.knobs))?;
    let (outcome, verdict) = judge(&plan, is_checked);
    report::trace(&outcome, trace)?;
    end(&outcome, &verdict, is_checked, &command)
}

/// Runs a scenario; twice, if it is to be checked.
fn tell(scenario: &Scenario, plan: &Plan, is_checked: bool) -> (Ran, Verdict) {
    let ran = scenario.run_plan(plan.clone());
    let mut verdict = Verdict::from(&ran.outcome.end);
    if is_checked {
        let again = scenario.run_plan(plan.clone());
        if let Some(differs) = compare(&ran.outcome, &again.outcome) {
            verdict = differs;
        }
    }
    (ran, verdict)
}

fn about(ran: &Ran) -> String {
    let mut out = String::new();
    if ran.runs > 1 {
        out += &format!("runs       {}, each interrupted before another event\n", ran.runs);
    }
    if let Some(interrupt) = ran.plan.interrupt {
        out += &format!("interrupt  before event {}: {}\n", interrupt.event, interrupt.action);
    }
    if !ran.told.is_empty() {
        out += &format!("told       {}\n", ran.told);
    }
    out
}

/// Tells how a run ended, and once more how to run it.
pub(crate) fn end(
    outcome: &Outcome,
    verdict: &Verdict,
    is_checked: bool,
    command: &str,
) -> Result<Exit, Stop> {
    let mut told = report::outcome(outcome, verdict);
    if is_checked && !matches!(verdict, Verdict::Differs(_)) {
        told += "check      the same when it was run again\n";
    }
    say(&format!("{told}{command}\n"))?;
    Ok(Exit::from(verdict.class()))
}
