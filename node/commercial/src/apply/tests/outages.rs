//! Servers that die, lose their data or come back with an old copy of it.

use clavitor_commercial::pop::Input;
use clavitor_core::alert::AlertType;
use clavitor_core::id::Seq;

use super::cluster::{A, B, C, Cluster};
use super::fixtures::{blob, pop_id};
use super::network::Fate;

const NOTHING: [usize; 0] = [];

#[test]
fn three_healthy_pops_send_a_batch_once_to_each_and_relay_nothing() {
    let mut cluster = Cluster::new(3);
    cluster.write_batch(A, "k", 250);
    cluster.settle();
    assert_eq!(cluster.batches(A, B), [100, 100, 50]);
    assert_eq!(cluster.batches(A, C), [100, 100, 50]);
    cluster.assert_same();
    // Not even when everything that is uncovered is due at once.
    cluster.promote(B);
    for (from, to) in [(B, A), (B, C), (C, A), (C, B)] {
        assert_eq!(cluster.batches(from, to), NOTHING, "{from} to {to}");
    }
    let batches = cluster.batches(A, B).len() + cluster.batches(A, C).len();
    assert_eq!(batches, 6, "nor does the old primary say anything twice");
}

#[test]
fn what_the_source_could_not_ship_any_more_comes_from_the_other_backup_once() {
    let mut cluster = Cluster::new(3);
    cluster.write_batch(A, "both", 10);
    cluster.settle();
    cluster.cut(&[(A, C)]);
    cluster.write_batch(A, "half", 150);
    cluster.settle();
    assert_eq!((cluster.records(B).len(), cluster.records(C).len()), (160, 10));
    cluster.stop(A);
    cluster.sent.clear();
    cluster.promote(B);
    assert_eq!(cluster.records(C).len(), 160);
    assert_eq!(cluster.batches(B, C), [100, 50], "and not what c has from a");
    assert_eq!(cluster.batches(C, B), NOTHING);
    cluster.sent.clear();
    cluster.promote(C);
    assert_eq!((cluster.batches(B, C), cluster.batches(C, B)), (vec![], vec![]));
    cluster.start(A);
    cluster.settle();
    cluster.heal();
    cluster.assert_same();
}

#[test]
fn a_peer_that_was_emptied_is_sent_everything_again() {
    let mut cluster = Cluster::new(3);
    cluster.write_batch(A, "k", 120);
    cluster.settle();
    assert_eq!(cluster.view(A, B).acked, Seq(120));
    cluster.empty(B);
    cluster.sent.clear();
    cluster.start(B);
    cluster.settle();
    assert_eq!(cluster.batches(A, B), [100, 20]);
    assert_eq!(cluster.batches(A, C), NOTHING);
    cluster.assert_same();
    assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (Seq(120), 0));
}

#[test]
fn a_peer_that_was_emptied_while_its_source_was_away_is_noticed_too() {
    let mut cluster = Cluster::new(2);
    cluster.write_batch(A, "k", 120);
    cluster.settle();
    cluster.stop(A);
    cluster.empty(B);
    cluster.start(B);
    cluster.settle();
    cluster.start(A);
    cluster.settle();
    cluster.heal();
    cluster.assert_same();
    assert_eq!(cluster.dirty(A, B), 0);
}

/// A copy of the primary's data directory, and five records of ten that it lacks.
fn lost_since_a_copy(pops: usize) -> (Cluster, Vec<u8>) {
    let mut cluster = Cluster::new(pops);
    cluster.write_batch(A, "old", 5);
    cluster.settle();
    let copy = cluster.copy(A);
    cluster.write_batch(A, "lost", 5);
    cluster.settle();
    (cluster, copy)
}

#[test]
fn a_server_that_was_rolled_back_takes_a_new_identity_and_is_refilled() {
    let (mut cluster, copy) = lost_since_a_copy(3);
    let former = cluster.store(A).store_id();
    cluster.put_back(A, &copy);
    assert_eq!(cluster.store(A).store_id(), former);
    cluster.sent.clear();
    cluster.settle();
    cluster.heal();
    assert_ne!(cluster.store(A).store_id(), former);
    assert!(cluster.store(A).last() > Seq(10), "numbers that were used are used by nobody else");
    cluster.assert_same();
    assert_eq!(cluster.records(A).len(), 10);
    assert!(cluster.alerts(A).contains(&AlertType::RolledBack));
    assert_eq!(cluster.alerts(B), []);
    let ranges = cluster.sent.iter().filter(|sent| sent.from == A && sent.records > 0);
    let afters: Vec<Seq> = ranges.map(|sent| sent.range.0).collect();
    assert!(afters.contains(&Seq(0)), "everything is owed again: {afters:?}");
}

#[test]
fn two_old_copies_that_are_put_back_together_end_in_the_same_state() {
    let mut cluster = Cluster::new(2);
    let (empty, started) = (cluster.copy(A), cluster.store(A).store_id());
    cluster.write_batch(A, "k", 5);
    cluster.settle();
    let copy = cluster.copy(B);
    cluster.promote(B);
    cluster.write_batch(B, "lost", 5);
    cluster.heal();
    cluster.put_back(B, &copy);
    // It is found out, and nothing comes from its peer before that one is put back too.
    cluster.decide(|letter| {
        let is_data = letter.is_on((A, B)) && letter.has_records();
        if is_data { Fate::Lose } else { Fate::Deliver }
    });
    for _ in 0..3 {
        cluster.tell(A, Input::Resumed);
        cluster.tell(B, Input::Resumed);
        cluster.settle();
    }
    cluster.put_back(A, &empty);
    (0..4).for_each(|_| cluster.heal());
    assert_ne!(cluster.store(A).store_id(), started, "it was found out");
    cluster.assert_same();
    assert_eq!(cluster.records(A).len(), 5, "what neither copy holds is gone");
}

#[test]
fn an_old_copy_that_is_put_back_twice_is_noticed_twice() {
    let mut cluster = Cluster::new(2);
    cluster.write_batch(A, "old", 5);
    cluster.settle();
    let copy = cluster.copy(A);
    let mut seen = vec![cluster.store(A).store_id()];
    for round in ["first", "second"] {
        cluster.write_batch(A, round, 5);
        cluster.settle();
        cluster.put_back(A, &copy);
        // Each identity is a stranger at first, whom its peer asks about before it takes anything.
        (0..4).for_each(|_| cluster.heal());
        assert!(!seen.contains(&cluster.store(A).store_id()));
        seen.push(cluster.store(A).store_id());
        cluster.assert_same();
    }
    assert_eq!(cluster.records(A).len(), 15);
}

#[test]
fn a_rolled_back_server_sends_nothing_under_numbers_that_were_used() {
    let (mut cluster, copy) = lost_since_a_copy(2);
    cluster.put_back(A, &copy);
    cluster.write_batch(A, "since", 3);
    cluster.settle();
    cluster.heal();
    cluster.assert_same();
    assert_eq!(cluster.records(B).len(), 13);
    cluster.write(A, "later", "x").unwrap();
    cluster.settle();
    assert_eq!(blob(cluster.store(B), "later").as_deref(), Some("x"));
}

#[test]
fn a_restart_while_nobody_answers_does_not_hide_that_a_server_was_rolled_back() {
    let (mut cluster, copy) = lost_since_a_copy(2);
    cluster.cut(&[(A, B), (B, A)]);
    cluster.put_back(A, &copy);
    cluster.write_batch(A, "since", 20);
    cluster.settle();
    cluster.restart(A);
    assert_eq!(cluster.store(A).last(), Seq(25), "beyond what b has received");
    cluster.heal();
    cluster.heal();
    assert!(cluster.alerts(A).contains(&AlertType::RolledBack));
    cluster.assert_same();
    assert_eq!(cluster.records(B).len(), 30);
}

#[test]
fn a_receiver_that_was_rolled_back_gets_what_it_lost_and_nothing_else() {
    let mut cluster = Cluster::new(2);
    cluster.write_batch(A, "old", 5);
    cluster.settle();
    let copy = cluster.copy(B);
    cluster.write_batch(A, "lost", 7);
    cluster.settle();
    cluster.sent.clear();
    cluster.put_back(B, &copy);
    cluster.settle();
    assert_eq!(cluster.batches(A, B), [7]);
    cluster.assert_same();
    assert_eq!((cluster.alerts(A), cluster.alerts(B)), (vec![], vec![]));
}

#[test]
fn what_a_crash_left_dirty_drains_at_start_up_without_a_write() {
    let mut cluster = Cluster::new(2);
    cluster.stop(B);
    cluster.write_batch(A, "k", 250);
    cluster.settle();
    cluster.stop(A);
    cluster.start(B);
    cluster.sent.clear();
    cluster.restart(A);
    assert_eq!(cluster.batches(A, B), [100, 100, 50]);
    cluster.assert_same();
}

#[test]
fn a_backup_that_was_away_catches_up_on_its_hello_alone() {
    let mut cluster = Cluster::new(2);
    cluster.write_batch(A, "before", 10);
    cluster.settle();
    cluster.stop(B);
    cluster.write_batch(A, "while", 30);
    cluster.settle();
    // A retry that is a second away is left to the timer; one further off is not waited for.
    cluster.tell(A, clavitor_commercial::pop::Input::Resumed);
    cluster.settle();
    cluster.sent.clear();
    cluster.start(B);
    cluster.settle();
    cluster.heal();
    assert_eq!(cluster.batches(A, B), [30], "and nothing that it had");
    cluster.assert_same();
}

#[test]
fn lost_and_repeated_frames_and_lost_answers_change_nothing_in_the_end() {
    let mut cluster = Cluster::new(3);
    let fates = [Fate::Lose, Fate::LoseAnswer, Fate::Twice, Fate::Deliver, Fate::Flip(900)];
    let mut letters = 0;
    cluster.decide(move |_| {
        letters += 1;
        fates[letters % fates.len()]
    });
    for round in 0..12 {
        let at = if round < 6 { A } else { B };
        if round == 6 {
            cluster.promote(B);
        }
        cluster.write_batch(at, &format!("r{round}-"), 40);
        cluster.write(at, "k", &round.to_string()).unwrap();
        cluster.settle();
        cluster.tell(at, clavitor_commercial::pop::Input::Resumed);
        cluster.settle();
    }
    cluster.heal();
    cluster.heal();
    cluster.assert_same();
    assert_eq!(cluster.store(C).entries(), 481);
    let epoch = cluster.commercial(C).epoch.lock().unwrap().unwrap();
    assert_eq!((epoch.number, epoch.primary), (2, pop_id("b")));
}
