use clavitor_commercial::frame::{FRAME_BYTES_MAX, Frame, PeerPosition, Position, open_frame};
use clavitor_commercial::load::Load;
use clavitor_commercial::replication::Window;
use clavitor_core::alert::AlertType;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{OpId, Seq, StoreId};
use clavitor_core::record::{BLOB_BYTES_MAX, Key, Record};

use super::super::*;
use crate::apply::tests::cluster::{A, B, C, Cluster, keys};
use crate::apply::tests::executor::TestRuntime;
use crate::apply::tests::fixtures::{damage, frame, hlc, seen, version};

fn order(cluster: &Cluster, after: u64) -> Order {
    let last = cluster.store(A).last();
    Order {
        op: OpId(77),
        is_hello: false,
        after: Seq(after),
        read_after: Seq(after),
        upto: last,
        complete_at: last,
        identity: Some((cluster.store(B).pop(), cluster.store(B).store_id())),
        covered: Vec::new(),
    }
}

/// A POP whose peers hear nothing, so that everything stays owed.
fn cut_off() -> Cluster {
    let mut cluster = Cluster::new(3);
    cluster.cut(&[(A, B), (A, C)]);
    cluster
}

fn load(cluster: &Cluster, order: &Order) -> Load {
    load_within(Window::STANDARD, cluster, order)
}

fn load_within(window: Window, cluster: &Cluster, order: &Order) -> Load {
    let commercial: &Commercial<TestRuntime> = cluster.commercial(A);
    cluster.store(A).read(|reader| load::load(reader, &commercial.cluster, window, order)).unwrap()
}

fn sealed(cluster: &Cluster, order: &Order, load: Load) -> Vec<u8> {
    let keys = keys();
    let built = cluster.commercial(A).sender(&keys).build(0, order, load);
    built.sealed.unwrap().bytes
}

fn names(load: &Load) -> Vec<String> {
    let name = |(key, _): &(Key, Hlc)| match key {
        Key::Entry(_, entry) => entry.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    load.versions.iter().map(name).collect()
}

/// Takes a frame of another POP into `a`.
fn bring(cluster: &mut Cluster, source: &str, to: u64, records: &[Record]) {
    let from = if source == "b" { B } else { C };
    let mut sent = frame(source, to - 1, to, records);
    sent.destination = "http://a".into();
    sent.source.store = cluster.store(from).store_id();
    sent.epoch = *lock(&cluster.commercial(A).epoch);
    cluster.apply(A, sent).unwrap();
}

#[test]
fn two_hundred_and_fifty_records_make_three_frames() {
    let mut cluster = cut_off();
    cluster.write_batch(A, "k", 250);
    let mut after = 0;
    for (records, to) in [(100, 100), (100, 200), (50, 250)] {
        let load = load(&cluster, &order(&cluster, after));
        assert_eq!((load.records.len(), load.to), (records, Seq(to)));
        after = to;
    }
    let rest = load(&cluster, &order(&cluster, after));
    assert_eq!((rest.records.len(), rest.to), (0, Seq(250)));
}

#[test]
fn frames_of_the_largest_blobs_stay_within_8_mib() {
    let mut cluster = cut_off();
    let blob = "x".repeat(BLOB_BYTES_MAX);
    for at in 0..10 {
        cluster.write(A, &format!("{at}"), &blob).unwrap();
    }
    let mut after = 0;
    for (records, to) in [(7, 7), (3, 10)] {
        let order = order(&cluster, after);
        let load = load(&cluster, &order);
        assert_eq!((load.records.len(), load.to), (records, Seq(to)));
        assert!(sealed(&cluster, &order, load).len() <= FRAME_BYTES_MAX);
        after = to;
    }
    cluster.heal();
    cluster.assert_same();
}

#[test]
fn frames_of_a_small_host_take_half_of_its_window() {
    let mut cluster = cut_off();
    let blob = "x".repeat(BLOB_BYTES_MAX);
    for (name, blob) in [("largest", &blob[..]), ("next", &blob[..]), ("little", "x")] {
        cluster.write(A, name, blob).unwrap();
    }
    let mut after = 0;
    for (records, to) in [(1, 1), (2, 3)] {
        let order = order(&cluster, after);
        let load = load_within(Window::SMALL, &cluster, &order);
        assert_eq!((load.records.len(), load.to), (records, Seq(to)));
        assert!(sealed(&cluster, &order, load).len() <= 2 * 1024 * 1024);
        after = to;
    }
}

#[test]
fn a_frame_never_reaches_beyond_what_was_ordered() {
    let mut cluster = cut_off();
    cluster.write_batch(A, "k", 30);
    let upto = Order { upto: Seq(20), ..order(&cluster, 10) };
    let load = load(&cluster, &upto);
    assert_eq!((load.records.len(), load.to), (10, Seq(20)));
}

#[test]
fn a_record_is_sent_as_it_is_now_under_its_newest_number_alone() {
    let mut cluster = cut_off();
    cluster.write(A, "k", "1").unwrap();
    cluster.write(A, "l", "1").unwrap();
    let newest = cluster.write(A, "k", "2").unwrap();
    let all = load(&cluster, &order(&cluster, 0));
    assert_eq!(names(&all), ["l", "k"]);
    assert_eq!(all.versions[1].1, newest);
    let first = load(&cluster, &Order { upto: Seq(2), ..order(&cluster, 0) });
    assert_eq!((names(&first), first.to), (vec!["l".to_owned()], Seq(2)));
}

#[test]
fn what_came_from_the_peer_is_not_sent_back() {
    let mut cluster = cut_off();
    bring(&mut cluster, "b", 1, &[version("of b", hlc(1, "b"), "x")]);
    bring(&mut cluster, "c", 1, &[version("of c", hlc(1, "c"), "x")]);
    cluster.write(A, "own", "x").unwrap();
    assert_eq!(names(&load(&cluster, &order(&cluster, 0))), ["of c", "own"]);
    let nobody = Order { identity: None, ..order(&cluster, 0) };
    assert_eq!(names(&load(&cluster, &nobody)), ["of b", "of c", "own"]);
    let mut emptied = order(&cluster, 0);
    emptied.identity = emptied.identity.map(|(pop, _)| (pop, StoreId([9; 16])));
    assert_eq!(names(&load(&cluster, &emptied)).len(), 3, "its former self had it");
}

#[test]
fn what_the_peer_has_from_its_source_is_not_relayed() {
    let mut cluster = cut_off();
    bring(&mut cluster, "c", 1, &[version("first", hlc(1, "c"), "x")]);
    bring(&mut cluster, "c", 2, &[version("second", hlc(1, "c"), "x")]);
    let (source, store) = (cluster.store(C).pop(), cluster.store(C).store_id());
    let covered = |store, received| {
        let position = Position { source, store, received: Seq(received) };
        Order { covered: vec![position], ..order(&cluster, 0) }
    };
    assert_eq!(names(&load(&cluster, &covered(store, 0))), ["first", "second"]);
    assert_eq!(names(&load(&cluster, &covered(store, 1))), ["second"]);
    let all = load(&cluster, &covered(store, 2));
    assert_eq!((names(&all).len(), all.to), (0, Seq(2)), "and the frame need not be sent");
    assert_eq!(names(&load(&cluster, &covered(StoreId([9; 16]), 2))).len(), 2);
}

#[test]
fn the_result_of_a_merge_is_owed_to_its_source_too() {
    let mut cluster = cut_off();
    let first = cluster.write(A, "k", "ours").unwrap();
    cluster.write(A, "k", "ours again").unwrap();
    let theirs = version("k", hlc(50, "b"), "theirs");
    bring(&mut cluster, "b", 1, std::slice::from_ref(&theirs));
    let owed = load(&cluster, &order(&cluster, 0));
    assert_eq!(owed.versions.len(), 2, "{:?}", owed.versions);
    assert_eq!(owed.versions[0].1, hlc(50, "b"), "their version, which knows of ours by now");
    assert!(matches!(owed.versions[1].0, Key::Loser(..)), "and the one that it beat");
    let known = seen(version("k", hlc(60, "b"), "again"), &[hlc(50, "b"), first]);
    bring(&mut cluster, "b", 2, &[known]);
    assert!(names(&load(&cluster, &order(&cluster, 0))).iter().all(|name| name != "k"));
}

#[test]
fn a_hello_carries_positions_and_no_record() {
    let mut cluster = Cluster::new(3);
    cluster.write_batch(A, "k", 3);
    cluster.settle();
    bring(&mut cluster, "b", 4, &[]);
    let hello = Order { is_hello: true, after: Seq(3), ..order(&cluster, 0) };
    let load = load(&cluster, &hello);
    assert_eq!(load.records.len(), 0);
    let c = cluster.store(C);
    let expected = PeerPosition { peer: c.pop(), store: c.store_id(), received: Seq(3) };
    assert_eq!(load.peers, [expected], "every peer but the one that is written to");
    let frame: Frame = open_frame(&sealed(&cluster, &hello, load), &keys()).unwrap();
    assert!(frame.is_hello());
    assert_eq!(frame.destination_store, Some(cluster.store(B).store_id()));
}

#[test]
fn a_damaged_record_keeps_back_no_other() {
    let mut cluster = cut_off();
    let content = "content that is found on the disk";
    for name in ["before", "k", "since"] {
        let blob = if name == "k" { content } else { "x" };
        cluster.write(A, name, blob).unwrap();
    }
    cluster.stop(A);
    damage(&cluster.pops[A].dir, content);
    cluster.decide(|_| crate::apply::tests::network::Fate::Deliver);
    cluster.start(A);
    cluster.settle();
    cluster.heal();
    assert_eq!((cluster.records(B).len(), cluster.records(C).len()), (2, 2));
    assert_eq!(cluster.view(A, B).acked, Seq(3));
    assert!(cluster.alerts(A).contains(&AlertType::StorageFailed));
}

#[test]
fn frames_that_ended_are_not_remembered() {
    let mut cluster = Cluster::new(2);
    cluster.cut(&[(A, B)]);
    for round in 0..100 {
        cluster.write(A, "k", &round.to_string()).unwrap();
        cluster.tell(A, Input::Resumed);
        cluster.settle();
    }
    assert!(lock(&cluster.commercial(A).sent).ops().count() <= 66, "after failures");
    cluster.heal();
    for round in 0..100 {
        cluster.write(A, "k", &round.to_string()).unwrap();
        cluster.tell(
            A,
            Input::EpochChanged(clavitor_core::id::Epoch {
                number: 2 + round,
                primary: cluster.store(A).pop(),
            }),
        );
        cluster.settle();
    }
    assert!(lock(&cluster.commercial(A).sent).ops().count() <= 66, "after hellos");
    assert_eq!(cluster.dirty(A, B), 0);
}

#[test]
fn changes_that_are_not_owed_do_not_keep_the_machine_from_what_else_it_has_to_hear() {
    let mut cluster = cut_off();
    cluster.write(A, "k", "x").unwrap();
    let (owed, nothing) = (order(&cluster, 0), order(&cluster, 1));
    let mut facts = Vec::new();
    cluster.commercial(A).send_frame(0, &owed, &mut facts);
    assert_eq!(facts.len(), 1, "an answer cannot overtake it");
    cluster.commercial(A).send_frame(0, &nothing, &mut facts);
    assert_eq!(facts.len(), 1, "it waits its turn in the mailbox");
}
