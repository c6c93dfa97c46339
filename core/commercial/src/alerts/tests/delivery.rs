use super::*;

#[test]
fn an_alert_is_stored_then_sent_then_forgotten() {
    let mut bench = Bench::new();
    bench.is_slow = true;
    bench.raise(skew());
    assert_eq!((bench.asked.len(), bench.posts.len()), (1, 0), "stored before it is sent");
    bench.answer_keep();
    let item = bench.last().clone();
    assert_eq!((item.alert.clone(), item.count, item.at), (skew(), 1, Some(NOON)));
    assert_eq!(bench.outbox.get(&item.number), Some(&item), "as it is sent");
    bench.answer(Outcome::Delivered);
    bench.is_slow = false;
    bench.until(KEEP_EVERY_MS);
    bench.answer_keep();
    assert_eq!((bench.outbox.len(), bench.router.next_wake()), (0, None));
    assert_eq!(bench.router.view(), View { waiting: 0, sent: 1, lost: 0 });
    assert_eq!(bench.lines, [], "its line is written before");
}

#[test]
fn items_carry_where_they_were_raised_and_a_key_of_their_own() {
    let mut bench = Bench::new();
    bench.raise(skew());
    bench.raise(full());
    let (sender, first) = (start().sender, bench.last().clone());
    bench.answer(Outcome::Delivered);
    assert_ne!(bench.last().key, first.key);
    assert_eq!(bench.last().sender, sender);
    let mut bench = bench.restarted(8);
    bench.raise(skew());
    bench.answer(Outcome::Delivered);
    assert_ne!(bench.last().key, first.key, "nor in the next process");
}

#[test]
fn a_machine_that_is_resumed_from_a_snapshot_reuses_no_key_for_another_alert() {
    let key = |alert: Alert, ms| {
        let mut bench = Bench::new();
        bench.now_ms = ms;
        bench.raise(alert);
        bench.last().key
    };
    assert_ne!(key(skew(), 0), key(full(), 0), "the same seed and number");
    assert_ne!(key(skew(), 0), key(skew().with("peers_ahead_ms", 70_000), 0));
    assert_ne!(key(skew(), 0), key(skew(), 1));
    assert_eq!(key(skew(), 1), key(skew(), 1), "and nothing else goes into it");
}

#[test]
fn alerts_go_one_at_a_time_oldest_first() {
    let mut bench = Bench::new();
    bench.raise(skew());
    bench.raise(full());
    bench.raise(alert(AlertType::RolledBack, "an old copy"));
    assert_eq!(bench.posts.len(), 1);
    bench.answer(Outcome::Delivered);
    bench.answer(Outcome::Delivered);
    let sent: Vec<AlertType> = bench.sent().into_iter().map(|(of, _)| of).collect();
    assert_eq!(sent, [AlertType::ClockSkew, AlertType::StorageFull, AlertType::RolledBack]);
}

#[test]
fn hq_away_for_an_hour_and_two_kills_cost_no_alert_and_show_none_twice() {
    let mut bench = Bench::new();
    let mut shown: BTreeMap<[u8; 16], Item> = BTreeMap::new();
    for round in 0..3_u64 {
        for of in [AlertType::ClockSkew, AlertType::StorageFull] {
            bench.raise(alert(of, &format!("round {round}")));
        }
        // HQ takes what it gets, but its answers are lost.
        let until = (round + 1) * 1_200_000;
        while bench.now_ms < until {
            for (_, item) in bench.posts.drain(..) {
                let known = shown.entry(item.key).or_insert_with(|| item.clone());
                assert_eq!(known, &item, "the same under the same key");
            }
            bench.until((bench.now_ms + 60_000).min(until));
        }
        if round < 2 {
            bench = bench.restarted(100 + round);
        }
    }
    while bench.waiting() > 0 {
        while !bench.posts.is_empty() {
            let (op, item) = bench.posts.remove(0);
            shown.insert(item.key, item);
            bench.input(Input::Posted { op, outcome: Outcome::Delivered });
        }
        bench.until(bench.now_ms + 60_000);
    }
    let mut told: Vec<String> = shown.values().map(|it| it.alert.message.clone()).collect();
    told.sort();
    assert_eq!(told, ["round 0", "round 0", "round 1", "round 1", "round 2", "round 2"]);
    bench.until(bench.now_ms + KEEP_EVERY_MS);
    assert_eq!(bench.outbox.len(), 0);
}

#[test]
fn tries_follow_the_schedule_and_then_go_on_for_ever() {
    let mut bench = Bench::new();
    bench.raise(skew());
    let mut at_ms = 0;
    for delay_s in [1, 5, 25, 125, 625, 625, 625, 625] {
        bench.answer(Outcome::Away);
        let tries = bench.posts.len();
        at_ms += delay_s * 1_000;
        bench.until(at_ms - 1);
        assert_eq!(bench.posts.len(), tries, "not before {delay_s} s");
        bench.until(at_ms);
        assert_eq!(bench.posts.len(), tries + 1, "after {delay_s} s");
    }
    let (_, first) = bench.posts.first().unwrap();
    assert!(bench.posts.iter().all(|(_, item)| item == first), "the same each time");
    bench.answer(Outcome::Delivered);
    bench.raise(full());
    bench.answer(Outcome::Away);
    let tries = bench.posts.len();
    bench.until(at_ms + 1_000);
    assert_eq!(bench.posts.len(), tries + 1, "a delivery starts the schedule over");
}

#[test]
fn silence_is_given_up_after_ten_seconds_and_its_late_answer_is_ignored() {
    let mut bench = Bench::new();
    bench.raise(skew());
    let op = bench.posts[0].0;
    bench.until(POST_MS - 1);
    assert_eq!(bench.cancelled, []);
    bench.until(POST_MS);
    assert_eq!(bench.cancelled, [op]);
    let before = bench.router.clone();
    for outcome in [Outcome::Delivered, Outcome::Refused, Outcome::Denied, Outcome::Away] {
        bench.input(Input::Posted { op, outcome });
        bench.input(Input::Posted { op: OpId(u64::MAX), outcome });
    }
    assert_eq!((&bench.router, bench.lines.len()), (&before, 0));
    bench.until(POST_MS + 1_000);
    assert_eq!(bench.posts.len(), 2);
    bench.answer(Outcome::Delivered);
    let before = bench.router.clone();
    bench.answer(Outcome::Delivered);
    assert_eq!(bench.router, before, "a second answer is none");
}

#[test]
fn a_new_alert_brings_the_next_try_forward_at_most_once_a_minute() {
    let mut bench = Bench::new();
    bench.raise(skew());
    for at_ms in [1_000, 6_000, 31_000, 156_000] {
        bench.answer(Outcome::Away);
        bench.until(at_ms);
    }
    bench.answer(Outcome::Away);
    let tries = bench.posts.len();
    bench.until(160_000);
    bench.raise(full());
    assert_eq!(bench.posts.len(), tries + 1);
    assert_eq!(bench.last().alert, skew(), "the oldest goes first all the same");
    bench.answer(Outcome::Away);
    bench.until(160_000 + NUDGE_MS - 1);
    bench.raise(alert(AlertType::RolledBack, "an old copy"));
    assert_eq!(bench.posts.len(), tries + 1);
    bench.until(160_000 + NUDGE_MS);
    bench.raise(alert(AlertType::RolledBack, "an old copy"));
    assert_eq!(bench.posts.len(), tries + 2);
}

#[test]
fn a_refused_token_is_told_once_an_outage_and_only_here() {
    let mut bench = Bench::new();
    bench.raise(skew());
    for at_ms in [1_000, 6_000, 31_000] {
        bench.answer(Outcome::Denied);
        bench.until(at_ms);
    }
    let types: Vec<AlertType> = bench.lines.iter().map(|line| line.alert_type).collect();
    assert_eq!(types, [AlertType::AuthError]);
    assert_eq!(bench.waiting(), 1, "the alert is kept, and the line is none for HQ");
    bench.answer(Outcome::Delivered);
    bench.raise(full());
    bench.answer(Outcome::Denied);
    assert_eq!(bench.lines.len(), 2, "another outage");
}

/// HQ refuses this one, then takes another, then is offered this one again.
fn refuse_but_take_another(bench: &mut Bench, alert: &Alert) {
    assert_eq!(bench.last().alert, *alert);
    bench.answer(Outcome::Refused);
    bench.raise(full());
    bench.await_post();
    while bench.last().alert != *alert {
        bench.answer(Outcome::Delivered);
        bench.await_post();
    }
}

#[test]
fn an_alert_that_hq_refuses_goes_behind_the_others() {
    let mut bench = Bench::new();
    bench.raise(skew());
    bench.raise(full());
    bench.raise(alert(AlertType::RolledBack, "an old copy"));
    bench.answer(Outcome::Refused);
    bench.until(1_000);
    assert_eq!(bench.last().alert, full());
    bench.answer(Outcome::Delivered);
    bench.answer(Outcome::Delivered);
    assert_eq!((bench.posts.len(), bench.waiting()), (3, 1), "not again at once");
    bench.until(REFUSED_MS);
    assert_eq!(bench.last().alert, skew());
}

#[test]
fn an_alert_that_hq_refuses_while_it_takes_others_is_given_up() {
    let mut bench = Bench::new();
    bench.raise(skew());
    for _ in 0..REFUSALS_MAX {
        refuse_but_take_another(&mut bench, &skew());
    }
    assert_eq!(bench.lines.len(), 0);
    bench.answer(Outcome::Refused);
    assert_eq!(bench.lines.len(), 1, "one line for one loss");
    let line = bench.lines.first().unwrap();
    assert_eq!(line.details.get("type").map(String::as_str), Some("clock_skew"));
    assert_eq!(line.details.get("count").map(String::as_str), Some("1"));
    assert_eq!(bench.router.view().lost, 1);
    assert_eq!(bench.last().alert.alert_type, AlertType::AlertsLost, "HQ hears of the loss");
    let report = bench.last().alert.clone();
    for _ in 0..3 * REFUSALS_MAX {
        refuse_but_take_another(&mut bench, &report);
    }
    assert_eq!(bench.router.view().lost, 1, "and the report of it is never given up for this");
}

#[test]
fn an_hq_that_refuses_everything_for_hours_costs_no_alert() {
    let mut bench = Bench::new();
    for at in 0..5 {
        bench.raise(alert(AlertType::ClockSkew, &format!("{at}")));
    }
    let mut tries = 0;
    while bench.now_ms < 6 * 3_600_000 {
        bench.answer(Outcome::Refused);
        bench.await_post();
        tries += 1;
    }
    assert!((30..50).contains(&tries), "as if it were away: {tries}");
    assert_eq!((bench.waiting(), bench.router.view().lost), (5, 0));
    let tried: Vec<&str> = bench.posts.iter().map(|(_, it)| it.alert.message.as_str()).collect();
    assert_eq!(tried[..7], ["0", "1", "2", "3", "4", "0", "1"], "each has its turn");
    bench.delivers = true;
    bench.answer(Outcome::Delivered);
    bench.until(bench.now_ms + REFUSED_MS);
    assert_eq!((bench.waiting(), bench.router.view().sent, bench.lines.len()), (0, 5, 0));
}

#[test]
fn statuses_mean_what_they_say() {
    for (statuses, outcome) in [
        (vec![200, 201, 202, 204, 409], Outcome::Delivered),
        (vec![401, 403], Outcome::Denied),
        (vec![400, 402, 406, 411, 413, 415, 422, 499], Outcome::Refused),
        (vec![404, 405, 407, 408, 410, 421, 426, 429, 500, 502, 503, 504, 599], Outcome::Away),
        (vec![0, 100, 199, 301, 302, 307, 600, u16::MAX], Outcome::Away),
    ] {
        for status in statuses {
            assert_eq!(Outcome::of_status(Some(status)), outcome, "{status}");
        }
    }
    assert_eq!(Outcome::of_status(None), Outcome::Away);
}

#[test]
fn without_an_hq_nothing_happens() {
    let mut bench = Bench::starting(Start { is_routed: false, ..start() });
    let before = bench.router.clone();
    bench.raise(skew());
    bench.input(Input::Tick);
    assert_eq!((&bench.router, bench.keeps, bench.posts.len()), (&before, 0, 0));
    assert_eq!((bench.router.next_wake(), bench.router.is_settled()), (None, true));
}
