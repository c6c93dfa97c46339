//! A full map refuses one frame, and only that.

use clavitor_commercial::apply::{decode_records, take};
use clavitor_commercial::frame::{Frame, Refusal};
use clavitor_core::record::Record;
use clavitor_node::store::block_on;
use futures_util::future::join;

use super::fixtures::{MIB, Receiver, blob, frame, hlc, image, monday, version};

/// A frame of ten records of so many bytes.
fn bulky(after: u64, bytes: usize) -> Frame {
    let record = |at| version(&format!("k{after}-{at}"), hlc(after, "a"), &"x".repeat(bytes));
    frame("a", after, after + 10, &(0..10).map(record).collect::<Vec<Record>>())
}

/// Takes frames until one does not fit.
fn fill(b: &Receiver) -> Frame {
    for at in 0..100 {
        let frame = bulky(at * 10, 20_000);
        let before = image(&b.store);
        match b.refusal(&frame) {
            None => {}
            Some(refusal) => {
                assert_eq!(refusal, Refusal::StorageFull);
                assert!(image(&b.store) == before, "a frame that does not fit leaves no trace");
                return frame;
            }
        }
    }
    panic!("a map of 2 MiB holds 20 MiB");
}

#[test]
fn a_frame_that_does_not_fit_is_refused_whole_and_taken_once_there_is_room() {
    let b = Receiver::with_room(2 * MIB);
    let refused = fill(&b);
    assert_eq!(b.received("a"), refused.range.after, "it counts as not received");
    assert_eq!(b.refusal(&refused), Some(Refusal::StorageFull), "again and again");
    let small = frame("a", refused.range.after.0, refused.range.after.0 + 1, &[]);
    assert!(b.refusal(&small).is_none(), "bookkeeping goes on");
    let b = b.reopened(64 * MIB, monday);
    let taken = b.taken(&refused);
    assert_eq!((taken.received, taken.changed), (refused.range.to, 10));
    assert_eq!(clavitor_node::store::Store::entries(&b.store) % 10, 0);
}

#[test]
fn a_frame_that_does_not_fit_takes_none_of_its_neighbours_along() {
    let b = Receiver::with_room(2 * MIB);
    let refused = fill(&b);
    let small = frame("c", 0, 1, &[version("small", hlc(1, "c"), "x")]);
    let write = |frame: &Frame| {
        let (frame, records) = (frame.clone(), decode_records(frame));
        b.store.write(0, move |txn| take(txn, &frame, &records))
    };
    let (large, small) = block_on(join(write(&refused), write(&small)));
    assert!(large.is_err());
    assert_eq!(small.map(|taken| taken.changed).ok(), Some(1));
    assert_eq!(blob(&b.store, "small").as_deref(), Some("x"));
}
