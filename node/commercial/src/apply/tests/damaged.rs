//! A stored record that the disk has damaged.

use clavitor_commercial::frame::Verdict::{Applied, Rejected};
use clavitor_core::id::Seq;
use clavitor_node::store::block_on;

use super::fixtures::{
    MIB, Receiver, blob, damage, frame, hlc, monday, open_tables, seen, version,
};

const CONTENT: &str = "content that is found on the disk";

/// A receiver whose record `k` no longer matches its checksum.
fn with_damage() -> Receiver {
    let b = Receiver::new();
    b.taken(&frame("a", 0, 1, &[version("k", hlc(1, "a"), CONTENT)]));
    block_on(b.store.close());
    let Receiver { dir, store } = b;
    drop(store);
    damage(&dir, CONTENT);
    let store = dir.open("b", 64 * MIB, monday);
    open_tables(&store);
    Receiver { dir, store }
}

#[test]
fn a_damaged_record_keeps_back_only_its_own_successor() {
    let b = with_damage();
    let successor = seen(version("k", hlc(2, "a"), "new"), &[hlc(1, "a")]);
    let sent = [version("before", hlc(2, "a"), "1"), successor, version("after", hlc(2, "a"), "1")];
    let taken = b.taken(&frame("a", 1, 4, &sent));
    assert_eq!(taken.verdicts, [Applied, Rejected, Applied]);
    assert_eq!(taken.received, Seq(4));
    assert!(blob(&b.store, "before").is_some() && blob(&b.store, "after").is_some());
}
