//! Who is given a lease, by which members, and what is on disk before.

use super::*;

#[test]
fn on_the_first_day_the_configured_primary_is_given_its_lease_at_once() {
    let mut hq = Hq::first(&["a", "b"]);
    let answer = hq.renew(0, "a", knows("a", 1, "a"));
    assert_eq!(answer, lead(1, "a", 1, &["a"]));
    assert_eq!(hq.row().granted, Some(epoch(1, "a")));
    assert_eq!(hq.control.holder(CLUSTER), Some(pop("a")));
    let events = [Event::PopSeen(pop("a")), Event::PrimaryChanged(epoch(1, "a"))];
    assert_eq!(hq.take_events(), events);
}

#[test]
fn any_other_first_contact_waits_for_a_lease_and_takes_the_newest_term() {
    let mut hq = Hq::starting(0, BTreeMap::new(), false);
    ["a", "b"].iter().for_each(|name| hq.register(100_000, name));
    let mut at = 200_000;
    let over = at + OVER_MS;
    while at < over {
        assert_eq!(hq.renew(at, "a", knows("a", 3, "a")), Answer::Follow { epoch: None });
        assert_eq!(hq.renew(at, "b", knows("b", 4, "b")), Answer::Follow { epoch: None });
        assert_eq!(hq.state(at), State::Settling);
        at += 2_000;
    }
    assert_eq!(hq.renew(at, "a", knows("a", 3, "a")), Answer::Follow { epoch: None });
    assert_eq!(hq.renew(at, "b", knows("b", 4, "b")), lead(4, "b", 1, &["a", "b"]));
    assert_eq!(hq.renew(at, "a", knows("a", 3, "a")), follow(4, "b"));
}

#[test]
fn where_nobody_claims_a_term_one_begins() {
    let mut hq = Hq::first(&["a", "b"]);
    hq.renew(0, "b", said("b"));
    hq.run(OVER_MS - 100);
    assert_eq!(hq.row().epoch, None);
    hq.renew(OVER_MS - 100, "b", said("b"));
    hq.run(OVER_MS);
    hq.renew(OVER_MS + 1, "b", said("b"));
    assert_eq!(hq.row().epoch, Some(epoch(1, "b")));
    assert_eq!(hq.renew(OVER_MS + 2, "b", knows("b", 1, "b")), lead(1, "b", 1, &["b"]));
}

#[test]
fn a_term_given_by_a_former_control_plane_goes_on_with_nobody_else_to_follow() {
    let mut hq = Hq::first(&["a", "b"]);
    hq.renew(0, "b", knows("b", 3, "a"));
    let answer = hq.renew(0, "a", leads("a", 3, 7));
    assert_eq!(answer, lead(3, "a", 8, &["a", "b"]));
    assert_eq!(hq.row().acknowledged.pops, members(&["a"]));
    hq.renew(2_000, "a", leads("a", 3, 8));
    assert_eq!(hq.row().acknowledged.pops, members(&["a", "b"]));
}

#[test]
fn members_are_offered_and_count_once_the_primary_goes_by_them() {
    let mut hq = Hq::first(&["a", "b", "c"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.renew(10, "b", knows("b", 1, "a"));
    hq.renew(10, "c", Renewal { is_ready: false, ..knows("c", 1, "a") });
    assert_eq!(hq.renew(2_000, "a", leads("a", 1, 1)), lead(1, "a", 2, &["a", "b"]));
    let offered = Some(Members { version: 2, pops: members(&["a", "b"]) });
    assert_eq!((&hq.row().acknowledged.pops, &hq.row().offered), (&members(&["a"]), &offered));
    // The offer stands, whatever changes, until the primary goes by it.
    hq.renew(2_010, "c", knows("c", 1, "a"));
    assert_eq!(hq.renew(4_000, "a", leads("a", 1, 1)), lead(1, "a", 2, &["a", "b"]));
    hq.take_events();
    assert_eq!(hq.renew(4_010, "a", leads("a", 1, 2)), lead(1, "a", 3, &["a", "b", "c"]));
    assert_eq!(hq.row().acknowledged.pops, members(&["a", "b"]));
    assert_eq!(hq.take_events(), [Event::MemberAdded(pop("b"))]);
}

#[test]
fn a_member_that_is_silent_for_half_a_minute_is_one_no_longer() {
    let mut hq = led();
    for ms in (4_000..32_000).step_by(2_000) {
        hq.renew(ms, "b", knows("b", 1, "a"));
        assert_eq!(hq.renew(ms, "a", leads("a", 1, 2)), lead(1, "a", 2, &["a", "b", "c"]));
    }
    hq.renew(32_000, "b", knows("b", 1, "a"));
    assert_eq!(hq.renew(32_000, "a", leads("a", 1, 2)), lead(1, "a", 3, &["a", "b"]));
    assert_eq!(hq.row().acknowledged.pops, members(&["a", "b", "c"]));
    hq.take_events();
    hq.renew(32_100, "a", leads("a", 1, 3));
    assert_eq!(hq.take_events(), [Event::MemberRemoved(pop("c"))]);
}

#[test]
fn an_offer_is_on_disk_before_the_primary_hears_of_it() {
    let mut hq = Hq::first(&["a", "b"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.renew(10, "b", knows("b", 1, "a"));
    hq.is_disk_slow = true;
    let op = hq.ask(2_000, "a", leads("a", 1, 1));
    assert_eq!(hq.answers.get(&op), None);
    let kept = Input::Kept { op: hq.keeps[0], is_kept: true };
    hq.handle(2_500, kept.clone());
    assert_eq!(hq.answers[&op], lead(1, "a", 2, &["a", "b"]));
    // A second word about the same order is ignored, and so is one about none.
    hq.handle(2_501, kept);
    hq.handle(2_502, Input::Kept { op: OpId(999), is_kept: false });
    assert_eq!(hq.answers.len(), 1);
}

#[test]
fn what_cannot_be_stored_changes_nothing_and_the_lease_goes_on() {
    let mut hq = Hq::first(&["a", "b"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.renew(10, "b", knows("b", 1, "a"));
    hq.is_disk_full = true;
    for ms in [2_000, 4_000, 6_000] {
        assert_eq!(hq.renew(ms, "a", leads("a", 1, 1)), lead(1, "a", 1, &["a"]));
    }
    hq.is_disk_full = false;
    hq.renew(7_000, "b", knows("b", 1, "a"));
    assert_eq!(hq.renew(8_000, "a", leads("a", 1, 1)), lead(1, "a", 2, &["a", "b"]));
}

#[test]
fn every_renewal_is_answered_once_however_many_wait_for_the_disk() {
    let mut hq = Hq::first(&["a", "b", "c"]);
    hq.is_disk_slow = true;
    let mut ops = vec![];
    for ms in 0..100 {
        for name in ["a", "b", "c"] {
            let renewal = knows(name, 1, "a");
            ops.push(hq.ask(ms, name, Renewal { start: ms % 50, ..renewal }));
        }
    }
    let [op] = hq.keeps[..] else { panic!("one order: {:?}", hq.keeps) };
    assert!(hq.answers.len() < ops.len());
    hq.is_disk_slow = false;
    hq.handle(1_000, Input::Kept { op, is_kept: false });
    hq.run(3_000);
    ops.iter().for_each(|op| assert!(hq.answers.contains_key(op), "{op:?} has no answer"));
}

#[test]
fn who_is_not_registered_is_told_to_follow_and_changes_nothing() {
    let mut hq = led();
    let before = hq.control.clone();
    assert_eq!(hq.renew(2_100, "d", leads("d", 9, 1)), follow(1, "a"));
    let op = hq.op();
    let (cluster, renewal) = ("other".to_string(), said("a"));
    hq.handle(2_100, Input::Renewed { op, cluster, pop: pop("a"), renewal });
    assert_eq!(hq.answers[&op], Answer::Follow { epoch: None });
    assert_eq!(hq.control.views(Instant::from_ms(2_100)), before.views(Instant::from_ms(2_100)));
}

#[test]
fn clusters_and_their_pops_are_bounded() {
    let mut hq = Hq::first(&[]);
    for at in 0..POPS_MAX + 3 {
        let name = alloc::format!("pop-{at:02}");
        assert_eq!(has_room(&hq.control.clusters, CLUSTER, pop(&name)), at < POPS_MAX);
        hq.register(0, &name);
    }
    assert_eq!(hq.row().pops.len(), POPS_MAX);
    assert!(has_room(&hq.control.clusters, CLUSTER, pop("pop-00")));
    for at in 0..CLUSTERS_MAX + 3 {
        let cluster = alloc::format!("cluster-{at}");
        assert_eq!(has_room(&hq.control.clusters, &cluster, pop("a")), at < CLUSTERS_MAX - 1);
        hq.handle(0, Input::Registered { cluster, pop: pop("a") });
    }
    assert_eq!(hq.rows.len(), CLUSTERS_MAX);
    assert_eq!(room(Some(POPS_MAX), 1), Err(NoRoom::InCluster));
    assert_eq!(room(None, CLUSTERS_MAX), Err(NoRoom::ForCluster));
    assert_eq!(room(Some(POPS_MAX - 1), CLUSTERS_MAX), Ok(()), "it is there already");
}

#[test]
fn hq_that_was_put_back_within_a_term_goes_by_what_the_primary_names() {
    let mut hq = Hq::first(&["a", "b"]);
    hq.renew(0, "a", knows("a", 1, "a"));
    hq.renew(100, "b", knows("b", 1, "a"));
    hq.renew(200, "a", leads("a", 1, 1));
    hq.renew(300, "a", leads("a", 1, 2));
    let copy = hq.rows.clone();
    assert_eq!(copy[CLUSTER].acknowledged.version, 2);
    // The primary has had two more since.
    hq.rows = copy;
    hq.restart(1_000);
    assert_eq!(hq.renew(1_100, "a", leads("a", 1, 4)), lead(1, "a", 5, &["a"]));
    assert_eq!(hq.row().acknowledged, Members { version: 4, pops: members(&["a"]) });
    // Nobody else may follow before the primary goes by a grant that is known again.
    hq.renew(1_200, "b", knows("b", 1, "a"));
    hq.run(1_100 + OVER_MS + PATIENCE_MS);
    hq.renew(1_100 + OVER_MS + PATIENCE_MS, "b", knows("b", 1, "a"));
    hq.run(30_000);
    assert_eq!(hq.row().epoch, Some(epoch(1, "a")));
}

#[test]
fn whoever_is_not_ready_for_long_is_no_member_any_more() {
    let mut hq = led();
    let empty = |name| Renewal { is_ready: false, ..knows(name, 1, "a") };
    let mut version = 2;
    for ms in (2_100..2_100 + MEMBER_MS + 4_000).step_by(1_000) {
        hq.renew(ms, "b", empty("b"));
        hq.renew(ms, "c", knows("c", 1, "a"));
        let Answer::Lead { grant, .. } = hq.renew(ms, "a", leads("a", 1, version)) else {
            unreachable!("it leads")
        };
        version = grant.version;
        let is_soon = ms < 2_000 + MEMBER_MS;
        assert_eq!(grant.members.contains(&pop("b")), is_soon, "at {ms}");
    }
}

#[test]
fn votes_that_are_told_of_hold_up_the_first_term_too() {
    let mut hq = Hq::first(&["b", "c", "d"]);
    let bound = |ms| Renewal { voted_ms: ms, refuses_ms: ms, ..knows("b", 1, "a") };
    for ms in (0..20_000).step_by(2_000) {
        hq.renew(ms, "b", bound(5_000));
        hq.renew(ms, "d", knows("d", 1, "a"));
    }
    assert_eq!(hq.row().epoch, None);
    hq.renew(20_000, "b", bound(0));
    hq.renew(20_100, "d", knows("d", 1, "a"));
    hq.run(22_000);
    assert!(hq.row().epoch.is_some());
}
