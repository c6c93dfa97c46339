use super::*;
use crate::cluster::PEERS_MAX;

#[test]
fn ten_thousand_equal_alerts_are_a_few_posts_with_a_count() {
    let mut bench = Bench::new();
    bench.delivers = true;
    // A minute and a half of them.
    for at in 0..10_000 {
        bench.until(at * 9);
        bench.raise(skew());
    }
    bench.until(bench.now_ms + HOLD_BACK_MS);
    let counts: Vec<u32> = bench.sent().into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts.len(), 3, "{counts:?}");
    assert_eq!((counts[0], counts.iter().sum::<u32>()), (1, 10_000));
    assert!(bench.keeps < 200, "{} writes", bench.keeps);
}

#[test]
fn equal_alerts_that_wait_are_one_item() {
    let mut bench = Bench::new();
    bench.raise(full());
    (0..10_000).for_each(|_| bench.raise(skew()));
    assert_eq!(bench.waiting(), 2);
    bench.answer(Outcome::Delivered);
    assert_eq!(bench.sent(), [(AlertType::StorageFull, 1), (AlertType::ClockSkew, 10_000)]);
}

#[test]
fn what_was_offered_never_changes_and_a_further_one_waits_a_minute() {
    let mut bench = Bench::new();
    bench.raise(skew());
    bench.raise(skew());
    bench.answer(Outcome::Away);
    bench.raise(skew());
    assert_eq!(bench.sent(), [(AlertType::ClockSkew, 1); 2]);
    bench.answer(Outcome::Delivered);
    bench.until(HOLD_BACK_MS - 1);
    assert_eq!(bench.posts.len(), 2);
    bench.until(HOLD_BACK_MS);
    assert_eq!(bench.sent()[2..], [(AlertType::ClockSkew, 2)]);
}

#[test]
fn different_alerts_of_a_type_that_were_there_before_are_not_held_back() {
    let mut bench = Bench::new();
    bench.raise(full());
    for peer in ["b", "c", "d"] {
        bench.raise(alert(AlertType::ReplicationExhausted, peer));
    }
    (0..3).for_each(|_| bench.answer(Outcome::Delivered));
    assert_eq!((bench.posts.len(), bench.now_ms), (4, 0));
    bench.answer(Outcome::Delivered);
    bench.raise(alert(AlertType::ReplicationExhausted, "e"));
    bench.raise(skew());
    assert_eq!(bench.last().alert, skew(), "another type is not held back");
}

#[test]
fn every_peer_of_the_largest_cluster_is_named() {
    let mut bench = Bench::new();
    let of = |peer: usize| {
        alert(AlertType::ReplicationExhausted, "unreachable").with("peer", format!("pop-{peer}"))
    };
    bench.delivers = true;
    (0..PEERS_MAX).for_each(|peer| bench.raise(of(peer)));
    bench.until(HOLD_BACK_MS);
    let sent: Vec<&Alert> = bench.posts.iter().map(|(_, item)| &item.alert).collect();
    assert_eq!(sent.len(), PEERS_MAX);
    assert!((0..PEERS_MAX).all(|peer| sent.contains(&&of(peer))));
}

#[test]
fn further_ones_of_a_type_become_an_item_that_claims_nothing_and_counts_them() {
    let mut bench = Bench::new();
    bench.raise(full());
    let of = |at: usize| alert(AlertType::ClockSkew, "off").with("peer", at);
    (0..PER_TYPE_MAX + 12).for_each(|at| bench.raise(of(at)));
    bench.raise(of(3));
    assert_eq!(bench.waiting(), 1 + PER_TYPE_MAX as u64 + 1);
    // Some were stored before the last ones came: what has a row does not change but for its count.
    let first = bench.outbox.values().last().unwrap().alert.clone();
    assert_eq!((&first.alert_type, first.details.len()), (&AlertType::ClockSkew, 0));
    (0..PER_TYPE_MAX + 2).for_each(|_| bench.answer(Outcome::Delivered));
    let counts: Vec<u32> = bench.sent().into_iter().skip(1).map(|(_, count)| count).collect();
    assert_eq!(counts.iter().sum::<u32>() as usize, PER_TYPE_MAX + 12 + 1);
    assert_eq!((counts[3], *counts.last().unwrap()), (2, 12));
    assert_eq!(bench.last().alert, first);
    for (at, (_, item)) in bench.posts[1..=PER_TYPE_MAX].iter().enumerate() {
        assert_eq!(item.alert, of(at), "the others are as they were raised");
    }
}

#[test]
fn a_count_that_grows_is_stored_once_a_second_and_before_it_is_sent() {
    let mut bench = Bench::new();
    bench.raise(full());
    bench.raise(skew());
    let keeps = bench.keeps;
    for at_ms in 1..KEEP_EVERY_MS {
        bench.until(at_ms);
        bench.raise(skew());
    }
    assert_eq!(bench.keeps, keeps);
    bench.answer(Outcome::Delivered);
    let item = bench.last().clone();
    assert_eq!(item.count, 1_000);
    assert_eq!(bench.outbox.get(&item.number), Some(&item));
}
