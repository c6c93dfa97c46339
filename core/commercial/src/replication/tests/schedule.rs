use super::rig::Mood;
use super::*;

/// Seconds of the first try and the five retries.
const TRIES_S: [u64; 6] = [0, 1, 6, 31, 156, 781];

const EXHAUSTED_MS: u64 = 781_000;

fn in_ms(tries_s: &[u64]) -> Vec<u64> {
    tries_s.iter().map(|at| at * 1_000).collect()
}

/// A peer that went down, is owed a record and has been tried to the end.
fn suspended() -> Rig {
    let mut rig = Rig::new();
    rig.mood = Mood::Down;
    rig.write(1);
    rig.settle();
    rig.advance_to(EXHAUSTED_MS);
    assert_eq!(rig.state(), State::Suspended);
    rig.sent.clear();
    rig.effects.clear();
    rig
}

#[test]
fn retries_come_after_1_5_25_125_and_625_seconds_and_then_one_alert() {
    let mut rig = Rig::new();
    rig.mood = Mood::Down;
    rig.write(1);
    rig.settle();
    rig.advance_to(EXHAUSTED_MS - 1);
    assert_eq!((rig.state(), alerts(&rig.effects)), (State::Waiting, vec![]));
    rig.advance_to(EXHAUSTED_MS + 60_000);
    assert_eq!(rig.tries(), in_ms(&TRIES_S));
    assert_eq!(alerts(&rig.effects), [AlertType::ReplicationExhausted]);
    assert_eq!(rig.state(), State::Suspended);
}

#[test]
fn steady_writes_change_nothing_about_the_schedule() {
    let mut rig = Rig::new();
    rig.mood = Mood::Down;
    for at in 0..=EXHAUSTED_MS / 500 + 119 {
        rig.advance_to(at * 500);
        rig.write(1);
        rig.settle();
    }
    assert_eq!(rig.tries(), in_ms(&TRIES_S));
    assert_eq!(alerts(&rig.effects), [AlertType::ReplicationExhausted]);
}

#[test]
fn a_peer_that_answers_hello_but_takes_no_data_is_retried_on_the_same_schedule() {
    let mut rig = Rig::new();
    rig.write(1);
    rig.in_flight.clear();
    for at in 0..TRIES_S.len() as u64 {
        // The frame that carries data is refused; the hello that follows each wait is answered.
        rig.mood = Mood::Refusing(Refusal::StorageFull);
        let op = rig.sent.last().unwrap().order.op;
        rig.input(Input::FrameAnswered { op, answer: Answer::Refused(Refusal::StorageFull) });
        rig.mood = Mood::Up;
        let Some((wake, _)) = rig.machine.next_wake().filter(|_| at < 5) else {
            break;
        };
        rig.now_ms = wake.ms_since(Instant(0));
        rig.input(Input::Tick);
        rig.answer(0);
        rig.in_flight.clear();
    }
    assert_eq!(rig.state(), State::Suspended);
    assert_eq!(rig.now_ms, EXHAUSTED_MS);
    assert_eq!(alerts(&rig.effects), [AlertType::ReplicationExhausted]);
}

#[test]
fn a_frame_without_an_answer_fails_after_ten_seconds() {
    let mut rig = Rig::new();
    rig.write(1);
    assert_eq!(rig.machine.next_wake().unwrap().0, Instant::from_ms(FRAME_TIMEOUT_MS));
    rig.mood = Mood::Silent;
    rig.settle();
    rig.advance_to(FRAME_TIMEOUT_MS);
    assert_eq!(rig.state(), State::Waiting);
    rig.mood = Mood::Up;
    rig.advance_to(FRAME_TIMEOUT_MS + 1_000);
    rig.assert_done();
}

#[test]
fn a_hello_or_resume_or_epoch_or_new_store_is_a_way_out_of_suspended() {
    let ways: [fn(&mut Rig); 4] = [
        |rig| rig.hears(rig::PEER_STORE, true),
        |rig| rig.input(Input::Resumed),
        |rig| rig.input(Input::EpochChanged),
        |rig| rig.input(Input::StoreReplaced { last: Seq(1) }),
    ];
    for way in ways {
        let mut rig = suspended();
        rig.mood = Mood::Up;
        way(&mut rig);
        rig.settle();
        rig.assert_done();
    }
}

#[test]
fn a_hello_is_a_way_out_of_waiting_at_once_however_long_the_peer_was_away() {
    for away_ms in [1, 200, 999, 1_001, 200_000] {
        let mut rig = Rig::new();
        rig.mood = Mood::Down;
        rig.write(1);
        rig.settle();
        rig.advance_to(away_ms);
        assert_eq!(rig.state(), State::Waiting);
        rig.mood = Mood::Up;
        rig.hears(rig::PEER_STORE, true);
        rig.settle();
        rig.assert_done();
        assert_eq!(rig.now_ms, away_ms);
    }
}

#[test]
fn a_peer_that_is_back_twice_within_a_second_is_tried_at_once_twice() {
    let mut rig = Rig::new();
    for at in 1..=2 {
        rig.advance_to(at * 200);
        rig.mood = Mood::Down;
        rig.write(1);
        rig.settle();
        assert_eq!(rig.state(), State::Waiting);
        rig.mood = Mood::Up;
        rig.hears(rig::PEER_STORE, true);
        rig.settle();
        rig.assert_done();
    }
}

#[test]
fn a_peer_that_says_hello_on_and_on_and_takes_nothing_is_tried_once_a_second() {
    let mut rig = Rig::new();
    rig.mood = Mood::Down;
    rig.write(1);
    rig.settle();
    for at in 1..=6_000 {
        rig.advance_to(at * 10);
        rig.hears(rig::PEER_STORE, true);
        rig.settle();
    }
    let tries = rig.tries();
    assert!(tries.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= ANNOUNCE_MS), "{tries:?}");
    assert!(alerts(&rig.effects).is_empty(), "it is alive");
}

#[test]
fn a_new_process_is_a_way_out_of_suspended() {
    let known = Known { identity: Some((pop("b"), rig::PEER_STORE)), ..Known::default() };
    let mut rig = Rig::booting(known, 1);
    rig.input(Input::Started);
    rig.settle();
    rig.assert_done();
}

#[test]
fn after_a_way_out_that_fails_the_whole_schedule_runs_again_without_a_second_alert() {
    let mut rig = suspended();
    rig.input(Input::Resumed);
    rig.settle();
    rig.advance_to(2 * EXHAUSTED_MS);
    assert_eq!(rig.sent.len(), TRIES_S.len());
    assert_eq!((rig.state(), alerts(&rig.effects)), (State::Suspended, vec![]));
}

#[test]
fn a_suspended_peer_is_probed_every_15_minutes_without_a_second_alert() {
    let mut rig = suspended();
    rig.advance_to(EXHAUSTED_MS + 3 * PROBE_MS);
    let probes: Vec<u64> = (1..=3).map(|count| EXHAUSTED_MS + count * PROBE_MS).collect();
    assert_eq!(rig.tries(), probes);
    assert_eq!((rig.state(), alerts(&rig.effects)), (State::Suspended, vec![]));
    rig.mood = Mood::Up;
    rig.advance_to(EXHAUSTED_MS + 4 * PROBE_MS);
    rig.assert_done();
}

#[test]
fn writes_while_suspended_allow_one_try_a_minute() {
    let mut rig = suspended();
    for at in 0..=180 {
        rig.advance_to(EXHAUSTED_MS + at * 1_000);
        rig.write(1);
        rig.settle();
    }
    let tries: Vec<u64> = (1..=3).map(|count| EXHAUSTED_MS + count * WRITE_TRY_MS).collect();
    assert_eq!(rig.tries(), tries);
    assert_eq!((rig.state(), alerts(&rig.effects)), (State::Suspended, vec![]));
    rig.mood = Mood::Up;
    rig.advance_to(EXHAUSTED_MS + 240_000);
    rig.write(1);
    rig.settle();
    rig.assert_done();
}

#[test]
fn the_first_ack_closes_the_outage_and_the_next_one_alerts_again() {
    let mut rig = suspended();
    rig.mood = Mood::Up;
    rig.input(Input::Resumed);
    rig.settle();
    assert_eq!(rig.machine.view(rig.now()).last_error, None);
    rig.mood = Mood::Down;
    rig.write(1);
    rig.settle();
    rig.advance_to(2 * EXHAUSTED_MS);
    assert_eq!(alerts(&rig.effects), [AlertType::ReplicationExhausted]);
}

#[test]
fn what_no_retry_can_mend_alerts_at_once_and_suspends() {
    for (refusal, _, _) in Refusal::ALL.into_iter().filter(|row| row.0.is_permanent()) {
        let mut rig = Rig::new();
        rig.mood = Mood::Refusing(refusal);
        rig.write(1);
        rig.settle();
        let expected = match refusal {
            Refusal::Duplicate => AlertType::DuplicatePopId,
            _ => AlertType::AuthError,
        };
        assert_eq!(alerts(&rig.effects), [expected], "{refusal:?}");
        assert_eq!(rig.state(), State::Suspended);
        rig.advance_to(PROBE_MS - 1);
        assert_eq!(rig.sent.len(), 1);
        rig.advance_to(3 * PROBE_MS);
        assert_eq!(alerts(&rig.effects).len(), 1, "one alert per outage");
        rig.mood = Mood::Up;
        rig.advance_to(4 * PROBE_MS);
        rig.assert_done();
    }
}

#[test]
fn every_other_refusal_is_retried() {
    for (refusal, _, _) in Refusal::ALL.into_iter().filter(|row| !row.0.is_permanent()) {
        let mut rig = Rig::new();
        rig.mood = Mood::Refusing(refusal);
        rig.write(1);
        rig.settle();
        assert_eq!((rig.state(), alerts(&rig.effects)), (State::Waiting, vec![]), "{refusal:?}");
        rig.mood = Mood::Up;
        rig.advance_to(1_000);
        rig.assert_done();
    }
}

#[test]
fn a_resume_during_a_failing_probe_starts_the_whole_schedule() {
    let mut rig = suspended();
    rig.mood = Mood::Silent;
    rig.advance_to(EXHAUSTED_MS + PROBE_MS);
    rig.mood = Mood::Down;
    rig.input(Input::Resumed);
    rig.settle();
    assert_eq!(rig.state(), State::Waiting);
}
