use super::*;

fn going(members: &[&str]) -> Bench {
    let mut bench = Bench::leading(members);
    bench.now_ms = 1_000;
    bench.input(Input::Closing);
    bench
}

#[test]
fn a_primary_gives_its_lease_back_once_nothing_can_be_lost() {
    let mut bench = going(&["a", "b"]);
    assert!(bench.held() > at(1_000), "requests are still answered");
    assert!(!bench.lease.is_settled());
    bench.input(Input::Flushed);
    assert_eq!(bench.held(), Instant(0));
    let (_, draft) = bench.renewal().unwrap();
    assert!(draft.is_released && !draft.is_ready);
    assert!(!bench.lease.is_settled());
    bench.answered(Answer::Follow { epoch: Some(epoch(1, "a")) });
    assert!(bench.lease.is_settled());
    assert_eq!(bench.lease.next_wake(), None);
}

#[test]
fn it_renews_until_the_last_request_is_answered() {
    let mut bench = going(&["a", "b"]);
    bench.until(GAP_MS + RENEW_MS);
    bench.lead(1, &["a", "b"]);
    assert_eq!(bench.held(), at(GAP_MS + RENEW_MS + LEASE_MS));
}

#[test]
fn an_hq_that_does_not_answer_is_not_waited_for_long() {
    let mut bench = going(&["a", "b"]);
    bench.input(Input::Flushed);
    bench.until(1_000 + 2 * 1_000 + GAP_MS);
    assert!(bench.lease.is_settled());
    let releases = bench
        .out
        .iter()
        .filter(|effect| matches!(effect, Effect::Renew { draft, .. } if draft.is_released));
    assert_eq!(releases.count(), usize::from(RELEASE_TRIES_MAX));
    assert_eq!(bench.held(), Instant(0));
}

#[test]
fn a_backup_has_nothing_to_give_back() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.input(Input::Closing);
    assert!(!bench.lease.is_settled());
    bench.input(Input::Flushed);
    assert!(bench.lease.is_settled());
    assert_eq!(bench.lease.next_wake(), None);
}

#[test]
fn whoever_goes_away_takes_nothing_over() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.until(10_000);
    bench.input(Input::Closing);
    bench.answered(Answer::Promote { epoch: epoch(2, "a"), floor_ms: 1 });
    assert!(!bench.out.iter().any(|effect| matches!(effect, Effect::Accept { .. })));
    bench.until(10_000 + RENEW_MS);
    assert!(!bench.renewal().unwrap().1.is_ready);
}

#[test]
fn nothing_is_ordered_after_the_way_out() {
    let mut bench = going(&["a", "b"]);
    bench.input(Input::Flushed);
    bench.answered(Answer::Follow { epoch: None });
    bench.take();
    bench.input(Input::EpochStored(epoch(2, "b")));
    bench.input(Input::Started);
    bench.until(100_000);
    assert_eq!(bench.take(), []);
}
