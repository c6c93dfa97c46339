use clavitor_commercial::replication;
use clavitor_core::alert::AlertType;
use clavitor_core::id::StoreId;
use clavitor_node::store::Stop;

use super::super::*;
use crate::apply::tests::cluster::{A, B, C, Cluster};
use crate::apply::tests::fixtures::{Receiver, key, monday};
use crate::apply::tests::network::{Fate, HeldAnswer};

fn replicated_at(cluster: &Cluster, at: usize, name: &str) -> Option<UnixTime> {
    let commercial = cluster.commercial(at);
    let read = cluster.store(at).read(|reader| {
        let row = reader.head(&key(name))?.unwrap();
        commercial.replicated_at(reader, row.seq)
    });
    read.unwrap()
}

fn stored_cursor(cluster: &Cluster, at: usize, url: &str) -> Seq {
    cluster.store(at).read(|reader| tables::peer(reader, url)).unwrap().cursor
}

#[test]
fn a_record_is_replicated_once_every_peer_has_confirmed_it() {
    let mut cluster = Cluster::new(3);
    cluster.cut(&[(A, C)]);
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    assert_eq!((cluster.dirty(A, B), cluster.dirty(A, C)), (0, 1));
    assert_eq!(replicated_at(&cluster, A, "k"), None, "c has not");
    cluster.heal();
    assert_eq!(replicated_at(&cluster, A, "k"), Some(monday()));
    assert_eq!(replicated_at(&cluster, B, "k"), None, "a backup does not say");
    let last = cluster.store(A).last();
    cluster.restart(A);
    assert_eq!(replicated_at(&cluster, A, "k"), Some(monday()));
    assert_eq!(cluster.store(A).last(), last, "and it makes nothing dirty");
    cluster.write(A, "k", "2").unwrap();
    cluster.cut(&[(A, B), (A, C)]);
    assert_eq!(replicated_at(&cluster, A, "k"), None, "the new version is another");
}

#[test]
fn the_peer_that_has_confirmed_least_decides() {
    for (cut, other) in [(B, C), (C, B)] {
        let mut cluster = Cluster::new(3);
        cluster.cut(&[(A, cut)]);
        cluster.write(A, "k", "1").unwrap();
        cluster.settle();
        assert_eq!((cluster.dirty(A, other), cluster.dirty(A, cut)), (0, 1));
        assert_eq!(replicated_at(&cluster, A, "k"), None);
    }
}

#[test]
fn what_an_emptied_peer_lost_is_no_longer_replicated() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    assert!(replicated_at(&cluster, A, "k").is_some());
    cluster.empty(B);
    cluster.decide(|letter| if letter.has_records() { Fate::Lose } else { Fate::Deliver });
    cluster.start(B);
    cluster.settle();
    assert_eq!(cluster.dirty(A, B), 1);
    assert_eq!(replicated_at(&cluster, A, "k"), None);
    cluster.heal();
    assert!(replicated_at(&cluster, A, "k").is_some());
}

#[test]
fn bookkeeping_of_a_former_data_directory_comes_too_late() {
    let mut cluster = Cluster::new(2);
    cluster.write_batch(A, "k", 10);
    cluster.decide(|letter| if letter.has_records() { Fate::HoldAnswer } else { Fate::Deliver });
    cluster.settle();
    // The confirmation and the news that the peer was emptied, in one breath: bookkeeping that
    // nobody waits for is written last.
    let op = lock(&cluster.commercial(A).sent).ops().max().unwrap();
    let (pop, store) = (cluster.store(B).pop(), StoreId([9; 16]));
    let advance = replication::Effect::AdvanceCursor { op, cursor: Seq(10), setbacks: Vec::new() };
    let adopt = replication::Effect::AdoptPeer { pop, store, cursor: Seq(0) };
    for effect in [advance, adopt] {
        let effect = Effect::Peer { peer: 0, effect };
        assert!(cluster.commercial(A).perform(effect, &mut Vec::new()).is_ok());
    }
    cluster.executor.run();
    cluster.store(A).write_blocking::<(), (), _>(|_| Ok(())).unwrap();
    cluster.store(A).write_blocking::<(), (), _>(|_| Ok(())).unwrap();
    assert_eq!(stored_cursor(&cluster, A, "http://b"), Seq(0));
    assert_eq!(replicated_at(&cluster, A, "k0000"), None);
}

#[test]
fn the_cursor_passes_answered_ranges_only_in_their_order() {
    let mut cluster = Cluster::new(2);
    cluster.decide(|letter| if letter.has_records() { Fate::HoldAnswer } else { Fate::Deliver });
    cluster.write_batch(A, "k", 300);
    cluster.settle();
    let mut held = std::mem::take(&mut *lock(&cluster.held_answers));
    assert_eq!(held.len(), 3, "they are under way at once");
    let expected = [(2, 0), (0, 100), (0, 300)];
    for (at, acked) in expected {
        let HeldAnswer { reply, answer, .. } = held.remove(at);
        assert!(reply.send(answer).is_ok());
        cluster.settle();
        assert_eq!(cluster.view(A, B).acked, Seq(acked));
        assert_eq!(stored_cursor(&cluster, A, "http://b"), Seq(acked));
    }
    assert_eq!(cluster.dirty(A, B), 0);
}

#[test]
fn a_record_rewritten_in_flight_stays_dirty_and_arrives() {
    let mut cluster = Cluster::new(2);
    cluster.decide(|letter| if letter.has_records() { Fate::HoldAnswer } else { Fate::Deliver });
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    cluster.decide(|letter| if letter.has_records() { Fate::Hold } else { Fate::Deliver });
    cluster.write(A, "k", "2").unwrap();
    cluster.settle();
    let HeldAnswer { reply, answer, .. } = lock(&cluster.held_answers).pop().unwrap();
    assert!(reply.send(answer).is_ok());
    cluster.settle();
    assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (Seq(1), 1));
    let letter = cluster.held.pop().unwrap();
    cluster.deliver(letter, Fate::Deliver);
    cluster.settle();
    assert_eq!(cluster.dirty(A, B), 0);
    cluster.assert_same();
}

#[test]
fn confirmations_are_bounded_and_the_oldest_go_first() {
    let b = Receiver::new();
    let confirm = move |from: u64, to: u64| {
        let done = b.store.write_blocking::<(), (), _>(move |txn| {
            for seq in from..=to {
                tables::confirm(txn, Seq(seq), UnixTime(seq))?;
            }
            Ok(())
        });
        done.unwrap();
        let at = |seq| b.store.read(|it| tables::confirmed_at(it, Seq(seq))).unwrap();
        (at(1), at(to), at(to + 1))
    };
    assert_eq!(confirm(1, 4_096), (Some(UnixTime(1)), Some(UnixTime(4_096)), None));
    let (oldest, newest, beyond) = confirm(4_097, 4_100);
    assert_eq!((newest, beyond), (Some(UnixTime(4_100)), None));
    assert_eq!(oldest, Some(UnixTime(5)), "as late as the oldest that is known");
}

#[test]
fn a_confirmation_is_kept_at_its_first_time_and_forgotten_above_what_was_lost() {
    let b = Receiver::new();
    let done = b.store.write_blocking::<_, (), _>(move |txn| {
        tables::confirm(txn, Seq(10), UnixTime(1))?;
        tables::confirm(txn, Seq(10), UnixTime(2))?;
        tables::confirm(txn, Seq(7), UnixTime(3))?;
        tables::confirm(txn, Seq(20), UnixTime(4))?;
        tables::unconfirm(txn, Seq(10))?;
        let at = |seq| tables::confirmed_at(&txn.reader(), Seq(seq));
        Ok::<_, Stop<()>>((at(7)?, at(10)?, at(11)?))
    });
    assert_eq!(done.unwrap(), (Some(UnixTime(1)), Some(UnixTime(1)), None));
}

#[test]
fn dirty_counts_start_where_nothing_is_settled() {
    let mut cluster = Cluster::new(3);
    cluster.cut(&[(A, B)]);
    cluster.write_batch(A, "k", 130);
    cluster.settle();
    assert_eq!((cluster.dirty(A, B), cluster.dirty(A, C)), (130, 0));
    assert_eq!((cluster.dirty(C, A), cluster.dirty(B, A)), (0, 0));
    cluster.restart(A);
    assert_eq!((cluster.dirty(A, B), cluster.dirty(A, C)), (130, 0));
}

#[test]
fn what_waits_for_room_is_written_in_the_order_it_was_given() {
    let mut cluster = Cluster::new(2);
    let (order, has_room) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    for number in 0..3 {
        let (order, room) = (order.clone(), has_room.clone());
        let book = move |_: &mut Transaction<'_>| match room.load(Ordering::Acquire) {
            false if number != 1 => Err(StoreError::Full),
            _ => {
                lock(&order).push(number);
                Ok(())
            }
        };
        cluster.commercial(A).keep(book, |_| {});
    }
    cluster.settle();
    assert!(lock(&order).is_empty(), "the second had room, and waits for the first");
    has_room.store(true, Ordering::Release);
    cluster.executor.fire_timers();
    cluster.settle();
    assert_eq!(*lock(&order), vec![0, 1, 2]);
}

#[test]
fn more_than_can_wait_is_given_up_with_one_alert() {
    let mut cluster = Cluster::new(2);
    let written = Arc::new(AtomicU64::new(0));
    for _ in 0..2_000 {
        let written = written.clone();
        let book = move |_: &mut Transaction<'_>| Err(StoreError::Full);
        cluster.commercial(A).keep(book, move |_| {
            written.fetch_add(1, Ordering::Relaxed);
        });
    }
    cluster.settle();
    assert_eq!(cluster.alerts(A), [AlertType::StorageFull]);
    assert_eq!(written.load(Ordering::Relaxed), 0);
}
