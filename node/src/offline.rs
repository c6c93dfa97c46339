//! Commands on a stopped data directory: import and check.

use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::path::Path;
use std::process::Command;

use crate::cli::Exit;
use crate::settings::DataSettings;
use crate::store::{self, OpenError, Opening, Verified};
use crate::{launch, log, program, wall};

/// Fills an empty data directory from an exported file.
pub fn import(file: &Path, data: &DataSettings) -> Exit {
    let input = match File::open(file) {
        Ok(input) => input,
        Err(error) => {
            log::line(&format!("error: {} cannot be read: {error}", file.display()));
            return Exit::Unreached;
        }
    };
    let opening = match opening(data) {
        Ok(opening) => opening,
        Err(error) => return launch::complain(&error.to_string()),
    };
    let is_watched = std::io::stderr().is_terminal();
    let mut progress = |records: u64| {
        if is_watched && records.is_multiple_of(10_000) {
            log::line(&format!("{records} records"));
        }
    };
    let mut input = BufReader::with_capacity(1 << 20, input);
    match store::import_from(&mut input, &opening, wall::unix_time, &mut progress) {
        Ok(imported) => {
            log::line(&format!(
                "imported {} records, {} of them entries, into {}",
                imported.records,
                imported.entries,
                data.data_dir.display()
            ));
            Exit::Done
        }
        Err(error) => launch::complain(&error.to_string()),
    }
}

/// Set in the process that looks at the pages; see [`check_in_child`].
const CHILD: &str = "VAULT_CHECK_CHILD";

/// Checks in a process of its own: a page whose links lead astray can kill who follows them, and
/// that must be a finding too, not a crash.
pub fn check_in_child(data: &DataSettings, restamp: bool) -> Exit {
    if std::env::var_os(CHILD).is_some() {
        return check(data, restamp);
    }
    let program = std::env::current_exe();
    let child = program.and_then(|program| {
        Command::new(program).args(std::env::args_os().skip(1)).env(CHILD, "1").status()
    });
    match child.map(|status| status.code()) {
        Ok(Some(0)) => Exit::Done,
        Ok(Some(2)) => Exit::Unreached,
        Ok(Some(_)) => Exit::Refused,
        Ok(None) => launch::complain(&format!(
            "damage: a page of the store leads nowhere, and reading it ends the process. {}",
            way_back()
        )),
        Err(error) => launch::complain(&format!("the check cannot be run: {error}")),
    }
}

/// What to do about damage.
fn way_back() -> String {
    let program = program::name();
    format!(
        "Keep a copy of the directory; then start with an empty one and `{program} import` the latest \
         export, or let the peers refill it"
    )
}

/// Verifies a stopped data directory, and repairs timestamps from the future if asked to.
pub fn check(data: &DataSettings, restamp: bool) -> Exit {
    let result = opening(data).and_then(|opening| {
        if restamp {
            let changed = store::restamp(&opening, wall::unix_time)?;
            log::line(&format!("{changed} timestamps from the future were set to now"));
        }
        store::verify(&opening, wall::unix_time)
    });
    match result {
        Ok(verified) => report(&verified),
        Err(error) => launch::complain(&error.to_string()),
    }
}

fn report(verified: &Verified) -> Exit {
    let (records, entries) = (verified.records, verified.entries);
    if verified.finding_count == 0 {
        log::line(&format!("{records} records read, {entries} of them entries: no damage found"));
        return Exit::Done;
    }
    verified.findings.iter().for_each(|finding| log::line(&format!("damage: {}", finding.what)));
    let findings = verified.finding_count;
    log::line(&format!("{findings} findings, {records} records can be read. {}", way_back()));
    Exit::Refused
}

fn opening(data: &DataSettings) -> Result<Opening<'_>, OpenError> {
    let pop = data.pop_id.as_deref().map(str::parse).transpose().map_err(OpenError::BadPop)?;
    Ok(Opening { dir: &data.data_dir, bytes_max: data.data_bytes_max, pop })
}
