//! What HQ sees by itself.

use clavitor_core::alert::AlertType;
use clavitor_core::id::{Epoch, PopId};

use super::*;
use crate::control::Event;

fn pop(text: &str) -> PopId {
    text.parse().unwrap()
}

fn epoch(number: u64, primary: &str) -> Epoch {
    Epoch { number, primary: pop(primary) }
}

fn after(events: &[Event]) -> Memory {
    let mut rows = Memory::default();
    for (now, event) in (100..).zip(events) {
        happened(&mut rows, at(now), "red", event).unwrap();
    }
    rows
}

/// Types of what is open, the oldest first, and how often each was raised.
fn open(rows: &Memory) -> Vec<(String, u64)> {
    let filter = Filter { is_open: Some(true), ..Filter::default() };
    let page = page(rows, &filter, None, PAGE_MAX).unwrap();
    page.incidents.into_iter().rev().map(|found| (found.kind, found.count)).collect()
}

fn is_open(rows: &Memory, kinds: &[&str]) -> bool {
    open(rows).into_iter().map(|(kind, _)| kind).eq(kinds.iter().map(ToString::to_string))
}

#[test]
fn a_failover_is_open_until_somebody_is_primary() {
    let mut events = Vec::new();
    events.push(Event::PopLost(pop("a")));
    assert!(is_open(&after(&events), &[POP_LOST]));
    events.push(Event::LeaseExpired(epoch(1, "a")));
    assert!(is_open(&after(&events), &[POP_LOST, NO_PRIMARY]));
    events.push(Event::PromotionOrdered(epoch(2, "b")));
    assert!(is_open(&after(&events), &[POP_LOST, NO_PRIMARY, FAILOVER]));
    events.push(Event::PromotionFailed(epoch(2, "b")));
    events.push(Event::PromotionOrdered(epoch(3, "c")));
    events.push(Event::PrimaryChanged(epoch(3, "c")));
    let rows = after(&events);
    assert!(is_open(&rows, &[POP_LOST]));
    let found = all(&rows);
    let failover = found.iter().find(|found| found.kind == FAILOVER).unwrap();
    assert_eq!(failover.count, 2, "two were asked");
    assert_eq!(failover.message, "c is primary of red now");
    assert_eq!(failover.details.get("epoch").map(String::as_str), Some("3"));
    let resolved = Some(Resolved { at: at(105), by: By::Hq });
    assert_eq!((failover.first_at, failover.resolved), (at(102), resolved));
    events.push(Event::PopSeen(pop("a")));
    assert!(is_open(&after(&events), &[]));
}

#[test]
fn a_hand_over_that_was_asked_for_is_no_incident() {
    let events = [
        Event::PopSeen(pop("a")),
        Event::HandOverBegan(pop("b")),
        Event::PromotionOrdered(epoch(2, "b")),
        Event::PromotionFailed(epoch(2, "b")),
        Event::PromotionOrdered(epoch(3, "c")),
        Event::PrimaryChanged(epoch(3, "c")),
        Event::MemberAdded(pop("b")),
        Event::MemberRemoved(pop("b")),
        Event::Overruled(epoch(9, "b")),
    ];
    assert!(all(&after(&events)).is_empty());
}

#[test]
fn a_primary_that_is_back_or_carried_is_one() {
    let lost = [Event::PopLost(pop("a")), Event::LeaseExpired(epoch(1, "a"))];
    let then = |event: Event| after(&[lost[0], lost[1], event]);
    assert!(is_open(&then(Event::PopSeen(pop("a"))), &[]));
    assert!(is_open(&then(Event::PopSeen(pop("b"))), &[POP_LOST, NO_PRIMARY]));
    assert!(is_open(&then(Event::Carried(epoch(1, "a"))), &[POP_LOST]));
    let ordered = Event::PromotionOrdered(epoch(2, "b"));
    let too_late = after(&[lost[0], lost[1], ordered, Event::PopSeen(pop("a"))]);
    assert!(is_open(&too_late, &[NO_PRIMARY, FAILOVER]), "somebody else was asked already");
}

#[test]
fn two_under_one_id_are_for_an_operator_to_end() {
    let mut rows = after(&[Event::Duplicate(pop("a")), Event::Duplicate(pop("a"))]);
    assert_eq!(open(&rows), [(DUPLICATE_POP_ID.to_string(), 2)]);
    // What the POP itself says of it is the same incident, with the name of its machine.
    let said = alert(DUPLICATE_POP_ID, source("red", "a"));
    assert_eq!(take(&mut rows, at(200), key(1), said), Ok(Outcome::Repeated(1)));
    happened(&mut rows, at(201), "red", &Event::Duplicate(pop("a"))).unwrap();
    assert_eq!(all(&rows)[0].source.hostname, "a.example");
    happened(&mut rows, at(202), "red", &Event::PopSeen(pop("a"))).unwrap();
    assert!(is_open(&rows, &[DUPLICATE_POP_ID]));
    resolve(&mut rows, at(203), 1).unwrap();
    assert!(is_open(&rows, &[]));
}

#[test]
fn clusters_do_not_mix() {
    let mut rows = after(&[Event::LeaseExpired(epoch(1, "a")), Event::PopLost(pop("a"))]);
    for event in [Event::PopSeen(pop("a")), Event::PrimaryChanged(epoch(2, "a"))] {
        happened(&mut rows, at(300), "blue", &event).unwrap();
    }
    assert!(is_open(&rows, &[NO_PRIMARY, POP_LOST]));
}

#[test]
fn a_lost_lease_is_over_once_any_primary_of_that_cluster_holds_one() {
    assert_eq!(AlertType::LeaseLost.to_string(), LEASE_LOST, "as POPs call it");
    let mut rows = Memory::default();
    for (number, (cluster, pop)) in (1..).zip([("red", "a"), ("red", "b"), ("redder", "a")]) {
        let alert = alert(LEASE_LOST, source(cluster, pop));
        take(&mut rows, at(10), key(number), alert).unwrap();
    }
    take(&mut rows, at(11), key(9), alert("clock_skew", source("red", "a"))).unwrap();
    assert_eq!(is_lease_missed(&rows, "re"), Ok(false));
    assert_eq!(is_lease_missed(&rows, "red"), Ok(true));
    lease_held(&mut rows, at(20), "red").unwrap();
    assert_eq!(is_lease_missed(&rows, "red"), Ok(false));
    assert_eq!(is_lease_missed(&rows, "redder"), Ok(true));
    assert!(is_open(&rows, &[LEASE_LOST, "clock_skew"]));
    let over = all(&rows).into_iter().filter_map(|found| found.resolved);
    assert!(over.eq([Resolved { at: at(20), by: By::Hq }; 2]));
    take(&mut rows, at(30), key(10), alert(LEASE_LOST, source("red", "a"))).unwrap();
    assert_eq!(is_lease_missed(&rows, "red"), Ok(true));
}

#[test]
fn what_was_about_a_pop_that_is_removed_is_over() {
    let mut rows = after(&[Event::PopLost(pop("a")), Event::LeaseExpired(epoch(1, "a"))]);
    let others = [source("red", "b"), source("blue", "a")];
    for (number, source) in (1..).zip(others) {
        take(&mut rows, at(200), key(number), alert("disk_full", source)).unwrap();
    }
    take(&mut rows, at(200), key(7), alert("clock_skew", source("red", "a"))).unwrap();
    removed(&mut rows, at(300), "red", pop("a"), false).unwrap();
    assert!(is_open(&rows, &[NO_PRIMARY, "disk_full", "disk_full"]));
    assert_eq!(open_count(&rows), Ok(3));
    removed(&mut rows, at(400), "red", pop("c"), true).unwrap();
    assert!(is_open(&rows, &["disk_full"]));
}

#[test]
fn a_cluster_whose_primary_has_a_lease_is_not_without_one() {
    let mut rows = after(&[Event::LeaseExpired(epoch(1, "a"))]);
    assert_eq!(is_lease_missed(&rows, "red"), Ok(true));
    lease_held(&mut rows, at(200), "red").unwrap();
    assert_eq!(open_count(&rows), Ok(0));
}
