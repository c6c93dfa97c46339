use super::*;

/// POP a, a backup of b, that has outlived what a former process of its own may have voted for.
fn free() -> Bench {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    bench.until(with_margin(LEASE_MS));
    bench.take();
    bench.until(10_000);
    bench
}

fn promote(bench: &mut Bench, term: Epoch) -> Option<OpId> {
    let seen = bench.out.len();
    bench.answered(Answer::Promote { epoch: term, floor_ms: 5 });
    bench.out.iter().skip(seen).find_map(|effect| match effect {
        Effect::Accept { op, epoch, floor_ms: 5 } if *epoch == term => Some(*op),
        _ => None,
    })
}

#[test]
fn a_promotion_is_stored_told_and_rewarded_with_a_lease() {
    let mut bench = free();
    let op = promote(&mut bench, epoch(2, "a")).unwrap();
    assert_eq!(bench.held(), Instant(0));
    bench.take();
    bench.now_ms += 5;
    bench.input(Input::Accepted { op, epoch: Some(epoch(2, "a")) });
    bench.until(bench.now_ms + GAP_MS);
    let (_, draft) = bench.renewal().unwrap();
    assert_eq!((draft.epoch, draft.grant), (Some(epoch(2, "a")), None));
    assert_eq!(bench.held(), Instant(0), "storing a term is no lease");
    bench.lead(1, &["a", "c"]);
    assert!(bench.held() > at(bench.now_ms));
}

#[test]
fn a_fresh_process_refuses_for_a_lease_with_margin_and_says_so() {
    let mut bench = Bench::new(Some(epoch(1, "b")));
    assert_eq!(bench.renewal().unwrap().1.refuses_ms, with_margin(LEASE_MS));
    assert_eq!(promote(&mut bench, epoch(2, "a")), None);
    bench.until(with_margin(LEASE_MS) - 1);
    bench.input(Input::Tick);
    while bench.lease.next_wake().unwrap().0 < at(with_margin(LEASE_MS)) {
        bench.until(bench.now_ms);
    }
    assert_eq!(promote(&mut bench, epoch(3, "a")), None);
    bench.until(10_000);
    assert_eq!(bench.renewal().unwrap().1.refuses_ms, 0);
    assert!(promote(&mut bench, epoch(4, "a")).is_some());
}

#[test]
fn who_voted_refuses_until_the_vote_is_over_and_tells_at_once() {
    let mut bench = free();
    let ask = |bench: &mut Bench, challenge| {
        let from = pop("b");
        let (term, lease_ms) = (epoch(1, "b"), LEASE_MS);
        bench.input(Input::VoteAsked { op: OpId(1), from, epoch: term, lease_ms, challenge });
        match bench.out.last() {
            Some(Effect::AnswerVote { vote, .. }) => *vote,
            other => unreachable!("{other:?}"),
        }
    };
    let challenge = ask(&mut bench, 0).challenge;
    assert!(ask(&mut bench, challenge).is_given);
    assert_eq!(promote(&mut bench, epoch(2, "a")), None);
    bench.until(bench.now_ms + GAP_MS);
    let (_, draft) = bench.renewal().unwrap();
    assert_eq!(draft.refuses_ms, with_margin(LEASE_MS) - GAP_MS);
    // HQ knows by now: asking again makes nobody hurry.
    bench.take();
    let renewals = bench.renewal();
    assert_eq!(renewals, None);
    bench.until(10_000 + with_margin(LEASE_MS) + RENEW_MS);
    assert!(promote(&mut bench, epoch(3, "a")).is_some());
}

#[test]
fn who_takes_over_votes_no_more() {
    let mut bench = free();
    let asked = |bench: &mut Bench, challenge| {
        bench.input(Input::VoteAsked {
            op: OpId(1),
            from: pop("b"),
            epoch: epoch(1, "b"),
            lease_ms: LEASE_MS,
            challenge,
        });
        let vote = bench.out.iter().rev().find_map(|effect| match effect {
            Effect::AnswerVote { vote, .. } => Some(*vote),
            _ => None,
        });
        vote.unwrap()
    };
    let challenge = asked(&mut bench, 0).challenge;
    let op = promote(&mut bench, epoch(2, "a")).unwrap();
    assert!(!asked(&mut bench, challenge).is_given);
    bench.input(Input::Accepted { op: OpId(op.0 + 100), epoch: None });
    assert!(!asked(&mut bench, challenge).is_given, "that was no answer to it");
    // It could not be stored, so that it never was.
    bench.input(Input::Accepted { op, epoch: None });
    assert!(asked(&mut bench, challenge).is_given);
}

#[test]
fn one_promotion_is_accepted_at_a_time_and_only_a_newer_one_of_this_pop() {
    let mut bench = free();
    for term in [epoch(1, "a"), epoch(2, "c")] {
        assert_eq!(promote(&mut bench, term), None, "{term:?}");
        bench.take();
        bench.until(bench.now_ms + RENEW_MS);
    }
    assert!(promote(&mut bench, epoch(2, "a")).is_some());
    bench.until(bench.now_ms + RENEW_MS);
    assert_eq!(promote(&mut bench, epoch(4, "a")), None);
}

#[test]
fn an_import_that_has_not_heard_its_peers_is_not_promoted() {
    let mut bench = Bench { lease: Lease::new(start(), None), now_ms: 0, out: vec![] };
    bench.input(Input::Started);
    assert!(!bench.renewal().unwrap().1.is_ready);
    bench.until(10_000);
    assert_eq!(promote(&mut bench, epoch(2, "a")), None);
    bench.input(Input::BecameReady);
    bench.until(10_000 + RENEW_MS);
    assert!(bench.renewal().unwrap().1.is_ready);
    assert!(promote(&mut bench, epoch(2, "a")).is_some());
}

/// It may be bound by a vote: whoever tells, HQ has to ask.
#[test]
fn its_own_term_is_not_learnt_from_others() {
    let mut bench = free();
    bench.answered(Answer::Follow { epoch: Some(epoch(2, "a")) });
    assert!(!bench.out.iter().any(|effect| matches!(effect, Effect::Adopt(_))));
    assert!(!bench.lease.may_adopt(epoch(2, "a")));
    assert!(bench.lease.may_adopt(epoch(2, "c")));
    let alone = Lease::new(Start { has_hq: false, ..start() }, Some(epoch(1, "b")));
    assert!(alone.may_adopt(epoch(2, "a")), "nobody else would be primary");
}

#[test]
fn a_newer_term_is_followed() {
    let mut bench = Bench::new(Some(epoch(1, "a")));
    bench.answered(Answer::Follow { epoch: Some(epoch(2, "b")) });
    assert!(bench.out.contains(&Effect::Adopt(epoch(2, "b"))));
    bench.input(Input::EpochStored(epoch(2, "b")));
    bench.until(GAP_MS);
    bench.take();
    bench.input(Input::Tick);
    bench.until(RENEW_MS + GAP_MS);
    bench.answered(Answer::Follow { epoch: Some(epoch(1, "c")) });
    assert!(!bench.out.iter().any(|effect| matches!(effect, Effect::Adopt(_))));
    assert_eq!(bench.renewal().unwrap().1.epoch, Some(epoch(2, "b")));
}
