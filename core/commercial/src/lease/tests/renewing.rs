use super::*;

#[test]
fn a_lease_is_counted_from_the_moment_the_renewal_was_sent() {
    let mut bench = Bench::new(Some(epoch(1, "a")));
    bench.now_ms = 900;
    bench.lead(1, &["a"]);
    assert_eq!(bench.held(), at(LEASE_MS));
}

#[test]
fn it_renews_every_two_seconds_from_the_last_one_sent() {
    let mut bench = Bench::leading(&["a"]);
    for place in 1..=5u64 {
        let sent_ms = GAP_MS + place * RENEW_MS;
        bench.until(sent_ms - 1);
        assert!(bench.renewal().is_none());
        bench.until(sent_ms);
        assert!(bench.renewal().is_some());
        bench.now_ms += 300;
        bench.lead(1, &["a"]);
        assert_eq!(bench.held(), at(sent_ms + LEASE_MS));
        bench.take();
    }
}

#[test]
fn a_late_answer_extends_nothing() {
    let mut bench = Bench::leading(&["a", "b"]);
    bench.until(RENEW_MS + GAP_MS);
    let (late, draft) = bench.renewal().unwrap();
    bench.until(RENEW_MS + GAP_MS + 1_000);
    assert!(bench.out.contains(&Effect::Cancel { op: late }));
    let held = bench.held();
    let answer = Answer::Lead {
        grant: Grant { epoch: draft.epoch.unwrap(), version: 2, ..grant(epoch(1, "a"), 2, &["a"]) },
        hand_over_to: None,
    };
    bench.input(Input::Renewed { op: late, outcome: Renewed::Answered(answer) });
    assert_eq!(bench.held(), held);
    assert_eq!(held, at(GAP_MS + LEASE_MS));
}

#[test]
fn an_answer_to_an_older_renewal_is_none_to_the_one_under_way() {
    let mut bench = Bench::leading(&["a", "b"]);
    bench.until(GAP_MS + RENEW_MS);
    let (late, _) = bench.renewal().unwrap();
    bench.until(GAP_MS + 2 * RENEW_MS);
    assert_ne!(bench.renewal().unwrap().0, late);
    let answer = Answer::Lead { grant: grant(epoch(1, "a"), 1, &["a", "b"]), hand_over_to: None };
    bench.input(Input::Renewed { op: late, outcome: Renewed::Answered(answer) });
    assert_eq!(bench.held(), at(GAP_MS + LEASE_MS));
}

#[test]
fn an_answer_counts_once() {
    let mut bench = Bench::leading(&["a"]);
    bench.until(RENEW_MS + GAP_MS);
    bench.lead(1, &["a"]);
    let held = bench.held();
    bench.now_ms += 100;
    bench.lead(1, &["a"]);
    assert_eq!(bench.held(), held);
}

#[test]
fn news_make_it_renew_at_once_also_after_the_renewal_under_way() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.answered(Answer::Follow { epoch: Some(epoch(1, "b")) });
    let watch = bench.out.iter().find_map(|effect| match effect {
        Effect::Watch { op } => Some(*op),
        _ => None,
    });
    bench.until(500);
    bench.take();
    bench.input(Input::WatchEnded { op: watch.unwrap(), is_news: true });
    assert!(bench.renewal().is_some());
    bench.until(500 + GAP_MS);
    let again = bench.out.iter().find_map(|effect| match effect {
        Effect::Watch { op } => Some(*op),
        _ => None,
    });
    let (first, _) = bench.renewal().unwrap();
    bench.now_ms += 20;
    bench.input(Input::WatchEnded { op: again.unwrap(), is_news: true });
    bench.answered(Answer::Follow { epoch: Some(epoch(1, "b")) });
    assert_ne!(bench.renewal().unwrap().0, first, "the answer may be older than the news");
}

#[test]
fn a_watch_without_news_begins_again_after_a_second() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.answered(Answer::Follow { epoch: None });
    let Some(Effect::Watch { op }) = bench.take().last().cloned() else { unreachable!() };
    bench.now_ms = 100;
    bench.input(Input::WatchEnded { op, is_news: false });
    bench.until(WATCH_AGAIN_MS - 1);
    assert!(!bench.out.iter().any(|effect| matches!(effect, Effect::Watch { .. })));
    bench.until(WATCH_AGAIN_MS);
    assert!(bench.out.iter().any(|effect| matches!(effect, Effect::Watch { .. })));
}

#[test]
fn while_hq_is_away_nothing_watches_and_it_watches_again_once_hq_answers() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.answered(Answer::Follow { epoch: None });
    let Some(Effect::Watch { op }) = bench.take().last().cloned() else { unreachable!() };
    bench.until(RENEW_MS);
    bench.renewed(Renewed::Unanswered);
    assert!(bench.out.contains(&Effect::Cancel { op }));
    bench.take();
    bench.until(2 * RENEW_MS);
    assert!(!bench.out.iter().any(|effect| matches!(effect, Effect::Watch { .. })));
    bench.answered(Answer::Follow { epoch: None });
    assert!(bench.out.iter().any(|effect| matches!(effect, Effect::Watch { .. })));
}

#[test]
fn an_idle_backup_is_woken_by_nothing_but_its_renewals() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.answered(Answer::Follow { epoch: Some(epoch(1, "b")) });
    bench.take();
    for place in 1..=30 {
        assert_eq!(bench.lease.next_wake(), Some((at(place * RENEW_MS), Wake("renewal"))));
        bench.until(place * RENEW_MS);
        bench.answered(Answer::Follow { epoch: Some(epoch(1, "b")) });
        let effects = bench.take();
        assert!(matches!(effects.as_slice(), [Effect::Renew { .. }]), "{effects:?}");
    }
}

#[test]
fn a_refused_token_is_told_once_and_tried_slowly() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.renewed(Renewed::Denied);
    let alerts = |bench: &Bench| {
        let is_alert = |effect: &&Effect| matches!(effect, Effect::RaiseAlert(_));
        bench.out.iter().filter(is_alert).count()
    };
    assert_eq!(alerts(&bench), 1);
    bench.until(DENIED_MS - 1);
    let renewals = bench.out.iter().filter(|effect| matches!(effect, Effect::Renew { .. }));
    assert_eq!(renewals.count(), 1);
    bench.until(DENIED_MS);
    bench.renewed(Renewed::Denied);
    assert_eq!(alerts(&bench), 1);
    bench.until(2 * DENIED_MS);
    bench.answered(Answer::Follow { epoch: None });
    bench.until(2 * DENIED_MS + RENEW_MS);
    bench.renewed(Renewed::Denied);
    assert_eq!(alerts(&bench), 2, "it had been accepted in between");
}

#[test]
fn without_hq_it_never_wakes_and_the_lease_is_for_good() {
    for term in [None, Some(epoch(3, "a")), Some(epoch(3, "b"))] {
        let mut bench = Bench::starting(Start { has_hq: false, ..start() }, term);
        assert_eq!(bench.take(), [Effect::HoldLease { until: Instant(u64::MAX) }]);
        bench.input(Input::EpochStored(epoch(9, "a")));
        bench.input(Input::SwitchoverAsked { op: OpId(4), to: None });
        bench.input(Input::Closing);
        bench.input(Input::Flushed);
        assert!(bench.lease.is_settled());
        let outcome = Err(NotSwitched::NoHq);
        assert_eq!(bench.take(), [Effect::AnswerSwitchover { op: OpId(4), outcome }]);
        assert_eq!(bench.lease.next_wake(), None);
        let view = bench.lease.view(at(1));
        assert_eq!((view.carrier, view.lease_ms_left, view.why), (Carrier::Epoch, None, None));
    }
}

#[test]
fn where_copies_are_merged_the_lease_is_told_and_not_enforced() {
    let start = Start { fencing: Fencing::Merge, ..start() };
    let mut bench = Bench::starting(start, Some(epoch(1, "a")));
    assert_eq!(bench.held(), Instant(u64::MAX));
    bench.lead(1, &["a", "b"]);
    bench.until(60_000);
    assert_eq!(bench.held(), Instant(u64::MAX));
    assert_eq!(bench.lease.view(at(60_000)).lease_ms_left, Some(0));
    let is_alert = |effect: &Effect| matches!(effect, Effect::RaiseAlert(_));
    assert!(!bench.out.iter().any(is_alert), "it goes on taking writes");
}

#[test]
fn a_grant_that_is_not_for_this_term_or_pop_gives_nothing() {
    let term = epoch(2, "a");
    let odd = [
        grant(epoch(1, "a"), 1, &["a"]),
        grant(epoch(3, "a"), 1, &["a"]),
        grant(epoch(2, "b"), 1, &["a", "b"]),
        grant(term, 1, &["b"]),
        Grant { members: vec![pop("a"); 99], ..grant(term, 1, &[]) },
    ];
    for grant in odd {
        let mut bench = Bench::new(Some(term));
        bench.answered(Answer::Lead { grant: grant.clone(), hand_over_to: None });
        assert_eq!(bench.held(), Instant(0), "{grant:?}");
    }
}

#[test]
fn members_change_forwards_only() {
    let mut bench = Bench::leading(&["a", "b"]);
    bench.until(RENEW_MS + GAP_MS);
    bench.lead(2, &["a", "b", "c"]);
    let held = bench.held();
    bench.until(RENEW_MS + 2 * GAP_MS);
    assert_eq!(bench.renewal().unwrap().1.grant.unwrap().version, 2, "it is confirmed at once");
    bench.lead(1, &["a", "b"]);
    assert_eq!(bench.held(), held);
    bench.until(3 * RENEW_MS);
    bench.lead(2, &["a"]);
    assert_eq!(bench.held(), held, "one version has one set of members");
    assert_eq!(bench.lease.view(at(0)).members, [pop("a"), pop("b"), pop("c")]);
}
