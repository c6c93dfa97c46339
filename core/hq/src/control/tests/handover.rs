//! Leases that are handed over in order, and who may ask for it.

use clavitor_commercial::renewal::{KeptBack, Wish};

use super::*;

fn hand_over(to: &str) -> Answer {
    let Answer::Lead { grant, .. } = lead(1, "a", 2, &["a", "b", "c"]) else { unreachable!() };
    Answer::Lead { grant, hand_over_to: Some(pop(to)) }
}

fn released() -> Renewal {
    Renewal { is_released: true, ..leads("a", 1, 2) }
}

#[test]
fn an_operator_hands_a_lease_over_and_hears_of_the_new_primary() {
    let mut hq = led();
    let op = hq.switch(2_100, Some("b"));
    assert_eq!(hq.take_events(), [Event::HandOverBegan(pop("b"))]);
    assert_eq!(hq.woken, members(&["a"]));
    assert_eq!(hq.state(2_100), State::HandingOver);
    assert_eq!(hq.renew(2_110, "a", leads("a", 1, 2)), hand_over("b"));
    assert_eq!(hq.renew(2_300, "a", released()), follow(1, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
    assert!(matches!(hq.renew(2_310, "b", knows("b", 1, "a")), Answer::Promote { .. }));
    assert_eq!(hq.switched.get(&op), None);
    assert_eq!(hq.renew(2_320, "b", knows("b", 2, "b")), lead(2, "b", 1, &["a", "b", "c"]));
    assert_eq!(hq.switched[&op], Ok(epoch(2, "b")));
    let deeds = [Event::PromotionOrdered(epoch(2, "b")), Event::PrimaryChanged(epoch(2, "b"))];
    assert_eq!(hq.take_deeds(), deeds);
    // What the old primary said is heard again, and means nothing any more.
    assert_eq!(hq.renew(2_330, "a", released()), follow(2, "b"));
    assert_eq!(hq.renew(2_340, "b", leads("b", 2, 1)), lead(2, "b", 1, &["a", "b", "c"]));
}

#[test]
fn a_switchover_that_cannot_be_is_refused_with_its_reason() {
    let mut hq = led();
    let cluster = "other".to_string();
    let op = hq.op();
    hq.handle(2_100, Input::SwitchoverAsked { op, cluster, to: None });
    assert_eq!(hq.switched[&op], Err(NotSwitched::UnknownCluster));
    for to in ["a", "d"] {
        let op = hq.switch(2_100, Some(to));
        assert_eq!(hq.switched[&op], Err(NotSwitched::NotFit));
    }
    hq.renew(2_110, "b", Renewal { is_ready: false, ..knows("b", 1, "a") });
    let op = hq.switch(2_120, Some("b"));
    assert_eq!(hq.switched[&op], Err(NotSwitched::NotFit));
    let op = hq.switch(2_130, None);
    assert_eq!(hq.switched.get(&op), None);
    assert_eq!(hq.take_events(), [Event::HandOverBegan(pop("c"))]);
    let op = hq.switch(2_140, None);
    assert_eq!(hq.switched[&op], Err(NotSwitched::Busy));

    let mut alone = Hq::first(&["a"]);
    let op = alone.switch(0, None);
    assert_eq!(alone.switched[&op], Err(NotSwitched::NoPrimary));
    alone.renew(0, "a", knows("a", 1, "a"));
    let op = alone.switch(10, None);
    assert_eq!(alone.switched[&op], Err(NotSwitched::NobodyFollows));
    let op = alone.switch(6_500, None);
    assert_eq!(alone.switched[&op], Err(NotSwitched::NoPrimary));
}

#[test]
fn a_primary_that_keeps_its_lease_ends_the_hand_over() {
    let mut hq = led();
    let op = hq.switch(2_100, Some("b"));
    hq.take_events();
    let kept = Renewal { kept_back: Some(KeptBack::TooFarBehind), ..leads("a", 1, 2) };
    // This is about an earlier one: it has not heard of this one yet.
    assert_eq!(hq.renew(2_110, "a", kept.clone()), lead(1, "a", 2, &["a", "b", "c"]));
    assert_eq!(hq.switched.get(&op), None);
    assert_eq!(hq.renew(4_000, "a", leads("a", 1, 2)), hand_over("b"));
    assert_eq!(hq.renew(4_100, "a", kept), lead(1, "a", 2, &["a", "b", "c"]));
    assert_eq!(hq.switched[&op], Err(NotSwitched::KeptBack(KeptBack::TooFarBehind)));
    assert_eq!(hq.take_events(), [Event::HandOverFailed(KeptBack::TooFarBehind)]);
}

#[test]
fn a_hand_over_ends_when_its_target_is_lost_or_the_time_is_up() {
    let mut hq = led();
    let op = hq.switch(2_100, Some("b"));
    let other = hq.switch(2_100, Some("c"));
    assert_eq!(hq.switched[&other], Err(NotSwitched::Busy));
    hq.renew(4_000, "c", knows("c", 1, "a"));
    hq.renew(4_000, "a", leads("a", 1, 2));
    hq.run(8_000);
    assert_eq!(hq.switched[&op], Err(NotSwitched::NotFit));

    let op = hq.switch(8_100, Some("c"));
    for ms in (8_200..8_100 + HAND_OVER_MS).step_by(1_000) {
        assert_eq!(hq.switched.get(&op), None);
        hq.renew(ms, "c", knows("c", 1, "a"));
        hq.renew(ms, "a", leads("a", 1, 2));
    }
    hq.run(8_100 + HAND_OVER_MS);
    assert_eq!(hq.switched[&op], Err(NotSwitched::TimedOut));
}

#[test]
fn a_pop_may_wish_for_a_hand_over_and_is_told_to_try_once() {
    let mut hq = led();
    let wish = |to| Renewal { wish: Some(Wish { to }), ..leads("a", 1, 2) };
    assert_eq!(hq.renew(2_100, "a", wish(Some(pop("d")))), lead(1, "a", 2, &["a", "b", "c"]));
    assert_eq!(hq.renew(2_200, "a", wish(Some(pop("c")))), hand_over("c"));
    let kept = Renewal { kept_back: Some(KeptBack::NotDrained), ..wish(Some(pop("c"))) };
    hq.renew(2_300, "a", kept);
    for ms in [2_400, 2_500] {
        assert_eq!(hq.renew(ms, "a", wish(Some(pop("c")))), lead(1, "a", 2, &["a", "b", "c"]));
    }
    hq.renew(2_600, "a", leads("a", 1, 2));
    assert_eq!(hq.renew(2_700, "a", wish(Some(pop("c")))), hand_over("c"));
    // Only the primary's wishes count.
    hq.renew(2_800, "b", Renewal { wish: Some(Wish { to: None }), ..knows("b", 1, "a") });
    assert_eq!(hq.control.views(Instant::from_ms(2_800))[0].hand_over_to, Some(pop("c")));
}

#[test]
fn a_lease_that_is_given_up_passes_at_once_to_whoever_holds_most() {
    let mut hq = led();
    let leaving = Renewal { is_ready: false, ..released() };
    assert_eq!(hq.renew(3_000, "a", leaving.clone()), follow(1, "a"));
    assert_eq!(hq.woken, members(&["a", "b", "c"]));
    // A vote that was given before does not carry a primary that has stopped.
    let bound = Renewal { voted_ms: 5_000, refuses_ms: 5_000, ..knows("c", 1, "a") };
    hq.renew(3_001, "c", holds(bound, "a", 60));
    hq.renew(3_002, "b", holds(knows("b", 1, "a"), "a", 50));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
    assert_eq!(hq.take_events(), [Event::PromotionOrdered(epoch(2, "b"))]);
}

#[test]
fn a_term_that_was_given_up_is_never_given_again() {
    let mut hq = led();
    hq.renew(3_000, "b", Renewal { refuses_ms: 9_000, ..knows("b", 1, "a") });
    hq.renew(3_000, "c", Renewal { refuses_ms: 9_000, ..knows("c", 1, "a") });
    assert_eq!(hq.renew(3_100, "a", released()), follow(1, "a"));
    // One that was sent before, and is late.
    assert_eq!(hq.renew(3_200, "a", leads("a", 1, 2)), follow(1, "a"));
    // Where nobody else can follow, it may begin a new term itself.
    hq.renew(3_300, "a", released());
    hq.run(3_100 + PATIENCE_MS);
    assert_eq!(hq.row().epoch, Some(epoch(2, "a")));
    assert_eq!(hq.renew(6_000, "a", knows("a", 2, "a")), lead(2, "a", 1, &["a", "b", "c"]));
}

#[test]
fn a_target_that_does_not_accept_is_passed_over_and_the_operator_told_who_did() {
    let mut hq = led();
    let op = hq.switch(2_100, Some("b"));
    hq.renew(2_110, "a", leads("a", 1, 2));
    hq.renew(2_200, "a", released());
    hq.run(2_200 + PATIENCE_MS);
    assert_eq!(hq.row().epoch, Some(epoch(3, "c")));
    hq.renew(4_300, "c", knows("c", 3, "c"));
    assert_eq!(hq.switched[&op], Ok(epoch(3, "c")));
}

#[test]
fn a_preferred_primary_gets_its_place_again_once_it_was_there_for_long_enough() {
    let mut hq = led();
    hq.failback_ms = Some(20_000);
    hq.restart(2_500);
    let preferred = || Renewal { is_preferred: true, ..knows("b", 1, "a") };
    for ms in (3_000..23_000).step_by(2_000) {
        hq.renew(ms, "b", preferred());
        assert_eq!(hq.renew(ms, "a", leads("a", 1, 2)), lead(1, "a", 2, &["a", "b", "c"]));
    }
    hq.run(23_000);
    hq.renew(23_000, "b", preferred());
    assert_eq!(hq.renew(23_000, "a", leads("a", 1, 2)), hand_over("b"));
    hq.renew(23_100, "a", Renewal { kept_back: Some(KeptBack::TooFarBehind), ..leads("a", 1, 2) });
    hq.take_events();
    for ms in (24_000..23_100 + FAILBACK_AGAIN_MS).step_by(1_000) {
        hq.renew(ms, "b", preferred());
        hq.renew(ms, "a", leads("a", 1, 2));
    }
    assert!(!hq.take_events().contains(&Event::HandOverBegan(pop("b"))));
    hq.run(23_100 + FAILBACK_AGAIN_MS);
    assert_eq!(hq.take_events(), [Event::HandOverBegan(pop("b"))]);
}

#[test]
fn by_itself_nothing_moves_unless_asked_for() {
    let mut hq = led();
    for ms in (3_000..600_000).step_by(2_000) {
        hq.renew(ms, "b", Renewal { is_preferred: true, ..knows("b", 1, "a") });
        hq.renew(ms, "a", leads("a", 1, 2));
    }
    assert!(!hq.take_deeds().contains(&Event::HandOverBegan(pop("b"))));
}

#[test]
fn a_primary_keeps_its_lease_if_the_disk_would_not_take_the_next_term() {
    let mut hq = led();
    hq.is_disk_full = true;
    let op = hq.switch(2_100, Some("b"));
    assert_eq!(hq.switched[&op], Err(NotSwitched::NotKept));
    assert_eq!(hq.renew(2_110, "a", leads("a", 1, 2)), lead(1, "a", 2, &["a", "b", "c"]));

    let wish = || Renewal { wish: Some(Wish { to: None }), ..leads("a", 1, 2) };
    for ms in [4_000, 4_100, 6_000, 6_100] {
        assert_eq!(hq.renew(ms, "a", wish()), lead(1, "a", 2, &["a", "b", "c"]));
        hq.renew(ms, "b", knows("b", 1, "a"));
        hq.renew(ms, "c", knows("c", 1, "a"));
    }
    let began = |event: &Event| matches!(event, Event::HandOverBegan(_));
    assert_eq!(
        hq.take_events().iter().filter(|event| began(event)).count(),
        2,
        "a wish is one try"
    );

    hq.is_disk_full = false;
    hq.renew(8_000, "a", leads("a", 1, 2));
    hq.renew(8_000, "b", knows("b", 1, "a"));
    assert_eq!(hq.renew(8_100, "a", wish()), hand_over("b"));
}

#[test]
fn nobody_is_told_of_a_hand_over_before_the_disk_took_a_row() {
    let mut hq = led();
    hq.is_disk_slow = true;
    let op = hq.switch(2_100, Some("b"));
    let asked = hq.ask(2_110, "a", leads("a", 1, 2));
    assert_eq!(hq.answers.get(&asked), None);
    let keep = hq.keeps.remove(0);
    hq.handle(2_120, Input::Kept { op: keep, is_kept: true });
    assert_eq!(hq.woken, members(&["a"]));
    assert_eq!(hq.answers.remove(&asked), Some(hand_over("b")));
    assert_eq!(hq.switched.get(&op), None);
}

#[test]
fn a_lease_that_was_given_up_while_nobody_can_follow_is_told_as_one_that_is_over() {
    let mut hq = Hq::first(&["a", "b"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.renew(100, "a", leads("a", 1, 1));
    hq.take_events();
    let leaving = Renewal { is_ready: false, is_released: true, ..leads("a", 1, 1) };
    hq.renew(2_000, "a", leaving);
    hq.run(2_000 + PATIENCE_MS - 1);
    assert_eq!(hq.take_deeds(), []);
    hq.run(20_000);
    assert_eq!(hq.take_deeds(), [Event::LeaseExpired(epoch(1, "a"))]);
}

#[test]
fn an_order_that_nobody_accepts_is_told_as_a_lease_that_is_over() {
    let mut hq = led();
    hq.switch(2_100, Some("b"));
    hq.renew(2_110, "a", leads("a", 1, 2));
    hq.renew(2_300, "a", Renewal { is_ready: false, ..released() });
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
    hq.take_events();
    hq.run(60_000);
    assert!(hq.take_deeds().contains(&Event::LeaseExpired(epoch(1, "a"))));
}
