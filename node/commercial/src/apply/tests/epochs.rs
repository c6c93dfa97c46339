//! Terms of primaries, as frames carry them.

use clavitor_commercial::apply::Source;
use clavitor_commercial::frame::{Frame, Refusal};
use clavitor_core::id::Epoch;
use clavitor_node::store::Reader;

use super::cluster::{A, B, Cluster};
use super::fixtures::{Receiver, blob, frame, hlc, image, pop_id, version};

pub(super) fn epoch(number: u64, primary: &str) -> Option<Epoch> {
    Some(Epoch { number, primary: pop_id(primary) })
}

fn numbered(after: u64, epoch: Option<Epoch>) -> Frame {
    let record = version(&format!("k{after}"), hlc(after, "a"), "x");
    Frame { epoch, ..frame("a", after, after + 1, &[record]) }
}

fn known(b: &Receiver) -> Option<Epoch> {
    b.store.read(|reader: &Reader<'_>| clavitor_commercial::epoch::known(reader)).unwrap()
}

#[test]
fn a_newer_epoch_is_adopted_together_with_the_records() {
    let b = Receiver::new();
    let taken = b.taken(&numbered(0, epoch(2, "a")));
    assert_eq!((taken.epoch, known(&b)), (epoch(2, "a"), epoch(2, "a")));
    assert!(blob(&b.store, "k0").is_some());
    b.taken(&numbered(1, epoch(2, "c")));
    assert_eq!(known(&b), epoch(2, "c"), "the higher POP outranks");
}

#[test]
fn an_older_epoch_is_refused_and_changes_nothing() {
    let b = Receiver::new();
    b.taken(&numbered(0, epoch(2, "c")));
    let before = image(&b.store);
    for older in [epoch(1, "c"), epoch(2, "a"), epoch(0, "z")] {
        assert_eq!(b.refusal(&numbered(1, older)), Some(Refusal::Epoch));
    }
    assert!(image(&b.store) == before);
}

#[test]
fn a_hello_of_an_older_epoch_is_told_of_the_newer_one_and_changes_nothing() {
    let b = Receiver::new();
    b.taken(&numbered(0, epoch(2, "c")));
    let before = image(&b.store);
    let taken = b.taken(&Frame { epoch: epoch(1, "a"), ..frame("a", 0, 0, &[]) });
    assert_eq!(taken.epoch, epoch(2, "c"));
    assert!(image(&b.store) == before);
}

#[test]
fn who_knows_of_no_epoch_yet_is_taken() {
    let b = Receiver::new();
    b.taken(&numbered(0, epoch(2, "c")));
    let taken = b.taken(&numbered(1, None));
    assert_eq!((taken.epoch, known(&b)), (epoch(2, "c"), epoch(2, "c")));
    assert!(blob(&b.store, "k1").is_some());
}

#[test]
fn a_hello_carries_an_epoch_too() {
    let b = Receiver::new();
    b.taken(&Frame { epoch: epoch(3, "c"), ..frame("a", 0, 0, &[]) });
    assert_eq!(known(&b), epoch(3, "c"));
}

#[test]
fn a_term_of_the_receiver_itself_is_told_of_and_not_stored() {
    let b = Receiver::new();
    let taken = b.taken(&numbered(0, epoch(3, "b")));
    assert_eq!((taken.own_epoch, taken.epoch, known(&b)), (epoch(3, "b"), None, None));
    let again = b.taken(&numbered(1, epoch(3, "b")));
    assert_eq!(again.own_epoch, epoch(3, "b"), "it is still newer than what is stored");
    b.taken(&numbered(2, epoch(4, "c")));
    let hello = Frame { epoch: epoch(3, "b"), ..frame("a", 0, 0, &[]) };
    assert_eq!(b.taken(&hello).own_epoch, None);
}

#[test]
fn a_term_that_nobody_can_have_come_to_is_not_believed() {
    use clavitor_commercial::epoch::{NUMBER_MAX, STEP_MAX};
    let b = Receiver::new();
    b.taken(&numbered(0, epoch(2, "a")));
    for (after, number) in [(1, 3 + STEP_MAX), (2, NUMBER_MAX), (3, u64::MAX)] {
        for primary in ["b", "c"] {
            let taken = b.taken(&numbered(after, epoch(number, primary)));
            assert_eq!((taken.own_epoch, known(&b)), (None, epoch(2, "a")), "{number}");
        }
    }
    b.taken(&numbered(4, epoch(2 + STEP_MAX, "c")));
    assert_eq!(known(&b), epoch(2 + STEP_MAX, "c"));
}

#[test]
fn the_epoch_of_a_refused_frame_is_not_adopted() {
    let b = Receiver::new();
    for gap in 1..=16 {
        b.taken(&numbered(gap * 10, epoch(1, "a")));
    }
    assert_eq!(b.refusal(&numbered(900, epoch(5, "c"))), Some(Refusal::Busy));
    assert_eq!(known(&b), epoch(1, "a"));
}

#[test]
fn frames_that_are_answered_in_another_order_do_not_set_the_epoch_back() {
    let cluster = Cluster::new(2);
    let applied = |epoch| crate::apply::Applied {
        received: clavitor_core::id::Seq(0),
        verdicts: Vec::new(),
        positions: Vec::new(),
        epoch,
        own_epoch: None,
        ties: 0,
        trimmed: 0,
        changed: 0,
        source: Source::Peer,
    };
    let (older, newer) = (epoch(7, "a"), epoch(8, "b"));
    let hello = frame("a", 0, 0, &[]);
    cluster.commercial(B).tell(0, &hello, &applied(newer));
    cluster.commercial(B).tell(0, &hello, &applied(older));
    assert_eq!(*crate::lock(&cluster.commercial(B).epoch), newer);
}

#[test]
fn an_old_primary_that_returns_learns_of_its_successor_and_hands_over_what_it_had() {
    let mut cluster = Cluster::new(2);
    cluster.cut(&[(A, B), (B, A)]);
    cluster.write(A, "unshipped", "1").unwrap();
    cluster.promote(B);
    cluster.write(B, "since", "1").unwrap();
    cluster.settle();
    cluster.heal();
    assert_eq!(cluster.write(A, "late", "1"), Err("CV-NOT-PRIMARY"));
    cluster.assert_same();
    assert_eq!(cluster.records(B).len(), 2);
    assert!(cluster.write(B, "late", "1").is_ok());
}
