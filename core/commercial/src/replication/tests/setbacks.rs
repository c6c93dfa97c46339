use super::*;

fn setbacks(rig: &Rig) -> Vec<Vec<u32>> {
    let setbacks = |effect: &Effect| match effect {
        Effect::AdvanceCursor { setbacks, .. } if !setbacks.is_empty() => Some(setbacks.clone()),
        _ => None,
    };
    rig.effects.iter().filter_map(setbacks).collect()
}

fn retries(rig: &Rig) -> usize {
    let is_retry = |effect: &&Effect| **effect == Effect::RetrySetbacks;
    rig.effects.iter().filter(is_retry).count()
}

#[test]
fn a_poison_record_passes_the_cursor_and_blocks_nothing_behind_it() {
    let mut rig = Rig::new();
    rig.poison.insert(2);
    rig.write(150);
    rig.settle();
    assert_eq!(rig.machine.cursor(), Seq(150));
    assert_eq!(setbacks(&rig), [vec![1]], "it is kept");
    assert_eq!(alerts(&rig.effects), [AlertType::RecordRefused]);
}

#[test]
fn a_record_the_peer_could_not_take_is_retried_every_minute_until_it_can_with_one_alert() {
    let mut rig = Rig::new();
    rig.poison.insert(2);
    rig.write(3);
    rig.settle();
    rig.advance_to(SETBACK_MS - 1);
    assert_eq!(retries(&rig), 0);
    rig.advance_to(10 * SETBACK_MS);
    assert_eq!(retries(&rig), 10);
    assert_eq!(alerts(&rig.effects).len(), 1);
    rig.poison.clear();
    rig.index.retain(|_, record| *record != 2);
    rig.last += 1;
    rig.index.insert(rig.last, 2);
    rig.committed(Owed::Now);
    rig.settle();
    rig.advance_to(12 * SETBACK_MS);
    rig.assert_done();
}

#[test]
fn writes_between_a_retry_and_its_refusal_raise_no_second_alert() {
    let mut rig = Rig::new();
    rig.poison.insert(1);
    rig.write(1);
    rig.settle();
    // A write is in flight when the retry is ordered, and confirmed before the store obeys.
    rig.advance_to(SETBACK_MS - 1);
    rig.write(1);
    let write = rig.in_flight.remove(0);
    rig.is_store_slow = true;
    rig.advance_to(SETBACK_MS);
    let answer = rig.apply(&write);
    rig.input(Input::FrameAnswered { op: write.order.op, answer });
    rig.rewrite(1);
    rig.settle();
    assert_eq!((retries(&rig), alerts(&rig.effects).len()), (1, 1));
}

#[test]
fn after_it_was_taken_the_next_refusal_is_news_again() {
    let mut rig = Rig::new();
    rig.poison.insert(1);
    rig.write(1);
    rig.settle();
    rig.now_ms = SETBACK_MS;
    rig.input(Input::Tick);
    rig.poison.clear();
    rig.settle();
    assert_eq!(rig.machine.next_wake(), None);
    rig.poison.insert(7);
    rig.write(10);
    rig.settle();
    assert_eq!(alerts(&rig.effects).len(), 2);
}

#[test]
fn what_could_not_be_taken_is_retried_by_the_next_process() {
    let known = Known {
        identity: Some((pop("b"), rig::PEER_STORE)),
        cursor: Seq(5),
        clean_to: Seq(5),
        setbacks: 1,
        ..Known::default()
    };
    let mut rig = Rig::booting(known, 5);
    rig.input(Input::Started);
    rig.settle();
    assert_eq!(rig.machine.next_wake().unwrap().0, Instant::from_ms(SETBACK_MS));
    rig.advance_to(SETBACK_MS);
    assert_eq!((retries(&rig), rig.machine.next_wake()), (1, None));
}

#[test]
fn a_suspended_peer_is_not_bothered_with_what_it_could_not_take() {
    let mut rig = Rig::new();
    rig.poison.insert(1);
    rig.write(1);
    rig.settle();
    rig.mood = rig::Mood::Down;
    rig.write(1);
    rig.settle();
    rig.advance_to(800_000);
    let before = retries(&rig);
    rig.advance_to(1_000_000);
    assert_eq!((rig.state(), retries(&rig)), (State::Suspended, before));
    rig.mood = rig::Mood::Up;
    rig.poison.clear();
    rig.input(Input::Resumed);
    rig.settle();
    rig.assert_done();
}

#[test]
fn a_peer_that_refuses_everything_fills_a_bounded_table_and_then_counts_as_failing() {
    let mut rig = Rig::new();
    let most = u64::from(SETBACKS_MAX);
    rig.poison.extend(1..=SETBACKS_MAX + 1);
    rig.write(most);
    rig.settle();
    assert_eq!(setbacks(&rig).concat().len() as u64, most);
    assert_eq!((rig.machine.cursor(), rig.state()), (Seq(most), State::Idle));
    rig.write(1);
    rig.settle();
    assert_eq!(rig.machine.cursor(), Seq(most), "what cannot be kept is not passed");
    assert_eq!(rig.state(), State::Waiting);
    assert_eq!(alerts(&rig.effects), [AlertType::RecordRefused]);
}
