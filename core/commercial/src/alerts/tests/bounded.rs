use super::*;

const TYPES: [AlertType; 3] = [AlertType::ClockSkew, AlertType::StorageFull, AlertType::RolledBack];

/// Runs over processes, so that more of a type wait than one process lets wait.
fn filled(of: impl Fn(u64) -> AlertType) -> Bench {
    let mut bench = Bench::new();
    let mut seed = 100;
    while bench.waiting() < ITEMS_MAX as u64 {
        let before = bench.waiting();
        for at in 0..PER_TYPE_MAX as u64 {
            let number = before + at;
            if bench.waiting() < ITEMS_MAX as u64 {
                bench.raise(alert(of(number), &format!("{number}")));
            }
        }
        seed += 1;
        bench = bench.restarted(seed);
    }
    bench.input(Input::Tick);
    bench
}

fn messages(bench: &Bench) -> Vec<String> {
    bench.outbox.values().map(|item| item.alert.message.clone()).collect()
}

#[test]
fn when_it_is_full_the_oldest_of_the_most_frequent_type_goes_but_never_one_in_flight() {
    let mut bench = filled(|number| TYPES[if number < 200 { 0 } else { 1 }]);
    assert_eq!(bench.last().alert.message, "0", "it is under way");
    bench.raise(alert(AlertType::RolledBack, "new"));
    let left = messages(&bench);
    assert!(left.contains(&"0".to_string()) && !left.contains(&"1".to_string()));
    assert!(left.contains(&"2".to_string()) && left.contains(&"new".to_string()));
    assert_eq!(bench.waiting(), ITEMS_MAX as u64 + 1, "the report has a place of its own");
    let lost = bench.outbox.values().filter(|it| it.alert.alert_type == AlertType::AlertsLost);
    assert_eq!(lost.map(|item| item.count).collect::<Vec<_>>(), [1]);
}

#[test]
fn losses_add_up_in_one_report() {
    let mut bench = filled(|number| TYPES[usize::from(number >= 200)]);
    for at in 0..7 {
        bench.raise(alert(AlertType::RolledBack, &format!("new {at}")));
    }
    assert_eq!(bench.lines.len(), 1);
    assert_eq!((bench.waiting(), bench.router.view().lost), (ITEMS_MAX as u64 + 1, 7));
    bench.until(KEEP_EVERY_MS * 2);
    let lost = bench.outbox.values().filter(|it| it.alert.alert_type == AlertType::AlertsLost);
    assert_eq!(lost.map(|item| item.count).collect::<Vec<_>>(), [7]);
}

#[test]
fn reports_are_bounded_too_and_keep_their_sum() {
    let mut bench = filled(|_| AlertType::ClockSkew);
    let mut raised = 0;
    for seed in 0..20 {
        for at in 0..3 {
            bench.raise(alert(AlertType::RolledBack, &format!("{seed} {at}")));
            raised += 1;
        }
        bench.until(bench.now_ms + KEEP_EVERY_MS);
        bench = bench.restarted(1_000 + seed);
        bench.input(Input::Tick);
    }
    let lost = bench.outbox.values().filter(|it| it.alert.alert_type == AlertType::AlertsLost);
    let counts: Vec<u32> = lost.map(|item| item.count).collect();
    assert!(counts.len() <= LOST_ITEMS_MAX, "{counts:?}");
    assert_eq!(counts.iter().sum::<u32>(), raised);
}

#[test]
fn what_is_older_than_a_week_is_lost_in_one_process_or_over_several() {
    for restarts in [false, true] {
        let mut bench = Bench::new();
        bench.raise(skew());
        bench.answer(Outcome::Away);
        bench.until(AGE_MAX_MS - LAST_DELAY_MS);
        if restarts {
            bench = bench.restarted(8);
        }
        bench.until(AGE_MAX_MS - 1);
        assert_eq!(bench.router.view().lost, 0);
        bench.until(AGE_MAX_MS + LAST_DELAY_MS);
        assert_eq!((bench.router.view().lost, bench.waiting()), (1, 1));
        assert_eq!(bench.last().alert.alert_type, AlertType::AlertsLost);
    }
}

#[test]
fn what_is_under_way_when_its_week_is_over_is_not_lost() {
    let mut bench = Bench::new();
    bench.raise(skew());
    let loaded = outbox::Loaded { items: vec![bench.last().clone()], damaged: vec![] };
    let wall = NOON.plus_ms(AGE_MAX_MS - 5_000);
    let mut bench = Bench::starting(Start { seed: 8, wall, loaded, ..start() });
    bench.input(Input::Tick);
    bench.until(6_000);
    bench.raise(full());
    assert_eq!(bench.router.view().lost, 0);
    bench.answer(Outcome::Delivered);
    assert_eq!((bench.router.view().lost, bench.last().alert.clone()), (0, full()));
}

#[test]
fn a_wall_clock_that_is_set_right_loses_nothing_in_this_process() {
    let mut bench = Bench::starting(Start { wall: UnixTime(0), ..start() });
    bench.raise(skew());
    bench.answer(Outcome::Away);
    bench.until(3_600_000);
    assert_eq!((bench.router.view().lost, bench.waiting()), (0, 1));
}

#[test]
fn long_alerts_are_cut_where_they_enter_and_long_senders_too() {
    let sender = Sender { hostname: "h".repeat(300), region: "r".repeat(300) };
    let mut bench = Bench::starting(Start { sender, ..start() });
    bench.raise(alert(AlertType::ClockSkew, &"m".repeat(9_999)));
    let item = bench.last();
    assert_eq!(item.alert.message.len(), MESSAGE_BYTES_MAX);
    assert_eq!(item.sender.hostname.len(), SENDER_BYTES_MAX);
    assert_eq!(item.sender.region.len(), SENDER_BYTES_MAX);
}

/// An item that was stored under a clock that showed this.
fn found(at_ms: u64) -> Item {
    let mut bench = Bench::new();
    bench.raise(skew());
    Item { at: Some(UnixTime(at_ms)), ..bench.last().clone() }
}

/// A process that finds it, under a clock that shows this.
fn start_over(item: &Item, wall_ms: u64) -> Bench {
    let loaded = outbox::Loaded { items: vec![item.clone()], damaged: vec![] };
    let mut bench = Bench::starting(Start { seed: 8, wall: UnixTime(wall_ms), loaded, ..start() });
    bench.input(Input::Tick);
    bench
}

const YEAR_MS: u64 = 365 * 24 * 3_600_000;

#[test]
fn what_is_found_is_offered_at_least_once_whatever_its_age() {
    for age_ms in [AGE_MAX_MS, BELIEVED_AGE_MAX_MS, BELIEVED_AGE_MAX_MS + 1, 50 * YEAR_MS] {
        let item = found(3_000);
        let mut bench = start_over(&item, 3_000 + age_ms);
        assert_eq!((bench.posts.len(), bench.router.view().lost), (1, 0), "{age_ms}");
        assert_eq!(bench.last().key, item.key);
        bench.answer(Outcome::Delivered);
        assert_eq!((bench.waiting(), bench.router.view().lost), (0, 0));
    }
}

#[test]
fn what_is_found_too_old_is_lost_after_one_try_unless_the_clock_cannot_be_right() {
    for (age_ms, lost) in [(AGE_MAX_MS, 1), (BELIEVED_AGE_MAX_MS, 1), (50 * YEAR_MS, 0)] {
        let mut bench = start_over(&found(3_000), 3_000 + age_ms);
        bench.answer(Outcome::Away);
        bench.until(3_600_000);
        assert_eq!(bench.router.view().lost, lost, "{age_ms}");
    }
}

#[test]
fn a_clock_that_cannot_be_right_grants_less_at_each_start() {
    for (at_ms, wall_ms) in [(3_000, 50 * YEAR_MS), (50 * YEAR_MS, 3_000)] {
        let mut item = found(at_ms);
        let (mut waited_ms, mut starts) = (0, 0);
        loop {
            let mut bench = start_over(&item, wall_ms);
            assert_eq!(bench.posts.len(), 1, "each start tries");
            bench.answer(Outcome::Away);
            // It is killed just before.
            let left_ms = AGE_MAX_MS >> starts;
            if left_ms < LAST_DELAY_MS {
                break;
            }
            bench.until(left_ms - 1);
            assert_eq!((bench.router.view().lost, bench.outbox.len()), (0, 1));
            (waited_ms, starts) = (waited_ms + left_ms, starts + 1);
            let stored = bench.outbox.values().next().unwrap().clone();
            assert_eq!(
                Item { doubts: item.doubts, ..stored.clone() },
                item,
                "nothing else changes"
            );
            item = stored;
        }
        assert!(starts > 5 && waited_ms < BELIEVED_AGE_MAX_MS, "{starts}: {waited_ms}");
    }
}

#[test]
fn alerts_that_never_came_here_are_reported_as_lost() {
    let mut bench = Bench::new();
    bench.input(Input::Dropped { count: 3 });
    assert_eq!((bench.sent(), bench.router.view().lost), (vec![(AlertType::AlertsLost, 3)], 3));
    assert_eq!(bench.lines[0].details.get("count").map(String::as_str), Some("3"));
}

#[test]
fn a_line_counts_what_was_lost_since_the_last_one() {
    let mut bench = Bench::new();
    bench.raise(full());
    for count in [1, 20, 300] {
        bench.input(Input::Dropped { count });
    }
    bench.answer(Outcome::Delivered);
    assert_eq!(bench.last().count, 321);
    bench.input(Input::Dropped { count: 4_000 });
    let counts = bench.lines.iter().map(|line| line.details["count"].as_str());
    assert_eq!(counts.collect::<Vec<_>>(), ["1", "4320"]);
}
