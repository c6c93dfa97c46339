use super::*;

/// The primary a of a, b and c, whose renewal at 2,010 was not answered; asks are at 3,010.
fn cut_off() -> Bench {
    let mut bench = Bench::leading(&["a", "b", "c"]);
    bench.until(GAP_MS + RENEW_MS + 999);
    assert_eq!(bench.asks(), []);
    bench.until(GAP_MS + RENEW_MS + 1_000);
    assert_eq!(bench.asks().len(), 2);
    bench
}

const ASKED_MS: u64 = GAP_MS + RENEW_MS + 1_000;

#[test]
fn only_the_votes_of_all_others_carry_the_primary() {
    let mut bench = cut_off();
    let asks = bench.asks();
    bench.now_ms += 200;
    bench.vote(asks[0].0, true, 5);
    assert_eq!(bench.held(), at(GAP_MS + LEASE_MS));
    bench.now_ms += 200;
    bench.vote(asks[1].0, true, 6);
    assert_eq!(bench.held(), at(ASKED_MS + LEASE_MS), "from the moment they were asked");
    assert_eq!(bench.lease.view(at(ASKED_MS)).carrier, Carrier::Hq);
    assert_eq!(bench.lease.view(at(GAP_MS + LEASE_MS)).carrier, Carrier::Votes);
}

#[test]
fn without_hq_votes_are_asked_for_every_two_seconds_and_carry_on() {
    let mut bench = cut_off();
    for place in 0..100u64 {
        let asked_ms = ASKED_MS + place * RENEW_MS;
        bench.until(asked_ms);
        let asks: Vec<_> = bench.asks();
        assert_eq!(asks.len(), 2);
        bench.now_ms += 50;
        bench.everybody_votes();
        assert_eq!(bench.held(), at(asked_ms + LEASE_MS));
        bench.take();
    }
}

#[test]
fn an_answer_of_hq_ends_the_asking() {
    let mut bench = cut_off();
    bench.until(GAP_MS + 2 * RENEW_MS);
    bench.lead(1, &["a", "b", "c"]);
    for (op, ..) in bench.asks() {
        assert!(bench.out.contains(&Effect::Cancel { op }));
    }
    bench.take();
    bench.until(GAP_MS + 3 * RENEW_MS - 1);
    assert_eq!(bench.asks(), []);
}

#[test]
fn a_primary_without_followers_carries_itself_on() {
    let mut bench = Bench::leading(&["a"]);
    bench.until(GAP_MS + RENEW_MS + 1_000);
    assert_eq!(bench.held(), at(ASKED_MS + LEASE_MS));
    bench.until(100_000);
    assert!(bench.held() > at(100_000));
}

#[test]
fn a_voter_that_wants_another_challenge_is_asked_again_once() {
    let mut bench = cut_off();
    let asks = bench.asks();
    bench.vote(asks[1].0, true, 6);
    bench.take();
    bench.vote(asks[0].0, false, 41);
    let again = bench.asks();
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].1, again[0].2), (asks[0].1, 41));
    bench.take();
    bench.vote(again[0].0, false, 42);
    assert_eq!(bench.asks(), []);
    // The next round asks those first who gave none.
    bench.until(ASKED_MS + RENEW_MS);
    let first = bench.asks();
    assert_eq!(first.iter().map(|ask| (ask.1, ask.2)).collect::<Vec<_>>(), [(0, 42)]);
    bench.take();
    bench.vote(first[0].0, true, 43);
    assert_eq!(bench.asks().iter().map(|ask| (ask.1, ask.2)).collect::<Vec<_>>(), [(1, 6)]);
}

#[test]
fn whoever_could_carry_nobody_is_not_bound_again_and_again() {
    let mut bench = cut_off();
    // c cannot be reached.
    let asks = bench.asks();
    bench.vote(asks[0].0, true, 5);
    bench.take();
    bench.until(60_000);
    let asked = bench.asks();
    assert!(asked.len() > 20);
    assert!(asked.iter().all(|ask| ask.1 == 1), "b is free to follow");
    assert!(bench.held() < at(60_000));
    // It is back: the lease is carried on again.
    bench.take();
    bench.until(60_000 + RENEW_MS);
    bench.everybody_votes();
    let asks = bench.asks();
    let b = asks.iter().find(|ask| ask.1 == 0).unwrap();
    bench.vote(b.0, true, 9);
    assert!(bench.held() > at(60_000 + RENEW_MS));
}

#[test]
fn a_member_that_is_no_known_peer_makes_asking_pointless() {
    let mut bench = Bench::leading(&["a", "b", "x"]);
    bench.until(60_000);
    assert_eq!(bench.asks(), []);
    assert_eq!(bench.lease.view(at(60_000)).why, Some(Why::HqAwayNoVote(pop("x"))));
}

#[test]
fn a_voter_that_knows_a_newer_term_tells() {
    let mut bench = cut_off();
    let (op, ..) = bench.asks()[0];
    let vote = Vote { is_given: false, challenge: 8, epoch: Some(epoch(2, "b")) };
    bench.take();
    bench.input(Input::VoteAnswered { op, vote: Some(vote) });
    assert_eq!(bench.take(), [Effect::Adopt(epoch(2, "b"))]);
}

#[test]
fn votes_for_other_members_count_no_longer() {
    for (version, members) in [(2, &["a", "b"][..]), (1, &["a", "b", "c"])] {
        let mut bench = Bench::leading(&["a", "b", "c"]);
        bench.until(GAP_MS + RENEW_MS + 500);
        bench.renewed(Renewed::Unanswered);
        let sent_ms = GAP_MS + 2 * RENEW_MS;
        bench.until(sent_ms + 500);
        bench.everybody_votes();
        assert_eq!(bench.held(), at(sent_ms + 500 + LEASE_MS));
        bench.now_ms += 100;
        bench.lead(version, members);
        let is_same = version == 1;
        let until_ms = if is_same { sent_ms + 500 + LEASE_MS } else { sent_ms + LEASE_MS };
        assert_eq!(bench.held(), at(until_ms));
    }
}

/// The votes of others may be older than this round's.
#[test]
fn a_vote_counts_from_its_question_in_later_rounds_too() {
    let mut bench = cut_off();
    let first = bench.asks();
    bench.now_ms += 900;
    bench.vote(first[0].0, true, 5);
    bench.vote(first[1].0, true, 6);
    bench.take();
    bench.until(ASKED_MS + RENEW_MS);
    let second = bench.asks();
    bench.vote(second[1].0, true, 7);
    assert_eq!(bench.held(), at(ASKED_MS + LEASE_MS));
}

/// POP b, a backup of a, started at 0.
fn voter() -> Bench {
    let start = Start { pop: pop("b"), seed: 9, ..start() };
    let mut bench = Bench::starting(start, Some(epoch(1, "a")));
    bench.take();
    bench
}

fn ask(bench: &mut Bench, term: Epoch, lease_ms: u64, challenge: u64) -> Vote {
    let input =
        Input::VoteAsked { op: OpId(77), from: term.primary, epoch: term, lease_ms, challenge };
    bench.input(input);
    let vote = bench.out.iter().rev().find_map(|effect| match effect {
        Effect::AnswerVote { op: OpId(77), vote } => Some(*vote),
        _ => None,
    });
    vote.unwrap()
}

#[test]
fn a_question_is_good_for_one_vote() {
    let mut bench = voter();
    let first = ask(&mut bench, epoch(1, "a"), LEASE_MS, 0);
    assert!(!first.is_given, "nobody can know the challenge yet");
    let given = ask(&mut bench, epoch(1, "a"), LEASE_MS, first.challenge);
    assert!(given.is_given);
    for _ in 0..3 {
        let replayed = ask(&mut bench, epoch(1, "a"), LEASE_MS, first.challenge);
        assert!(!replayed.is_given);
        assert_eq!(replayed.challenge, given.challenge, "a replay spoils nothing");
    }
    assert!(ask(&mut bench, epoch(1, "a"), LEASE_MS, given.challenge).is_given);
}

#[test]
fn a_vote_is_for_the_newest_term_that_is_stored_and_its_primary_alone() {
    let mut bench = voter();
    let challenge = ask(&mut bench, epoch(1, "a"), LEASE_MS, 0).challenge;
    bench.input(Input::EpochStored(epoch(2, "c")));
    for term in [epoch(1, "a"), epoch(2, "a")] {
        assert!(!ask(&mut bench, term, LEASE_MS, challenge).is_given, "{term:?}");
    }
    let stranger = Input::VoteAsked {
        op: OpId(77),
        from: pop("a"),
        epoch: epoch(2, "c"),
        lease_ms: LEASE_MS,
        challenge,
    };
    bench.input(stranger);
    assert!(bench.out.iter().all(|effect| {
        !matches!(effect, Effect::AnswerVote { vote: Vote { is_given: true, .. }, .. })
    }));
    assert!(ask(&mut bench, epoch(2, "c"), LEASE_MS, challenge).is_given);
    // A newer one counts once it is stored, and the older one no longer.
    for term in [epoch(3, "c"), epoch(2, "c")] {
        assert!(!ask(&mut bench, term, LEASE_MS, challenge).is_given, "{term:?}");
    }
}

#[test]
fn whoever_hears_of_a_newer_term_of_its_own_that_it_has_lost_votes_for_none_before_it() {
    let mut bench = voter();
    let challenge = ask(&mut bench, epoch(1, "a"), LEASE_MS, 0).challenge;
    bench.input(Input::EpochTold(epoch(2, "b")));
    assert!(!ask(&mut bench, epoch(1, "a"), LEASE_MS, challenge).is_given);
    bench.input(Input::EpochStored(epoch(3, "a")));
    assert!(ask(&mut bench, epoch(3, "a"), LEASE_MS, challenge).is_given);
}

#[test]
fn a_term_that_nobody_can_have_come_to_changes_nothing() {
    let mut bench = voter();
    let challenge = ask(&mut bench, epoch(1, "a"), LEASE_MS, 0).challenge;
    let far = epoch(2 + crate::epoch::STEP_MAX, "b");
    bench.input(Input::EpochTold(far));
    ask(&mut bench, epoch(2 + crate::epoch::STEP_MAX, "c"), LEASE_MS, challenge);
    assert!(bench.out.iter().all(|effect| !matches!(effect, Effect::Adopt(_))));
    assert!(ask(&mut bench, epoch(1, "a"), LEASE_MS, challenge).is_given);
}

#[test]
fn whoever_has_lost_its_data_votes_only_once_it_has_heard_its_peers() {
    let mut bench =
        Bench { lease: Lease::new(start(), Some(epoch(1, "b"))), now_ms: 0, out: vec![] };
    bench.input(Input::Started);
    let challenge = ask(&mut bench, epoch(1, "b"), LEASE_MS, 0).challenge;
    assert!(!ask(&mut bench, epoch(1, "b"), LEASE_MS, challenge).is_given);
    bench.input(Input::BecameReady);
    assert!(ask(&mut bench, epoch(1, "b"), LEASE_MS, challenge).is_given);
}

#[test]
fn a_voter_learns_of_a_newer_term_from_its_primary() {
    let mut bench = voter();
    let vote = ask(&mut bench, epoch(4, "c"), LEASE_MS, 0);
    assert!(!vote.is_given);
    assert_eq!(bench.take().last(), Some(&Effect::Adopt(epoch(4, "c"))));
}

#[test]
fn nobody_votes_for_longer_than_a_new_process_would_keep_to() {
    let mut bench = voter();
    let challenge = ask(&mut bench, epoch(1, "a"), LEASE_MS, 0).challenge;
    assert!(!ask(&mut bench, epoch(1, "a"), LEASE_MS + 1, challenge).is_given);
    assert!(ask(&mut bench, epoch(1, "a"), LEASE_MS, challenge).is_given);
}

#[test]
fn two_processes_never_give_the_same_challenge() {
    let challenge = |seed| {
        let start = Start { pop: pop("b"), seed, ..start() };
        let mut bench = Bench::starting(start, Some(epoch(1, "a")));
        ask(&mut bench, epoch(1, "a"), LEASE_MS, 0).challenge
    };
    assert_ne!(challenge(1), challenge(2));
}

#[test]
fn a_voter_tells_hq_whom_it_carries_and_for_how_long() {
    let mut bench = voter();
    bench.until(10_000);
    let challenge = ask(&mut bench, epoch(1, "a"), LEASE_MS, 0).challenge;
    ask(&mut bench, epoch(1, "a"), LEASE_MS, challenge);
    bench.take();
    bench.until(10_500);
    bench.renewed_if_any();
    bench.until(12_500);
    let (_, draft) = bench.renewal().unwrap();
    assert!(draft.voted_ms > 0 && draft.voted_ms == draft.refuses_ms);
    assert!(draft.voted_ms <= with_margin(LEASE_MS));
}

impl Bench {
    fn renewed_if_any(&mut self) {
        if self.renewal().is_some() {
            self.answered(Answer::Follow { epoch: None });
        }
    }
}
