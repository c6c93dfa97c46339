use clavitor_commercial::replication;
use clavitor_core::alert::AlertType;

use super::super::*;
use crate::apply::tests::cluster::{A, B, C, Cluster};
use crate::apply::tests::fixtures::{blob, damage, record, ten_minutes_later};

/// A cluster whose primary's clock is ten minutes ahead of `b`'s, after one write.
fn with_a_record_of_the_future() -> Cluster {
    let mut cluster = Cluster::new(3);
    for at in [A, C] {
        cluster.pops[at].clock = ten_minutes_later;
        cluster.restart(at);
    }
    cluster.write(A, "k", "of the future").unwrap();
    cluster.settle();
    cluster
}

/// What the machine orders a minute later.
fn retry(cluster: &mut Cluster, peer: u8) {
    let effect = Effect::Peer { peer, effect: replication::Effect::RetrySetbacks };
    assert!(cluster.commercial(A).perform(effect, &mut Vec::new()).is_ok());
    cluster.settle();
}

#[test]
fn a_deferred_record_is_kept_counted_and_told_of_once() {
    let mut cluster = with_a_record_of_the_future();
    assert_eq!(blob(cluster.store(B), "k"), None);
    assert_eq!(blob(cluster.store(C), "k").as_deref(), Some("of the future"));
    assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (Seq(1), 1));
    assert_eq!(cluster.dirty(A, C), 0);
    cluster.write(A, "l", "also").unwrap();
    cluster.settle();
    assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (Seq(2), 2), "nothing is blocked");
    let alerts = cluster.alerts(A);
    assert_eq!(alerts.iter().filter(|it| **it == AlertType::RecordRefused).count(), 1);
    cluster.restart(A);
    assert_eq!(cluster.dirty(A, B), 2, "durably");
}

#[test]
fn a_retried_record_has_a_new_number_and_arrives_once_its_time_has_come() {
    let mut cluster = with_a_record_of_the_future();
    retry(&mut cluster, 0);
    assert_eq!(blob(cluster.store(B), "k"), None, "it is still too early");
    assert_eq!((cluster.store(A).last(), cluster.dirty(A, B)), (Seq(2), 1));
    cluster.pops[B].clock = ten_minutes_later;
    cluster.restart(B);
    let before = record(cluster.store(A), &crate::apply::tests::fixtures::key("k"));
    retry(&mut cluster, 0);
    assert_eq!(cluster.store(A).last(), Seq(3));
    assert_eq!(blob(cluster.store(B), "k").as_deref(), Some("of the future"));
    assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (Seq(3), 0));
    let after = record(cluster.store(A), &crate::apply::tests::fixtures::key("k"));
    assert_eq!(before, after, "the version is the same");
    cluster.assert_same();
    retry(&mut cluster, 0);
    assert_eq!(cluster.store(A).last(), Seq(3), "nothing is left to retry");
}

#[test]
fn a_setback_of_one_peer_is_none_of_another() {
    let mut cluster = with_a_record_of_the_future();
    retry(&mut cluster, 1);
    assert_eq!((cluster.store(A).last(), cluster.dirty(A, B)), (Seq(1), 1));
}

#[test]
fn a_deferred_record_that_is_overwritten_goes_out_as_it_is_by_then() {
    let mut cluster = with_a_record_of_the_future();
    cluster.write(A, "k", "newer").unwrap();
    cluster.settle();
    cluster.pops[B].clock = ten_minutes_later;
    cluster.restart(B);
    retry(&mut cluster, 0);
    cluster.assert_same();
    assert_eq!(cluster.dirty(A, B), 0);
}

#[test]
fn a_setback_that_the_disk_has_damaged_keeps_back_no_other() {
    let mut cluster = with_a_record_of_the_future();
    cluster.write(A, "l", "also of the future").unwrap();
    cluster.settle();
    for at in [A, B] {
        cluster.stop(at);
        cluster.pops[at].clock = ten_minutes_later;
    }
    damage(&cluster.pops[A].dir, "also of the future");
    cluster.start(A);
    cluster.start(B);
    cluster.settle();
    cluster.heal();
    retry(&mut cluster, 0);
    assert_eq!(blob(cluster.store(B), "k").as_deref(), Some("of the future"));
    assert_eq!(cluster.dirty(A, B), 0);
}
