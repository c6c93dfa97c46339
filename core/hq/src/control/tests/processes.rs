//! Several processes under one id, POPs that come and go, and terms that HQ did not give.

use super::*;

fn other(renewal: Renewal) -> Renewal {
    Renewal { start: 77, ..renewal }
}

#[test]
fn a_pop_that_stops_renewing_is_lost_and_seen_again() {
    let mut hq = led();
    hq.renew(4_000, "a", leads("a", 1, 2));
    hq.renew(4_000, "b", knows("b", 1, "a"));
    hq.run(7_999);
    assert_eq!(hq.take_events(), []);
    hq.run(8_000);
    assert_eq!(hq.take_events(), [Event::PopLost(pop("c"))]);
    assert!(hq.control.views(Instant::from_ms(8_000))[0].pops[2].is_lost);
    hq.renew(8_500, "c", knows("c", 1, "a"));
    assert_eq!(hq.take_events(), [Event::PopSeen(pop("c"))]);
}

#[test]
fn after_a_start_of_hq_only_those_are_lost_that_do_not_come() {
    let mut hq = led();
    hq.restart(4_000);
    hq.renew(5_000, "a", leads("a", 1, 2));
    hq.renew(5_000, "b", knows("b", 1, "a"));
    hq.renew(9_000, "a", leads("a", 1, 2));
    hq.renew(9_000, "b", knows("b", 1, "a"));
    hq.run(4_000 + HOLD_MS);
    // Whatever was told of those that come, they are there.
    let seen = ["a", "b"].map(|name| Event::PopSeen(pop(name)));
    assert_eq!(hq.take_events(), [&seen[..], &[Event::PopLost(pop("c"))]].concat());
}

#[test]
fn a_cluster_without_a_pop_is_asleep_and_its_terms_go_on() {
    let mut hq = led();
    hq.take_events();
    ["a", "b", "c"].iter().for_each(|name| hq.remove(3_000, name));
    hq.run(60_000);
    assert_eq!(hq.take_events(), []);
    assert_eq!(hq.control.views(Instant::from_ms(60_000)), []);
    assert_eq!(hq.control.holder(CLUSTER), None);
    hq.restart(61_000);
    hq.run(120_000);
    assert_eq!((hq.take_events(), hq.control.holder(CLUSTER)), (vec![], None));
    hq.register(120_000, "d");
    hq.renew(120_100, "d", said("d"));
    hq.run(130_000);
    hq.renew(130_000, "d", said("d"));
    hq.run(131_000);
    assert_eq!(hq.row().epoch, Some(epoch(2, "d")));
}

#[test]
fn after_a_start_of_hq_nobody_misses_a_pop_that_never_renewed() {
    let mut hq = led();
    hq.register(3_000, "d");
    assert!(hq.row().pops.contains(&pop("d")));
    // Of `c` it is only not stored yet: it could not be a member otherwise.
    hq.unheard = vec![pop("c"), pop("d")];
    hq.restart(4_000);
    assert_eq!(hq.take_events(), []);
    hq.run(4_000 + HOLD_MS);
    let lost = ["a", "b", "c"].map(|name| Event::PopLost(pop(name)));
    let events = hq.take_events();
    let events: Vec<_> = events.iter().filter(|event| matches!(event, Event::PopLost(_))).collect();
    assert_eq!(events, lost.iter().collect::<Vec<_>>());
    hq.renew(30_000, "d", said("d"));
    assert_eq!(hq.take_events(), [Event::PopSeen(pop("d"))]);
}

#[test]
fn a_quick_restart_waits_and_is_no_duplicate() {
    let mut hq = led();
    for ms in (3_000..8_000).step_by(1_000) {
        assert_eq!(hq.renew(ms, "b", other(knows("b", 1, "a"))), follow(1, "a"));
        hq.renew(ms, "a", leads("a", 1, 2));
    }
    // A word of its former self that was long under way changes nothing.
    assert_eq!(hq.renew(8_000, "b", knows("b", 1, "a")), follow(1, "a"));
    for ms in (8_100..15_000).step_by(1_000) {
        assert_eq!(hq.renew(ms, "b", other(knows("b", 1, "a"))), follow(1, "a"));
        hq.renew(ms, "a", leads("a", 1, 2));
    }
    // Nor is it missed: somebody is there.
    let missed = |event: &Event| matches!(event, Event::Duplicate(_) | Event::PopLost(_));
    let mut events = hq.take_events();
    events.retain(|event| missed(event) && *event != Event::PopLost(pop("c")));
    assert_eq!(events, []);
}

#[test]
fn of_two_primaries_under_one_id_only_the_first_is_given_the_lease() {
    let mut hq = led();
    for round in 0..3 {
        let ms = 3_000 + round * 1_000;
        let expected = if round < 2 { follow(1, "a") } else { Answer::Duplicate };
        assert_eq!(hq.renew(ms, "a", other(leads("a", 1, 2))), expected);
        assert_eq!(hq.renew(ms + 500, "a", leads("a", 1, 2)), lead(1, "a", 2, &["a", "b", "c"]));
    }
    assert_eq!(hq.renew(6_000, "a", other(leads("a", 1, 2))), Answer::Duplicate);
    let duplicates = hq.take_events();
    let duplicates = duplicates.iter().filter(|event| **event == Event::Duplicate(pop("a")));
    assert_eq!(duplicates.count(), 1);
}

#[test]
fn the_holder_of_the_lease_keeps_it_over_a_start_of_hq_whoever_comes_first() {
    let mut hq = led();
    hq.restart(4_000);
    assert_eq!(hq.renew(4_100, "a", other(leads("a", 1, 2))), follow(1, "a"));
    let answer = hq.renew(4_200, "a", leads("a", 1, 2));
    assert_eq!(answer, lead(1, "a", 2, &["a", "b", "c"]));
    assert_eq!(hq.renew(4_300, "a", other(leads("a", 1, 2))), follow(1, "a"));
}

#[test]
fn under_the_primarys_id_only_its_own_data_directory_may_follow() {
    let mut hq = led();
    let new = |renewal| Renewal { store: StoreId([9; 16]), ..other(renewal) };
    for ms in (3_000..20_000).step_by(1_000) {
        assert_eq!(hq.renew(ms, "a", new(knows("a", 1, "a"))), follow(1, "a"));
    }
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    // A person says that the former one is gone.
    hq.register(20_000, "a");
    assert_eq!(hq.row().holder, None);
    hq.renew(20_100, "a", new(knows("a", 1, "a")));
    assert_eq!(hq.row().epoch, Some(epoch(2, "a")));
    assert_eq!(hq.renew(20_200, "a", new(knows("a", 2, "a"))), lead(2, "a", 1, &["a"]));
}

#[test]
fn a_data_directory_that_takes_a_new_id_while_in_use_is_the_same() {
    let mut hq = led();
    let renamed = |renewal| Renewal { store: StoreId([9; 16]), ..renewal };
    hq.renew(3_000, "a", renamed(leads("a", 1, 2)));
    assert_eq!(hq.row().holder.map(|holder| holder.store), Some(StoreId([9; 16])));
    hq.run(12_000);
    hq.renew(12_000, "a", other(renamed(knows("a", 1, "a"))));
    hq.run(13_000);
    assert_eq!(hq.row().epoch, Some(epoch(2, "a")));
}

#[test]
fn a_data_directory_that_takes_a_new_id_while_its_process_waits_is_the_same() {
    let mut hq = led();
    let renamed = |renewal| Renewal { store: StoreId([9; 16]), ..renewal };
    assert_eq!(hq.renew(3_000, "a", other(knows("a", 1, "a"))), follow(1, "a"));
    for ms in (5_000..20_000).step_by(2_000) {
        hq.renew(ms, "a", other(renamed(knows("a", 1, "a"))));
    }
    assert_eq!(hq.row().epoch, Some(epoch(2, "a")));
}

#[test]
fn a_primary_whose_token_is_revoked_is_followed_after_its_lease() {
    let mut hq = led();
    hq.remove(3_000, "a");
    assert_eq!(hq.row().pops, members(&["b", "c"]));
    assert_eq!(hq.renew(3_100, "a", leads("a", 1, 2)), follow(1, "a"));
    hq.renew(8_000, "b", knows("b", 1, "a"));
    hq.renew(8_000, "c", knows("c", 1, "a"));
    hq.run(2_000 + OVER_MS - 1);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    hq.run(2_000 + OVER_MS + GATHER_MS);
    hq.renew(9_000, "b", knows("b", 1, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn when_all_members_are_revoked_whoever_is_there_may_follow() {
    let mut hq = Hq::first(&["a", "b"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.run(60_000);
    hq.renew(60_000, "b", knows("b", 1, "a"));
    hq.run(61_000);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    hq.remove(61_000, "a");
    hq.run(62_000);
    hq.renew(62_000, "b", knows("b", 1, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(2, "b")));
}

#[test]
fn a_term_that_hq_did_not_give_is_ended_by_a_newer_one() {
    let mut hq = led();
    assert_eq!(hq.renew(3_000, "b", knows("b", 7, "b")), follow(1, "a"));
    assert_eq!(hq.take_events(), [Event::Overruled(epoch(7, "b"))]);
    assert_eq!(hq.renew(4_000, "a", leads("a", 1, 2)), follow(1, "a"));
    assert_eq!(hq.renew(7_000, "b", knows("b", 7, "b")), follow(1, "a"));
    hq.run(2_000 + OVER_MS - 1);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
    hq.run(2_000 + OVER_MS);
    for name in ["a", "b", "c"] {
        let known = if name == "a" { 9 } else { 8 };
        hq.renew(8_400, name, holds(knows(name, 7, "b"), "b", known));
    }
    assert_eq!(hq.row().epoch, Some(epoch(8, "a")));
    assert_eq!(hq.take_deeds(), [Event::PromotionOrdered(epoch(8, "a"))]);
    assert_eq!(hq.renew(8_500, "a", knows("a", 8, "a")), lead(8, "a", 1, &["a", "b", "c"]));
}

#[test]
fn a_term_that_no_member_claims_is_not_believed() {
    let mut hq = led();
    hq.register(3_000, "q");
    let stranger = Renewal { is_ready: false, ..knows("q", 7, "q") };
    assert_eq!(hq.renew(3_100, "q", stranger), follow(1, "a"));
    assert!(!hq.take_events().contains(&Event::Overruled(epoch(7, "q"))));
    assert_eq!(hq.renew(4_000, "a", leads("a", 1, 2)), lead(1, "a", 2, &["a", "b", "c"]));
}

#[test]
fn where_no_lease_was_given_yet_or_no_member_is_left_anybodys_term_counts() {
    let mut hq = Hq::first(&["a"]);
    hq.renew(0, "a", said("a"));
    hq.renew(OVER_MS, "a", said("a"));
    assert_eq!((hq.row().epoch, hq.row().granted), (Some(epoch(1, "a")), None));
    hq.renew(OVER_MS + 1, "a", knows("a", 4, "a"));
    assert_eq!(hq.row().epoch, Some(epoch(5, "a")));
    assert_eq!(hq.renew(OVER_MS + 2, "a", knows("a", 5, "a")), lead(5, "a", 1, &["a"]));

    hq.register(20_000, "b");
    hq.remove(20_000, "a");
    hq.renew(21_000, "b", knows("b", 9, "b"));
    hq.renew(22_000, "b", knows("b", 9, "b"));
    assert_eq!(hq.row().epoch, Some(epoch(10, "b")));
}

#[test]
fn a_term_beyond_all_others_is_not_believed() {
    let mut hq = led();
    hq.renew(3_000, "b", knows("b", u64::MAX, "b"));
    assert_eq!(hq.take_events(), []);
    let answer = hq.renew(4_000, "a", leads("a", 1, 2));
    assert_eq!(answer, lead(1, "a", 2, &["a", "b", "c"]));
}

#[test]
fn numbers_of_any_size_are_taken() {
    let mut hq = led();
    let huge = |renewal: Renewal| Renewal {
        refuses_ms: u64::MAX,
        voted_ms: u64::MAX,
        floor_ms: u64::MAX,
        held: vec![Held { pop: pop("a"), store: StoreId([0; 16]), seq: Seq(u64::MAX) }; 1_000],
        grant: Some(GrantId { epoch: epoch(u64::MAX, "z"), version: u64::MAX }),
        ..renewal
    };
    for name in ["a", "b", "c"] {
        hq.renew(3_000, name, huge(knows(name, 1, "a")));
    }
    hq.run(200_000);
    assert_eq!(hq.control.views(Instant::from_ms(200_000))[0].pops[0].held.len(), 17);
}
