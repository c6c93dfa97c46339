//! The Clavitor vault server on smol: sockets, timers, signals and outbound HTTP. What it serves
//! and decides is in the packages below; the feature `commercial` chooses the edition.

mod listen;
mod outbound;
mod runtime;

use std::process::ExitCode;

use clavitor_node::cli::Exit;
use clavitor_node::launch;
use clavitor_node::plumbing::Plumbing;
use clavitor_node::settings::Settings;

use runtime::Smol;

#[cfg(not(feature = "commercial"))]
type Edition = clavitor_node::community::Community<Smol>;

#[cfg(feature = "commercial")]
type Edition = clavitor_node_commercial::Commercial<Smol>;

const OWN: launch::Own = launch::Own::NONE;

fn main() -> ExitCode {
    launch::main::<Edition>(serve::<Edition>, OWN)
}

fn serve<P: Plumbing<Runtime = Smol>>(settings: Settings) -> Exit {
    runtime::block_on(clavitor_node::serve::serve::<P>(Smol::default(), settings))
}
