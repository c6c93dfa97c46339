//! What a runtime's `main` calls: reads the command line, does what needs no runtime, and hands
//! over the settings of a server to run.

use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::{self, Command, Exit, client};
use crate::plumbing::Plumbing;
use crate::runtime::Runtime;
use crate::settings::{Environment, Loaded, Settings};
use crate::{log, offline, program};

/// Runs the process of an edition. `serve` runs a server to its end.
pub fn main<P: Plumbing>(serve: impl FnOnce(Settings) -> Exit) -> ExitCode {
    program::is_called(<P::Runtime as Runtime>::PROGRAM);
    let environment = Environment::of_process();
    let arguments = std::env::args_os().skip(1);
    match cli::parse(arguments, &environment, P::IS_COMMERCIAL) {
        Ok(command) => run::<P>(command, &environment, serve).into(),
        Err(usage) => {
            log::line(&usage.to_string());
            Exit::Unreached.into()
        }
    }
}

fn run<P: Plumbing>(
    command: Command,
    environment: &Environment,
    serve: impl FnOnce(Settings) -> Exit,
) -> Exit {
    match command {
        Command::Serve(loaded) => {
            warn(&loaded);
            raise_file_limit();
            log::begin_serving();
            serve(loaded.settings)
        }
        Command::ConfigCheck(loaded) => {
            warn(&loaded);
            print!("{}", loaded.report());
            Exit::Done
        }
        Command::Client(command) => client::run_on_process(command, environment),
        Command::Import { file, data } => offline::import(&file, &data),
        Command::Check { data, restamp } => offline::check_in_child(&data, restamp),
        Command::Help(text) => {
            print!("{text}");
            Exit::Done
        }
        Command::Version => {
            println!("{}", version::<P>());
            Exit::Done
        }
    }
}

/// Name, version, edition and runtime: `clavitor 0.1.0 (commercial, tokio)`.
pub fn version<P: Plumbing>() -> String {
    let runtime = <P::Runtime as Runtime>::NAME;
    format!("clavitor {} ({}, {runtime})", env!("CARGO_PKG_VERSION"), P::NAME)
}

/// Tells why a server does not start or cannot go on.
pub fn complain(what: &str) -> Exit {
    log::line(&format!("error: {what}"));
    Exit::Refused
}

fn warn(loaded: &Loaded) {
    loaded.warnings.iter().for_each(|warning| log::line(&format!("warning: {warning}")));
}

/// Takes as many file descriptors as the system allows: a connection needs one.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused by some sandboxes; the server then has fewer connections, which is what it asked for.
    let _ = setrlimit(Resource::Nofile, limit);
}
