//! Keys in byte order: a kind byte, then names in byte order, then numbers big-endian.
//!
//! Names hold no control characters, so a zero byte ends them without ambiguity, and a vault's
//! entries are neighbours in the order of their names.

use alloc::string::String;
use alloc::vec::Vec;

use crate::credential::TokenId;
use crate::hlc::Hlc;
use crate::name::{EntryName, VaultName};
use crate::record::Key;

pub(super) const ENTRY: u8 = b'e';
pub(super) const LOSER: u8 = b'j';
pub(super) const TOKEN: u8 = b't';

/// The bytes a key is stored under; at most 367.
pub fn encode_key(key: &Key) -> Vec<u8> {
    match key {
        Key::Entry(vault, entry) => entry_key(vault, entry),
        Key::Token(id) => [&[TOKEN], id.0.as_slice()].concat(),
        Key::Loser(vault, entry, hlc) => {
            let mut out = loser_prefix(vault, entry);
            out.extend_from_slice(&encode_hlc(*hlc));
            out
        }
    }
}

/// Reads back what [`encode_key`] made.
pub fn decode_key(bytes: &[u8]) -> Option<Key> {
    let (kind, rest) = bytes.split_first()?;
    if *kind == TOKEN {
        return Some(Key::Token(TokenId(rest.try_into().ok()?)));
    }
    let (vault, rest) = split_at_zero(rest)?;
    let vault = VaultName::try_from(String::from_utf8(vault.to_vec()).ok()?).ok()?;
    let name = |bytes: &[u8]| EntryName::try_from(String::from_utf8(bytes.to_vec()).ok()?).ok();
    match *kind {
        ENTRY => Some(Key::Entry(vault, name(rest)?)),
        LOSER => {
            let (entry, hlc) = split_at_zero(rest)?;
            Some(Key::Loser(vault, name(entry)?, decode_hlc(hlc)?))
        }
        _ => None,
    }
}

/// The bytes an entry is stored under.
pub(super) fn entry_key(vault: &VaultName, entry: &EntryName) -> Vec<u8> {
    let mut out = vault_prefix(ENTRY, vault);
    out.extend_from_slice(entry.as_str().as_bytes());
    out
}

/// What the keys of a vault's records of one kind begin with.
pub(super) fn vault_prefix(kind: u8, vault: &VaultName) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.push(kind);
    out.extend_from_slice(vault.as_str().as_bytes());
    out.push(0);
    out
}

/// What the keys of an entry's journal items begin with.
pub(super) fn loser_prefix(vault: &VaultName, entry: &EntryName) -> Vec<u8> {
    let mut out = vault_prefix(LOSER, vault);
    out.extend_from_slice(entry.as_str().as_bytes());
    out.push(0);
    out
}

fn encode_hlc(hlc: Hlc) -> Vec<u8> {
    let mut out = hlc.ms.to_be_bytes().to_vec();
    out.extend_from_slice(&hlc.counter.to_be_bytes());
    out.extend_from_slice(hlc.pop.as_str().as_bytes());
    out
}

fn decode_hlc(bytes: &[u8]) -> Option<Hlc> {
    let (ms, rest) = bytes.split_first_chunk()?;
    let (counter, pop) = rest.split_first_chunk()?;
    let pop = core::str::from_utf8(pop).ok()?.parse().ok()?;
    Some(Hlc { ms: u64::from_be_bytes(*ms), counter: u32::from_be_bytes(*counter), pop })
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn vault(name: &str) -> VaultName {
        VaultName::try_from(name.to_string()).unwrap()
    }

    fn entry(name: &str) -> EntryName {
        EntryName::try_from(name.to_string()).unwrap()
    }

    #[test]
    fn keys_are_read_back() {
        let hlc = Hlc { ms: 0x0100, counter: 0, pop: "a".parse().unwrap() };
        for key in [
            Key::Entry(vault("v"), entry("né")),
            Key::Token(TokenId([0; 12])),
            Key::Loser(vault("v"), entry("e"), hlc),
        ] {
            assert_eq!(decode_key(&encode_key(&key)), Some(key));
        }
        assert_eq!(decode_key(&[]), None);
        assert_eq!(decode_key(b"x"), None);
    }

    #[test]
    fn the_longest_key_fits_lmdb() {
        let hlc = Hlc { ms: 0, counter: 0, pop: "p".repeat(31).parse().unwrap() };
        let key = Key::Loser(vault(&"v".repeat(64)), entry(&"e".repeat(256)), hlc);
        assert_eq!(encode_key(&key).len(), 366);
    }

    #[test]
    fn entries_sort_by_name_and_losers_by_time() {
        let key = |name: &str| encode_key(&Key::Entry(vault("v"), entry(name)));
        assert!(key("a") < key("aa") && key("aa") < key("b"));
        let pop = "a".parse().unwrap();
        let loser =
            |ms| encode_key(&Key::Loser(vault("v"), entry("e"), Hlc { ms, counter: 0, pop }));
        assert!(loser(255) < loser(256));
    }
}
