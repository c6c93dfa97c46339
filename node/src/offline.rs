//! Commands on a stopped data directory: import and check.

use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::path::Path;

use crate::cli::Exit;
use crate::settings::DataSettings;
use crate::store::{self, OpenError, Opening, Verified};
use crate::{launch, log, wall};

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
    log::line(&format!(
        "{} findings, {records} records can be read. Keep a copy of the directory; then start with \
         an empty one and `clavitor import` the latest export, or let the peers refill it",
        verified.finding_count
    ));
    Exit::Refused
}

fn opening(data: &DataSettings) -> Result<Opening<'_>, OpenError> {
    let pop = data.pop_id.as_deref().map(str::parse).transpose().map_err(OpenError::BadPop)?;
    Ok(Opening { dir: &data.data_dir, bytes_max: data.data_bytes_max, pop })
}
