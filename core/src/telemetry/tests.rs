use alloc::vec;

use super::*;

mod properties;

const EVERY_MS: u64 = 60_000;
const START: Input = Input::Started { every_ms: EVERY_MS };

fn answered(op: u64, status: u16) -> Input {
    Input::Answered { op: OpId(op), status: Some(status) }
}

const fn send(op: u64) -> Effect {
    Effect::Send { op: OpId(op) }
}

const fn cancel(op: u64) -> Effect {
    Effect::Cancel { op: OpId(op) }
}

const fn settled(outcome: Outcome, is_news: bool) -> Effect {
    Effect::Settled { outcome, is_news }
}

fn run(script: &[(u64, Input)]) -> (Telemetry, Vec<(u64, Effect)>) {
    let mut machine = Telemetry::default();
    let mut effects = Vec::new();
    for (ms, input) in script {
        let mut out = Vec::new();
        machine.handle(Instant::from_ms(*ms), *input, &mut out);
        effects.extend(out.into_iter().map(|effect| (*ms, effect)));
    }
    (machine, effects)
}

#[test]
fn reports_keep_the_beat_however_late_the_tick() {
    let (machine, effects) = run(&[
        (100, START),
        (5_099, Input::Tick),
        (5_100, Input::Tick),
        (5_150, answered(0, 204)),
        (65_900, Input::Tick),
        (65_950, answered(1, 200)),
        (125_100, Input::Tick),
    ]);
    let taken = settled(Outcome::Taken, false);
    assert_eq!(
        effects,
        vec![
            (5_100, send(0)),
            (5_150, taken),
            (65_900, send(1)),
            (65_950, taken),
            (125_100, send(2))
        ]
    );
    assert_eq!(machine.next_wake(), Some(Instant::from_ms(125_100 + TIMEOUT_MS)));
}

#[test]
fn after_a_long_sleep_there_is_one_report_and_not_all_that_were_missed() {
    let (machine, effects) = run(&[
        (0, START),
        (5_000, Input::Tick),
        (5_010, answered(0, 200)),
        (3_600_000, Input::Tick),
        (3_600_001, Input::Tick),
    ]);
    assert_eq!(effects.iter().filter(|(_, effect)| *effect == send(1)).count(), 1);
    assert_eq!(effects.len(), 3);
    assert_eq!(machine.next_wake(), Some(Instant::from_ms(3_600_000 + TIMEOUT_MS)));
}

#[test]
fn a_short_interval_brings_the_first_report_forward() {
    let (machine, _) = run(&[(0, Input::Started { every_ms: 2_000 })]);
    assert_eq!(machine.next_wake(), Some(Instant::from_ms(2_000)));
    let (machine, _) = run(&[(0, Input::Started { every_ms: 0 })]);
    assert_eq!(machine.next_wake(), Some(Instant::from_ms(EVERY_MS_MIN)));
}

#[test]
fn a_report_without_an_answer_is_cancelled_and_the_next_waits_for_its_time() {
    let (machine, effects) = run(&[
        (0, START),
        (5_000, Input::Tick),
        (5_000 + TIMEOUT_MS - 1, Input::Tick),
        (5_000 + TIMEOUT_MS, Input::Tick),
    ]);
    let late = 5_000 + TIMEOUT_MS;
    let timed_out = settled(Outcome::TimedOut, true);
    assert_eq!(effects, vec![(5_000, send(0)), (late, cancel(0)), (late, timed_out)]);
    assert_eq!(machine.next_wake(), Some(Instant::from_ms(5_000 + EVERY_MS)));
}

#[test]
fn a_report_in_flight_is_not_doubled() {
    let mut script = vec![(0, Input::Started { every_ms: 1_000 })];
    script.extend((1..=11).map(|second| (second * 1_000, Input::Tick)));
    let (_, effects) = run(&script);
    let timed_out = settled(Outcome::TimedOut, true);
    let late = 1_000 + TIMEOUT_MS;
    assert_eq!(
        effects,
        vec![(1_000, send(0)), (late, cancel(0)), (late, timed_out), (late, send(1))]
    );
}

#[test]
fn an_outage_is_news_once_and_so_is_its_end() {
    let mut script = vec![(0, Input::Started { every_ms: 1_000 })];
    let answers = [Some(200), None, Some(401), Some(503), Some(302), Some(201), Some(204), None];
    for (op, status) in (0u64..).zip(answers) {
        script.push(((op + 1) * 1_000, Input::Tick));
        script.push(((op + 1) * 1_000 + 1, Input::Answered { op: OpId(op), status }));
    }
    let (_, effects) = run(&script);
    let outcomes: Vec<_> = effects
        .iter()
        .filter_map(|(_, effect)| match effect {
            Effect::Settled { outcome, is_news } => Some((*outcome, *is_news)),
            _ => None,
        })
        .collect();
    assert_eq!(
        outcomes,
        vec![
            (Outcome::Taken, false),
            (Outcome::Unreachable, true),
            (Outcome::Refused(401), false),
            (Outcome::Refused(503), false),
            (Outcome::Refused(302), false),
            (Outcome::Taken, true),
            (Outcome::Taken, false),
            (Outcome::Unreachable, true),
        ]
    );
}

#[test]
fn late_repeated_and_unknown_answers_are_ignored() {
    let late = 5_000 + TIMEOUT_MS;
    let (_, effects) = run(&[
        (0, answered(0, 200)),
        (0, START),
        (1, answered(0, 200)),
        (5_000, Input::Tick),
        (5_001, answered(7, 200)),
        (late, Input::Tick),
        (late + 1, answered(0, 200)),
        (65_000, Input::Tick),
        (65_001, answered(0, 500)),
        (65_002, answered(1, 200)),
        (65_003, answered(1, 200)),
    ]);
    assert_eq!(
        effects,
        vec![
            (5_000, send(0)),
            (late, cancel(0)),
            (late, settled(Outcome::TimedOut, true)),
            (65_000, send(1)),
            (65_002, settled(Outcome::Taken, true)),
        ]
    );
}

#[test]
fn going_away_cancels_what_is_under_way_and_sends_nothing_more() {
    let (machine, effects) = run(&[
        (0, START),
        (5_000, Input::Tick),
        (5_001, Input::Stopped),
        (5_002, answered(0, 200)),
        (5_003, START),
        (5_004, Input::Stopped),
        (900_000, Input::Tick),
    ]);
    assert_eq!(effects, vec![(5_000, send(0)), (5_001, cancel(0))]);
    assert_eq!(machine.next_wake(), None);
}

#[test]
fn nobody_asked_so_nothing_ever_wakes() {
    let (machine, effects) =
        run(&[(0, Input::Tick), (9_000_000, Input::Tick), (9_000_001, answered(0, 200))]);
    assert_eq!((machine.next_wake(), effects), (None, vec![]));
}

#[test]
fn a_second_start_changes_nothing() {
    let (once, _) = run(&[(0, START)]);
    let (twice, _) = run(&[(0, START), (3_000, Input::Started { every_ms: 1_000 })]);
    assert_eq!(once, twice);
}
