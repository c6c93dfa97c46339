//! Operator alerts: conditions a person must look at, as values.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! alert_types {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What an alert is about. The operator's guide lists each with what to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum AlertType {
            $($(#[$doc])* $name,)*
        }

        impl AlertType {
            /// Every type there is.
            pub const ALL: &[AlertType] = &[$(AlertType::$name,)*];

            /// The type's name in logs, in the API and at HQ.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(AlertType::$name => $text,)*
                }
            }
        }
    };
}

// Stored by their places: a new one goes to the end.
alert_types! {
    /// A peer or the control plane refuses this server's credentials, cluster or version.
    AuthError = "auth_error",
    /// This server could not check a credential.
    AuthSystemError = "auth_system_error",
    /// A peer's wall clock differs from this server's by more than a minute.
    ClockSkew = "clock_skew",
    /// Two data directories are alive under one POP id.
    DuplicatePopId = "duplicate_pop_id",
    /// Two different versions carry the same timestamp; the larger digest won everywhere.
    EqualTimestamps = "equal_timestamps",
    /// The flight recorder cannot write and is off until the next start.
    FlightRecorderFailed = "flight_recorder_failed",
    /// The conflict journal reached its bound and gave up its oldest items.
    JournalTrimmed = "journal_trimmed",
    /// A peer cannot take a record; it is kept and tried again.
    RecordRefused = "record_refused",
    /// A peer stayed unreachable through the last retry.
    ReplicationExhausted = "replication_exhausted",
    /// This server's data directory is older than what its peers have received from it.
    RolledBack = "rolled_back",
    /// Storage failed in a way that must not be retried; the process ends.
    StorageFailed = "storage_failed",
    /// The quota or the disk is full; writes are refused.
    StorageFull = "storage_full",
    /// Alerts for HQ were given up; the local log has them.
    AlertsLost = "alerts_lost",
    /// A primary could not renew its lease, and takes no writes.
    LeaseLost = "lease_lost",
}

impl fmt::Display for AlertType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One alert. Holds no secret, no blob, and no entry or vault name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about.
    pub alert_type: AlertType,
    /// One sentence for a person.
    pub message: String,
    /// What a script may want.
    pub details: BTreeMap<String, String>,
}

impl Alert {
    /// An alert without details.
    pub fn new(alert_type: AlertType, message: &str) -> Self {
        Self { alert_type, message: message.to_string(), details: BTreeMap::new() }
    }

    /// The alert with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.details.insert(name.to_string(), value.to_string());
        self
    }
}

impl fmt::Display for Alert {
    /// The line for the local log. Control characters never reach the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OPERATOR ALERT [{}]: ", self.alert_type)?;
        write_plain(f, &self.message)?;
        self.details.iter().try_for_each(|(name, value)| {
            write!(f, " {name}=")?;
            write_plain(f, value)
        })
    }
}

fn write_plain(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|char| {
        if char.is_control() { write!(f, "{}", char.escape_unicode()) } else { write!(f, "{char}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_line_names_type_message_and_details() {
        let alert = Alert::new(AlertType::ClockSkew, "clock is off").with("offset_ms", 61_000);
        assert_eq!(alert.to_string(), "OPERATOR ALERT [clock_skew]: clock is off offset_ms=61000");
    }

    #[test]
    fn control_characters_are_escaped() {
        let alert = Alert::new(AlertType::AuthError, "a\nb").with("peer", "\u{1b}[2J");
        assert!(!alert.to_string().chars().any(char::is_control));
    }
}
