//! The command line: what was asked for, the help, and the commands that talk to a running server.

mod arguments;
pub mod client;
mod commands;
mod help;
mod reading;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::program;
use crate::settings::{DataSettings, Environment, Loaded, did_you_mean};
use commands::{COMMANDS, Spec, spec_of};

pub use client::{Action, ClientCommand, Console, Scope};

/// What a command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run a server.
    Serve(Box<Loaded>),
    /// Print the settings in force: [`Loaded::report`] on stdout, the warnings on stderr.
    ConfigCheck(Box<Loaded>),
    /// Talk to a running server; [`client::run`] does it.
    Client(ClientCommand),
    /// Fill an empty data directory from an exported file.
    Import {
        /// The exported file.
        file: PathBuf,
        /// The data directory to fill.
        data: DataSettings,
    },
    /// Verify a stopped data directory.
    Check {
        /// The data directory to look at.
        data: DataSettings,
        /// Whether to give it a new identity.
        restamp: bool,
    },
    /// Print this text on stdout.
    Help(String),
    /// Print name, version, edition and runtime on stdout.
    Version,
}

/// How a command ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did what was asked.
    Done,
    /// 1: it was refused, or something is degraded.
    Refused,
    /// 2: it was asked wrongly, or the server was not reached.
    Unreached,
}

impl Exit {
    /// The number a shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Unreached => 2,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// A command line or configuration that cannot be followed. It prints as the complaint and a
/// pointer to the help; the exit code is that of [`Exit::Unreached`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What is wrong, one sentence on a line.
    pub message: String,
    /// The command whose help would say more.
    command: String,
}

impl Usage {
    pub(crate) fn new(message: impl Into<String>) -> Usage {
        Usage { message: message.into(), command: String::new() }
    }

    fn of(mut self, spec: &Spec) -> Usage {
        self.command = spec.name() + " ";
        self
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, program, command) = (&self.message, program::name(), &self.command);
        write!(f, "{message}\n`{program} {command}--help` says how it is used")
    }
}

impl std::error::Error for Usage {}

/// Reads the command line, without the program's own name in front. `is_commercial` decides which
/// settings have an effect.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    is_commercial: bool,
) -> Result<Command, Usage> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_word = |argument: &OsString| !argument.as_encoded_bytes().starts_with(b"-");
    match arguments.first().filter(|first| is_word(first)) {
        None => parse_wordless(&arguments, environment, is_commercial),
        Some(first) if first == "help" => help_on(&arguments[1..], is_commercial),
        Some(_) => {
            let (spec, rest) = match find_command(&arguments)? {
                Found::Command(spec, rest) => (spec, rest),
                Found::Group(word) => return Ok(Command::Help(help::group(word))),
            };
            reading::command(spec, rest, environment, is_commercial).map_err(|usage| usage.of(spec))
        }
    }
}

fn parse_wordless(
    arguments: &[OsString],
    environment: &Environment,
    is_commercial: bool,
) -> Result<Command, Usage> {
    let serve = spec_of(&["serve"]).expect("serve is in the table");
    let split = arguments::split(serve, arguments).map_err(|usage| usage.of(serve))?;
    if split.is_help {
        return Ok(Command::Help(help::overview()));
    }
    if split.is_version {
        return Ok(Command::Version);
    }
    if let Some(operand) = split.operands.first().and_then(|operand| operand.to_str())
        && COMMANDS.iter().any(|spec| spec.words[0] == operand)
    {
        let message = format!("\"{operand}\" must come first, before the options");
        return Err(Usage::new(message));
    }
    reading::command(serve, arguments, environment, is_commercial).map_err(|usage| usage.of(serve))
}

enum Found<'a> {
    Command(&'static Spec, &'a [OsString]),
    Group(&'static str),
}

fn find_command(arguments: &[OsString]) -> Result<Found<'_>, Usage> {
    let word = |at: usize| arguments.get(at).and_then(|argument| argument.to_str());
    let first = word(0).unwrap_or_default();
    if let Some(spec) = spec_of(&[first]) {
        return Ok(Found::Command(spec, &arguments[1..]));
    }
    let Some(group) = COMMANDS.iter().map(|spec| spec.words[0]).find(|name| *name == first) else {
        let known = COMMANDS.iter().map(|spec| spec.words[0]).chain(["help"]);
        let suggestion = did_you_mean(first, "", known);
        return Err(Usage::new(format!("unknown command \"{first}\"{suggestion}")));
    };
    let members = COMMANDS.iter().filter(|spec| spec.words[0] == group);
    let seconds: Vec<&'static str> = members.map(|spec| spec.words[1]).collect();
    match word(1) {
        Some("--help" | "-h") => Ok(Found::Group(group)),
        None | Some("") => Err(Usage::new(format!("{group}: needs one of {}", seconds.join(", ")))),
        Some(second) => match spec_of(&[group, second]) {
            Some(spec) => Ok(Found::Command(spec, &arguments[2..])),
            None => {
                let suggestion = did_you_mean(second, "", seconds);
                Err(Usage::new(format!("unknown command \"{group} {second}\"{suggestion}")))
            }
        },
    }
}

fn help_on(words: &[OsString], is_commercial: bool) -> Result<Command, Usage> {
    let mut words: Vec<OsString> = words.to_vec();
    if words.is_empty() {
        return Ok(Command::Help(help::overview()));
    }
    words.push("--help".into());
    match find_command(&words)? {
        Found::Group(word) => Ok(Command::Help(help::group(word))),
        Found::Command(spec, _) => Ok(Command::Help(help::of_command(spec, is_commercial))),
    }
}
