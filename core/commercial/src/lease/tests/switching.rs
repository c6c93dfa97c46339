use super::*;
use clavitor_core::id::Seq;

const ABC: &[&str] = &["a", "b", "c"];

fn seen(bench: &mut Bench, behind: Option<u64>) {
    bench.input(Input::TargetSeen { behind });
}

fn close(bench: &Bench) -> Option<OpId> {
    bench.out.iter().rev().find_map(|effect| match effect {
        Effect::CloseWrites { op, to } if *to == pop("b") => Some(*op),
        _ => None,
    })
}

fn outcome(bench: &Bench) -> Option<Result<Epoch, NotSwitched>> {
    bench.out.iter().find_map(|effect| match effect {
        Effect::AnswerSwitchover { op: OpId(50), outcome } => Some(*outcome),
        _ => None,
    })
}

/// The primary a that is to hand over to b, from 2,010 on.
fn switching() -> Bench {
    let mut bench = Bench::leading(ABC);
    bench.until(GAP_MS + RENEW_MS);
    bench.lead_to(1, ABC, Some("b"));
    bench.take();
    bench
}

/// The same, with writes closed.
fn drained() -> Bench {
    let mut bench = switching();
    seen(&mut bench, Some(NEAR_CHANGES - 1));
    let op = close(&bench).unwrap();
    bench.input(Input::WritesClosed { op, last: Seq(9) });
    bench
}

#[test]
fn a_hand_over_closes_writes_once_the_other_is_near_and_releases_once_it_has_all() {
    let mut bench = switching();
    seen(&mut bench, None);
    seen(&mut bench, Some(NEAR_CHANGES));
    assert_eq!((close(&bench), bench.lease.target()), (None, Some(pop("b"))));
    seen(&mut bench, Some(NEAR_CHANGES - 1));
    let op = close(&bench).unwrap();
    seen(&mut bench, Some(0));
    assert!(bench.held() > at(0), "writes may still be under way");
    bench.input(Input::WritesClosed { op: OpId(op.0 + 1), last: Seq(9) });
    assert!(bench.held() > at(0));
    bench.input(Input::WritesClosed { op, last: Seq(9) });
    assert!(bench.held() > at(0), "what was seen was before the last write");
    seen(&mut bench, Some(1));
    assert!(bench.held() > at(0));
    bench.take();
    bench.now_ms += GAP_MS;
    seen(&mut bench, Some(0));
    let effects = bench.take();
    let [Effect::HoldLease { until: Instant(0) }, Effect::Renew { draft, .. }] = effects.as_slice()
    else {
        unreachable!("{effects:?}")
    };
    assert!(draft.is_released && draft.grant.is_some());
    bench.input(Input::EpochStored(epoch(2, "b")));
    assert!(bench.out.contains(&Effect::OpenWrites), "the term refuses writes from here on");
}

#[test]
fn an_answer_to_what_was_said_before_the_release_means_nothing() {
    let mut bench = switching();
    bench.until(GAP_MS + 2 * RENEW_MS);
    let (before, _) = bench.renewal().unwrap();
    seen(&mut bench, Some(0));
    let op = close(&bench).unwrap();
    bench.input(Input::WritesClosed { op, last: Seq(9) });
    seen(&mut bench, Some(0));
    assert!(bench.out.contains(&Effect::Cancel { op: before }));
    let lead =
        |version| Answer::Lead { grant: grant(epoch(1, "a"), version, ABC), hand_over_to: None };
    bench.input(Input::Renewed { op: before, outcome: Renewed::Answered(lead(2)) });
    assert_eq!(bench.held(), Instant(0));
    bench.until(GAP_MS + 2 * RENEW_MS + GAP_MS);
    bench.answered(lead(1));
    assert_eq!(bench.held(), Instant(0), "a grant that was given up does not come back");
    // Another one may: HQ found nobody else.
    bench.until(bench.now_ms + RENEW_MS);
    bench.answered(lead(2));
    assert!(bench.held() > at(bench.now_ms));
    assert!(bench.out.contains(&Effect::OpenWrites));
    bench.until(bench.now_ms + GAP_MS);
    assert!(!bench.renewal().unwrap().1.is_released);
}

#[test]
fn a_released_lease_is_carried_on_by_nobody() {
    let mut bench = drained();
    seen(&mut bench, Some(0));
    bench.until(60_000);
    assert_eq!(bench.asks(), []);
    assert_eq!(bench.held(), Instant(0));
    assert_eq!(bench.lease.view(at(60_000)).why, Some(Why::Released));
}

#[test]
fn one_that_stays_behind_keeps_the_lease_where_it_is() {
    let mut bench = switching();
    let begin_ms = bench.now_ms;
    for place in 1.. {
        let ms = GAP_MS + (1 + place) * RENEW_MS;
        if ms > begin_ms + CATCH_UP_MS {
            break;
        }
        bench.until(ms);
        seen(&mut bench, Some(1_000));
        if bench.lease.target().is_some() {
            bench.lead_to(1, ABC, Some("b"));
        }
    }
    bench.until(begin_ms + CATCH_UP_MS + GAP_MS);
    let (_, draft) = bench.renewal().unwrap();
    assert_eq!(draft.kept_back, Some(KeptBack::TooFarBehind));
    assert_eq!(close(&bench), None);
    bench.lead(1, ABC);
    assert!(bench.held() > at(bench.now_ms));
    bench.until(bench.now_ms + RENEW_MS);
    assert_eq!(bench.renewal().unwrap().1.kept_back, None, "HQ knows");
}

#[test]
fn writes_that_do_not_drain_in_time_are_opened_again() {
    let mut bench = drained();
    seen(&mut bench, Some(3));
    bench.take();
    bench.until(bench.now_ms + DRAIN_MS);
    assert!(bench.out.contains(&Effect::OpenWrites));
    bench.until(bench.now_ms + GAP_MS);
    assert_eq!(bench.renewal().unwrap().1.kept_back, Some(KeptBack::NotDrained));
    // An answer to a renewal that did not say so asks for what was tried already.
    assert_eq!(bench.lease.target(), None);
}

#[test]
fn nothing_is_released_that_hq_would_not_hear_of() {
    let mut bench = switching();
    bench.until(GAP_MS + 2 * RENEW_MS);
    bench.renewed(Renewed::Unanswered);
    seen(&mut bench, Some(0));
    assert_eq!(close(&bench), None);
}

#[test]
fn hq_may_think_better_of_it() {
    let mut bench = drained();
    bench.until(GAP_MS + 2 * RENEW_MS);
    bench.lead(1, ABC);
    assert!(bench.out.contains(&Effect::OpenWrites));
    assert_eq!(bench.lease.target(), None);
}

#[test]
fn one_that_is_no_peer_is_not_waited_for() {
    let mut bench = Bench::leading(&["a", "b", "x"]);
    bench.until(GAP_MS + RENEW_MS);
    bench.lead_to(1, &["a", "b", "x"], Some("x"));
    bench.until(bench.now_ms + GAP_MS);
    assert_eq!(bench.renewal().unwrap().1.kept_back, Some(KeptBack::NotAPeer));
}

#[test]
fn an_operator_is_answered_with_the_new_term() {
    let mut bench = Bench::leading(ABC);
    bench.now_ms = 500;
    bench.input(Input::SwitchoverAsked { op: OpId(50), to: Some(pop("b")) });
    assert_eq!(bench.renewal().unwrap().1.wish, Some(Wish { to: Some(pop("b")) }));
    bench.lead_to(1, ABC, Some("b"));
    seen(&mut bench, Some(0));
    let op = close(&bench).unwrap();
    bench.input(Input::WritesClosed { op, last: Seq(9) });
    bench.now_ms += GAP_MS;
    seen(&mut bench, Some(0));
    assert_eq!(bench.renewal().unwrap().1.wish, None);
    assert_eq!(outcome(&bench), None);
    bench.input(Input::EpochStored(epoch(2, "b")));
    assert_eq!(outcome(&bench), Some(Ok(epoch(2, "b"))));
}

#[test]
fn an_operator_hears_why_not() {
    let asked = |bench: &mut Bench, to| {
        bench.input(Input::SwitchoverAsked { op: OpId(50), to });
    };
    let mut backup = Bench::new(Some(epoch(1, "b")));
    asked(&mut backup, None);
    assert_eq!(outcome(&backup), Some(Err(NotSwitched::NotPrimary)));

    let mut unknown = Bench::leading(ABC);
    asked(&mut unknown, Some(pop("x")));
    assert_eq!(outcome(&unknown), Some(Err(NotSwitched::KeptBack(KeptBack::NotAPeer))));

    let mut busy = switching();
    asked(&mut busy, None);
    assert_eq!(outcome(&busy), Some(Err(NotSwitched::Busy)));

    let mut silent = Bench::leading(ABC);
    asked(&mut silent, None);
    silent.until(WISH_MS - 1);
    assert_eq!(outcome(&silent), None);
    silent.until(WISH_MS + GAP_MS);
    assert_eq!(outcome(&silent), Some(Err(NotSwitched::NobodyFollows)));

    let mut far = Bench::leading(ABC);
    asked(&mut far, None);
    far.until(2 * GAP_MS);
    far.lead_to(1, ABC, Some("b"));
    far.until(2 * GAP_MS + CATCH_UP_MS);
    let why = NotSwitched::KeptBack(KeptBack::TooFarBehind);
    assert_eq!(outcome(&far), Some(Err(why)));

    let mut alone = Bench::leading(ABC);
    asked(&mut alone, None);
    alone.until(2 * GAP_MS);
    alone.lead_to(1, ABC, Some("b"));
    seen(&mut alone, Some(0));
    let op = close(&alone).unwrap();
    alone.input(Input::WritesClosed { op, last: Seq(9) });
    seen(&mut alone, Some(0));
    alone.until(2 * GAP_MS + SUCCESSION_MS);
    assert_eq!(outcome(&alone), Some(Err(NotSwitched::NobodyFollows)));
}
