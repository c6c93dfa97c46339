//! Lines on stderr. There is no log of what clients store or ask for.

use std::io::Write;
use std::sync::Arc;

use clavitor_core::alert::Alert;

/// Where the lines of alerts go.
pub type AlertLog = Arc<dyn Fn(&Alert) + Send + Sync>;

/// Writes one line. A closed stderr is no reason to fail.
pub fn line(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

/// Writes an alert's line.
pub fn alert(alert: &Alert) {
    line(&alert.to_string());
}
