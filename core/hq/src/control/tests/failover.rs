//! What happens when a primary does not renew, and when HQ was away itself.

use super::*;

/// The primary of `led` is gone: up to and including the moment its lease is over.
fn expired() -> Hq {
    let mut hq = led();
    for ms in [4_000, 6_000, 8_000] {
        assert_eq!(hq.renew(ms, "b", holds(knows("b", 1, "a"), "a", 20)), follow(1, "a"));
        assert_eq!(hq.renew(ms, "c", holds(knows("c", 1, "a"), "a", 21)), follow(1, "a"));
    }
    hq.run(2_000 + OVER_MS - 1);
    assert_eq!(hq.take_events(), [Event::PopLost(pop("a"))]);
    assert!(hq.woken.is_empty());
    hq.run(2_000 + OVER_MS);
    hq
}

#[test]
fn a_primary_that_renews_is_given_its_lease_every_time() {
    let mut hq = led();
    for ms in (4_000..40_000).step_by(2_000) {
        for name in ["b", "c"] {
            assert_eq!(hq.renew(ms, name, knows(name, 1, "a")), follow(1, "a"));
        }
        assert_eq!(hq.renew(ms, "a", leads("a", 1, 2)), lead(1, "a", 2, &["a", "b", "c"]));
        hq.run(ms + 1_999);
        assert_eq!(hq.state(ms), State::Led);
    }
    assert_eq!(hq.take_events(), []);
}

#[test]
fn once_the_lease_is_over_with_its_margin_all_are_asked_and_the_fullest_follows() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    assert_eq!(hq.take_events(), [Event::LeaseExpired(epoch(1, "a"))]);
    assert_eq!(hq.woken, members(&["a", "b", "c"]));
    assert_eq!(hq.state(at), State::Gathering);
    assert_eq!(hq.renew(at + 5, "b", holds(knows("b", 1, "a"), "a", 30)), follow(1, "a"));
    assert_eq!(hq.take_events(), []);
    assert_eq!(hq.renew(at + 9, "c", holds(knows("c", 1, "a"), "a", 31)), follow(1, "a"));
    assert_eq!(hq.take_events(), [Event::PromotionOrdered(epoch(2, "c"))]);
    assert_eq!((hq.row().epoch, hq.row().granted), (Some(epoch(2, "c")), Some(epoch(1, "a"))));
    assert_eq!(hq.control.holder(CLUSTER), Some(pop("a")));
    assert_eq!(hq.woken.last(), Some(&pop("c")));
    // Only who is to become primary hears of the new term before it has accepted.
    assert_eq!(hq.renew(at + 10, "b", knows("b", 1, "a")), follow(1, "a"));
    let Answer::Promote { epoch: ordered, floor_ms } = hq.renew(at + 11, "c", knows("c", 1, "a"))
    else {
        panic!("an order")
    };
    assert_eq!(ordered, epoch(2, "c"));
    let silence_ms = OVER_MS + 11;
    assert_eq!(floor_ms, 1_000_000 + silence_ms + silence_ms / 50 + 1);
    assert_eq!(hq.renew(at + 20, "c", knows("c", 2, "c")), lead(2, "c", 1, &["b", "c"]));
    assert_eq!(hq.take_events(), [Event::PrimaryChanged(epoch(2, "c"))]);
    assert_eq!(hq.control.holder(CLUSTER), Some(pop("c")));
    assert_eq!(hq.renew(at + 30, "b", knows("b", 1, "a")), follow(2, "c"));
    assert_eq!(hq.renew(at + 31, "a", leads("a", 1, 2)), follow(2, "c"));
}

#[test]
fn others_are_waited_for_half_a_second_at_most() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    hq.renew(at + 5, "b", holds(knows("b", 1, "a"), "a", 30));
    hq.run(at + GATHER_MS - 1);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    hq.run(at + GATHER_MS);
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn a_primary_that_comes_back_before_another_is_ordered_goes_on() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    let answer = hq.renew(at + 5, "a", leads("a", 1, 2));
    assert_eq!(answer, lead(1, "a", 2, &["a", "b", "c"]));
    hq.renew(at + 6, "b", knows("b", 1, "a"));
    hq.renew(at + 6, "c", knows("c", 1, "a"));
    hq.run(at + 2_000);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
}

#[test]
fn a_term_is_never_given_again_once_a_newer_one_is_ordered() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    hq.renew(at + 1, "b", knows("b", 1, "a"));
    hq.is_disk_slow = true;
    hq.renew(at + 2, "c", knows("c", 1, "a"));
    // The order is not on disk yet, and might be after a crash.
    let op = hq.ask(at + 3, "a", leads("a", 1, 2));
    assert_eq!(hq.answers.get(&op), None);
    let kept = Input::Kept { op: hq.keeps[0], is_kept: true };
    hq.handle(at + 4, kept);
    assert_eq!(hq.answers.remove(&op), Some(follow(1, "a")));
    assert_eq!(hq.renew(at + 5, "a", leads("a", 1, 2)), follow(1, "a"));
}

#[test]
fn an_order_that_cannot_be_stored_is_given_to_nobody_and_tried_again() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    hq.is_disk_full = true;
    hq.renew(at + 1, "b", knows("b", 1, "a"));
    assert_eq!(hq.renew(at + 2, "c", knows("c", 1, "a")), follow(1, "a"));
    assert_eq!(hq.renew(at + 3, "b", knows("b", 1, "a")), follow(1, "a"));
    hq.is_disk_full = false;
    hq.run(at + 2 + KEEP_AGAIN_MS);
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn who_does_not_accept_in_time_is_passed_over() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    hq.renew(at, "b", holds(knows("b", 1, "a"), "a", 30));
    hq.renew(at, "c", holds(knows("c", 1, "a"), "a", 31));
    hq.run(at + PATIENCE_MS - 1);
    assert_eq!(hq.row().epoch, Some(epoch(2, "c")));
    hq.take_events();
    hq.run(at + PATIENCE_MS);
    assert_eq!(hq.row().epoch, Some(epoch(3, "b")));
    let failed = [Event::PromotionFailed(epoch(2, "c")), Event::PromotionOrdered(epoch(3, "b"))];
    assert_eq!(hq.take_deeds(), failed);
    // Accepting now is too late.
    assert_eq!(hq.renew(at + 2_100, "c", knows("c", 2, "c")), follow(1, "a"));
    // Then it is the other's turn again, and so on: nobody is given up for good.
    hq.run(at + 2 * PATIENCE_MS);
    assert_eq!(hq.row().epoch, Some(epoch(4, "c")));
}

#[test]
fn who_refuses_is_passed_over_at_once_if_there_is_another() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    hq.renew(at, "b", holds(knows("b", 1, "a"), "a", 30));
    hq.renew(at, "c", holds(knows("c", 1, "a"), "a", 31));
    let refusal = Renewal { refuses_ms: 3_000, ..knows("c", 1, "a") };
    hq.renew(at + 10, "c", refusal);
    assert_eq!(hq.row().epoch, Some(epoch(3, "b")));
}

#[test]
fn who_refuses_is_chosen_as_soon_as_it_does_no_more_if_there_is_no_other() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    hq.renew(at + 1, "b", Renewal { refuses_ms: 1_500, ..knows("b", 1, "a") });
    hq.renew(at + 1, "c", Renewal { refuses_ms: 4_000, ..knows("c", 1, "a") });
    hq.run(at + 1_500);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    hq.run(at + 1_501);
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn only_those_follow_whose_vote_the_primary_needs_by_every_grant_it_may_go_by() {
    let mut hq = Hq::first(&["a", "b", "c"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.renew(10, "b", knows("b", 1, "a"));
    hq.renew(2_000, "a", leads("a", 1, 1));
    hq.renew(2_010, "c", knows("c", 1, "a"));
    // It goes by {a, b}, and is offered {a, b, c}.
    hq.renew(4_000, "a", leads("a", 1, 2));
    assert_eq!(hq.row().offered.as_ref().map(|offered| offered.version), Some(3));
    for ms in (4_000..20_000).step_by(2_000) {
        hq.renew(ms, "c", holds(knows("c", 1, "a"), "a", 100));
    }
    hq.run(20_000);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    assert_eq!(hq.state(20_000), State::Leaderless);
    hq.renew(20_001, "b", knows("b", 1, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn hq_that_starts_renews_who_held_the_lease_and_promotes_nobody_for_a_lease() {
    let mut hq = led();
    hq.restart(4_000);
    hq.run(5_000);
    assert_eq!(hq.renew(5_000, "b", knows("b", 1, "a")), follow(1, "a"));
    let answer = hq.renew(5_000, "a", leads("a", 1, 2));
    assert_eq!(answer, lead(1, "a", 2, &["a", "b", "c"]));

    hq.restart(6_000);
    let hold = 6_000 + HOLD_MS;
    for ms in (6_000..hold).step_by(1_000) {
        assert_eq!(hq.renew(ms, "b", knows("b", 1, "a")), follow(1, "a"));
        hq.run(ms + 999);
        assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
        assert_eq!(hq.state(ms), State::Settling);
    }
    hq.run(hold);
    hq.renew(hold, "b", knows("b", 1, "a"));
    hq.run(hold + GATHER_MS);
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn hq_that_starts_goes_on_with_what_it_had_ordered_after_a_lease() {
    let mut hq = expired();
    let at = 2_000 + OVER_MS;
    hq.renew(at, "b", knows("b", 1, "a"));
    hq.renew(at, "c", knows("c", 1, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
    hq.restart(at + 100);
    assert_eq!(hq.renew(at + 200, "a", leads("a", 1, 2)), follow(1, "a"));
    assert_eq!(hq.renew(at + 200, "b", knows("b", 2, "b")), follow(1, "a"));
    hq.run(at + 100 + HOLD_MS);
    hq.renew(at + 90 + HOLD_MS, "a", leads("a", 1, 2));
    assert_eq!(hq.renew(at + 90 + HOLD_MS, "b", knows("b", 2, "b")), follow(1, "a"));
    let answer = hq.renew(at + 100 + HOLD_MS, "b", knows("b", 2, "b"));
    assert_eq!(answer, lead(2, "b", 1, &["a", "b"]));
}

#[test]
fn standing_still_until_shortly_after_the_lease_is_noticed_too() {
    let mut hq = led();
    hq.run(2_100);
    // It goes on with what came in meanwhile.
    let late = 2_000 + OVER_MS + 300;
    hq.tell(late, Input::Tick);
    assert_eq!(hq.renew(late, "b", knows("b", 1, "a")), follow(1, "a"));
    assert_eq!(hq.renew(late, "c", knows("c", 1, "a")), follow(1, "a"));
    assert_eq!(hq.renew(late, "a", leads("a", 1, 2)), lead(1, "a", 2, &["a", "b", "c"]));
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
}

#[test]
fn a_tick_that_comes_late_is_like_a_start() {
    let mut hq = led();
    hq.renew(4_000, "b", knows("b", 1, "a"));
    let late = 30_000;
    hq.tell(late, Input::Tick);
    assert_eq!(hq.take_deeds(), []);
    hq.renew(late + 10, "b", knows("b", 1, "a"));
    hq.run(late + HOLD_MS - 1);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    assert!(hq.take_deeds().is_empty());
    hq.renew(late + HOLD_MS - 1, "b", knows("b", 1, "a"));
    hq.run(late + HOLD_MS + GATHER_MS);
    hq.renew(late + HOLD_MS + GATHER_MS, "b", knows("b", 1, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn a_primary_that_lease_votes_carry_on_stays_until_they_end() {
    let mut hq = led();
    let voted = |name: &str, ms| Renewal { refuses_ms: ms, voted_ms: ms, ..knows(name, 1, "a") };
    for ms in (4_000..20_000).step_by(2_000) {
        hq.renew(ms, "b", voted("b", 5_000));
        hq.renew(ms, "c", knows("c", 1, "a"));
        hq.run(ms + 1_999);
    }
    assert_eq!(hq.take_deeds(), [Event::Carried(epoch(1, "a"))]);
    assert_eq!(hq.state(20_000), State::Carried);
    hq.run(22_999);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    hq.renew(22_000, "c", knows("c", 1, "a"));
    hq.run(23_000);
    assert_eq!(hq.take_deeds(), [Event::LeaseExpired(epoch(1, "a"))]);
    hq.renew(23_010, "b", knows("b", 1, "a"));
    hq.renew(23_010, "c", knows("c", 1, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn a_restarted_primary_waits_until_the_lease_of_its_former_self_is_over() {
    let mut hq = Hq::first(&["a"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    let again = |renewal: Renewal| Renewal { start: 77, ..renewal };
    for ms in (1_000..=6_000).step_by(1_000) {
        assert_eq!(hq.renew(ms, "a", again(knows("a", 1, "a"))), follow(1, "a"));
    }
    hq.run(OVER_MS);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    hq.renew(OVER_MS + 1, "a", again(knows("a", 1, "a")));
    assert_eq!(hq.row().epoch, Some(epoch(2, "a")));
    assert!(matches!(
        hq.renew(OVER_MS + 2, "a", again(knows("a", 1, "a"))),
        Answer::Promote { .. }
    ));
    assert_eq!(hq.renew(OVER_MS + 3, "a", again(knows("a", 2, "a"))), lead(2, "a", 1, &["a"]));
    // Its former self is told to follow, should it wake up.
    assert_eq!(hq.renew(OVER_MS + 4, "a", leads("a", 1, 1)), follow(2, "a"));
}
