use super::*;
use crate::script::{Action, End, Fate, Request, Sync};

fn put(key: u8) -> Action {
    let condition = crate::script::Condition::Seen;
    let request = Request::Put { key, bytes: 64, condition, waits: true };
    Action::Ask { pop: Action::PRIMARY, request }
}

fn large() -> Case {
    let mut record = Record::default();
    for at in 0..200u64 {
        record.actions.push((at * 1_000, put(u8::try_from(at % 9).expect("a small number"))));
        let fate = Fate { there_us: 77, ..Fate::default() };
        record.frames.push((0, 1, u32::try_from(at).expect("a small number"), fate));
    }
    record.actions.insert(70, (69_500, Action::Crash { pop: 2, down_ms: 123_456 }));
    record.actions.insert(150, (148_900, Action::Cut { from: 2, to: 4, ms: 77_777 }));
    record.frames[123].3.end = End::Lost;
    record.syncs.push((3, 3, Sync { fails: true, ..Sync::default() }));
    Case { knobs: Knobs { pops: 5, ..Knobs::default() }, record, interrupt: None }
}

/// Fails over any crash that is followed by a cut of more than five seconds, and a lost frame.
fn fails(case: &Case) -> bool {
    let actions = &case.record.actions;
    let crash = actions.iter().position(|it| matches!(it.1, Action::Crash { .. }));
    let cut = |it: &(u64, Action)| matches!(it.1, Action::Cut { ms: 5_001.., .. });
    let is_lost = |it: &(u8, u8, u32, Fate)| it.3.end == End::Lost;
    crash.is_some_and(|at| actions[at..].iter().any(cut)) && case.record.frames.iter().any(is_lost)
}

#[test]
fn nothing_is_left_that_the_failure_does_not_need() {
    let mut runs = 0;
    let small = shrink(large(), &mut |case| {
        runs += 1;
        fails(case)
    });
    assert_eq!(small.size(), (2, 1, 0), "{small:?}");
    assert_eq!(small.record.actions[0], (0, Action::Crash { pop: 1, down_ms: 1 }));
    assert_eq!(small.record.actions[1], (0, Action::Cut { from: 1, to: 0, ms: 10_000 }));
    assert_eq!(small.record.frames[0].3, Fate { end: End::Lost, ..Fate::default() });
    assert_eq!(small.knobs.pops, 2);
    assert!(runs < 1_500, "{runs} runs");
}

#[test]
fn shrinking_is_the_same_every_time_and_ends_where_it_has_to() {
    let once = |runs_max: u32| {
        let mut runs = 0;
        let small = shrink(large(), &mut |case| {
            runs += 1;
            runs <= runs_max && fails(case)
        });
        assert!(fails(&small), "it still fails after {runs_max} runs");
        small
    };
    assert_eq!(once(10_000), once(10_000));
    assert!(once(5).size() > once(100).size());
    assert_eq!(once(0), large());
}

#[test]
fn another_promise_is_another_failure() {
    let broken = |promise, kind| {
        let (what, pending) = (String::new(), String::new());
        let failure = crate::world::Failure { kind, promise, what, event: 1, at_ms: 1, pending };
        Verdict::Broken(Box::new(failure))
    };
    use crate::world::Kind::{Liveness, Safety};
    assert!(is_same(&broken("P5", Safety), &broken("P5", Safety)));
    assert!(!is_same(&broken("P5", Safety), &broken("P6", Safety)));
    assert!(!is_same(&broken("P5", Safety), &broken("P5", Liveness)));
}

#[test]
fn a_panic_is_the_same_in_the_same_place_whatever_it_says() {
    let crash = |text: &str| Verdict::Crashed(text.to_owned());
    assert!(is_same(&crash("index 3 (a.rs:5)"), &crash("index 4 (a.rs:5)")));
    assert!(!is_same(&crash("index 3 (a.rs:5)"), &crash("index 3 (a.rs:6)")));
    assert!(!is_same(&crash("index 3 (a.rs:5)"), &Verdict::Passed));
}
