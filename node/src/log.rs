//! Lines on stderr. There is no log of what clients store or ask for.

use std::io::Write;

/// Writes one line. A closed stderr is no reason to fail.
pub fn line(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}
