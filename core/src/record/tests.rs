use alloc::string::ToString;
use alloc::vec;

use super::*;

fn hlc(ms: u64) -> Hlc {
    Hlc { ms, counter: 0, pop: "a".parse().unwrap() }
}

fn entry(deleted: bool) -> Item {
    Item::Entry {
        vault: VaultName::try_from("v".to_string()).unwrap(),
        entry: EntryName::try_from("né.1".to_string()).unwrap(),
        deleted,
    }
}

fn record(item: Item, blob: Vec<u8>) -> Record {
    Record { head: Head { hlc: hlc(5), context: Context::default(), item }, blob }
}

#[test]
fn a_record_survives_its_encoding() {
    let record = record(entry(false), vec![1, 2, 3]);
    let bytes = record.encode();
    assert_eq!(Record::decode(&bytes), Ok(record.clone()));
    assert_eq!(decode_head(&bytes), Ok((record.head, 3)));
}

#[test]
fn a_view_shows_what_the_entry_says_and_nothing_else_is_one() {
    let held = record(entry(false), vec![1, 2, 3]);
    let later = successor(Some(&held.head), &[], hlc(6), entry(false));
    for (deleted, blob) in [(false, vec![1, 2, 3]), (true, vec![])] {
        let bytes = Record { blob, ..record(entry(deleted), vec![]) }.encode();
        let view = view_entry(&bytes).unwrap();
        assert_eq!((view.hlc, view.deleted), (hlc(5), deleted));
        assert_eq!(view.blob, Record::decode(&bytes).unwrap().blob);
    }
    let bytes = Record { head: later, blob: vec![7] }.encode();
    assert_eq!(view_entry(&bytes).map(|view| view.blob), Ok([7].as_slice()));
    let Item::Entry { vault, entry, deleted } = entry(false) else { return };
    let loser = record(Item::Loser { vault, entry, deleted }, vec![1]).encode();
    assert!(view_entry(&loser).is_err());
    assert!((0..bytes.len() - 1).all(|len| view_entry(&bytes[..len]).is_err()));
}

#[test]
fn records_that_break_a_rule_are_refused() {
    let tombstone_with_blob = record(entry(true), vec![1]);
    let too_large = record(entry(false), vec![0; BLOB_BYTES_MAX + 1]);
    let mut from_the_far_future = record(entry(false), vec![]);
    from_the_far_future.head.hlc.ms = Hlc::MS_MAX + 1;
    for bad in [tombstone_with_blob, too_large, from_the_far_future] {
        assert_eq!(Record::decode(&bad.encode()), Err(RecordError::Invalid));
    }
    assert!(Record::decode(&[]).is_err());
    assert!(Record::decode(&u32::MAX.to_le_bytes()).is_err());
}

#[test]
fn a_full_context_fits_the_head() {
    let mut context = Context::default();
    for at in 0..POPS_MAX {
        let pop = alloc::format!("{at:031}").parse().unwrap();
        let lost: Vec<Hlc> = (0..64).map(|ms| Hlc { ms, counter: 0, pop }).collect();
        context = context.superseding(Hlc { ms: 100, counter: 0, pop }, &lost);
    }
    let item = Item::Entry {
        vault: VaultName::try_from("v".repeat(64)).unwrap(),
        entry: EntryName::try_from("e".repeat(256)).unwrap(),
        deleted: false,
    };
    let head = Head { hlc: hlc(200), context, item };
    let bytes = Record { head, blob: vec![0; BLOB_BYTES_MAX] }.encode();
    assert!(Record::decode(&bytes).is_ok());
}

#[test]
fn a_successor_covers_what_it_replaces_but_not_the_losers() {
    let lost = Hlc { pop: "b".parse().unwrap(), ..hlc(1) };
    let first = successor(None, &[], hlc(3), entry(false));
    let second = successor(Some(&first), &[lost], hlc(4), entry(true));
    assert!(second.context.covers(hlc(3)));
    assert!(!second.context.covers(lost));
}

#[test]
fn loser_ids_are_read_back_and_garbage_is_not() {
    let name = EntryName::try_from("né.1".to_string()).unwrap();
    assert_eq!(parse_loser_id(&loser_id(&name, hlc(5))), Some((name, hlc(5))));
    for bad in ["", "5-0-a", "5-0-a.", "5-0-a.c", "5-0-a.zz", "5-0-a.00", "x.61"] {
        assert_eq!(parse_loser_id(bad), None, "{bad}");
    }
}

#[test]
fn the_content_digest_ignores_the_context() {
    let plain = record(entry(false), vec![1]);
    let mut other = plain.clone();
    other.head.context = Context::default().superseding(hlc(1), &[]);
    assert_eq!(plain.content_digest(), other.content_digest());
    other.blob.push(1);
    assert_ne!(plain.content_digest(), other.content_digest());
}
