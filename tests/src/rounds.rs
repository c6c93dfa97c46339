//! What the programs that run rounds by hand have in common.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Reads options that are whole numbers, in the order of `defaults`; of others prints `usage`.
pub fn options<const COUNT: usize>(
    usage: &str,
    defaults: [(&str, u64); COUNT],
) -> Result<[u64; COUNT], ExitCode> {
    let mut values = defaults.map(|(_, value)| value);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let at = defaults.iter().position(|(name, _)| *name == word);
        let value = words.next().and_then(|value| value.parse().ok());
        let (Some(at), Some(value)) = (at, value) else {
            eprintln!("{usage}");
            return Err(ExitCode::from(2));
        };
        values[at] = value;
    }
    Ok(values)
}

/// A seed that is another one each second.
pub fn new_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
