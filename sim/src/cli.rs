//! What the simulator can be asked for, and how it ends.

use std::ffi::OsString;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use clavitor_sim::panics;
use clavitor_sim::verdict::Class;

mod arguments;
mod canaries;
mod commands;
mod help;
mod minimise;
mod nearest;
mod replay;
mod report;
mod run;
mod scenarios;
mod swarm;
mod timeline;

use arguments::Arguments;

/// How a command ends; every way has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Fine,
    Usage,
    Crash,
    Safety,
    Liveness,
    Nondeterminism,
    File,
    Uncaught,
}

impl Exit {
    /// Every exit code, and what it says.
    pub(crate) const ALL: &'static [(Exit, u8, &'static str)] = &[
        (Exit::Fine, 0, "every promise held, and what was asked for is done"),
        (Exit::Usage, 2, "the command line asks for what there is not"),
        (Exit::Crash, 3, "a machine, or the simulator, panicked"),
        (Exit::Safety, 4, "something happened that must never happen"),
        (Exit::Liveness, 5, "something that must happen in bounded time did not"),
        (Exit::Nondeterminism, 6, "the same run, or recording, went otherwise when run again"),
        (Exit::File, 7, "a file is damaged, foreign or of another version, or cannot be written"),
        (Exit::Uncaught, 8, "no run caught a planted bug"),
    ];

    fn code(self) -> u8 {
        Self::ALL.iter().find(|row| row.0 == self).map_or(1, |row| row.1)
    }
}

impl From<Option<Class>> for Exit {
    fn from(class: Option<Class>) -> Self {
        match class {
            None => Exit::Fine,
            Some(Class::Crash) => Exit::Crash,
            Some(Class::Safety) => Exit::Safety,
            Some(Class::Liveness) => Exit::Liveness,
            Some(Class::Nondeterminism) => Exit::Nondeterminism,
        }
    }
}

/// Why a command does not do what it was asked for.
#[derive(Debug)]
pub(crate) struct Stop {
    exit: Exit,
    why: String,
}

impl Stop {
    pub(crate) fn usage(why: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, why: why.into() }
    }

    pub(crate) fn file(path: &Path, why: impl fmt::Display) -> Self {
        Self { exit: Exit::File, why: format!("{}: {why}", path.display()) }
    }

    pub(crate) fn with(exit: Exit, why: impl Into<String>) -> Self {
        Self { exit, why: why.into() }
    }
}

/// Does what a command line asks for.
pub(crate) fn main(words: Vec<OsString>) -> ExitCode {
    panics::remember_places();
    let ended = std::panic::catch_unwind(|| dispatch(&words));
    let exit = match ended {
        Ok(Ok(exit)) => exit,
        Ok(Err(stop)) => {
            // Whoever reads no further has been told enough.
            if !stop.why.is_empty() {
                let hint = if stop.exit == Exit::Usage { "; see clavitor-sim --help" } else { "" };
                let _ = writeln!(std::io::stderr(), "clavitor-sim: {}{hint}", stop.why);
            }
            stop.exit
        }
        Err(_) => Exit::Crash,
    };
    ExitCode::from(exit.code())
}

fn dispatch(words: &[OsString]) -> Result<Exit, Stop> {
    let Some((first, rest)) = words.split_first() else {
        return Err(Stop::usage("which command?"));
    };
    let command = match first.to_str() {
        Some("--help" | "-h" | "help") => {
            say(&help::all())?;
            return Ok(Exit::Fine);
        }
        Some("--version" | "-V") => {
            say(&format!("clavitor-sim {}\n", clavitor_sim::runfile::VERSION))?;
            return Ok(Exit::Fine);
        }
        word => word.unwrap_or_default(),
    };
    let Some(command) = commands::named(command) else {
        let known = commands::ALL.iter().map(|command| command.name);
        let first = first.to_string_lossy();
        let hint = nearest::did_you_mean(&first, known);
        return Err(Stop::usage(format!("unknown command \"{first}\"{hint}")));
    };
    let arguments = Arguments::split(command, rest)?;
    if arguments.has("help") {
        say(&help::of(command))?;
        return Ok(Exit::Fine);
    }
    (command.act)(arguments)
}

/// Prints to standard output.
pub(crate) fn say(text: &str) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Stop::with(Exit::File, "")),
        Err(error) => Err(Stop::file(Path::new("standard output"), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_has_a_code_of_its_own() {
        let of = |class| Exit::from(class).code();
        assert_eq!(of(None), 0);
        assert_eq!(Exit::Usage.code(), 2);
        assert_eq!(of(Some(Class::Crash)), 3);
        assert_eq!(of(Some(Class::Safety)), 4);
        assert_eq!(of(Some(Class::Liveness)), 5);
        assert_eq!(of(Some(Class::Nondeterminism)), 6);
        assert_eq!((Exit::File.code(), Exit::Uncaught.code()), (7, 8));
    }
}
