//! Every state a link can be in meets every input there is.

use proptest::prelude::*;

use super::rig::{Mood, PEER_STORE, record_verdict};
use super::*;
use crate::frame::Verdict;

/// A rig in each state that a link can be in, by name.
fn states() -> Vec<(&'static str, Rig)> {
    let mut states = vec![];
    let mut add = |name, make: &dyn Fn(&mut Rig)| {
        let mut rig = Rig::new();
        make(&mut rig);
        states.push((name, rig));
    };
    add("idle", &|_| {});
    add("one in flight", &|rig| rig.write(1));
    add("eight in flight", &|rig| rig.write(2_000));
    add("answered out of order", &|rig| {
        rig.write(2_000);
        rig.answer(3);
        rig.answer(5);
    });
    add("hello in flight", &|rig| rig.input(Input::Started));
    for retries in 0..7 {
        add("failed", &|rig| {
            rig.mood = Mood::Down;
            rig.write(150);
            rig.settle();
            for _ in 0..retries {
                let wake = rig.machine.next_wake().map_or(0, |(at, _)| at.ms_since(Instant(0)));
                rig.advance_to(wake);
            }
        });
    }
    add("refused for good", &|rig| {
        rig.mood = Mood::Refusing(Refusal::Auth);
        rig.write(1);
        rig.settle();
    });
    add("a probe in flight", &|rig| {
        rig.mood = Mood::Refusing(Refusal::Auth);
        rig.write(1);
        rig.settle();
        rig.now_ms = PROBE_MS;
        rig.input(Input::Tick);
    });
    add("with setbacks", &|rig| {
        rig.poison.extend([1, 2]);
        rig.write(3);
        rig.settle();
    });
    add("with a relay pending", &|rig| rig.change(3, Owed::Later));
    add("rolled back", &|rig| {
        rig.received.add(0, 9);
        rig.hears(PEER_STORE, true);
        rig.settle();
    });
    add("just renamed", &|rig| {
        rig.write(1);
        rig.settle();
        rig.peer_store = StoreId([9; 16]);
        rig.write(1);
        rig.answer(0);
        rig.answer(0);
    });
    let mut slow = Rig::booting(Known::default(), 7);
    slow.is_store_slow = true;
    slow.input(Input::Started);
    slow.settle();
    slow.is_store_slow = false;
    states.push(("verification not stored yet", slow));
    states.push(("before the start", Rig::booting(Known::default(), 7)));
    states
}

fn ack(store: u8, received: u64, verdicts: &[Verdict]) -> Answer {
    let verdicts = (0u32..).zip(verdicts);
    Answer::Acked(Acked {
        pop: pop("b"),
        store: StoreId([store; 16]),
        received: Seq(received),
        verdicts: verdicts.map(|(at, verdict)| record_verdict(at, *verdict)).collect(),
        positions: vec![],
        is_complete: false,
        at: UnixTime(5),
    })
}

fn answers() -> Vec<Answer> {
    let mut answers = vec![
        Answer::Unreachable,
        Answer::Forged,
        ack(2, 0, &[Verdict::Applied]),
        ack(2, 100, &[Verdict::Rejected; 100]),
        ack(2, u64::MAX / 2 - 1, &[]),
        ack(7, 0, &[Verdict::Already]),
        ack(7, 3, &[Verdict::Deferred]),
    ];
    answers.extend(Refusal::ALL.map(|row| Answer::Refused(row.0)));
    answers
}

fn inputs(rig: &Rig) -> Vec<Input> {
    let heard = |store, received, is_hello| Input::PeerHeard {
        store: StoreId([store; 16]),
        received: Seq(received),
        is_hello,
    };
    let mut inputs = vec![
        Input::Started,
        Input::EpochChanged,
        Input::Resumed,
        Input::Tick,
        Input::VerificationStored,
        Input::StoreReplaced { last: Seq(rig.last + 10) },
        heard(2, 0, true),
        heard(2, u64::MAX / 2, true),
        heard(2, 0, false),
        heard(9, 0, false),
        heard(9, 1, true),
    ];
    let owed = [Owed::Now, Owed::Later, Owed::Not];
    inputs.extend(owed.map(|owed| Input::Committed { last: Seq(rig.last), owed }));
    inputs.extend(owed.map(|owed| Input::Committed { last: Seq(rig.last + 3), owed }));
    let position = Position { source: pop("c"), store: StoreId([4; 16]), received: Seq(u64::MAX) };
    inputs.push(Input::Covered(position));
    let ends = rig.in_flight.first().into_iter().chain(rig.in_flight.last());
    for op in ends.map(|sent| sent.order.op).chain([OpId(0)]) {
        inputs.extend(answers().into_iter().map(|answer| Input::FrameAnswered { op, answer }));
        inputs.push(Input::FrameBuilt { op, to: Seq(1), records: 1, bytes: u64::MAX });
    }
    inputs
}

/// Frames of the orders are built with whatever they may carry; checks what always holds.
fn handle(machine: &mut Replication, now: Instant, input: Input) {
    let mut out = Vec::new();
    machine.handle(now, input, &mut out);
    while let Some(order) = out.iter().find_map(|effect| match effect {
        Effect::SendFrame(order) => Some(order.clone()),
        _ => None,
    }) {
        assert!(order.is_hello || order.after <= order.read_after && order.read_after < order.upto);
        let to = if order.is_hello {
            order.after
        } else {
            Seq(order.upto.0.min(order.read_after.0 + 100))
        };
        let built =
            Input::FrameBuilt { op: order.op, to, records: u32::from(!order.is_hello), bytes: 1 };
        out.clear();
        machine.handle(now, built, &mut out);
    }
    let wake = machine.next_wake();
    assert!(wake.is_none_or(|(at, _)| at > now), "{wake:?} is due and was not dealt with");
}

#[test]
fn every_input_in_every_state_is_dealt_with() {
    for (name, rig) in states() {
        for first in inputs(&rig) {
            for second in inputs(&rig) {
                for later_ms in [0, 700_000] {
                    let mut machine = rig.machine.clone();
                    handle(&mut machine, rig.now(), first.clone());
                    handle(&mut machine, rig.now().plus_ms(later_ms), second.clone());
                    let view = machine.view(rig.now());
                    assert!(view.settled_to >= machine.cursor(), "{name}: {first:?}, {second:?}");
                }
            }
        }
    }
}

#[test]
fn whatever_happened_a_peer_that_answers_again_gets_everything_and_the_machine_rests() {
    for (state, (name, rig)) in states().into_iter().enumerate() {
        for at in 0..inputs(&rig).len() {
            let (_, mut rig) = states().swap_remove(state);
            let input = inputs(&rig)[at].clone();
            let is_made_up = matches!(&input, Input::FrameBuilt { .. } | Input::Committed { .. });
            let is_lie = matches!(&input, Input::FrameAnswered { answer: Answer::Acked(_), .. });
            if is_made_up || is_lie {
                continue;
            }
            if let Input::StoreReplaced { last } = &input {
                rig.last = last.0;
                rig.received = received::Received::default();
            }
            if let Input::FrameAnswered { op, .. } = &input {
                rig.in_flight.retain(|sent| sent.order.op != *op);
            }
            rig.input(input.clone());
            // Whatever is ordered of a store is answered in the end.
            rig.input(Input::VerificationStored);
            rig.mood = Mood::Up;
            rig.poison.clear();
            if rig.effects.iter().any(|effect| matches!(effect, Effect::RolledBack { .. })) {
                rig.last = rig.last.max(9);
                rig.received = received::Received::default();
                rig.input(Input::StoreReplaced { last: Seq(rig.last) });
            }
            rig.settle();
            rig.advance_to(rig.now_ms + 2 * PROBE_MS);
            rig.input(Input::Started);
            rig.settle();
            rig.advance_to(rig.now_ms + PROBE_MS);
            let has = rig.peer_has.keys().copied().collect::<Vec<_>>();
            let owed = rig.index.values().copied().collect::<alloc::collections::BTreeSet<_>>();
            assert_eq!(has, owed.into_iter().collect::<Vec<_>>(), "{name}: {input:?}");
            assert_eq!(rig.machine.next_wake(), None, "{name}: {input:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_inputs_is_dealt_with(
        state in 0usize..20,
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0u64..100_000), 1..60),
    ) {
        let mut states = states();
        let count = states.len();
        let (_, rig) = states.swap_remove(state % count);
        let mut machine = rig.machine.clone();
        let mut now = rig.now();
        for (input, wait_ms) in steps {
            now = now.plus_ms(wait_ms);
            let inputs = inputs(&rig);
            handle(&mut machine, now, inputs[input.index(inputs.len())].clone());
        }
    }
}
