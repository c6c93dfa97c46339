//! The head of a request: its path and its query, and the names in them.

use clavitor_core::name::{EntryName, VaultName};
use clavitor_node::http::{Path, Query};
use http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The parameters of the entry list, the route that takes the most.
const KNOWN: [&str; 4] = ["prefix", "after", "limit", "ack"];

const SEGMENTS_MAX: usize = 8;

/// Reads the bytes as the target of a request: what is decoded is what was encoded, whoever writes
/// a name into a path finds it there again, and a query says nothing twice.
pub fn request_target(bytes: &[u8]) {
    if let Ok(uri) = Uri::try_from(bytes) {
        check_path(uri.path());
        check_query(uri.query().unwrap_or_default());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    check_query(text);
    check_path(text);
    check_path(&format!("/{text}"));
    let (vault, entry) = text.split_once('/').unwrap_or(("team", text));
    let vault = VaultName::try_from(vault.to_owned());
    let entry = EntryName::try_from(entry.to_owned());
    if let (Ok(vault), Ok(entry)) = (vault, entry) {
        check_names(&vault, &entry);
    }
}

fn check_path(whole: &str) {
    let found = Path::of(whole);
    assert_eq!(found.is_some(), whole.starts_with('/'), "a path begins with a slash");
    let Some(path) = found else { return };
    let segments = path.segments(whole);
    let raw: Vec<&str> = whole.split('/').skip(1).collect();
    assert_eq!(segments.len(), raw.len().min(SEGMENTS_MAX));
    for (segment, raw) in segments.iter().zip(raw) {
        assert_eq!(segment.map(str::to_owned), plain(raw), "{raw:?}");
        let Some(name) = *segment else { continue };
        let again = format!("/{}", encoded(name));
        let path = Path::of(&again).expect("a path");
        assert_eq!(*path.segments(&again), [Some(name)], "another name once it is encoded");
    }
}

/// What a segment means, byte for byte: two hexadecimal digits behind every `%`, and UTF-8.
fn plain(segment: &str) -> Option<String> {
    let mut rest = segment.as_bytes();
    let mut bytes = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let digits =
                behind.first_chunk::<2>().filter(|two| two.iter().all(u8::is_ascii_hexdigit));
            let digits = std::str::from_utf8(digits?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = behind.get(2..)?;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

fn check_query(query: &str) {
    let Ok(read) = Query::parse(query, &KNOWN) else { return };
    assert_eq!(read.value("unknown"), None);
    let pairs = KNOWN.iter().filter_map(|name| read.value(name).map(|value| (name, value)));
    let again: Vec<String> =
        pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let again = Query::parse(&again.join("&"), &KNOWN).expect("a query of its own");
    for name in KNOWN {
        assert_eq!(read.value(name), again.value(name), "{name}");
        let twice = format!("{name}=&{query}");
        let is_given = read.value(name).is_some();
        assert_eq!(Query::parse(&twice, &KNOWN).is_err(), is_given, "nothing is said twice");
    }
    if let Ok(limit) = read.number("limit", 100, 1_000) {
        assert!((1..=1_000).contains(&limit));
        let is_default = read.value("limit").is_none();
        assert!(!is_default || limit == 100);
    }
    let spaces = read.value("prefix").is_some_and(|prefix| prefix.contains(' '));
    let has_encoded = query.contains(['+', ' ']) || query.contains("%20");
    assert!(!spaces || has_encoded, "a blank comes from somewhere");
}

/// A client that writes an entry's path finds the same entry, however much of it he escapes.
fn check_names(vault: &VaultName, entry: &EntryName) {
    let path = format!("/v1/vaults/{}/entries/{}", vault, encoded(entry.as_str()));
    let uri = Uri::try_from(path.as_bytes()).expect("an escaped path is a path");
    assert_eq!(uri.path(), path);
    let decoded = Path::of(&path).expect("a path");
    let expected = ["v1", "vaults", vault.as_str(), "entries", entry.as_str()].map(Some);
    assert_eq!(*decoded.segments(&path), expected);
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
