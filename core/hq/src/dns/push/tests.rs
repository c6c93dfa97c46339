use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Instant {
    Instant::from_ms(ms)
}

fn change(cluster: &str, last: u8) -> Change {
    Change { cluster: cluster.to_string(), addresses: vec![IpAddr::from([192, 0, 2, last])] }
}

fn tell(push: &mut Push, ms: u64, input: Input) -> Vec<Effect> {
    let mut out = Vec::new();
    push.handle(at(ms), input, &mut out);
    out
}

fn want(push: &mut Push, ms: u64, cluster: &str, last: u8) -> Vec<Effect> {
    tell(push, ms, Input::Wanted(change(cluster, last)))
}

fn sent(push: &mut Push, ms: u64, op: u64, outcome: Result<(), Failure>) -> Vec<Effect> {
    tell(push, ms, Input::Sent { op: OpId(op), outcome })
}

fn send(op: u64, changes: &[Change]) -> Effect {
    Effect::Send { op: OpId(op), changes: changes.to_vec() }
}

#[test]
fn a_change_is_sent_at_once_and_then_there_is_nothing_to_do() {
    let mut push = Push::default();
    assert_eq!(tell(&mut push, 0, Input::Tick), []);
    assert_eq!(want(&mut push, 5, "red", 1), [send(0, &[change("red", 1)])]);
    assert_eq!(push.next_wake(), None);
    assert_eq!(sent(&mut push, 9, 0, Ok(())), []);
    assert_eq!(push.next_wake(), None);
    assert_eq!(tell(&mut push, 1_000_000, Input::Tick), []);
}

#[test]
fn what_changes_meanwhile_goes_next_and_only_the_newest_of_it() {
    let mut push = Push::default();
    want(&mut push, 0, "red", 1);
    for last in 2..5 {
        assert_eq!(want(&mut push, 1, "red", last), [], "one at a time");
    }
    assert_eq!(want(&mut push, 1, "blue", 9), []);
    let next = [change("blue", 9), change("red", 4)];
    assert_eq!(sent(&mut push, 2, 0, Ok(())), [send(1, &next)]);
    assert_eq!(sent(&mut push, 3, 1, Ok(())), []);
}

#[test]
fn a_failure_is_tried_again_and_told_after_the_third() {
    let mut push = Push::default();
    let changes = [change("red", 1)];
    want(&mut push, 0, "red", 1);
    let (mut now, mut waits) = (0, Vec::new());
    for op in 0..9 {
        let told = sent(&mut push, now, op, Err(Failure::Unanswered));
        let expected = if op == 2 { vec![Effect::Failing(Failure::Unanswered)] } else { vec![] };
        assert_eq!(told, expected, "{op}");
        let wake = push.next_wake().unwrap();
        assert_eq!(tell(&mut push, wake.ms_since(at(0)) - 1, Input::Tick), []);
        waits.push(wake.ms_since(at(now)));
        now = wake.ms_since(at(0));
        assert_eq!(tell(&mut push, now, Input::Tick), [send(op + 1, &changes)]);
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    assert_eq!(sent(&mut push, now, 9, Ok(())), [Effect::Mended]);
    want(&mut push, now, "red", 2);
    assert_eq!(sent(&mut push, now, 10, Err(Failure::Unanswered)), []);
    assert_eq!(push.next_wake(), Some(at(now + 1_000)), "from the beginning");
}

#[test]
fn what_needs_a_person_is_told_at_once_and_each_reason_once() {
    let mut push = Push::default();
    want(&mut push, 0, "red", 1);
    let told = sent(&mut push, 0, 0, Err(Failure::WrongSecret));
    assert_eq!(told, [Effect::Failing(Failure::WrongSecret)]);
    tell(&mut push, 1_000, Input::Tick);
    assert_eq!(sent(&mut push, 1_000, 1, Err(Failure::WrongSecret)), []);
    tell(&mut push, 3_000, Input::Tick);
    let told = sent(&mut push, 3_000, 2, Err(Failure::Refused));
    assert_eq!(told, [Effect::Failing(Failure::Refused)]);
}

#[test]
fn a_failover_does_not_wait_for_the_end_of_a_pause() {
    let mut push = Push::default();
    want(&mut push, 0, "red", 1);
    sent(&mut push, 0, 0, Err(Failure::Server));
    assert_eq!(want(&mut push, 10, "red", 2), [send(1, &[change("red", 2)])]);
}

/// A server that never takes some names; what it took.
fn run_refusing(
    push: &mut Push,
    from_ms: u64,
    mut orders: Vec<Effect>,
    is_refused: impl Fn(&str) -> bool,
) -> Vec<Change> {
    let (mut now, mut taken) = (from_ms, Vec::new());
    for _ in 0..500 {
        let order = orders.into_iter().find_map(|effect| match effect {
            Effect::Send { op, changes } => Some((op, changes)),
            Effect::Failing(_) | Effect::Mended => None,
        });
        orders = match (order, push.next_wake()) {
            (Some((op, changes)), _) => {
                let is_whole = !changes.iter().any(|change| is_refused(&change.cluster));
                taken.extend(changes.into_iter().filter(|_| is_whole));
                let outcome = if is_whole { Ok(()) } else { Err(Failure::Refused) };
                tell(push, now, Input::Sent { op, outcome })
            }
            (None, Some(wake)) => {
                now = wake.ms_since(at(0));
                tell(push, now, Input::Tick)
            }
            (None, None) => break,
        };
    }
    taken
}

#[test]
fn names_that_a_server_refuses_stand_in_nobodys_way() {
    let mut push = Push::default();
    let name = |number: usize| alloc::format!("c{number:02}");
    // The first is under way alone when the others come.
    for number in 0..3 * CHANGES_MAX {
        want(&mut push, 0, &name(number), 1);
    }
    sent(&mut push, 0, 0, Ok(()));
    let is_refused = |cluster: &str| ["c01", "c20"].contains(&cluster);
    sent(&mut push, 0, 1, Err(Failure::Refused));
    let orders = tell(&mut push, 1_000, Input::Tick);
    let taken = run_refusing(&mut push, 1_000, orders, is_refused);
    assert_eq!(taken.len(), 3 * CHANGES_MAX - 3, "all but the first and those two");
    assert_eq!(
        push.wanted.keys().collect::<Vec<_>>(),
        ["c01", "c20"],
        "and those are still wanted"
    );
    assert_eq!(push.told, Some(Failure::Refused), "as long as there is one, a person is told");

    let now = push.next_wake().unwrap().ms_since(at(0));
    let orders = want(&mut push, now - 1, "c40", 2);
    assert_eq!(orders, [send(push.next_op - 1, &[change("c40", 2)])], "what is new does not wait");
    assert_eq!(run_refusing(&mut push, now, orders, is_refused), [change("c40", 2)]);
    let wake = push.next_wake().unwrap().ms_since(at(0));
    let orders = tell(&mut push, wake, Input::Tick);
    let taken = run_refusing(&mut push, wake, orders, |cluster| cluster == "c01");
    assert_eq!(taken, [change("c20", 1)], "each of them gets its turn");
    let wake = push.next_wake().unwrap().ms_since(at(0));
    let orders = tell(&mut push, wake, Input::Tick);
    assert_eq!(run_refusing(&mut push, wake, orders, |_| false), [change("c01", 1)]);
    assert_eq!((push.wanted.len(), push.told), (0, None));
}

#[test]
fn news_of_a_refused_name_come_before_what_else_was_refused_and_still_alone() {
    let mut push = Push::default();
    want(&mut push, 0, "red", 1);
    for cluster in ["a", "b", "c"] {
        want(&mut push, 0, cluster, 1);
    }
    sent(&mut push, 0, 0, Ok(()));
    let all = [change("a", 1), change("b", 1), change("c", 1)];
    assert_eq!(push.under_way.as_ref().map(|sent| sent.changes.as_slice()), Some(&all[..]));
    sent(&mut push, 0, 1, Err(Failure::NotItsZone));
    assert_eq!(tell(&mut push, 1_000, Input::Tick), [send(2, &[change("a", 1)])]);
    sent(&mut push, 1_000, 2, Err(Failure::NotItsZone));
    assert_eq!(want(&mut push, 1_001, "c", 2), [send(3, &[change("c", 2)])]);
    assert_eq!(sent(&mut push, 1_002, 3, Ok(())), [send(4, &[change("b", 1)])]);
    assert_eq!(sent(&mut push, 1_003, 4, Ok(())), [send(5, &[change("a", 1)])]);
    assert_eq!(sent(&mut push, 1_004, 5, Ok(())), [Effect::Mended]);
}

#[test]
fn late_repeated_and_unknown_answers_are_ignored() {
    let mut push = Push::default();
    want(&mut push, 0, "red", 1);
    let before = push.clone();
    assert_eq!(sent(&mut push, 1, 7, Ok(())), []);
    assert_eq!(push, before);
    sent(&mut push, 1, 0, Ok(()));
    let after = push.clone();
    assert_eq!(sent(&mut push, 2, 0, Err(Failure::Refused)), []);
    assert_eq!(push, after);
}

#[test]
fn updates_and_what_waits_for_them_are_bounded() {
    let mut push = Push::default();
    want(&mut push, 0, "c0", 1);
    for number in 1..CLUSTERS_MAX + 5 {
        want(&mut push, 0, &alloc::format!("c{number}"), 1);
    }
    assert_eq!(push.wanted.len(), CLUSTERS_MAX);
    let next = sent(&mut push, 0, 0, Ok(()));
    assert!(
        matches!(next.as_slice(), [Effect::Send { changes, .. }] if changes.len() == CHANGES_MAX)
    );
    let mut op = 1;
    while let [Effect::Send { .. }] = sent(&mut push, 0, op, Ok(())).as_slice() {
        op += 1;
    }
    assert!(push.wanted.is_empty(), "all of them are done");
}

proptest! {
    #[test]
    fn whatever_happens_the_server_gets_the_newest_in_the_end(
        steps in proptest::collection::vec((0_u8..4, 0_u8..3, any::<u8>(), 0_u64..3_000), 0..80),
    ) {
        let mut push = Push::default();
        let (mut wanted, mut held) = (BTreeMap::new(), BTreeMap::new());
        let (mut now, mut under_way) = (0, None);
        let run = |push: &mut Push, now: u64, input, under_way: &mut Option<_>| {
            for effect in tell(push, now, input) {
                if let Effect::Send { op, changes } = effect {
                    assert!(under_way.replace((op, changes)).is_none(), "two at once");
                }
            }
        };
        for (what, cluster, last, ms) in steps {
            now += ms;
            match what {
                0 => {
                    let change = change(&alloc::format!("c{cluster}"), last);
                    wanted.insert(change.cluster.clone(), change.addresses.clone());
                    run(&mut push, now, Input::Wanted(change), &mut under_way);
                }
                1 | 2 => if let Some((op, changes)) = under_way.take() {
                    let outcome = if what == 1 { Ok(()) } else { Err(Failure::Server) };
                    // A server may have done what it did not live to say.
                    if what == 1 || last.is_multiple_of(2) {
                        held.extend(changes.into_iter().map(|made: Change| (made.cluster, made.addresses)));
                    }
                    run(&mut push, now, Input::Sent { op, outcome }, &mut under_way);
                },
                _ => run(&mut push, now, Input::Tick, &mut under_way),
            }
        }
        for _ in 0..10 {
            if let Some((op, changes)) = under_way.take() {
                held.extend(changes.into_iter().map(|made: Change| (made.cluster, made.addresses)));
                run(&mut push, now, Input::Sent { op, outcome: Ok(()) }, &mut under_way);
            }
            if let Some(wake) = push.next_wake() {
                now = now.max(wake.ms_since(at(0)));
                run(&mut push, now, Input::Tick, &mut under_way);
            }
        }
        prop_assert_eq!(held, wanted);
    }
}
