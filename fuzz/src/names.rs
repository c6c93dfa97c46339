//! Names and ids: what is accepted is written again as it was read.

use std::fmt::Display;
use std::str::FromStr;

use clavitor_core::codec;
use clavitor_core::credential::TokenId;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::PopId;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{loser_id, parse_loser_id};

/// Reads the bytes as every kind of name there is.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = parsed::<PopId>(text);
    let _ = parsed::<Hlc>(text);
    if let Ok(id) = text.parse::<TokenId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase(), "hex in either case");
    }
    let vault = VaultName::try_from(text.to_owned());
    if let Ok(vault) = &vault {
        assert_eq!(vault.as_str(), text);
        assert!(text.len() <= 64 && text.is_ascii());
        assert!(!text.contains(['/', '%', '.']), "a vault name needs no escape in a path");
        assert_eq!(codec::decode(&codec::encode(vault)).as_ref(), Ok(vault));
        assert!(EntryName::try_from(text.to_owned()).is_ok(), "entry names are the wider rule");
    }
    if let Ok(entry) = EntryName::try_from(text.to_owned()) {
        assert_eq!(entry.as_str(), text);
        assert!(!matches!(text, "" | "." | "..") && text.len() <= 256);
        assert!(!text.chars().any(char::is_control));
        assert_eq!(codec::decode(&codec::encode(&entry)).as_ref(), Ok(&entry));
    } else {
        // A stored text that is no name is no name either.
        assert!(codec::decode::<EntryName>(&codec::encode(&text.to_owned())).is_err());
    }
    if let Some((entry, lost)) = parse_loser_id(text) {
        let is_same = loser_id(&entry, lost).eq_ignore_ascii_case(text);
        assert!(is_same, "{text:?} is another item's id");
    }
}

/// Reads a text of which there is one per value.
fn parsed<T: FromStr + Display>(text: &str) -> Option<T> {
    let value = text.parse::<T>().ok()?;
    assert_eq!(value.to_string(), text);
    Some(value)
}
