//! The command line: what was asked for, the help, and the commands that talk to a running server.

mod arguments;
pub mod client;
pub mod commands;
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
use commands::{COMMANDS, Id, Spec};

pub use arguments::Arguments;
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
    /// One of the binary's own.
    Own(&'static Spec, Arguments),
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
    /// A complaint.
    pub fn new(message: impl Into<String>) -> Usage {
        Usage { message: message.into(), command: String::new() }
    }

    pub(crate) fn of(mut self, spec: &Spec) -> Usage {
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

/// What a binary offers.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Whether settings that only mean something in the Commercial edition do.
    pub is_commercial: bool,
    /// The commands that it has beside those of every server.
    pub own: &'static [Spec],
}

impl Offer {
    /// Every command, in the order of the help.
    pub(crate) fn commands(self) -> impl Iterator<Item = &'static Spec> {
        COMMANDS.iter().chain(self.own)
    }

    /// The words that may follow these.
    fn words_after(self, words: &[&str]) -> Vec<&'static str> {
        let follows = |spec: &&Spec| spec.words.starts_with(words);
        let next = |spec: &Spec| spec.words.get(words.len()).copied();
        let mut known: Vec<_> = self.commands().filter(follows).filter_map(next).collect();
        known.dedup();
        known
    }
}

/// Reads the command line, without the program's own name in front.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    offer: Offer,
) -> Result<Command, Usage> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_word = |argument: &OsString| !argument.as_encoded_bytes().starts_with(b"-");
    match arguments.first().filter(|first| is_word(first)) {
        None => parse_wordless(&arguments, environment, offer),
        Some(first) if first == "help" => help_on(&arguments[1..], offer),
        Some(_) => {
            let (spec, rest) = match find_command(&arguments, offer)? {
                Found::Command(spec, rest) => (spec, rest),
                Found::Group(words) => return Ok(Command::Help(help::group(&words, offer))),
            };
            reading::command(spec, rest, environment, offer).map_err(|usage| usage.of(spec))
        }
    }
}

fn parse_wordless(
    arguments: &[OsString],
    environment: &Environment,
    offer: Offer,
) -> Result<Command, Usage> {
    let serve = COMMANDS.iter().find(|spec| spec.id == Id::Serve);
    let serve = serve.expect("serve is in the table");
    let split = arguments::split(serve, arguments).map_err(|usage| usage.of(serve))?;
    if split.is_help {
        return Ok(Command::Help(help::overview(offer)));
    }
    if split.is_version {
        return Ok(Command::Version);
    }
    if let Some(operand) = split.operands.first().and_then(|operand| operand.to_str())
        && offer.words_after(&[]).contains(&operand)
    {
        let message = format!("\"{operand}\" must come first, before the options");
        return Err(Usage::new(message));
    }
    reading::command(serve, arguments, environment, offer).map_err(|usage| usage.of(serve))
}

enum Found<'a> {
    Command(&'static Spec, &'a [OsString]),
    Group(Vec<&'static str>),
}

fn find_command(arguments: &[OsString], offer: Offer) -> Result<Found<'_>, Usage> {
    let mut words = Vec::new();
    loop {
        let known = offer.words_after(&words);
        let group = words.join(" ");
        match arguments.get(words.len()).and_then(|argument| argument.to_str()) {
            Some("--help" | "-h") => return Ok(Found::Group(words)),
            None | Some("") if !words.is_empty() => {
                return Err(Usage::new(format!("{group}: needs one of {}", known.join(", "))));
            }
            word => {
                let word = word.unwrap_or_default();
                let Some(next) = known.iter().find(|next| **next == word) else {
                    let asked = format!("{group} {word}");
                    let top = words.is_empty().then_some("help");
                    let suggestion = did_you_mean(word, "", known.into_iter().chain(top));
                    let asked = asked.trim_start();
                    return Err(Usage::new(format!("unknown command \"{asked}\"{suggestion}")));
                };
                words.push(next);
            }
        }
        if let Some(spec) = offer.commands().find(|spec| spec.words == words) {
            return Ok(Found::Command(spec, &arguments[words.len()..]));
        }
    }
}

fn help_on(words: &[OsString], offer: Offer) -> Result<Command, Usage> {
    let mut words: Vec<OsString> = words.to_vec();
    if words.is_empty() {
        return Ok(Command::Help(help::overview(offer)));
    }
    words.push("--help".into());
    match find_command(&words, offer)? {
        Found::Group(words) => Ok(Command::Help(help::group(&words, offer))),
        Found::Command(spec, _) => Ok(Command::Help(help::of_command(spec, offer.is_commercial))),
    }
}
