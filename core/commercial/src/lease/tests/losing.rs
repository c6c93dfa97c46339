use super::*;

fn alerts(bench: &Bench) -> Vec<Alert> {
    let alert = |effect: &Effect| match effect {
        Effect::RaiseAlert(alert) => Some(alert.clone()),
        _ => None,
    };
    bench.out.iter().filter_map(alert).collect()
}

#[test]
fn a_primary_that_cannot_renew_says_so_once_and_why() {
    let mut bench = Bench::leading(&["a", "b"]);
    bench.until(GAP_MS + LEASE_MS - 1);
    assert!(alerts(&bench).is_empty());
    bench.until(GAP_MS + LEASE_MS);
    let told = alerts(&bench);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].alert_type, AlertType::LeaseLost);
    assert_eq!(told[0].details["why"], "HQ does not answer and POP b gave no vote");
    bench.until(60_000);
    assert_eq!(alerts(&bench).len(), 1);
    assert_eq!(bench.lease.view(at(60_000)).why, Some(Why::HqAwayNoVote(pop("b"))));
    bench.until(60_000 + RENEW_MS + GAP_MS);
    bench.lead(1, &["a", "b"]);
    assert!(bench.held() > at(60_000));
    bench.until(80_000);
    assert_eq!(alerts(&bench).len(), 2, "that was another one");
}

#[test]
fn a_primary_that_waits_for_its_first_lease_says_so_in_the_end() {
    let mut bench = Bench::new(Some(epoch(1, "a")));
    assert_eq!(bench.lease.view(at(0)).why, Some(Why::FirstAnswer));
    bench.answered(Answer::Follow { epoch: Some(epoch(1, "a")) });
    assert_eq!(bench.lease.view(at(0)).why, Some(Why::NotGiven));
    bench.until(FIRST_LEASE_MS - 1);
    assert!(alerts(&bench).is_empty());
    bench.until(FIRST_LEASE_MS);
    assert_eq!(alerts(&bench).len(), 1);
}

#[test]
fn a_backup_never_complains_about_its_lease() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.until(100_000);
    assert!(alerts(&bench).is_empty());
}

#[test]
fn a_newer_term_ends_the_lease_before_anything_else_is_ordered() {
    let mut bench = Bench::leading(&["a", "b"]);
    bench.now_ms = 1_000;
    bench.input(Input::EpochStored(epoch(2, "b")));
    assert_eq!(bench.take().first(), Some(&Effect::HoldLease { until: Instant(0) }));
    bench.until(RENEW_MS + GAP_MS);
    assert_eq!(bench.lease.view(at(1_000)).members, []);
}

#[test]
fn a_term_of_its_own_that_hq_did_not_give_a_lease_in_allows_nothing() {
    let mut bench = Bench::leading(&["a", "b"]);
    bench.input(Input::EpochStored(epoch(2, "a")));
    assert_eq!(bench.held(), Instant(0));
    bench.until(2 * GAP_MS);
    assert_eq!(bench.renewal().unwrap().1.grant, None);
}

#[test]
fn the_double_of_this_pop_takes_no_writes() {
    let mut bench = Bench::leading(&["a", "b"]);
    bench.until(RENEW_MS + GAP_MS);
    bench.answered(Answer::Duplicate);
    assert_eq!(bench.held(), Instant(0));
    bench.until(2 * RENEW_MS + GAP_MS);
    bench.answered(Answer::Duplicate);
    bench.until(4 * RENEW_MS);
    bench.renewed(Renewed::Unanswered);
    assert_eq!(bench.asks(), [], "it has nothing to carry on");
    let duplicates = alerts(&bench);
    let is_double = |alert: &&Alert| alert.alert_type == AlertType::DuplicatePopId;
    assert_eq!(duplicates.iter().filter(is_double).count(), 1);
}
