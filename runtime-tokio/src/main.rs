//! The Clavitor vault server on tokio: sockets, timers, signals and outbound HTTP. What it serves
//! and decides is in the packages below; the feature `commercial` chooses the edition.

mod listen;
mod outbound;
mod runtime;

use std::process::ExitCode;

use clavitor_node::cli::Exit;
use clavitor_node::launch;
use clavitor_node::plumbing::Plumbing;
use clavitor_node::settings::Settings;

use runtime::Tokio;

#[cfg(not(feature = "commercial"))]
type Edition = clavitor_node::community::Community<Tokio>;

#[cfg(feature = "commercial")]
type Edition = clavitor_node_commercial::Commercial<Tokio>;

#[cfg(not(feature = "commercial"))]
const OWN: launch::Own = launch::Own::NONE;

#[cfg(feature = "commercial")]
const OWN: launch::Own = launch::Own {
    commands: clavitor_node_hq::cli::COMMANDS,
    run: |spec, arguments, environment| {
        let work = |job: clavitor_node_hq::cli::Job| run(job.run(Tokio::default()));
        clavitor_node_hq::cli::run(spec, arguments, environment, work)
    },
};

fn main() -> ExitCode {
    launch::main::<Edition>(serve::<Edition>, OWN)
}

fn serve<P: Plumbing<Runtime = Tokio>>(settings: Settings) -> Exit {
    run(clavitor_node::serve::serve::<P>(Tokio::default(), settings))
}

fn run(server: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_io().enable_time().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(server);
            // Whatever still hangs was waited for long enough.
            runtime.shutdown_background();
            exit
        }
        Err(error) => launch::complain(&format!("the runtime does not start: {error}")),
    }
}
