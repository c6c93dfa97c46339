//! What is remembered of the ranges that were received.

use clavitor_commercial::frame::Refusal;
use clavitor_commercial::frame::Verdict::{Applied, Deferred};
use clavitor_commercial::received::Received;
use clavitor_commercial::tables;
use clavitor_core::id::{Seq, StoreId};

use super::fixtures::{MIB, Receiver, frame, hlc, image, member, monday, version};

fn ranged(after: u64, to: u64) -> clavitor_commercial::frame::Frame {
    frame("a", after, to, &[version(&format!("k{to}"), hlc(to, "a"), "x")])
}

#[test]
fn ranges_that_come_early_wait_for_those_before_them() {
    let b = Receiver::new();
    assert_eq!(b.taken(&ranged(200, 300)).received, Seq(0));
    assert_eq!(b.taken(&ranged(100, 200)).received, Seq(0));
    assert_eq!(b.taken(&ranged(0, 100)).received, Seq(300));
    assert_eq!(b.received("a"), Seq(300));
}

#[test]
fn what_was_received_survives_a_restart() {
    let b = Receiver::new();
    b.taken(&ranged(0, 50));
    b.taken(&ranged(100, 200));
    let b = b.reopened(64 * MIB, monday);
    assert_eq!(b.received("a"), Seq(50));
    let new = [version("new", hlc(1, "a"), "x")];
    let before = image(&b.store);
    assert_eq!(b.taken(&frame("a", 0, 50, &new)).verdicts, [Deferred]);
    assert_eq!(b.taken(&frame("a", 100, 200, &new)).verdicts, [Deferred]);
    assert!(image(&b.store) == before);
    assert_eq!(b.taken(&ranged(50, 100)).received, Seq(200));
}

#[test]
fn the_seventeenth_gap_is_refused_as_busy_until_one_closes() {
    let b = Receiver::new();
    for gap in 1..=16 {
        assert_eq!(b.taken(&ranged(gap * 10 + 1, gap * 10 + 10)).received, Seq(0));
    }
    let before = image(&b.store);
    assert_eq!(b.refusal(&ranged(171, 180)), Some(Refusal::Busy));
    assert!(image(&b.store) == before, "what is refused leaves no trace");
    assert_eq!(b.taken(&ranged(0, 11)).received, Seq(20));
    assert_eq!(b.taken(&ranged(171, 180)).verdicts, [Applied]);
}

#[test]
fn a_gap_does_not_hide_that_a_source_was_rolled_back() {
    let b = Receiver::new();
    b.taken(&ranged(0, 50));
    b.taken(&ranged(100, 200));
    let hello = |last| b.taken(&frame("a", last, last, &[])).received;
    assert_eq!(hello(300), Seq(50), "it numbers on, and is told what is missing");
    assert_eq!(hello(200), Seq(50));
    assert_eq!(hello(199), Seq(200), "it has forgotten a number that was used");
    assert_eq!(hello(20), Seq(200));
}

#[test]
fn every_source_and_data_directory_has_ranges_of_its_own() {
    let b = Receiver::new();
    b.taken(&ranged(0, 100));
    assert_eq!(b.received("c"), Seq(0));
    let mut other = ranged(0, 40);
    other.source.store = StoreId([9; 16]);
    assert_eq!(b.taken(&other).received, Seq(40));
    assert_eq!(b.received("a"), Seq(100));
}

#[test]
fn other_data_directories_are_forgotten_and_nothing_else() {
    let b = Receiver::new();
    let (current, former) = (StoreId([1; 16]), StoreId([2; 16]));
    let pops = ["a", "a-2"].map(super::fixtures::pop_id);
    let range = |to| clavitor_commercial::frame::Range { after: Seq(0), to: Seq(to) };
    let forgotten = b.store.write_blocking::<(), (), _>(move |txn| {
        for (pop, store, to) in [(pops[0], current, 1), (pops[0], former, 2), (pops[1], former, 3)]
        {
            let received = Received::default().with(range(to)).unwrap();
            tables::set_received(txn, pop, store, &received)?;
        }
        Ok(tables::forget_others(txn, pops[0], &[current])?)
    });
    forgotten.unwrap();
    let prefix = |pop, store| b.store.read(|it| tables::received(it, pop, store)).unwrap().prefix;
    assert_eq!(prefix(pops[0], current), Seq(1));
    assert_eq!(prefix(pops[0], former), Seq(0));
    assert_eq!(prefix(pops[1], former), Seq(3));
}

#[test]
fn a_frame_for_an_identity_that_is_being_replaced_is_not_booked_under_the_new_one() {
    let b = Receiver::new();
    let mut late = ranged(0, 100);
    late.destination_store = Some(b.store.store_id());
    let fresh = StoreId([7; 16]);
    let replaced =
        b.store.write_blocking::<_, (), _>(move |txn| Ok(txn.replace_identity(fresh, Seq(5))?));
    assert_eq!(replaced, Ok(()));
    assert_eq!(b.refusal(&late), Some(Refusal::Store));
    assert_eq!(b.received("a"), Seq(0));
}

#[test]
fn an_answer_tells_what_was_received_of_every_other_source() {
    let b = Receiver::new();
    b.taken(&ranged(0, 100));
    b.taken(&frame("c", 0, 7, &[version("c", hlc(1, "c"), "x")]));
    let positions = b.taken(&ranged(100, 200)).positions;
    let [position] = positions.as_slice() else { panic!("{positions:?}") };
    let c = member("c");
    assert_eq!((position.source, position.store), (c.pop, c.store));
    assert_eq!(position.received, Seq(7));
}
