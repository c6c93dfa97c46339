//! Names that clients choose: vaults and entries.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadName {
    /// A vault name is 1 to 64 bytes of `a`–`z`, `0`–`9`, `-` and `_`.
    Vault,
    /// An entry name is 1 to 256 bytes of UTF-8 without control characters, and neither `.` nor
    /// `..`, which clients and proxies fold away.
    Entry,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadName::Vault => "a vault name is 1 to 64 characters of a-z, 0-9, - and _",
            BadName::Entry => {
                "an entry name is 1 to 256 bytes of UTF-8 without control characters, not . or .."
            }
        })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $bad:expr, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) { Ok(Self(text)) } else { Err($bad) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a vault: 1 to 64 bytes of `a`–`z`, `0`–`9`, `-` and `_`.
    VaultName,
    BadName::Vault,
    |text| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (1..=VAULT_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
    }
);

name!(
    /// The name of an entry: 1 to 256 bytes of UTF-8 without control characters.
    EntryName,
    BadName::Entry,
    |text| {
        (1..=ENTRY_NAME_BYTES_MAX).contains(&text.len())
            && !text.chars().any(char::is_control)
            && text != "."
            && text != ".."
    }
);

/// The longest vault name, in bytes.
pub const VAULT_NAME_BYTES_MAX: usize = 64;

/// The longest entry name, in bytes.
pub const ENTRY_NAME_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn vault_names_are_short_and_plain() {
        for good in ["a", "my-vault_1", &"x".repeat(64)] {
            assert!(VaultName::try_from(good.to_string()).is_ok(), "{good:?}");
        }
        for bad in ["", "A", "a/b", "a b", "..", &"x".repeat(65)] {
            assert_eq!(VaultName::try_from(bad.to_string()), Err(BadName::Vault), "{bad:?}");
        }
    }

    #[test]
    fn entry_names_are_any_text_without_controls() {
        for good in ["a", "Bank / Zürich", "...", " ", &"x".repeat(256)] {
            assert!(EntryName::try_from(good.to_string()).is_ok(), "{good:?}");
        }
        for bad in ["", ".", "..", "a\0b", "a\nb", "\u{85}", &"x".repeat(257)] {
            assert_eq!(EntryName::try_from(bad.to_string()), Err(BadName::Entry), "{bad:?}");
        }
    }
}
