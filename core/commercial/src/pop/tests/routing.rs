use super::*;

#[test]
fn a_waiter_is_released_by_its_record_and_version_and_not_by_the_cursor() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![waiter(1, 7, 50)]);
    // The record was rewritten: the frame that passes the cursor over the first write lacks it.
    bench.commit(true, &[], vec![waiter(2, 7, 60)]);
    bench.confirm(0, vec![verdict(8, 90, Verdict::Applied)], None);
    assert_eq!(bench.releases(), []);
    bench.confirm(0, vec![verdict(7, 60, Verdict::Applied)], None);
    assert_eq!(bench.releases(), [(1, true), (2, true)]);
}

#[test]
fn only_what_a_backup_holds_releases_a_waiter() {
    for (given, expected) in [
        (Verdict::Applied, vec![(1, true)]),
        (Verdict::Already, vec![(1, true)]),
        (Verdict::Deferred, vec![]),
        (Verdict::Rejected, vec![]),
    ] {
        let mut bench = Bench::primary();
        bench.commit(true, &[], vec![waiter(1, 7, 50)]);
        bench.confirm(1, vec![verdict(7, 50, given)], None);
        assert_eq!(bench.releases(), expected, "{given:?}");
    }
}

#[test]
fn an_old_copy_that_two_peers_find_out_at_once_takes_one_new_identity() {
    let mut bench = Bench::booting(2, false, true);
    bench.input(Input::Started);
    for peer in [0, 1, 0] {
        bench.answer(peer, 9);
    }
    let is_replacement = |effect: &&Effect| {
        matches!(effect, Effect::Peer { effect: Of::RolledBack { received: Seq(9) }, .. })
    };
    assert_eq!(bench.out.iter().filter(is_replacement).count(), 1, "{:?}", bench.out);
    bench.input(Input::StoreReplaced { last: Seq(10) });
    bench.out.clear();
    bench.answer(0, 99);
    assert_eq!(bench.out.len(), 1, "another one is another incident: {:?}", bench.out);
}

#[test]
fn who_is_no_longer_primary_promises_no_client_that_a_backup_has_its_write() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![waiter(1, 7, 50)]);
    bench.input(Input::EpochChanged(Epoch { number: 2, primary: pop("b") }));
    assert_eq!(bench.releases(), [(1, false)]);
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![waiter(1, 7, 50)]);
    bench.input(Input::EpochChanged(Epoch { number: 2, primary: pop("a") }));
    assert_eq!(bench.releases(), [], "a new term of its own changes nothing");
}

#[test]
fn a_failed_or_forged_answer_releases_nobody() {
    let refused = Answer::Refused(crate::frame::Refusal::Busy);
    for answer in [Answer::Unreachable, Answer::Forged, refused] {
        let mut bench = Bench::primary();
        bench.commit(true, &[], vec![waiter(1, 7, 50)]);
        bench.report(0, answer, None);
        assert_eq!(bench.releases(), []);
    }
}

#[test]
fn a_waiter_is_told_after_five_seconds_that_no_backup_has_it_and_the_write_stays_dirty() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![waiter(1, 7, 50)]);
    bench.fail(0);
    bench.fail(1);
    bench.tick(WAIT_MS - 1);
    assert_eq!(bench.releases(), []);
    bench.tick(WAIT_MS);
    assert_eq!(bench.releases(), [(1, false)]);
    assert!(bench.pop.peers(Instant(0)).iter().all(|view| view.settled_to == Seq(0)));
}

#[test]
fn a_clients_write_is_owed_to_every_peer_at_once() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![]);
    assert_eq!(bench.data_to(), [0, 1]);
}

#[test]
fn what_came_from_a_peer_is_not_owed_to_it_and_owed_later_to_the_others() {
    let mut bench = Bench::backup();
    bench.commit(false, &["b"], vec![]);
    assert_eq!(bench.data_to(), []);
    let views = bench.pop.peers(Instant(0));
    assert_eq!((views[0].settled_to, views[1].settled_to), (Seq(1), Seq(0)));
    let wake = bench.pop.next_wake();
    assert_eq!(wake, Some((Instant::from_ms(replication::RELAY_MS), Wake("relay"))));
}

#[test]
fn what_came_from_a_peers_former_data_directory_is_owed_to_it() {
    let mut bench = Bench::backup();
    bench.last += 1;
    let from = vec![(pop("b"), StoreId([99; 16]))];
    bench.input(Input::Committed {
        last: Seq(1),
        own: false,
        from,
        waiters: vec![],
        beaten: vec![],
    });
    assert_eq!(bench.pop.peers(Instant(0))[0].settled_to, Seq(0));
    assert!(bench.pop.next_wake().is_some());
}

#[test]
fn a_primary_ships_at_once_what_an_old_primary_brings_back() {
    let mut bench = Bench::primary();
    bench.commit(false, &["b"], vec![]);
    assert_eq!(bench.data_to(), [1]);
}

#[test]
fn the_result_of_a_merge_is_owed_to_its_source_too() {
    let mut bench = Bench::backup();
    bench.commit(true, &["b"], vec![]);
    assert_eq!(bench.data_to(), [0, 1]);
}

#[test]
fn what_came_from_two_peers_is_owed_later_to_both() {
    let mut bench = Bench::backup();
    bench.commit(false, &["b", "c"], vec![]);
    let views = bench.pop.peers(Instant(0));
    assert!(views.iter().all(|view| view.settled_to == Seq(0)));
    assert_eq!(bench.data_to(), []);
}

#[test]
fn a_newer_epoch_in_an_ack_is_adopted_and_an_older_one_is_not() {
    let mut bench = Bench::primary();
    let newer = Epoch { number: 2, primary: pop("b") };
    for (epoch, expected) in [(Epoch { number: 1, primary: pop("a") }, 0), (newer, 1)] {
        bench.commit(true, &[], vec![]);
        bench.confirm(0, vec![], Some(epoch));
        assert_eq!(bench.count(&Effect::AdoptEpoch(newer)), expected);
    }
    assert!(bench.pop.is_primary(), "until it is stored");
    bench.input(Input::EpochChanged(newer));
    assert!(!bench.pop.is_primary());
    bench.input(Input::EpochChanged(Epoch { number: 1, primary: pop("a") }));
    assert_eq!(bench.pop.epoch(), Some(newer), "an epoch only grows");
}

#[test]
fn an_import_is_settled_when_every_peer_was_heard() {
    let mut bench = Bench::booting(2, true, false);
    bench.input(Input::Started);
    for (peer, expected) in [(0, 0), (0, 0), (1, 1), (1, 1), (9, 1)] {
        bench.input(Input::PeerComplete { peer });
        assert_eq!(bench.count(&Effect::ImportSettled), expected);
    }
}

#[test]
fn an_import_is_settled_by_an_operators_promotion_and_by_no_word_of_a_peer() {
    let mut bench = Bench::booting(2, true, false);
    bench.input(Input::Started);
    bench.input(Input::EpochChanged(Epoch { number: 2, primary: pop("c") }));
    bench.input(Input::EpochChanged(Epoch { number: 3, primary: pop("a") }));
    assert_eq!(bench.count(&Effect::ImportSettled), 0, "peers know what it was before");
    bench.input(Input::Promoted(Epoch { number: 3, primary: pop("a") }));
    assert_eq!(bench.count(&Effect::ImportSettled), 1, "also in the epoch that it has");
    bench.input(Input::PeerComplete { peer: 0 });
    bench.input(Input::PeerComplete { peer: 1 });
    assert_eq!(bench.count(&Effect::ImportSettled), 1);
}

#[test]
fn an_import_without_peers_is_settled_at_the_start_and_no_other_start_says_so() {
    let mut bench = Bench::booting(0, true, true);
    bench.input(Input::Started);
    assert_eq!(bench.count(&Effect::ImportSettled), 1);
    let mut bench = Bench::booting(0, false, true);
    bench.input(Input::Started);
    bench.input(Input::PeerComplete { peer: 0 });
    assert_eq!(bench.count(&Effect::ImportSettled), 0);
}

#[test]
fn what_is_said_of_a_peers_former_data_directory_does_not_count_for_it() {
    let position =
        |received| Position { source: pop("c"), store: store_of(1), received: Seq(received) };
    let mut bench = Bench::primary();
    let covered =
        |peer, store, received| Input::PeerCovered { peer, store, position: position(received) };
    bench.input(covered(pop("b"), StoreId([99; 16]), 9));
    bench.input(covered(pop("z"), store_of(0), 9));
    bench.input(covered(pop("b"), store_of(0), 4));
    bench.commit(true, &[], vec![]);
    let order = bench.orders.iter().find(|order| order.0 == 0);
    assert_eq!(order.unwrap().1.covered, [position(4)]);
}

#[test]
fn peers_that_do_not_exist_are_ignored() {
    let mut bench = Bench::primary();
    let before = bench.pop.clone();
    bench.input(Input::FrameBuilt { peer: 9, op: OpId(1), to: Seq(1), records: 1, bytes: 1 });
    let answer = Answer::Unreachable;
    let (clock, epoch) = (None, None);
    bench.input(Input::FrameAnswered(PeerReport { peer: 9, op: OpId(1), answer, clock, epoch }));
    bench.input(Input::PeerComplete { peer: 9 });
    assert_eq!((&bench.pop, bench.out.len()), (&before, 0));
}

#[test]
fn an_answer_for_one_peer_is_not_taken_for_another() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![]);
    let op = bench.orders[0].1.op;
    let answer = Answer::Unreachable;
    let report = PeerReport { peer: 1, op, answer, clock: None, epoch: None };
    bench.input(Input::FrameAnswered(report));
    assert!(bench.pop.peers(Instant(0)).iter().all(|view| view.state == State::Sending));
}

#[test]
fn the_judgement_of_the_clock_is_told_when_it_changes() {
    let mut bench = Bench::primary();
    let own = UnixTime(1_000_000_000);
    let answered = |ahead_ms| {
        let clock = Some(Clocks { peer: own.plus_ms(ahead_ms), own });
        let answer = Answer::Unreachable;
        Input::FrameAnswered(PeerReport { peer: 0, op: OpId(u64::MAX), answer, clock, epoch: None })
    };
    for ahead_ms in [70_000, 70_000, 80_000] {
        bench.input(answered(ahead_ms));
    }
    let judged = |effect: &&Effect| matches!(effect, Effect::ClockJudged { .. });
    assert_eq!(bench.out.iter().filter(judged).count(), 2);
    let is_alert =
        |effect: &&Effect| matches!(effect, Effect::Community(community::Effect::LogAlert(_)));
    assert_eq!(bench.out.iter().filter(is_alert).count(), 1);
}

#[test]
fn an_imported_server_asks_idle_peers_until_it_has_heard_them_and_drops_nothing_in_flight() {
    let mut bench = Bench::booting(2, true, false);
    bench.input(Input::Started);
    bench.tick(ASK_MS);
    bench.tick(2 * ASK_MS);
    assert_eq!(bench.orders.len(), 2, "the first hellos are still under way");
    bench.ack(0);
    bench.ack(1);
    bench.tick(3 * ASK_MS);
    assert_eq!(bench.orders.len(), 2);
    bench.input(Input::PeerComplete { peer: 0 });
    bench.ack(0);
    bench.ack(1);
    bench.tick(4 * ASK_MS);
    assert_eq!(bench.orders.iter().map(|order| order.0).collect::<Vec<_>>(), [1]);
    bench.input(Input::PeerComplete { peer: 1 });
    bench.ack(1);
    bench.tick(5 * ASK_MS);
    assert_eq!(bench.pop.next_wake(), None);
}

#[test]
fn asking_a_peer_that_is_away_follows_the_retry_schedule() {
    let mut bench = Bench::booting(1, true, false);
    bench.input(Input::Started);
    let mut tries = vec![];
    while bench.now_ms < 900_000 {
        if !bench.orders.is_empty() {
            tries.push(bench.now_ms);
            bench.fail(0);
        }
        let wake = bench.pop.next_wake().map_or(900_000, |(at, _)| at.ms_since(Instant(0)));
        bench.tick(wake);
    }
    assert_eq!(tries, [0, 1_000, 6_000, 31_000, 156_000, 781_000]);
}
