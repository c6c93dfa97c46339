//! Everything goes on, so that somebody can play with it: what they kill is started again.

use std::thread;
use std::time::{Duration, Instant};

use clavitor_node::cli::client::Failure;

use super::screen::Look;
use super::world::World;
use super::writer::Writer;

/// Longer than it takes the others to notice.
const DOWN: Duration = Duration::from_secs(15);

const LOOK: Duration = Duration::from_millis(100);

/// Stays until its user has had enough.
pub(super) fn stay(world: &mut World, writer: &Writer) -> Result<(), Failure> {
    writer.slow_down();
    let heading = "Everything goes on until Ctrl-C, with two writes a second. Try it:";
    world.screen.say(&format!("\n{}", world.screen.paint(Look::Bold, heading)));
    world.screen.say(&format!("  look at {} meanwhile", world.dashboard()));
    world.screen.say(&format!("  hand over there, or {}", pids(world)));
    let began = Instant::now();
    let mut down: [Option<Instant>; 3] = [None; 3];
    let mut primary = None;
    while !world.is_stopped() {
        let seen = world.seen().unwrap_or_default().primary;
        if seen.is_some() && seen != primary {
            let who = seen.as_deref().unwrap_or_default();
            world.screen.say(&format!("  {who} is primary"));
            primary = seen;
        }
        for (index, since) in down.iter_mut().enumerate() {
            look_after(world, index, since)?;
        }
        let who = primary.as_deref().unwrap_or("nobody");
        world.wait(&format!("{who} is primary"), began.elapsed());
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Starts one of them again that has been down for long enough.
fn look_after(world: &mut World, index: usize, since: &mut Option<Instant>) -> Result<(), Failure> {
    let World { hq, pops: [first, second], screen, .. } = world;
    let (name, process) = match index {
        0 => ("HQ", hq),
        1 => (first.id, &mut first.process),
        _ => (second.id, &mut second.process),
    };
    if let Some(how) = process.ended() {
        let seconds = DOWN.as_secs();
        screen.say(&format!("  {name} ended ({how}) and starts again in {seconds} seconds"));
        *since = Some(Instant::now());
    }
    if since.take_if(|since| since.elapsed() > DOWN).is_some() {
        process.start()?;
        screen.say(&format!("  {name} starts again, as pid {}", process.id()));
    }
    Ok(())
}

fn pids(world: &World) -> String {
    let [first, second] = &world.pops;
    let (hq, first_pid, second_pid) = (world.hq.id(), first.process.id(), second.process.id());
    format!("kill -9 {hq} (HQ), {first_pid} ({}) or {second_pid} ({})", first.id, second.id)
}
