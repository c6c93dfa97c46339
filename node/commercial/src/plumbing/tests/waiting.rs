use clavitor_core::pop as community;

use super::super::*;
use crate::apply::tests::cluster::{A, B, Cluster};
use crate::apply::tests::network::{Fate, HeldAnswer, Letter};

/// A client's write that waits for a backup.
fn put(cluster: &mut Cluster, name: &str, blob: &str) -> BackupWait {
    let (op, wait) = cluster.commercial(A).await_backup().unwrap();
    cluster.write_all(A, &[(name, blob)], Some(op)).unwrap();
    (op, wait)
}

fn answer(cluster: &mut Cluster, held: HeldAnswer) {
    let _ = held.reply.send(held.answer);
    cluster.settle();
}

fn is_told(wait: &mut BackupWait) -> Option<bool> {
    wait.1.try_recv().unwrap()
}

#[test]
fn a_waiter_is_released_once_a_backup_has_its_write() {
    let mut cluster = Cluster::new(2);
    cluster.decide(|letter| if letter.has_records() { Fate::HoldAnswer } else { Fate::Deliver });
    let mut wait = put(&mut cluster, "k", "1");
    cluster.settle();
    assert_eq!(cluster.records(B).len(), 1, "it is there");
    assert_eq!(is_told(&mut wait), None, "but nobody knows");
    let held = lock(&cluster.held_answers).pop().unwrap();
    answer(&mut cluster, held);
    assert_eq!(is_told(&mut wait), Some(true));
}

#[test]
fn an_ack_that_did_not_carry_the_record_releases_nobody() {
    let mut cluster = Cluster::new(2);
    cluster.decide(|letter| if letter.has_records() { Fate::HoldAnswer } else { Fate::Hold });
    cluster.tell(A, Input::Resumed);
    cluster.write_batch(A, "other", 49);
    let mut first = put(&mut cluster, "k", "1");
    cluster.write_batch(A, "more", 150);
    let mut second = put(&mut cluster, "k", "2");
    cluster.settle();
    std::mem::take(&mut cluster.held)
        .into_iter()
        .for_each(|letter| cluster.deliver(letter, Fate::Deliver));
    cluster.settle();
    let held = std::mem::take(&mut *lock(&cluster.held_answers));
    assert!(held.len() >= 2, "{}", held.len());
    let last = held.len() - 1;
    for (at, held) in held.into_iter().enumerate() {
        assert_eq!((is_told(&mut first), is_told(&mut second)), (None, None), "before {at}");
        answer(&mut cluster, held);
        if at < last {
            assert!(cluster.view(A, B).acked >= Seq(50), "the cursor is past the first version");
        }
    }
    assert_eq!((is_told(&mut first), is_told(&mut second)), (Some(true), Some(true)));
}

#[test]
fn a_forged_ack_releases_nobody_and_the_true_one_does() {
    let mut cluster = Cluster::new(2);
    let fate = |letter: &Letter| {
        if letter.has_records() { Fate::FlipAnswer(333) } else { Fate::Deliver }
    };
    cluster.decide(fate);
    let mut wait = put(&mut cluster, "k", "1");
    cluster.settle();
    assert_eq!(is_told(&mut wait), None);
    cluster.heal();
    assert_eq!(is_told(&mut wait), Some(true), "already is as good as applied");
}

#[test]
fn a_write_that_a_backup_defers_is_not_confirmed() {
    let mut cluster = Cluster::new(2);
    cluster.pops[A].clock = crate::apply::tests::fixtures::ten_minutes_later;
    cluster.restart(A);
    let mut wait = put(&mut cluster, "k", "1");
    cluster.settle();
    assert_eq!((cluster.view(A, B).acked, is_told(&mut wait)), (Seq(1), None));
}

#[test]
fn a_server_that_goes_away_tells_its_waiters_the_truth() {
    let mut cluster = Cluster::new(2);
    cluster.cut(&[(A, B)]);
    let mut wait = put(&mut cluster, "k", "1");
    cluster.settle();
    cluster.tell(A, Input::Community(community::Input::ShutdownRequested));
    cluster.settle();
    assert_eq!(is_told(&mut wait), Some(false));
}

#[test]
fn places_of_clients_that_gave_up_are_used_again() {
    let cluster = Cluster::new(2);
    for _ in 0..100 {
        drop(cluster.commercial(A).await_backup());
    }
    assert!(lock(&cluster.commercial(A).waits).len() <= 1);
}
