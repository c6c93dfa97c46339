//! `clavitor demo`: HQ and two POPs on this machine, each a process of this program. The primary is
//! killed under load, and what follows is measured and told.
//!
//! Reading order: `place` is where everything is, `process` one process, `world` all of them;
//! `control` asks HQ and `resolver` its DNS; `writer` and `reader` are clients, and `losses` looks for
//! what they lost; `begin`, `failover`, `switchover` and `stay` are what happens, `screen` and `report`
//! what is seen of it.

mod begin;
mod control;
mod failover;
mod losses;
mod place;
mod process;
mod reader;
mod report;
mod resolver;
mod screen;
mod stay;
mod switchover;
mod world;
mod writer;

use std::path::PathBuf;
use std::thread;

use clavitor_node::cli::Exit;
use clavitor_node::cli::client::Failure;
use clavitor_node::runtime::Sockets;
use clavitor_node::{launch, log};
use futures_channel::oneshot;

use place::Directory;
use report::Report;
use screen::{Look, Screen, grouped};
use world::{Stop, World};
use writer::Writer;

/// The most kills, and the most switchovers, of one run.
pub const ROUNDS_MAX: u32 = 100;

/// What a demo is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where everything is kept; nowhere afterwards unless it is given.
    pub data_dir: Option<PathBuf>,
    /// How often the primary is killed.
    pub rounds: u32,
    /// How often its place is handed over after that.
    pub switchovers: u32,
    /// Whether the measurements are for a script.
    pub is_json: bool,
    /// Whether everything goes on afterwards.
    pub is_staying: bool,
    /// Whether colours are welcome.
    pub may_colour: bool,
}

/// Runs it to its end. To be called on the runtime, which it needs for signals alone.
pub async fn run<R: Sockets>(runtime: R, options: Options) -> Exit {
    let stop = Stop::default();
    let told = stop.clone();
    if let Err(error) = runtime.watch_signals(move || told.tell()) {
        return launch::complain(&format!("signals cannot be watched: {error}"));
    }
    let (done, ended) = oneshot::channel();
    // Processes end with the thread that started them, so that one thread starts them all.
    let thread = thread::Builder::new().name("demo".into());
    let thread = thread.spawn(move || {
        let _ = done.send(show(&options, stop));
    });
    match thread {
        Ok(_) => ended.await.unwrap_or(Exit::Refused),
        Err(error) => launch::complain(&format!("no thread to run the demo: {error}")),
    }
}

fn show(options: &Options, stop: Stop) -> Exit {
    match perform(options, stop.clone()) {
        Ok(exit) => exit,
        Err(Failure { exit, .. }) if stop.is_told() => {
            log::line("stopped: nothing of it runs any longer");
            exit
        }
        Err(Failure { exit, message }) => {
            launch::complain(&message);
            exit
        }
    }
}

fn perform(options: &Options, stop: Stop) -> Result<Exit, Failure> {
    let directory = Directory::new(options.data_dir.as_deref())?;
    let addresses = place::free_addresses()?;
    let screen = Screen::new(options.may_colour);
    let mut world = World::new(directory, addresses, screen, stop)?;
    begin::begin(&mut world)?;
    let writer = begin::write(&mut world)?;
    let mut report = Report::default();
    let mut known = 0;
    for round in 1..=options.rounds {
        let title = format!("Kill {round} of {}", options.rounds);
        let failover = failover::run(&mut world, &writer, known, &title)?;
        known += failover.acknowledged;
        report.failovers.push(failover);
    }
    for round in 1..=options.switchovers {
        let title = format!("Switchover {round} of {}", options.switchovers);
        report.switchovers.push(switchover::run(&mut world, &writer, &title)?);
    }
    count_losses(&mut world, &writer, &mut report)?;
    tell(options, &world, &report);
    if options.is_staying {
        stay::stay(&mut world, &writer)?;
    }
    Ok(if report.lost == 0 { Exit::Done } else { Exit::Refused })
}

/// Asks both POPs for every write that was ever acknowledged.
fn count_losses(world: &mut World, writer: &Writer, report: &mut Report) -> Result<(), Failure> {
    let _nothing_is_written = writer.held();
    let written = writer.since(0);
    let what = format!("both are asked for each of {} writes", grouped(written.len()));
    report.acknowledged = written.len();
    report.lost = losses::count(world, &written, &what)?;
    Ok(())
}

fn tell(options: &Options, world: &World, report: &Report) {
    if options.is_json {
        println!("{}", report.document());
    } else {
        world.screen.say(&format!("\n{}", world.screen.paint(Look::Bold, "What was measured")));
        report.lines().iter().for_each(|line| println!("  {line}"));
    }
    if world.directory().is_kept() {
        let path = world.directory().join("");
        world.screen.say(&format!("\nEverything is kept in {}", path.display()));
    }
}
