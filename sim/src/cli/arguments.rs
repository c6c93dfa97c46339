//! Splits a command line into operands and options, as a command allows, and reads numbers and names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clavitor_sim::canary::Canary;
use clavitor_sim::scenarios::{self, Scenario};
use clavitor_sim::swarm::Kind;
use clavitor_sim::trace::Level;
use lexopt::Arg;

use super::Stop;
use super::commands::{self, Command, Opt};
use super::nearest::did_you_mean;

/// What a command line said, apart from the command itself.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    operands: Vec<OsString>,
    options: BTreeMap<&'static str, OsString>,
}

static HELP: Opt = Opt { name: "help", placeholder: "", about: "" };

impl Arguments {
    /// Reads what follows the command's word.
    pub(crate) fn split(command: &'static Command, words: &[OsString]) -> Result<Self, Stop> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut arguments = Self::default();
        while let Some(argument) = parser.next().map_err(|error| Stop::usage(error.to_string()))? {
            match argument {
                Arg::Short('h') => drop(arguments.options.insert(HELP.name, OsString::new())),
                Arg::Short(letter) => {
                    return Err(Stop::usage(format!("unknown option \"-{letter}\"")));
                }
                Arg::Value(word) if arguments.operands.len() < command.operands_max => {
                    arguments.operands.push(word);
                }
                Arg::Value(word) => {
                    let word = word.to_string_lossy();
                    return Err(Stop::usage(format!("{}: what is \"{word}\"?", command.name)));
                }
                Arg::Long(name) => {
                    let name = name.to_owned();
                    arguments.on_long(command, &name, &mut parser)?;
                }
            }
        }
        Ok(arguments)
    }

    fn on_long(
        &mut self,
        command: &Command,
        name: &str,
        parser: &mut lexopt::Parser,
    ) -> Result<(), Stop> {
        let mut known = command.options.iter().copied().chain([&HELP]);
        let Some(option) = known.find(|option| option.name == name) else {
            let names = command.options.iter().map(|option| option.name);
            let hint = did_you_mean(name, names.chain([HELP.name]));
            let what = format!("{}: unknown option \"--{name}\"{hint}", command.name);
            return Err(Stop::usage(what));
        };
        let value = if option.placeholder.is_empty() {
            if parser.optional_value().is_some() {
                return Err(Stop::usage(format!("--{name}: takes no value")));
            }
            OsString::new()
        } else {
            parser.value().map_err(|_| Stop::usage(format!("--{name}: needs a value")))?
        };
        match self.options.insert(option.name, value) {
            None => Ok(()),
            Some(_) => Err(Stop::usage(format!("--{name}: given twice"))),
        }
    }

    /// Whether this option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    /// The operand, if there is one.
    pub(crate) fn operand(&mut self) -> Option<OsString> {
        self.operands.pop()
    }

    fn text(&self, option: &Opt) -> Result<Option<&str>, Stop> {
        let Some(value) = self.options.get(option.name) else { return Ok(None) };
        let what = || Stop::usage(format!("--{}: is not UTF-8 text", option.name));
        value.to_str().ok_or_else(what).map(Some)
    }

    fn number(&self, option: &Opt) -> Result<Option<u64>, Stop> {
        let Some(text) = self.text(option)? else { return Ok(None) };
        let parsed = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok());
        let what = || {
            let (name, most) = (option.name, u64::MAX);
            Stop::usage(format!("--{name}: \"{text}\" is not a whole number of 0 to {most}"))
        };
        parsed.flatten().ok_or_else(what).map(Some)
    }

    /// The seed, if one was given.
    pub(crate) fn seed(&self) -> Result<Option<u64>, Stop> {
        self.number(&commands::SEED)
    }

    /// How many runs, if that was given: one or more.
    pub(crate) fn runs(&self) -> Result<Option<u64>, Stop> {
        match self.number(&commands::RUNS)? {
            Some(0) => Err(Stop::usage("--runs: no run shows nothing; ask for 1 or more")),
            runs => Ok(runs),
        }
    }

    /// How many threads.
    pub(crate) fn jobs(&self) -> Result<usize, Stop> {
        const MOST: usize = 1_024;
        let Some(jobs) = self.number(&commands::JOBS)? else {
            return Ok(std::thread::available_parallelism().map_or(1, usize::from).min(MOST));
        };
        let jobs = usize::try_from(jobs).ok().filter(|jobs| (1..=MOST).contains(jobs));
        jobs.ok_or_else(|| Stop::usage(format!("--jobs: ask for 1 to {MOST}")))
    }

    /// How much of a run is to be printed.
    pub(crate) fn trace(&self) -> Result<Option<Level>, Stop> {
        match self.text(&commands::TRACE)? {
            None => Ok(None),
            Some("short") => Ok(Some(Level::Short)),
            Some("full") => Ok(Some(Level::Full)),
            Some(text) => {
                Err(Stop::usage(format!("--trace: \"{text}\" is neither short nor full")))
            }
        }
    }

    /// What kind of runs.
    pub(crate) fn kind(&self) -> Result<Kind, Stop> {
        let kinds = [
            (&commands::LITE, Kind::Lite),
            (&commands::LED, Kind::Led),
            (&commands::FAILOVER, Kind::Failover),
        ];
        let mut asked = kinds.iter().filter(|(option, _)| self.has(option.name));
        match (asked.next(), asked.next()) {
            (None, _) => Ok(Kind::Full),
            (Some((_, kind)), None) => Ok(*kind),
            (Some((one, _)), Some((other, _))) => {
                Err(Stop::usage(format!("--{} or --{}, not both", one.name, other.name)))
            }
        }
    }

    /// The planted bug, if one was asked for.
    pub(crate) fn canary(&self) -> Result<Option<Canary>, Stop> {
        self.text(&commands::CANARY)?.map(canary).transpose()
    }

    /// The scenario, if one was asked for.
    pub(crate) fn scenario(&self) -> Result<Option<&'static Scenario>, Stop> {
        let Some(name) = self.text(&commands::SCENARIO)? else { return Ok(None) };
        let unknown = || {
            let hint = did_you_mean(name, scenarios::ALL.iter().map(|scenario| scenario.name));
            Stop::usage(format!("there is no scenario \"{name}\"{hint}"))
        };
        Scenario::named(name).ok_or_else(unknown).map(Some)
    }

    /// Where to write, if that was given.
    pub(crate) fn output(&self) -> Result<Option<PathBuf>, Stop> {
        let Some(path) = self.options.get(commands::OUTPUT.name) else { return Ok(None) };
        if path.is_empty() {
            return Err(Stop::usage("--output: is empty"));
        }
        Ok(Some(PathBuf::from(path)))
    }
}

/// The planted bug of that name.
pub(crate) fn canary(name: &str) -> Result<Canary, Stop> {
    let unknown = |()| {
        let hint = did_you_mean(name, Canary::ALL.iter().map(|canary| canary.as_str()));
        Stop::usage(format!("there is no canary \"{name}\"{hint}"))
    };
    name.parse().map_err(unknown)
}
