use super::rig::Mood;
use super::*;

#[test]
fn with_nothing_owed_nothing_is_armed_and_a_tick_does_nothing() {
    let mut rig = Rig::new();
    assert_eq!(rig.machine.next_wake(), None);
    rig.input(Input::Tick);
    assert_eq!((rig.effects, rig.sent), (vec![], vec![]));
}

#[test]
fn the_start_says_hello_once_and_then_sleeps() {
    let known = Known {
        identity: Some((pop("b"), rig::PEER_STORE)),
        cursor: Seq(7),
        clean_to: Seq(7),
        setbacks: 0,
        ..Known::default()
    };
    let mut rig = Rig::booting(known, 7);
    rig.input(Input::Started);
    rig.settle();
    assert_eq!(rig.sent.len(), 1);
    assert!(rig.sent[0].order.is_hello);
    assert_eq!(rig.machine.next_wake(), None);
}

#[test]
fn two_hundred_and_fifty_dirty_records_make_frames_of_100_100_and_50() {
    let known = Known { identity: Some((pop("b"), rig::PEER_STORE)), ..Known::default() };
    let mut rig = Rig::booting(known, 250);
    rig.input(Input::Started);
    rig.settle();
    assert!(rig.sent[0].order.is_hello);
    assert_eq!(rig.sizes(), [100, 100, 50]);
    rig.assert_done();
}

#[test]
fn the_101st_record_does_not_wait_for_a_write() {
    let mut rig = Rig::new();
    rig.write(101);
    rig.settle();
    assert_eq!(rig.sizes(), [100, 1]);
    rig.assert_done();
}

#[test]
fn a_write_is_sent_without_another_hello() {
    let mut rig = Rig::new();
    rig.write(1);
    rig.settle();
    rig.write(1);
    rig.settle();
    assert_eq!(rig.sizes(), [1, 1]);
    assert_eq!(rig.sent.len(), 2);
    rig.assert_done();
}

#[test]
fn a_record_rewritten_in_flight_stays_dirty() {
    let mut rig = Rig::new();
    rig.write(1);
    rig.rewrite(1);
    rig.answer(0);
    assert_eq!(rig.machine.cursor(), Seq(1));
    rig.settle();
    assert_eq!(rig.sizes(), [1, 1]);
    rig.assert_done();
}

#[test]
fn a_record_written_while_a_frame_is_built_waits_for_the_next_one() {
    let mut rig = Rig::new();
    rig.change(1, Owed::Now);
    assert_eq!(rig.in_flight[0].order.upto, Seq(1));
    rig.write(1);
    assert_eq!(rig.in_flight[1].order.after, Seq(1));
    rig.settle();
    rig.assert_done();
}

#[test]
fn what_came_from_the_peer_is_not_owed_and_arms_nothing() {
    let mut rig = Rig::new();
    rig.change(3, Owed::Not);
    assert_eq!((rig.sent.len(), rig.machine.next_wake()), (0, None));
    rig.index.clear();
    rig.write(1);
    rig.settle();
    assert_eq!(rig.sent[0].order.after, Seq(0), "ranges leave no gap");
    assert_eq!(rig.sent[0].order.read_after, Seq(3), "but reading begins behind it");
    rig.assert_done();
}

#[test]
fn at_most_eight_frames_are_in_flight() {
    let mut rig = Rig::new();
    rig.write(1_000);
    assert_eq!(rig.in_flight.len(), 8);
    rig.answer(3);
    assert_eq!(rig.in_flight.len(), 8);
    rig.settle();
    assert_eq!(rig.sizes(), [100; 10]);
    rig.assert_done();
}

#[test]
fn at_most_16_mib_are_in_flight_and_one_frame_always_is() {
    let mut rig = Rig::new();
    rig.record_bytes = 40 * 1024;
    rig.write(1_000);
    let bytes: u64 =
        rig.in_flight.iter().map(|sent| sent.records.len() as u64 * rig.record_bytes).sum();
    assert!(bytes <= 16 * 1024 * 1024 && rig.in_flight.len() > 1, "{bytes}");
    rig.settle();
    rig.assert_done();
    let known = Known { identity: Some((pop("b"), rig::PEER_STORE)), ..Known::default() };
    let mut rig = Rig::booting(known.clone(), 500);
    rig.machine = Replication::new(0, Window::SMALL, known, Seq(500));
    rig.input(Input::Started);
    rig.answer(0);
    assert_eq!(rig.in_flight.len(), 2, "a frame takes half of a small window at the most");
    rig.settle();
    rig.assert_done();
}

#[test]
fn what_a_crash_left_dirty_drains_at_start_up() {
    let known = Known {
        identity: Some((pop("b"), rig::PEER_STORE)),
        cursor: Seq(10),
        clean_to: Seq(10),
        setbacks: 0,
        ..Known::default()
    };
    let mut rig = Rig::booting(known, 15);
    rig.peer_has = (1..=10).map(|seq| (seq as u32, seq)).collect();
    rig.input(Input::Started);
    rig.settle();
    assert_eq!(rig.sizes(), [5]);
    rig.assert_done();
}

#[test]
fn is_complete_is_said_only_by_what_reaches_everything_owed() {
    let mut rig = Rig::new();
    rig.write(150);
    let complete: Vec<bool> =
        rig.sent.iter().map(|sent| sent.to >= sent.order.complete_at.0).collect();
    assert_eq!(complete, [false, true]);
    rig.mood = Mood::Down;
    rig.settle();
    rig.mood = Mood::Up;
    rig.advance_to(1_000);
    let hello = rig.sent.iter().find(|sent| sent.order.is_hello).unwrap();
    assert!(hello.to < hello.order.complete_at.0, "a hello that owes data completes nothing");
}
