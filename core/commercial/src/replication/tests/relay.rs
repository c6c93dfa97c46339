use super::*;
use crate::frame::Position;

fn position(source: &str, store: u8, received: u64) -> Position {
    Position { source: pop(source), store: StoreId([store; 16]), received: Seq(received) }
}

/// What the last order said of source `a`.
fn covered(rig: &Rig) -> Vec<Position> {
    rig.sent.last().unwrap().order.covered.clone()
}

#[test]
fn what_nobody_covers_is_relayed_after_30_seconds() {
    let mut rig = Rig::new();
    rig.change(5, Owed::Later);
    assert_eq!(rig.sent.len(), 0);
    rig.advance_to(RELAY_MS - 1);
    assert_eq!(rig.sent.len(), 0);
    rig.advance_to(RELAY_MS);
    assert_eq!(rig.sizes(), [5]);
    rig.assert_done();
}

#[test]
fn what_its_source_has_covered_is_not_relayed_and_then_nothing_is_armed() {
    let mut rig = Rig::new();
    rig.change(5, Owed::Later);
    rig.covered.extend(1..=5);
    rig.advance_to(RELAY_MS);
    assert_eq!(rig.sizes(), []);
    assert_eq!(rig.machine.next_wake(), None);
    rig.write(1);
    rig.settle();
    assert_eq!(rig.sent.last().unwrap().records, [(6, 6)]);
    assert_eq!(rig.machine.cursor(), Seq(6));
}

#[test]
fn only_the_uncovered_part_is_relayed() {
    let mut rig = Rig::new();
    rig.change(5, Owed::Later);
    rig.covered.extend([1, 2, 4]);
    rig.advance_to(RELAY_MS);
    assert_eq!(rig.sent.last().unwrap().records, [(3, 3), (5, 5)]);
    assert_eq!(rig.machine.next_wake(), None);
}

#[test]
fn a_steady_stream_that_its_source_ships_is_not_relayed() {
    let mut rig = Rig::new();
    for at in 0..600 {
        rig.advance_to(at * 250);
        // The source ships each batch to the peer as well; the newest is still on its way there.
        rig.covered.extend(1..=rig.last as u32);
        rig.change(3, Owed::Later);
    }
    assert_eq!(rig.sizes(), []);
    rig.covered.extend(1..=rig.last as u32);
    rig.advance_to(1_000_000);
    assert_eq!((rig.sizes(), rig.machine.next_wake()), (vec![], None));
}

#[test]
fn a_stream_that_stops_half_way_is_relayed_within_a_minute() {
    let mut rig = Rig::new();
    for at in 0..100 {
        rig.advance_to(at * 250);
        rig.change(1, Owed::Later);
    }
    rig.covered.extend(1..=40);
    rig.advance_to(25_000 + 60_000);
    let relayed: Vec<u32> = rig.peer_has.keys().copied().collect();
    assert_eq!(relayed, (41..=100).collect::<Vec<_>>());
    assert_eq!(rig.machine.next_wake(), None);
}

#[test]
fn what_is_uncovered_is_relayed_at_once_when_the_epoch_changes() {
    let mut rig = Rig::new();
    rig.change(5, Owed::Later);
    rig.input(Input::EpochChanged);
    rig.settle();
    assert_eq!(rig.sizes(), [5]);
    rig.assert_done();
}

#[test]
fn what_is_uncovered_is_relayed_at_once_when_the_peer_says_hello_anew() {
    let mut rig = Rig::new();
    rig.change(5, Owed::Later);
    rig.input(Input::Resumed);
    rig.hears(rig::PEER_STORE, true);
    rig.settle();
    rig.assert_done();
}

#[test]
fn a_relay_falls_due_while_the_peer_is_suspended_without_a_hot_loop() {
    let mut rig = Rig::new();
    rig.mood = rig::Mood::Refusing(Refusal::Auth);
    rig.write(1);
    rig.settle();
    rig.change(5, Owed::Later);
    rig.advance_to(10 * RELAY_MS);
    assert_eq!((rig.sent.len(), rig.state()), (1, State::Suspended));
    rig.mood = rig::Mood::Up;
    rig.advance_to(PROBE_MS);
    rig.assert_done();
}

#[test]
fn what_others_say_of_the_peer_only_adds_up() {
    let mut rig = Rig::new();
    for (received, expected) in [(5, 5), (9, 9), (7, 9)] {
        rig.input(Input::Covered(position("a", 1, received)));
        rig.write(1);
        assert_eq!(covered(&rig), [position("a", 1, expected)]);
    }
    rig.input(Input::Covered(position("a", 2, 3)));
    rig.write(1);
    assert_eq!(covered(&rig), [position("a", 2, 3)], "a new data directory counts anew");
}

#[test]
fn the_peers_own_word_about_what_it_has_counts_even_if_it_is_less() {
    let mut rig = Rig::new();
    rig.input(Input::Covered(position("a", 1, 9)));
    rig.write(1);
    let op = rig.in_flight.remove(0).order.op;
    rig.received.add(0, 1);
    let Answer::Acked(acked) =
        rig.ack(vec![rig::record_verdict(1, crate::frame::Verdict::Applied)])
    else {
        return;
    };
    let acked = Acked { positions: vec![position("a", 1, 4)], ..acked };
    rig.input(Input::FrameAnswered { op, answer: Answer::Acked(acked) });
    rig.write(1);
    assert_eq!(covered(&rig), [position("a", 1, 4)]);
}

#[test]
fn no_more_positions_are_kept_than_a_cluster_has_members() {
    let mut rig = Rig::new();
    for at in 0..100 {
        rig.input(Input::Covered(position(&alloc::format!("p{at}"), 1, 1)));
    }
    rig.write(1);
    assert_eq!(covered(&rig).len(), MEMBERS_MAX);
}
