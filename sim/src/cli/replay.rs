//! `clavitor-sim replay`, and the reading and writing of files of runs.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clavitor_sim::panics;
use clavitor_sim::recording;
use clavitor_sim::run::Plan;
use clavitor_sim::runfile::{self, RunFile};
use clavitor_sim::trace::Level;
use clavitor_sim::verdict::judge;

use super::arguments::Arguments;
use super::{Exit, Stop, report, run, say};

/// Larger than the largest recording that a server keeps.
const BYTES_MAX: u64 = 1 << 31;

pub(crate) fn replay(mut arguments: Arguments) -> Result<Exit, Stop> {
    let Some(path) = arguments.operand() else { return Err(Stop::usage("replay: needs a FILE")) };
    let path = PathBuf::from(path);
    let (trace, is_checked) = (arguments.trace()?, arguments.has("check"));
    let bytes = contents(&path, BYTES_MAX)?;
    if bytes.starts_with(runfile::MAGIC) {
        let file = decoded(&path, &bytes)?;
        let level = trace.unwrap_or(Level::Digest);
        let plan = Plan { level, ..file.plan() };
        let command = format!("clavitor-sim replay {}", path.display());
        say(&format!("{command}\norigin     {}\n{}\n", file.origin, plan.knobs))?;
        let (outcome, verdict) = judge(&plan, is_checked);
        report::trace(&outcome, trace)?;
        let then = file.broken.as_deref().unwrap_or("passed");
        if verdict.label() != then {
            say(&format!("then       {then}: this build does otherwise\n"))?;
        }
        return run::end(&outcome, &verdict, is_checked, &command);
    }
    if trace.is_some() || is_checked {
        return Err(Stop::usage("replay: --trace and --check are about runs, not recordings"));
    }
    replay_recording(&path, &bytes)
}

fn replay_recording(path: &Path, bytes: &[u8]) -> Result<Exit, Stop> {
    panics::be_quiet(true);
    let replayed = recording::replay(bytes);
    panics::be_quiet(false);
    let replayed = replayed.map_err(|error| Stop::file(path, error))?;
    say(&format!("{replayed}\n"))?;
    if replayed.difference.is_some() {
        let what = format!("{}: it went otherwise when it was run again", path.display());
        return Err(Stop::with(Exit::Nondeterminism, what));
    }
    Ok(Exit::Fine)
}

/// The run in a file.
pub(crate) fn read(operand: OsString) -> Result<(PathBuf, RunFile), Stop> {
    let path = PathBuf::from(operand);
    let bytes = contents(&path, runfile::BYTES_MAX)?;
    let file = decoded(&path, &bytes)?;
    Ok((path, file))
}

fn decoded(path: &Path, bytes: &[u8]) -> Result<RunFile, Stop> {
    RunFile::from_bytes(bytes).map_err(|error| Stop::file(path, error))
}

fn contents(path: &Path, most: u64) -> Result<Vec<u8>, Stop> {
    let wrong = |error: std::io::Error| Stop::file(path, error);
    let file = File::open(path).map_err(wrong)?;
    // A pipe or a device may never end.
    if !file.metadata().map_err(wrong)?.is_file() {
        return Err(Stop::file(path, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > most {
        return Err(Stop::file(path, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// Writes a run to a file.
pub(crate) fn write(path: &Path, file: &RunFile) -> Result<(), Stop> {
    put(path, &file.to_bytes())
}

/// Writes a file whole, or leaves what was there.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    let wrong = |error: std::io::Error| Stop::file(path, error);
    let Some(name) = path.file_name() else {
        return Err(Stop::file(path, "it does not name a file"));
    };
    // Not beside what can only be written in place.
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes).map_err(wrong);
    }
    let mut fresh = name.to_owned();
    fresh.push(".new");
    let fresh = path.with_file_name(fresh);
    let written = std::fs::write(&fresh, bytes).and_then(|()| std::fs::rename(&fresh, path));
    written.map_err(|error| {
        drop(std::fs::remove_file(&fresh));
        wrong(error)
    })
}
