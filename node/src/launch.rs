//! What a runtime's `main` calls: reads the command line, does what needs no runtime, and hands
//! over the settings of a server to run.

use std::process::ExitCode;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::cli::commands::Spec;
use crate::cli::{self, Arguments, Command, Exit, Offer, Usage, client};
use crate::plumbing::Plumbing;
use crate::runtime::Runtime;
use crate::settings::{Environment, Loaded, Settings};
use crate::{log, offline, program};

/// Commands that one binary has and others do not.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// Their rows.
    pub commands: &'static [Spec],
    /// Runs one of them.
    pub run: fn(&'static Spec, Arguments, &Environment) -> Result<Exit, Usage>,
}

impl Own {
    /// No such commands.
    pub const NONE: Own = Own { commands: &[], run: |_, _, _| Ok(Exit::Unreached) };
}

/// Runs the process of an edition. `serve` runs a server to its end.
pub fn main<P: Plumbing>(serve: impl FnOnce(Settings) -> Exit, own: Own) -> ExitCode {
    program::is_called(<P::Runtime as Runtime>::PROGRAM);
    let environment = Environment::of_process();
    let arguments = std::env::args_os().skip(1);
    let offer = Offer { is_commercial: P::IS_COMMERCIAL, own: own.commands };
    let ended = cli::parse(arguments, &environment, offer)
        .and_then(|command| run::<P>(command, &environment, serve, own));
    let refused = |usage: Usage| {
        log::line(&usage.to_string());
        Exit::Unreached
    };
    ended.unwrap_or_else(refused).into()
}

fn run<P: Plumbing>(
    command: Command,
    environment: &Environment,
    serve: impl FnOnce(Settings) -> Exit,
    own: Own,
) -> Result<Exit, Usage> {
    Ok(match command {
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
        Command::Own(spec, arguments) => {
            (own.run)(spec, arguments, environment).map_err(|usage| usage.of(spec))?
        }
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
    })
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
pub fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused by some sandboxes; the server then has fewer connections, which is what it asked for.
    let _ = setrlimit(Resource::Nofile, limit);
}
