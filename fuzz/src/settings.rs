//! Configuration files.

use std::path::Path;

use clavitor_node::settings::{Key, Origin, Source, judge_text};

/// Reads the bytes as the configuration file of a server of either edition: whatever is wrong is
/// said with the line and column of the place.
pub fn settings_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for is_commercial in [false, true] {
        let mut places = Vec::new();
        match judge_text(Path::new("c.toml"), text, is_commercial) {
            Ok(loaded) => {
                places.extend(loaded.warnings.clone());
                assert!(loaded.settings.data_bytes_max.is_multiple_of(64 * 1024));
                let is_asked = loaded.origins.iter().any(asks_for_replication);
                let is_replicating = loaded.settings.replication.is_some();
                assert_eq!(is_replicating, is_commercial && is_asked, "it is all or nothing");
                assert!(!loaded.report().is_empty());
            }
            Err(error) => {
                assert!(!error.problems.is_empty(), "an error says what is wrong");
                places.extend(error.problems);
            }
        }
        places.iter().for_each(|problem| check_place(text, problem));
    }
}

/// Whether a setting that only a cluster has stands in the file.
fn asks_for_replication(origin: &Origin) -> bool {
    use Key::{ReplicationBackup, ReplicationPrimary, ReplicationToken};
    let is_about_it =
        matches!(origin.setting.key, ReplicationPrimary | ReplicationBackup | ReplicationToken);
    is_about_it && origin.source != Source::Default
}

/// A complaint begins with a place that is in the text, or is about what is not in it.
fn check_place(text: &str, problem: &str) {
    if problem.starts_with("--advertise-url (not given") {
        return;
    }
    let place = problem.strip_prefix("c.toml:").unwrap_or_else(|| panic!("no place: {problem}"));
    let mut parts = place.splitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok());
    let (Some(line), Some(column)) = (number(), number()) else {
        panic!("no line and column: {problem}")
    };
    let lines: Vec<&str> = text.split('\n').collect();
    let there = line.checked_sub(1).and_then(|at| lines.get(at));
    let there = there.unwrap_or_else(|| panic!("no such line: {problem}"));
    assert!((1..=there.chars().count() + 1).contains(&column), "no such column: {problem}");
}
