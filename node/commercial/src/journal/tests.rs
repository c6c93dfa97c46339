//! The journal's bounds, its index by age, and what leaves it.

use clavitor_commercial::journal::{SHARE, restore, trimmed_alert};
use clavitor_core::alert::AlertType;
use clavitor_core::hlc::Hlc;
use clavitor_core::record::{Item, Key, Record};
use clavitor_core::time::UnixTime;
use clavitor_node::store::{Opening, Reader, WriteError, export_to, import_from};

use super::*;
use crate::apply::tests::cluster::{A, B, Cluster};
use crate::apply::tests::fixtures::{
    DAY_MS, MIB, Receiver, blob, entry, frame, hlc, image, loser, monday, pop_id, record, records,
    seen, vault, version,
};

fn ninety_one_days_later() -> UnixTime {
    monday().plus_ms(91 * DAY_MS)
}

fn two_days_later() -> UnixTime {
    monday().plus_ms(2 * DAY_MS)
}

fn lost(store: &clavitor_node::store::Store) -> Vec<Record> {
    let is_item = |record: &Record| matches!(record.head.item, Item::Loser { .. });
    records(store).into_iter().filter(is_item).collect()
}

/// The index must list what is there, and the counter must be its sum.
#[track_caller]
fn assert_consistent(store: &clavitor_node::store::Store) {
    assert_eq!(store.read(|reader: &Reader<'_>| journal::check(reader)), Ok(()));
}

/// Makes `b` journal a version of so many bytes, lost at that time.
fn lose(b: &Receiver, at: u64, bytes: usize) -> (Hlc, u32) {
    let name = format!("k{at:06}");
    let lost = version(&name, hlc(at, "a"), &"l".repeat(bytes));
    let winner = version(&name, hlc(at + 1, "c"), "w");
    b.apply(&frame("a", at * 2, at * 2 + 1, std::slice::from_ref(&lost)));
    (lost.head.hlc, b.apply(&frame("c", at * 2, at * 2 + 1, &[winner])))
}

#[test]
fn what_lost_without_having_been_seen_is_journalled_on_either_side() {
    let (b, c) = (Receiver::new(), Receiver::new());
    let (old, new) = (version("k", hlc(1, "a"), "old"), version("k", hlc(2, "c"), "new"));
    b.apply(&frame("a", 0, 1, std::slice::from_ref(&old)));
    b.apply(&frame("c", 0, 1, std::slice::from_ref(&new)));
    c.apply(&frame("c", 0, 1, &[new]));
    c.apply(&frame("a", 0, 1, &[old]));
    assert_eq!(records(&b.store), records(&c.store), "the items are the same to the letter");
    assert_eq!(lost(&b.store), [loser("k", hlc(1, "a"), "old")]);
    assert_consistent(&b.store);
    assert_consistent(&c.store);
}

#[test]
fn an_item_that_arrives_twice_is_nothing_the_second_time() {
    let b = Receiver::new();
    let (at, _) = lose(&b, 1, 10);
    let before = (b.store.last(), lost(&b.store));
    assert_eq!(b.refusal(&frame("c", 90, 91, &[loser("k000001", at, &"l".repeat(10))])), None);
    assert_eq!((b.store.last(), lost(&b.store)), before);
    assert_consistent(&b.store);
}

#[test]
fn an_item_that_is_replaced_by_another_with_its_timestamp_is_counted_anew() {
    let mut blobs = ["short".to_string(), "l".repeat(500)];
    let digest = |blob: &String| version("k", hlc(1, "a"), blob).content_digest();
    blobs.sort_by_key(|blob| std::cmp::Reverse(digest(blob)));
    let rivals = blobs.map(|blob| loser("k", hlc(1, "a"), &blob));
    let b = Receiver::new();
    for (at, item) in (0..).zip(&rivals) {
        b.apply(&frame("a", at, at + 1, std::slice::from_ref(item)));
        assert_consistent(&b.store);
    }
    assert_eq!(lost(&b.store), rivals[1..]);
}

#[test]
fn beyond_a_tenth_of_the_quota_the_oldest_goes_first() {
    let b = Receiver::with_room(10 * MIB);
    let mut given_up = 0;
    let lost_at: Vec<Hlc> = (1..=12)
        .map(|at| {
            let (hlc, trimmed) = lose(&b, at, 100_000);
            given_up += trimmed;
            hlc
        })
        .collect();
    let quota = 10 * MIB / 100 * 90;
    let kept: Vec<Hlc> = lost(&b.store).iter().map(|item| item.head.hlc).collect();
    assert_eq!(kept, lost_at[given_up as usize..], "the newest are kept");
    let bytes: u64 = lost(&b.store).iter().map(|item| item.encode().len() as u64).sum();
    assert!(bytes <= quota / SHARE && bytes + 100_000 > quota / SHARE, "{bytes} of {quota}");
    assert_eq!(b.store.entries(), 12, "entries are not touched");
    assert_consistent(&b.store);
}

#[test]
fn after_ninety_days_an_item_goes_whatever_room_there_is() {
    let b = Receiver::new();
    lose(&b, 1, 10);
    let b = b.reopened(64 * MIB, two_days_later);
    lose(&b, 2 * DAY_MS, 10);
    let b = b.reopened(64 * MIB, ninety_one_days_later);
    let (_, trimmed) = lose(&b, 90 * DAY_MS, 10);
    assert_eq!(trimmed, 1, "the one of 91 days, not the one of 89");
    assert_eq!(lost(&b.store).len(), 2);
    assert_consistent(&b.store);
}

#[test]
fn what_is_given_up_is_told() {
    let alert = trimmed_alert(3);
    assert_eq!(alert.alert_type, AlertType::JournalTrimmed);
    assert_eq!(alert.details["items"], "3");
    let mut cluster = Cluster::new(2);
    let items = [loser("k", hlc(1, "a"), "old"), loser("l", hlc(1, "a"), "old")];
    for (at, item) in (0..).zip(&items) {
        let mut sent = frame("a", at, at + 1, std::slice::from_ref(item));
        sent.source.store = cluster.store(A).store_id();
        sent.epoch = *crate::lock(&cluster.commercial(A).epoch);
        cluster.apply(B, sent).unwrap();
        cluster.pops[B].clock = ninety_one_days_later;
        cluster.restart(B);
    }
    assert_eq!(cluster.alerts(B), [AlertType::JournalTrimmed]);
    assert_eq!(lost(cluster.store(B)), items[1..]);
}

#[test]
fn a_write_that_has_seen_the_loser_settles_it() {
    let b = Receiver::new();
    let (at, _) = lose(&b, 1, 10);
    let successor = seen(version("k000001", hlc(9, "c"), "done"), &[at, hlc(2, "c")]);
    b.apply(&frame("c", 90, 91, &[successor]));
    assert_eq!(lost(&b.store), []);
    assert_consistent(&b.store);
    assert_eq!(image(&b.store)["journal"], []);
}

#[test]
fn a_settled_item_does_not_come_back() {
    let b = Receiver::new();
    let (at, _) = lose(&b, 1, 10);
    let successor = seen(version("k000001", hlc(9, "c"), "done"), &[at, hlc(2, "c")]);
    b.apply(&frame("c", 90, 91, &[successor]));
    assert_eq!(b.refusal(&frame("a", 90, 91, &[loser("k000001", at, &"l".repeat(10))])), None);
    assert_eq!(b.refusal(&frame("a", 91, 92, &[version("k000001", at, &"l".repeat(10))])), None);
    assert_eq!(lost(&b.store), []);
}

#[test]
fn a_restored_version_is_the_newest_and_leaves_the_journal_alone_with_the_others() {
    let b = Receiver::new();
    for (pop, ms, blob) in [("a", 1, "one"), ("d", 2, "two"), ("d", 3, "three")] {
        b.apply(&frame(pop, ms, ms + 1, &[version("k", hlc(ms, pop), blob)]));
    }
    assert_eq!(lost(&b.store).len(), 2);
    let restored =
        b.store.write_blocking(move |txn| restore(txn, &vault(), &entry("k"), hlc(1, "a")));
    let restored = restored.ok().unwrap();
    assert_eq!(blob(&b.store, "k").as_deref(), Some("one"));
    let held = record(&b.store, &Key::Entry(vault(), entry("k"))).unwrap().head;
    assert_eq!(held.hlc, restored);
    assert!(restored > hlc(3, "d"), "above everything that was seen");
    assert!(held.context.covers(hlc(1, "a")) && held.context.covers(hlc(3, "d")));
    assert!(!held.context.covers(hlc(2, "d")), "nobody has seen the other one");
    assert_eq!(lost(&b.store), [loser("k", hlc(2, "d"), "two")]);
    assert_consistent(&b.store);
}

#[test]
fn what_is_not_there_cannot_be_restored() {
    let b = Receiver::new();
    lose(&b, 1, 10);
    let before = image(&b.store);
    for (name, at) in [("k000001", hlc(2, "c")), ("other", hlc(1, "a"))] {
        let name = entry(name);
        let restored = b.store.write_blocking(move |txn| restore(txn, &vault(), &name, at));
        assert_eq!(restored, Err(WriteError::Refused(journal::NotFound)));
    }
    assert!(image(&b.store) == before);
}

#[test]
fn concurrent_writes_are_journalled_everywhere_and_a_restore_settles_them_everywhere() {
    let mut cluster = Cluster::new(3);
    cluster.cut(&[(0, 1), (1, 0), (0, 2), (2, 0)]);
    cluster.write(A, "k", "calgary").unwrap();
    cluster.promote(B);
    cluster.write(B, "k", "zurich").unwrap();
    cluster.settle();
    cluster.heal();
    cluster.assert_same();
    for at in [0, 1, 2] {
        assert_eq!(blob(cluster.store(at), "k").as_deref(), Some("zurich"));
        assert_eq!(lost(cluster.store(at)).len(), 1);
        assert_consistent(cluster.store(at));
    }
    let at = lost(cluster.store(B))[0].head.hlc;
    let restored =
        cluster.store(B).write_blocking(move |txn| restore(txn, &vault(), &entry("k"), at));
    assert!(restored.is_ok());
    cluster.settle();
    cluster.assert_same();
    for at in [0, 1, 2] {
        assert_eq!(blob(cluster.store(at), "k").as_deref(), Some("calgary"));
        assert_eq!(lost(cluster.store(at)), []);
        assert_consistent(cluster.store(at));
    }
}

#[test]
fn imported_items_are_within_the_bounds_too() {
    let b = Receiver::new();
    lose(&b, 1, 10);
    lose(&b, 2, 10);
    let mut file = Vec::new();
    export_to(&b.store, &mut file).unwrap();
    let mut cluster = Cluster::stopped(2);
    let dir = cluster.pops[A].dir.path().to_path_buf();
    let opening = Opening { dir: &dir, bytes_max: 64 * MIB, pop: Some(pop_id("a")) };
    import_from(&mut file.as_slice(), &opening, monday, &mut |_| {}).unwrap();
    cluster.start(A);
    assert_eq!(lost(cluster.store(A)).len(), 2);
    assert_consistent(cluster.store(A));
    cluster.restart(A);
    assert_consistent(cluster.store(A));
}
