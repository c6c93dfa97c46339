//! The replay guard: what was received is not applied again, and the answer says the truth.

use clavitor_commercial::frame::Verdict::{Already, Applied, Deferred, Rejected};
use clavitor_core::codec::Block;
use clavitor_core::id::Seq;

use super::fixtures::{Receiver, blob, frame, hlc, image, seen, version};

#[test]
fn a_replayed_frame_changes_nothing_and_is_answered_already() {
    let b = Receiver::new();
    let sent = frame("a", 0, 2, &[version("k", hlc(1, "a"), "1"), version("l", hlc(2, "a"), "1")]);
    assert_eq!(b.taken(&sent).verdicts, [Applied, Applied]);
    let before = image(&b.store);
    let again = b.taken(&sent);
    assert_eq!(
        (again.verdicts.as_slice(), again.received),
        ([Already, Already].as_slice(), Seq(2))
    );
    assert_eq!((again.changed, again.ties), (0, 0));
    assert!(image(&b.store) == before);
}

#[test]
fn a_covered_range_applies_nothing_even_if_it_holds_something_new() {
    let b = Receiver::new();
    let first = version("k", hlc(1, "a"), "1");
    b.taken(&frame("a", 0, 5, std::slice::from_ref(&first)));
    let before = image(&b.store);
    let newer = seen(version("k", hlc(9, "a"), "2"), &[first.head.hlc]);
    let unknown = version("new", hlc(9, "a"), "1");
    let again = b.taken(&frame("a", 0, 5, &[first, newer, unknown]));
    assert_eq!(again.verdicts, [Already, Deferred, Deferred]);
    assert!(image(&b.store) == before);
}

#[test]
fn a_replay_after_a_later_version_does_not_bring_the_old_one_back() {
    let b = Receiver::new();
    let old = frame("a", 0, 1, &[version("k", hlc(1, "a"), "old")]);
    b.taken(&old);
    b.taken(&frame("a", 1, 2, &[seen(version("k", hlc(2, "a"), "new"), &[hlc(1, "a")])]));
    let before = image(&b.store);
    assert_eq!(b.taken(&old).verdicts, [Already]);
    assert!(image(&b.store) == before);
    assert_eq!(blob(&b.store, "k").as_deref(), Some("new"));
}

#[test]
fn a_range_within_a_received_one_is_covered_and_one_that_reaches_beyond_is_not() {
    let b = Receiver::new();
    b.taken(&frame("a", 0, 10, &[version("k", hlc(1, "a"), "1")]));
    b.taken(&frame("a", 20, 30, &[version("l", hlc(2, "a"), "1")]));
    let new = [version("new", hlc(3, "a"), "1")];
    for (after, to) in [(0, 10), (3, 7), (20, 30), (22, 25)] {
        assert_eq!(b.taken(&frame("a", after, to, &new)).verdicts, [Deferred], "{after}..{to}");
    }
    assert_eq!(b.taken(&frame("a", 9, 11, &new)).verdicts, [Applied]);
    assert_eq!(b.received("a"), Seq(11));
}

#[test]
fn what_cannot_be_read_is_rejected_in_a_replay_too() {
    let b = Receiver::new();
    let mut sent = frame("a", 0, 1, &[]);
    sent.records.push(Block(vec![7; 40]));
    assert_eq!(b.taken(&sent).verdicts, [Rejected]);
    assert_eq!(b.taken(&sent).verdicts, [Rejected]);
}

#[test]
fn a_hello_receives_nothing() {
    let b = Receiver::new();
    let before = image(&b.store);
    let answer = b.taken(&frame("a", 7, 7, &[]));
    assert_eq!((answer.received, answer.verdicts.len()), (Seq(0), 0));
    assert!(image(&b.store) == before);
}

#[test]
fn an_apply_that_changes_nothing_takes_no_sequence_number() {
    let b = Receiver::new();
    let held = version("k", hlc(5, "c"), "1");
    b.taken(&frame("c", 0, 1, std::slice::from_ref(&held)));
    let last = b.store.last();
    assert_eq!(b.taken(&frame("a", 0, 1, &[held])).verdicts, [Already]);
    assert_eq!((b.store.last(), b.received("a")), (last, Seq(1)));
}
