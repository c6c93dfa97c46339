use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::name::EntryName;
use clavitor_core::record::{Context, Head, Item, Key, Record};

use super::*;

mod model;
mod order;
mod properties;
pub(crate) mod site;
mod tokens;
pub(crate) mod truth;

use site::Site;

pub(crate) fn hlc(ms: u64, pop: &str) -> Hlc {
    Hlc { ms, counter: 0, pop: pop.parse().unwrap() }
}

pub(crate) fn entry(name: &str, deleted: bool) -> Item {
    Item::Entry {
        vault: "v".to_string().try_into().unwrap(),
        entry: EntryName::try_from(name.to_string()).unwrap(),
        deleted,
    }
}

/// The version of entry `k` with this timestamp, which replaced exactly `seen`.
fn version(hlc: Hlc, seen: &[Hlc], blob: &[u8]) -> Record {
    let context =
        seen.iter().fold(Context::default(), |context, seen| context.superseding(*seen, &[]));
    let item = entry("k", false);
    Record { head: Head { hlc, context, item }, blob: blob.to_vec() }
}

/// The journalled versions of entry `k`.
fn journal(site: &Site) -> Vec<Hlc> {
    site.lost(&entry("k", false))
}

fn held(site: &Site) -> &Record {
    site.records.get(&version(hlc(0, "a"), &[], &[]).head.key()).unwrap()
}

fn apply(site: &mut Site, records: &[&Record]) {
    for record in records {
        site.apply(record);
    }
}

#[test]
fn the_later_of_two_concurrent_versions_wins_and_the_other_is_journalled() {
    let (early, late) = (version(hlc(1, "a"), &[], b"a"), version(hlc(2, "b"), &[], b"b"));
    for order in [[&early, &late], [&late, &early]] {
        let mut site = Site::new("c");
        apply(&mut site, &order);
        assert_eq!(held(&site).blob, b"b");
        assert_eq!(journal(&site), [early.head.hlc]);
        let item = site.records.iter().find(|(key, _)| matches!(key, Key::Loser(..)));
        assert_eq!(item.unwrap().1.blob, b"a");
    }
}

#[test]
fn a_version_that_had_seen_the_other_leaves_no_journal_item() {
    let first = version(hlc(1, "a"), &[], b"1");
    let second = version(hlc(2, "b"), &[first.head.hlc], b"2");
    for order in [[&first, &second], [&second, &first]] {
        let mut site = Site::new("c");
        apply(&mut site, &order);
        assert_eq!(journal(&site), []);
    }
}

#[test]
fn a_version_whose_predecessors_were_never_sent_is_no_conflict() {
    let seen: Vec<Hlc> = (1..5).map(|ms| hlc(ms, "a")).collect();
    let fifth = version(hlc(5, "a"), &seen, b"5");
    let mut site = Site::new("c");
    apply(&mut site, &[&version(hlc(2, "a"), &[hlc(1, "a")], b"2"), &fifth]);
    assert_eq!((held(&site), journal(&site)), (&fifth, vec![]));
}

#[test]
fn a_journal_item_settles_when_a_write_that_had_seen_it_arrives() {
    let lost = version(hlc(1, "a"), &[], b"1");
    let seen = version(hlc(2, "b"), &[lost.head.hlc], b"2");
    let winner = version(hlc(9, "c"), &[], b"9");
    let mut site = Site::new("d");
    apply(&mut site, &[&lost, &winner]);
    assert_eq!(journal(&site), [lost.head.hlc]);
    apply(&mut site, &[&seen]);
    assert_eq!(journal(&site), [seen.head.hlc]);
    apply(&mut site, &[&lost]);
    assert_eq!(journal(&site), [seen.head.hlc], "replaced for good");
}

#[test]
fn applying_what_is_held_already_changes_nothing() {
    let record = version(hlc(3, "a"), &[hlc(1, "b")], b"x");
    assert!(merge_entry(Some(&record), &[], &record).is_nothing());
    let older = version(hlc(1, "b"), &[], b"w");
    assert!(merge_entry(Some(&record), &[], &older).is_nothing());
    let merged = merge_entry(None, &[], &record);
    assert!(merged.is_incoming && !merged.is_tie && !merged.is_nothing());
}

#[test]
fn a_tombstone_loses_to_a_later_write_and_is_journalled_like_any_version() {
    let mut deletion = version(hlc(1, "a"), &[], b"");
    deletion.head.item = entry("k", true);
    let write = version(hlc(2, "b"), &[], b"b");
    let mut site = Site::new("c");
    apply(&mut site, &[&write, &deletion]);
    assert_eq!(
        (held(&site), journal(&site)),
        (
            &{
                let mut merged = write.clone();
                merged.head.context = held(&site).head.context.clone();
                merged
            },
            vec![deletion.head.hlc]
        )
    );
}

#[test]
fn of_equal_timestamps_the_larger_digest_wins_everywhere_and_the_tie_is_flagged() {
    let (x, y) = (version(hlc(1, "a"), &[], b"x"), version(hlc(1, "a"), &[], b"y"));
    let (small, large) = if x.content_digest() < y.content_digest() { (x, y) } else { (y, x) };
    for order in [[&small, &large], [&large, &small]] {
        let mut site = Site::new("c");
        assert!(!site.apply(order[0]).is_tie);
        assert!(site.apply(order[1]).is_tie);
        assert_eq!(held(&site).blob, large.blob);
        assert_eq!(journal(&site), [hlc(1, "a")]);
        let item =
            site.records.values().find(|record| matches!(record.head.item, Item::Loser { .. }));
        assert_eq!(item.unwrap().blob, small.blob);
        assert!(!site.apply(&large).is_tie);
    }
}

/// B's write `b1` lost to A's; C replaces B's later write before it hears of the loss.
#[test]
fn a_journal_item_that_arrives_after_its_pops_next_version_was_replaced_is_kept() {
    let (mut a, mut b, mut c) = (Site::new("a"), Site::new("b"), Site::new("c"));
    let b1 = b.write(1, entry("k", false), b"b1".to_vec());
    let a5 = a.write(5, entry("k", false), b"a5".to_vec());
    b.apply(&a5);
    assert_eq!(journal(&b), [b1.head.hlc]);
    let b6 = b.write(6, entry("k", false), b"b6".to_vec());
    c.apply(&b6);
    let c7 = c.write(7, entry("k", false), b"c7".to_vec());
    b.apply(&c7);
    assert_eq!(journal(&b), [b1.head.hlc], "no write had seen it");
}
