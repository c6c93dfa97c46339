//! `clavitor-sim timeline`.

use clavitor_sim::panics;
use clavitor_sim::run::Plan;
use clavitor_sim::scenarios::Ran;
use clavitor_sim::swarm::Kind;
use clavitor_sim::timeline::Subject;
use clavitor_sim::trace::Level;
use clavitor_sim::verdict::Verdict;

use super::arguments::Arguments;
use super::minimise::which;
use super::report::planted;
use super::{Exit, Stop, replay, say};

pub(crate) fn timeline(mut arguments: Arguments) -> Result<Exit, Stop> {
    let Some(output) = arguments.output()? else {
        return Err(Stop::usage("timeline: needs --output FILE"));
    };
    let (outcome, knobs, command) = if arguments.has("scenario") {
        let (ran, command) = ran(&mut arguments, "timeline")?;
        (ran.outcome, ran.plan.knobs, command)
    } else {
        let (plan, command) = which(&mut arguments, "timeline")?;
        panics::be_quiet(true);
        (Plan { level: Level::Short, ..plan.clone() }.run(), plan.knobs, command)
    };
    panics::be_quiet(false);
    let verdict = Verdict::from(&outcome.end);
    let about = knobs.to_string();
    let picture = Subject::of(&command, &about, knobs.pops, &outcome, &verdict).svg();
    say(&format!("{command}\n{about}\nend        {verdict}\n"))?;
    replay::put(&output, picture.as_bytes())?;
    say(&format!("picture    {}\n{command}\n", output.display()))?;
    Ok(Exit::Fine)
}

/// What came of the scenario that a command line names, kept to be drawn.
pub(crate) fn ran(arguments: &mut Arguments, command: &str) -> Result<(Ran, String), Stop> {
    let (scenario, seed) = (arguments.scenario()?, arguments.seed()?);
    let (Some(scenario), Some(seed)) = (scenario, seed) else {
        return Err(Stop::usage(format!("{command}: needs --seed N")));
    };
    if arguments.kind()? != Kind::Full || arguments.operand().is_some() {
        let what = "a scenario takes none of --lite, --leases, --failover and FILE";
        return Err(Stop::usage(format!("{command}: {what}")));
    }
    let mut plan = Plan { level: Level::Short, ..scenario.plan(seed) };
    plan.knobs.canary = arguments.canary()?;
    let (name, planted) = (scenario.name, planted(plan.knobs.canary));
    panics::be_quiet(true);
    let ran = scenario.run_plan(plan);
    panics::be_quiet(false);
    Ok((ran, format!("clavitor-sim run --scenario {name} --seed {seed}{planted}")))
}
