use clavitor_commercial::{epoch, replication};
use clavitor_core::id::{Epoch, PopId};

use super::super::*;
use crate::apply::tests::cluster::{A, B, Cluster};
use crate::apply::tests::fixtures::{DAY_MS, frame, hlc, member, monday, version};

/// A hello of `b` to `a` that was recorded a day ago.
fn recorded(cluster: &Cluster) -> clavitor_commercial::frame::Frame {
    let mut old = frame("b", 0, 0, &[]);
    old.source.store = cluster.store(B).store_id();
    old.destination = "http://a".into();
    old.destination_store = Some(cluster.store(A).store_id());
    old.epoch = *lock(&cluster.commercial(A).epoch);
    old.sent = old.sent.offset_ms(-i64::try_from(DAY_MS).unwrap());
    old
}

#[test]
fn a_replayed_frame_says_nothing_about_todays_clocks() {
    let mut cluster = Cluster::new(2);
    let (old, before) = (recorded(&cluster), *lock(&cluster.commercial(A).peers_origin_ms));
    cluster.apply(A, old.clone()).unwrap();
    cluster.apply(A, old).unwrap();
    assert_eq!(*lock(&cluster.commercial(A).peers_origin_ms), before);
    assert!(cluster.write(A, "k", "1").is_ok(), "clients are served");
    cluster.settle();
    cluster.assert_same();
}

#[test]
fn a_replayed_hello_costs_a_question_at_most() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    let old = recorded(&cluster);
    cluster.sent.clear();
    cluster.apply(A, old).unwrap();
    assert!(cluster.sent.len() <= 2, "{:?}", cluster.sent);
    assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (Seq(1), 0));
}

/// Makes a POP believe that its peers' clocks are so far ahead of its own.
fn set_peers_ahead(cluster: &Cluster, at: usize, ahead_ms: i64) {
    let since_ms = i64::try_from(wall::instant().0 / 1_000_000).unwrap();
    let origin_ms = i64::try_from(monday().0).unwrap() + ahead_ms - since_ms;
    *lock(&cluster.commercial(at).peers_origin_ms) = Some(origin_ms);
}

#[test]
fn clocks_that_differ_by_more_than_five_minutes_stop_client_writes_until_they_agree() {
    let mut cluster = Cluster::new(2);
    cluster.judges_clocks = true;
    for ahead_ms in [3_600_000, -3_600_000] {
        set_peers_ahead(&cluster, A, ahead_ms);
        assert_eq!(cluster.write(A, "k", "1"), Err("CV-CLOCK"));
        let why = cluster.commercial(A).readiness().unwrap_err();
        assert!(why.contains("clock"), "{why}");
        set_peers_ahead(&cluster, B, ahead_ms);
        assert_eq!(cluster.commercial(B).readiness(), Ok(()), "a backup stamps nothing");
    }
    set_peers_ahead(&cluster, A, 60_000);
    assert_eq!(cluster.commercial(A).readiness(), Ok(()));
    assert!(cluster.write(A, "k", "1").is_ok());
}

#[test]
fn a_server_that_was_rolled_back_continues_above_what_its_peers_clocks_show() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    let copy = cluster.copy(A);
    cluster.write(A, "k", "2").unwrap();
    cluster.settle();
    cluster.cut(&[(A, B)]);
    cluster.put_back(A, &copy);
    cluster.settle();
    assert_eq!(cluster.store(A).floor_ms(), monday().0);
    let effect = replication::Effect::RolledBack { received: Seq(9) };
    set_peers_ahead(&cluster, A, 200_000);
    let ordered = cluster.commercial(A).perform(Effect::Peer { peer: 0, effect }, &mut Vec::new());
    assert!(ordered.is_ok());
    cluster.settle();
    assert!(cluster.store(A).floor_ms() >= monday().0 + 200_000);
    assert!(cluster.store(A).last() > Seq(9));
    let row = cluster.store(A).read(|reader| tables::peer(reader, "http://b")).unwrap();
    assert_eq!(row.cursor, Seq(0), "everything is owed again");
}

#[test]
fn the_epoch_outlives_a_restart_and_only_grows() {
    let mut cluster = Cluster::new(2);
    let epoch = |cluster: &Cluster, at| cluster.commercial(at).epoch();
    let first = Some(Epoch { number: 1, primary: cluster.store(A).pop() });
    assert_eq!((epoch(&cluster, A), epoch(&cluster, B)), (first, first));
    cluster.promote(B);
    let second = Some(Epoch { number: 2, primary: cluster.store(B).pop() });
    for at in [A, B] {
        assert_eq!(epoch(&cluster, at), second);
        cluster.restart(at);
        assert_eq!(epoch(&cluster, at), second);
    }
    assert_eq!(cluster.write(A, "k", "1"), Err("CV-NOT-PRIMARY"));
    assert!(cluster.write(B, "k", "1").is_ok());
}

#[test]
fn the_epoch_is_checked_in_the_transaction_of_the_write() {
    let mut cluster = Cluster::new(2);
    let mut newer = frame("b", 0, 1, &[version("k", hlc(1, "b"), "1")]);
    newer.source.store = cluster.store(B).store_id();
    newer.destination = "http://a".into();
    let primary: PopId = member("b").pop;
    newer.epoch = Some(Epoch { number: 9, primary });
    let commercial = cluster.commercial(A).clone();
    // Durable, but nobody has been told yet.
    let applied = cluster
        .store(A)
        .write_blocking::<(), (), _>(move |txn| epoch::store(txn, newer.epoch).map_err(Stop::from));
    applied.unwrap();
    assert!(commercial.is_primary(), "memory is behind");
    assert_eq!(cluster.write(A, "k", "1"), Err("CV-NOT-PRIMARY"));
}
