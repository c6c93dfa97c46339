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
    bench.input(Input::Unkept { op: OpId(999), at: NOON });
    assert_eq!(bench.router, before);
    bench.answer_keep();
    let before = bench.router.clone();
    bench.input(Input::Kept { op: OpId(1), at: NOON });
    bench.input(Input::Unkept { op: OpId(1), at: NOON });
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
