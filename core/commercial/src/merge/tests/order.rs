use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use clavitor_core::record::{Key, Record};

use super::site::Site;
use super::tokens::token;
use super::{entry, hlc, version};

/// Applies the set in every order, with every record once and with one of them twice, each on a
/// POP of its own that exchanges nothing; answers the one state that all end in.
pub(super) fn same_in_every_order(set: &[Record]) -> BTreeMap<Key, Record> {
    let mut end: Option<BTreeMap<Key, Record>> = None;
    for order in permutations(set.len()) {
        for twice in 0..=set.len() {
            let mut site = Site::new("z");
            for (at, index) in order.iter().enumerate() {
                site.apply(&set[*index]);
                if at < twice {
                    site.apply(&set[order[0]]);
                }
            }
            let first = end.get_or_insert_with(|| site.records.clone());
            assert_eq!(*first, site.records, "order {order:?}");
        }
    }
    end.unwrap_or_default()
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let shorter = permutations(last);
    let insert = |order: &Vec<usize>| -> Vec<Vec<usize>> {
        let at = |at| {
            let mut longer = order.clone();
            longer.insert(at, last);
            longer
        };
        (0..count).map(at).collect()
    };
    shorter.iter().flat_map(insert).collect()
}

#[test]
fn every_order_of_concurrent_and_replacing_versions_ends_in_the_same_state() {
    let (a1, b2) = (version(hlc(1, "a"), &[], b"a1"), version(hlc(2, "b"), &[], b"b2"));
    let c3 = version(hlc(3, "c"), &[a1.head.hlc], b"c3");
    let a4 = version(hlc(4, "a"), &[b2.head.hlc], b"a4");
    let b5 = version(hlc(5, "b"), &[b2.head.hlc, c3.head.hlc, a1.head.hlc], b"b5");
    let end = same_in_every_order(&[a1, b2, c3, a4.clone(), b5.clone()]);
    let timestamps: Vec<_> = end.values().map(|record| record.head.hlc).collect();
    assert_eq!(timestamps, [b5.head.hlc, a4.head.hlc], "the winner, and what it had not seen");
}

#[test]
fn every_order_of_versions_tombstones_and_journal_items_ends_in_the_same_state() {
    let mut origin = Site::new("a");
    let mut other = Site::new("b");
    let first = origin.write(1, entry("k", false), b"1".to_vec());
    let rival = other.write(2, entry("k", false), b"2".to_vec());
    let deletion = origin.write(3, entry("k", true), Vec::new());
    other.apply(&deletion);
    let item = other.records.values().last().unwrap().clone();
    assert_eq!(item.head.hlc, rival.head.hlc);
    let merged = other.records.values().next().unwrap().clone();
    let end = same_in_every_order(&[first, rival, deletion, item.clone(), merged]);
    assert_eq!(end.values().last(), Some(&item));
    assert_eq!(end.len(), 2);
}

#[test]
fn three_versions_with_one_timestamp_end_in_the_same_state_after_an_exchange() {
    let tied = |blob: &[u8]| version(hlc(1, "a"), &[], blob);
    let set = [tied(b"x"), tied(b"y"), tied(b"z"), version(hlc(2, "b"), &[], b"later")];
    let mut sites: Vec<Site> = Vec::new();
    for order in permutations(set.len()) {
        let mut site = Site::new("z");
        order.iter().for_each(|at| drop(site.apply(&set[*at])));
        sites.push(site);
    }
    let all: Vec<Record> = sites.iter().flat_map(|site| site.records.values().cloned()).collect();
    for mut site in sites {
        all.iter().for_each(|record| drop(site.apply(record)));
        let smallest = set.iter().take(3).min_by_key(|record| record.content_digest());
        let blobs: Vec<&[u8]> = site.records.values().map(|record| &record.blob[..]).collect();
        assert_eq!(blobs, [b"later", &smallest.unwrap().blob[..]]);
    }
}

#[test]
fn every_order_of_records_of_every_kind_ends_in_the_same_state() {
    let revoked = token(hlc(3, "b"), Some(hlc(3, "b")));
    let one = version(hlc(1, "a"), &[], b"1");
    let two = version(hlc(2, "b"), &[], b"2");
    let end = same_in_every_order(&[token(hlc(1, "a"), None), one, revoked, two]);
    assert_eq!(end.len(), 3);
}
