//! The primary's place is handed over under load, as an operator asks.

use std::time::{Duration, Instant};

use clavitor_node::cli::client::Failure;
use clavitor_node::cli::client::display::printable;
use serde::Serialize;

use super::control;
use super::failover::settle;
use super::screen::Look;
use super::world::{CLUSTER, World};
use super::writer::{Writer, longest_pause};

/// How long writing goes on before it is looked at.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// What became of one hand-over.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Switchover {
    /// Who had it.
    pub(super) from: &'static str,
    /// Who has it.
    pub(super) to: &'static str,
    /// In which term.
    pub(super) epoch: u64,
    /// The longest time without an acknowledged write, in milliseconds.
    pub(super) pause_ms: u64,
    /// What the client met with that was neither an acknowledgement nor told it where to go.
    pub(super) errors: Vec<String>,
}

/// Hands it over once.
pub(super) fn run(world: &mut World, writer: &Writer, title: &str) -> Result<Switchover, Failure> {
    let old = settle(world, writer)?;
    let new = usize::from(old == 0);
    let (from, to) = (world.pop(old)?.id, world.pop(new)?.id);
    let heading = format!("{title}: HQ is asked to give the place of {from} to {to}");
    world.screen.say(&format!("\n{}", world.screen.paint(Look::Bold, &heading)));
    writer.take_surprises();
    let (before, asked) = (writer.count(), Instant::now());
    control::switch_over(world.operator()?, CLUSTER, to)?;
    world.until("the other one acknowledges a write", |_| Ok(writer.first_after(new, asked)))?;
    world.pass("under load", AFTERWARDS)?;
    // The last write before it was asked for counts too.
    let pause = longest_pause(&writer.since(before.saturating_sub(1)));
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let errors = writer.take_surprises();
    let pause = world.screen.paint(Look::Good, &format!("{pause_ms} ms"));
    let count = match errors.len() {
        0 => "and no error".to_owned(),
        count => world.screen.paint(Look::Bad, &format!("and {count} errors")),
    };
    world.screen.say(&format!("  {pause} without an acknowledged write, {count} at the client"));
    errors.iter().for_each(|error| world.screen.say(&format!("    {}", printable(error))));
    Ok(Switchover { from, to, epoch: world.seen()?.epoch, pause_ms, errors })
}
