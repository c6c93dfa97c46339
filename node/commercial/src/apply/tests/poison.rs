//! Records that cannot be taken, and their neighbours that can.

use clavitor_commercial::frame::Verdict::{Applied, Deferred, Rejected};
use clavitor_commercial::skew::REFUSE_MS;
use clavitor_core::codec::Block;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::Seq;
use clavitor_core::record::{BLOB_BYTES_MAX, Item, Record};

use super::fixtures::{
    MIB, Receiver, blob, frame, hlc, image, pop_id, records, seen, ten_minutes_later, token,
    version,
};

/// Encodings that no server makes.
fn poison() -> Vec<Vec<u8>> {
    let good = version("p", hlc(1, "a"), "x");
    let oversized = Record { blob: vec![7; BLOB_BYTES_MAX + 1], ..good.clone() };
    let of_nobodys_future = seen(version("p", hlc(1, "a"), "x"), &[hlc(1, "b")]);
    let implausible = Hlc { ms: Hlc::MS_MAX + 1, counter: 0, pop: pop_id("a") };
    let mut full_tombstone = good.clone();
    if let Item::Entry { deleted, .. } = &mut full_tombstone.head.item {
        *deleted = true;
    }
    let mut token = token(1, hlc(1, "a"), None);
    token.blob = vec![1];
    let mut token_with_context = token.clone();
    token_with_context.blob.clear();
    token_with_context.head.context = seen(good.clone(), &[hlc(0, "b")]).head.context;
    let mut cut = good.encode();
    cut.truncate(20);
    let mut head_of_any_length = good.encode();
    head_of_any_length[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    vec![
        Vec::new(),
        vec![0xff; 64],
        cut,
        head_of_any_length,
        oversized.encode(),
        of_nobodys_future.encode(),
        version("p", implausible, "x").encode(),
        full_tombstone.encode(),
        token.encode(),
        token_with_context.encode(),
    ]
}

#[test]
fn what_cannot_be_taken_is_rejected_and_its_neighbours_apply() {
    let b = Receiver::new();
    let mut sent = frame("a", 0, 99, &[version("first", hlc(1, "a"), "1")]);
    let poison = poison();
    sent.records.extend(poison.iter().cloned().map(Block));
    sent.records.push(Block(version("last", hlc(2, "a"), "1").encode()));
    let taken = b.taken(&sent);
    assert_eq!((taken.verdicts.first(), taken.verdicts.last()), (Some(&Applied), Some(&Applied)));
    for (at, verdict) in taken.verdicts[1..=poison.len()].iter().enumerate() {
        assert_eq!(*verdict, Rejected, "poison {at}");
    }
    assert_eq!((taken.received, taken.changed), (Seq(99), 2));
    assert_eq!(records(&b.store).len(), 2);
}

#[test]
fn a_record_more_than_five_minutes_ahead_is_deferred_and_its_neighbours_apply() {
    let b = Receiver::new();
    let ahead = |name, ms| version(name, hlc(ms, "a"), "x");
    let sent = [ahead("near", REFUSE_MS), ahead("far", REFUSE_MS + 1), ahead("now", 0)];
    let taken = b.taken(&frame("a", 0, 3, &sent));
    assert_eq!(taken.verdicts, [Applied, Deferred, Applied]);
    assert_eq!(taken.received, Seq(3));
    assert_eq!(blob(&b.store, "far"), None);
    assert!(b.store.floor_ms() < sent[1].head.hlc.ms, "nor does the clock follow it");
}

#[test]
fn a_deferred_record_is_applied_once_its_time_has_come_under_a_new_number_only() {
    let b = Receiver::new();
    let far = [version("far", hlc(REFUSE_MS + 1, "a"), "x")];
    assert_eq!(b.taken(&frame("a", 0, 3, &far)).verdicts, [Deferred]);
    let b = b.reopened(64 * MIB, ten_minutes_later);
    let before = image(&b.store);
    assert_eq!(b.taken(&frame("a", 0, 3, &far)).verdicts, [Deferred], "a replay is a replay");
    assert!(image(&b.store) == before);
    assert_eq!(b.taken(&frame("a", 3, 4, &far)).verdicts, [Applied]);
    assert_eq!(blob(&b.store, "far").as_deref(), Some("x"));
}

#[test]
fn a_frame_of_nothing_but_poison_is_received() {
    let b = Receiver::new();
    let mut sent = frame("a", 0, 9, &[]);
    sent.records.extend(poison().into_iter().map(Block));
    assert!(b.taken(&sent).verdicts.iter().all(|verdict| *verdict == Rejected));
    assert_eq!(b.received("a"), Seq(9), "nothing behind it is kept back");
    assert_eq!(b.store.last(), Seq(0));
}
