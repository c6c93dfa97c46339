use super::*;

#[test]
fn one_order_at_a_time_and_what_changes_meanwhile_goes_with_the_next() {
    let mut bench = Bench::new();
    bench.is_slow = true;
    bench.raise(skew());
    bench.raise(full());
    bench.raise(alert(AlertType::RolledBack, "an old copy"));
    assert_eq!(bench.keeps, 1);
    bench.answer_keep();
    assert_eq!(bench.keeps, 2);
    assert_eq!(bench.asked[0].1.len(), 2);
}

#[test]
fn answers_to_nothing_are_ignored() {
    let mut bench = Bench::new();
    bench.is_slow = true;
    bench.raise(skew());
    let before = bench.router.clone();
    bench.input(Input::Kept { op: OpId(999), at: NOON });
    bench.input(Input::Unkept { op: OpId(999), at: NOON, is_full: true });
    assert_eq!(bench.router, before);
    bench.answer_keep();
    let before = bench.router.clone();
    bench.input(Input::Kept { op: OpId(1), at: NOON });
    bench.input(Input::Unkept { op: OpId(1), at: NOON, is_full: true });
    assert_eq!(bench.router, before, "nor is one answer taken twice");
}

#[test]
fn without_room_an_alert_is_sent_from_memory_and_stored_later() {
    let mut bench = Bench::new();
    bench.takes = false;
    bench.raise(full());
    assert_eq!((bench.outbox.len(), bench.posts.len()), (0, 1));
    let item = bench.last().clone();
    bench.answer(Outcome::Away);
    bench.until(KEEP_EVERY_MS - 1);
    assert_eq!(bench.keeps, 1);
    bench.takes = true;
    bench.until(KEEP_EVERY_MS);
    assert_eq!(bench.outbox.get(&item.number), Some(&item), "as it was sent");
    assert_eq!(bench.last(), &item);
}

#[test]
fn without_room_a_stored_item_is_sent_as_it_is_stored() {
    let mut bench = Bench::new();
    bench.raise(skew());
    bench.answer(Outcome::Delivered);
    bench.raise(skew());
    bench.takes = false;
    (0..9).for_each(|_| bench.raise(skew()));
    bench.until(HOLD_BACK_MS);
    assert_eq!(bench.last().count, 1);
    bench.answer(Outcome::Delivered);
    bench.until(2 * HOLD_BACK_MS);
    assert_eq!(bench.last().count, 9, "and then what was counted since");
    bench.answer(Outcome::Delivered);
    assert_eq!(bench.waiting(), 0);
    bench.takes = true;
    bench.until(2 * HOLD_BACK_MS + KEEP_EVERY_MS);
    assert_eq!((bench.outbox.len(), bench.router.next_wake()), (0, None));
}

#[test]
fn what_is_being_stored_is_not_sent_before_it_is_known_what_is_stored() {
    let mut bench = Bench::new();
    bench.raise(skew());
    bench.answer(Outcome::Delivered);
    bench.raise(skew());
    bench.takes = false;
    bench.raise(skew());
    bench.until(HOLD_BACK_MS - 2 * KEEP_EVERY_MS);
    bench.is_slow = true;
    bench.raise(skew());
    while bench.asked.is_empty() {
        bench.now_ms += 1;
        bench.input(Input::Tick);
    }
    bench.until(HOLD_BACK_MS + KEEP_EVERY_MS);
    assert_eq!(bench.posts.len(), 1);
    bench.takes = true;
    bench.answer_keep();
    assert_eq!(bench.last().count, 3);
    assert_eq!(bench.outbox.get(&bench.last().number), Some(bench.last()));
}

#[test]
fn with_room_again_alerts_are_stored_at_once_again() {
    let mut bench = Bench::new();
    bench.takes = false;
    bench.raise(full());
    bench.takes = true;
    bench.until(KEEP_EVERY_MS);
    let keeps = bench.keeps;
    bench.raise(skew());
    assert_eq!((bench.keeps, bench.outbox.len()), (keeps + 1, 2));
}

#[test]
fn what_was_found_at_the_start_is_resent_as_it_is() {
    let mut bench = Bench::new();
    bench.raise(skew());
    let item = bench.last().clone();
    let mut bench = bench.restarted(8);
    bench.raise(skew());
    assert_eq!(bench.posts.iter().map(|(_, item)| item).collect::<Vec<_>>(), [&item]);
    bench.delivers = true;
    bench.answer(Outcome::Delivered);
    bench.until(HOLD_BACK_MS);
    assert_eq!(bench.posts.len(), 2, "the new one is one of its own");
    assert!(bench.last().number > item.number && bench.last().key != item.key);
}

#[test]
fn rows_that_cannot_be_read_are_told_and_forgotten() {
    let loaded = outbox::Loaded { items: vec![], damaged: vec![3, 9] };
    let mut bench = Bench::starting(Start { loaded, ..start() });
    bench.is_slow = true;
    bench.input(Input::Tick);
    assert_eq!(bench.asked[0].2, [3, 9]);
    assert_eq!(bench.lines.len(), 1);
    bench.answer_keep();
    assert_eq!(bench.sent(), [(AlertType::AlertsLost, 2)]);
    assert_eq!(bench.router.view().lost, 2);
}

#[test]
fn only_for_want_of_room_is_an_alert_sent_that_is_not_stored() {
    let mut bench = Bench::new();
    (bench.takes, bench.is_busy) = (false, true);
    bench.raise(skew());
    bench.until(10 * KEEP_EVERY_MS);
    assert_eq!((bench.posts.len(), bench.outbox.len()), (0, 0), "it is tried again");
    assert_eq!(bench.keeps, 11);
    bench.is_busy = false;
    bench.until(11 * KEEP_EVERY_MS);
    assert_eq!((bench.posts.len(), bench.outbox.len()), (1, 0));
    bench.answer(Outcome::Away);
    bench.is_busy = true;
    bench.until(13 * KEEP_EVERY_MS);
    let posts = bench.posts.len();
    bench.until(3_600_000);
    assert_eq!(bench.posts.len(), posts, "nor again");
    bench.takes = true;
    bench.until(3_600_000 + KEEP_EVERY_MS);
    assert_eq!((bench.posts.len(), bench.outbox.len()), (posts + 1, 1));
    assert!(bench.posts.iter().all(|(_, item)| *item == bench.posts[0].1));
}

#[test]
fn what_never_came_to_disk_is_not_remembered() {
    let mut bench = Bench::new();
    bench.takes = false;
    bench.delivers = true;
    for at in 0..500 {
        bench.raise(alert(AlertType::ClockSkew, &format!("{at}")));
        bench.until(bench.now_ms + HOLD_BACK_MS);
        assert_eq!(bench.router.keeping.removals(), 0);
    }
    assert_eq!((bench.posts.len(), bench.waiting(), bench.router.next_wake()), (500, 0, None));
}

#[test]
fn what_goes_while_it_is_being_stored_is_remembered_only_if_it_was() {
    for takes in [false, true] {
        let mut bench = Bench::new();
        bench.takes = false;
        bench.raise(full());
        bench.is_slow = true;
        bench.until(KEEP_EVERY_MS);
        assert_eq!((bench.asked.len(), bench.posts.len()), (1, 1), "again, and it is posted");
        bench.answer(Outcome::Delivered);
        assert_eq!(bench.router.keeping.removals(), 1);
        bench.takes = takes;
        bench.answer_keep();
        assert_eq!(bench.router.keeping.removals(), usize::from(takes));
        bench.until(3 * KEEP_EVERY_MS);
        bench.answer_keep();
        assert_eq!((bench.outbox.len(), bench.router.next_wake()), (0, None));
    }
}

#[test]
fn removals_are_bounded_by_what_is_on_disk_while_it_takes_nothing() {
    let mut bench = Bench::new();
    let mut seed = 100;
    while bench.outbox.len() < ITEMS_MAX {
        bench.raise(alert(AlertType::ClockSkew, &format!("{}", bench.outbox.len())));
        seed += 1;
        bench = bench.restarted(seed);
    }
    bench.input(Input::Tick);
    bench.takes = false;
    let mut most = 0;
    for at in 0..2 * ITEMS_MAX {
        bench.raise(alert(AlertType::RolledBack, &format!("{at}")));
        if bench.router.posting.is_some() {
            bench.answer(Outcome::Delivered);
        }
        bench.until(bench.now_ms + HOLD_BACK_MS);
        most = most.max(bench.router.keeping.removals());
    }
    assert_eq!((most, bench.outbox.len()), (ITEMS_MAX, ITEMS_MAX));
    bench.takes = true;
    bench.delivers = true;
    bench.until(bench.now_ms + 3_600_000);
    assert!(most <= outbox::ROWS_MAX && bench.outbox.len() <= 1);
}

#[test]
fn new_items_have_numbers_above_those_of_rows_that_cannot_be_read() {
    let loaded = outbox::Loaded { items: vec![], damaged: vec![3, 9] };
    let mut bench = Bench::starting(Start { loaded, ..start() });
    (bench.takes, bench.delivers) = (false, true);
    bench.raise(skew());
    bench.takes = true;
    bench.until(KEEP_EVERY_MS);
    let numbers: Vec<u64> = bench.posts.iter().map(|(_, item)| item.number).collect();
    assert_eq!(numbers, [10, 11]);
}
