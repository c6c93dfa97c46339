use super::rig::{Mood, record_verdict};
use super::*;
use crate::frame::Verdict;

/// Eight frames, and what the peer answered each with when it applied them in `order`.
fn eight_in_flight(order: &[usize]) -> (Rig, Vec<Answer>) {
    let mut rig = Rig::new();
    rig.write(800);
    let frames = rig.in_flight.clone();
    let mut answers = vec![Answer::Unreachable; 8];
    for at in order {
        answers[*at] = rig.apply(&frames[*at]);
    }
    (rig, answers)
}

fn cursor_effects(rig: &Rig) -> Vec<Seq> {
    let cursor = |effect: &Effect| match effect {
        Effect::AdvanceCursor { cursor, .. } => Some(*cursor),
        _ => None,
    };
    rig.effects.iter().filter_map(cursor).collect()
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![vec![]];
    };
    let mut all = vec![];
    for shorter in permutations(last) {
        for at in 0..count {
            let mut longer = shorter.clone();
            longer.insert(at, last);
            all.push(longer);
        }
    }
    all
}

#[test]
fn the_cursor_passes_only_the_answered_prefix_whatever_the_order_of_the_answers() {
    let in_order: Vec<usize> = (0..8).collect();
    let (rig, answers) = eight_in_flight(&in_order);
    let ops: Vec<OpId> = rig.in_flight.iter().map(|sent| sent.order.op).collect();
    for order in permutations(8) {
        let mut machine = rig.machine.clone();
        let mut out = Vec::new();
        let mut answered = [false; 8];
        for at in order {
            answered[at] = true;
            let input = Input::FrameAnswered { op: ops[at], answer: answers[at].clone() };
            machine.handle(rig.now(), input, &mut out);
            let prefix = answered.iter().take_while(|is_answered| **is_answered).count();
            assert!(machine.cursor() <= Seq(prefix as u64 * 100));
        }
        assert_eq!(machine.cursor(), Seq(800), "everything was answered");
        assert_eq!(machine.next_wake(), None);
        assert_eq!(machine.view(rig.now()).settled_to, Seq(800));
    }
}

#[test]
fn frames_applied_in_any_order_and_answered_in_any_other_reach_the_end() {
    for applied in permutations(4) {
        for answered in permutations(4) {
            let mut rig = Rig::new();
            rig.write(400);
            let frames = rig.in_flight.clone();
            let mut answers = vec![Answer::Unreachable; 4];
            for at in &applied {
                answers[*at] = rig.apply(&frames[*at]);
            }
            rig.in_flight.clear();
            for at in &answered {
                let op = frames[*at].order.op;
                rig.input(Input::FrameAnswered { op, answer: answers[*at].clone() });
            }
            rig.settle();
            rig.assert_done();
            assert_eq!(rig.sizes(), [100; 4], "nothing is sent twice");
        }
    }
}

#[test]
fn an_answer_out_of_order_moves_the_cursor_only_when_its_turn_comes() {
    let (mut rig, answers) = eight_in_flight(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let ops: Vec<OpId> = rig.in_flight.iter().map(|sent| sent.order.op).collect();
    for at in [1, 2, 0] {
        rig.input(Input::FrameAnswered { op: ops[at], answer: answers[at].clone() });
    }
    assert_eq!(cursor_effects(&rig), [Seq(0), Seq(0), Seq(300)]);
}

#[test]
fn a_failure_sends_again_what_was_not_answered_and_no_record_is_left_out() {
    for failed in 0..8 {
        let (mut rig, answers) = eight_in_flight(&[7, 6, 5]);
        let frames = rig.in_flight.clone();
        for at in [6, 5, failed] {
            let op = frames[at].order.op;
            let answer = if at == failed { Answer::Unreachable } else { answers[at].clone() };
            rig.input(Input::FrameAnswered { op, answer });
        }
        assert_eq!(rig.machine.view(rig.now()).settled_to, Seq(0));
        rig.advance_to(1_000);
        rig.assert_done();
    }
}

#[test]
fn an_answer_lost_after_the_apply_is_made_good_by_the_next_one() {
    let mut rig = Rig::new();
    rig.write(3);
    let sent = rig.in_flight.remove(0);
    rig.apply(&sent);
    rig.input(Input::FrameAnswered { op: sent.order.op, answer: Answer::Unreachable });
    assert_eq!(rig.machine.cursor(), Seq(0));
    rig.advance_to(1_000);
    assert_eq!(rig.sizes(), [3, 3]);
    rig.assert_done();
}

#[test]
fn a_hello_never_moves_the_cursor_forward() {
    let mut rig = Rig::new();
    rig.write(3);
    let sent = rig.in_flight.remove(0);
    rig.apply(&sent);
    rig.input(Input::FrameAnswered { op: sent.order.op, answer: Answer::Unreachable });
    rig.now_ms = 1_000;
    rig.input(Input::Tick);
    assert!(rig.in_flight[0].order.is_hello);
    rig.answer(0);
    assert_eq!(rig.machine.cursor(), Seq(0));
}

#[test]
fn a_late_ack_after_a_cancel_is_ignored() {
    let (mut rig, answers) = eight_in_flight(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let late = rig.in_flight[1].order.op;
    let first = rig.in_flight[0].order.op;
    rig.input(Input::FrameAnswered { op: first, answer: Answer::Unreachable });
    let before = rig.machine.clone();
    rig.effects.clear();
    rig.input(Input::FrameAnswered { op: late, answer: answers[1].clone() });
    assert_eq!((&rig.machine, rig.effects.len()), (&before, 0));
}

#[test]
fn every_unknown_or_repeated_answer_is_ignored() {
    let mut rig = Rig::new();
    rig.write(1);
    let op = rig.in_flight[0].order.op;
    rig.settle();
    let ack = rig.ack(vec![record_verdict(1, Verdict::Applied)]);
    let answers = [
        ack,
        Answer::Unreachable,
        Answer::Forged,
        Answer::Refused(Refusal::Auth),
        Answer::Refused(Refusal::Store),
    ];
    for op in [op, OpId(0), OpId(op.0 + 1), OpId(u64::MAX)] {
        for answer in answers.clone() {
            let before = rig.machine.clone();
            rig.effects.clear();
            rig.input(Input::FrameAnswered { op, answer });
            assert_eq!((&rig.machine, rig.effects.len()), (&before, 0));
        }
        let before = rig.machine.clone();
        rig.input(Input::FrameBuilt { op, to: Seq(1), records: 1, bytes: 1 });
        assert_eq!(rig.machine, before);
    }
}

#[test]
fn a_forged_ack_clears_nothing() {
    let mut rig = Rig::new();
    rig.write(1);
    let op = rig.in_flight.remove(0).order.op;
    rig.input(Input::FrameAnswered { op, answer: Answer::Forged });
    assert_eq!((rig.machine.cursor(), rig.state()), (Seq(0), State::Waiting));
    assert!(rig.effects.iter().all(|effect| !matches!(effect, Effect::AdvanceCursor { .. })));
}

#[test]
fn an_ack_from_another_data_directory_clears_nothing() {
    let mut rig = Rig::new();
    rig.write(1);
    let sent = rig.in_flight.remove(0);
    let ack = Answer::Acked(Acked {
        pop: pop("b"),
        store: StoreId([9; 16]),
        received: Seq(1),
        verdicts: vec![record_verdict(1, Verdict::Applied)],
        positions: vec![],
        is_complete: false,
        at: UnixTime(0),
    });
    rig.input(Input::FrameAnswered { op: sent.order.op, answer: ack });
    assert_eq!((rig.machine.cursor(), cursor_effects(&rig)), (Seq(0), vec![]));
    rig.settle();
    rig.assert_done();
}

#[test]
fn a_peer_that_confirms_what_it_says_it_has_not_received_is_a_failure_not_a_loop() {
    let mut rig = Rig::new();
    rig.write(1);
    for _ in 0..20 {
        let Some(sent) = rig.in_flight.pop() else {
            break;
        };
        rig.received = received::Received::default();
        let records = sent.records.iter().map(|(_, record)| *record);
        let verdicts = records.map(|record| record_verdict(record, Verdict::Applied)).collect();
        let answer = rig.ack(verdicts);
        rig.input(Input::FrameAnswered { op: sent.order.op, answer });
    }
    assert_eq!(rig.state(), State::Waiting);
    assert_eq!(rig.machine.cursor(), Seq(0));
    rig.mood = Mood::Up;
    rig.advance_to(1_000);
    rig.assert_done();
}
