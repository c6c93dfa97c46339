//! Whatever is answered, and whenever the machine is looked at.

use proptest::prelude::*;

use super::*;
use crate::codec;

/// The time that passes, and what happens then.
fn steps() -> impl Strategy<Value = Vec<(u64, Input)>> {
    let status = prop_oneof![Just(None), (100u16..600).prop_map(Some)];
    let input = prop_oneof![
        2 => (0u64..40_000).prop_map(|every_ms| Input::Started { every_ms }),
        5 => (0u64..8, status).prop_map(|(op, status)| Input::Answered { op: OpId(op), status }),
        8 => Just(Input::Tick),
        1 => Just(Input::Stopped),
    ];
    prop::collection::vec((0u64..20_000, input), 1..80)
}

/// What the machine may do, told from outside.
#[derive(Default)]
struct Model {
    now: Instant,
    /// The first moment at which a report may go, and the interval.
    plan: Option<(Instant, u64)>,
    flying: Option<(OpId, Instant)>,
    sent: u64,
    is_stopped: bool,
    is_failing: bool,
}

impl Model {
    fn on_input(&mut self, input: Input) -> Vec<Effect> {
        let mut expected = Vec::new();
        match input {
            Input::Started { every_ms } if !self.is_stopped => {
                let every_ms = every_ms.max(EVERY_MS_MIN);
                let first = self.now.plus_ms(every_ms.min(FIRST_MS));
                self.plan = self.plan.or(Some((first, every_ms)));
            }
            Input::Answered { op, status }
                if self.flying.is_some_and(|(flying, _)| flying == op) =>
            {
                self.flying = None;
                let is_taken = status.is_some_and(|status| status / 100 == 2);
                let refused = status.map_or(Outcome::Unreachable, Outcome::Refused);
                let outcome = if is_taken { Outcome::Taken } else { refused };
                expected.push(self.settled(outcome));
            }
            Input::Tick => {
                if let Some((op, _)) = self.flying.take_if(|(_, deadline)| *deadline <= self.now) {
                    expected.extend([Effect::Cancel { op }, self.settled(Outcome::TimedOut)]);
                }
            }
            Input::Stopped => {
                self.is_stopped = true;
                expected.extend(self.flying.take().map(|(op, _)| Effect::Cancel { op }));
            }
            _ => {}
        }
        expected
    }

    fn settled(&mut self, outcome: Outcome) -> Effect {
        let was_failing = core::mem::replace(&mut self.is_failing, outcome != Outcome::Taken);
        Effect::Settled { outcome, is_news: was_failing != self.is_failing }
    }

    /// Whether a report may be sent now: the beat was reached for it, and none is under way.
    fn may_send(&self) -> bool {
        let reached = |(first, every_ms): (Instant, u64)| {
            first.plus_ms(self.sent.saturating_mul(every_ms)) <= self.now
        };
        !self.is_stopped && self.flying.is_none() && self.plan.is_some_and(reached)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_at_a_time_each_settled_or_cancelled_once_and_none_before_its_beat(steps in steps()) {
        let (mut machine, mut model) = (Telemetry::default(), Model::default());
        for (pause_ms, input) in steps {
            model.now = model.now.plus_ms(pause_ms);
            let mut out = Vec::new();
            machine.handle(model.now, input, &mut out);
            let expected = model.on_input(input);
            if let Some(Effect::Send { op }) = out.last().copied() {
                out.pop();
                prop_assert!(input == Input::Tick && model.may_send() && op == OpId(model.sent));
                model.sent += 1;
                model.flying = Some((op, model.now.plus_ms(TIMEOUT_MS)));
            }
            prop_assert_eq!(out, expected);
            let wake = machine.next_wake();
            prop_assert_eq!(wake.is_some(), model.plan.is_some() && !model.is_stopped);
            prop_assert!(input != Input::Tick || wake.is_none_or(|at| at > model.now));
            let read: Telemetry = codec::decode(&codec::encode(&machine)).expect("its own bytes");
            prop_assert_eq!(&read, &machine);
        }
    }

    #[test]
    fn who_looks_when_asked_sees_a_report_at_every_beat(
        every_s in 1u64..1_000,
        delays_ms in prop::collection::vec(0u64..1_000, 1..40),
    ) {
        let every_ms = every_s * 1_000;
        let mut machine = Telemetry::default();
        machine.handle(Instant(0), Input::Started { every_ms }, &mut Vec::new());
        for (beat, delay_ms) in (0u64..).zip(delays_ms) {
            let at = machine.next_wake().expect("it is on");
            prop_assert_eq!(at, Instant::from_ms(every_ms.min(FIRST_MS) + beat * every_ms));
            let mut out = Vec::new();
            machine.handle(at, Input::Tick, &mut out);
            prop_assert_eq!(&out, &[send(beat)]);
            machine.handle(at.plus_ms(delay_ms), answered(beat, 200), &mut out);
            prop_assert_eq!(out.last(), Some(&settled(Outcome::Taken, false)));
        }
    }
}
