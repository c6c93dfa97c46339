//! When a peer that is away is tried: at the times of the schedule and at no others, whatever
//! clients write meanwhile and however often the machine is ticked for nothing.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::rig::{Mood, Rig};
use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Tick,
}

/// The schedule in its own words: retries, then a probe now and then, and a write allows one a
/// minute.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Reachable,
    Retry { at_ms: u64, failed: u32 },
    Suspended { probe_at_ms: u64, write_at_ms: u64 },
}

impl Expected {
    fn due(self) -> Option<u64> {
        match self {
            Expected::Reachable => None,
            Expected::Retry { at_ms, .. } => Some(at_ms),
            Expected::Suspended { probe_at_ms, .. } => Some(probe_at_ms),
        }
    }

    fn is_try(self, now_ms: u64) -> bool {
        match self {
            Expected::Reachable => true,
            Expected::Retry { .. } => false,
            Expected::Suspended { write_at_ms, .. } => write_at_ms <= now_ms,
        }
    }

    /// A try at `now_ms` failed.
    fn after_failure(self, now_ms: u64) -> Self {
        let delays_ms = [1_000, 5_000, 25_000, 125_000, 625_000];
        let failed = match self {
            Expected::Reachable => 0,
            Expected::Retry { failed, .. } => failed,
            Expected::Suspended { .. } => 5,
        };
        match delays_ms.get(failed as usize) {
            Some(delay_ms) => Expected::Retry { at_ms: now_ms + delay_ms, failed: failed + 1 },
            None => Expected::Suspended {
                probe_at_ms: now_ms + 15 * 60_000,
                write_at_ms: now_ms + 60_000,
            },
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let wait_ms = prop_oneof![0u64..10, 0u64..2_000, 0u64..200_000, Just(1_000), Just(60_000)];
    let step = prop_oneof![Just(Step::Write), Just(Step::Tick)];
    prop::collection::vec((wait_ms, step), 1..60)
}

/// Lets time pass to `until_ms`; the tries that are due meanwhile fail.
fn wait(expected: &mut Expected, tries: &mut Vec<u64>, until_ms: u64) {
    while let Some(at_ms) = expected.due().filter(|at_ms| *at_ms <= until_ms) {
        tries.push(at_ms);
        *expected = expected.after_failure(at_ms);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_peer_that_is_away_is_tried_on_schedule_whatever_is_written_meanwhile(steps in steps()) {
        let (mut rig, mut expected, mut tries) = (Rig::new(), Expected::Reachable, Vec::new());
        rig.mood = Mood::Down;
        for (wait_ms, step) in steps {
            let now_ms = rig.now_ms + wait_ms;
            wait(&mut expected, &mut tries, now_ms);
            rig.advance_to(now_ms);
            match step {
                Step::Write => {
                    rig.write(1);
                    if expected.is_try(now_ms) {
                        tries.push(now_ms);
                        expected = expected.after_failure(now_ms);
                    }
                }
                Step::Tick => rig.input(Input::Tick),
            }
            rig.settle();
            prop_assert_eq!(&rig.tries(), &tries);
            let wake = rig.machine.next_wake().map(|(at, _)| at.ms_since(Instant(0)));
            prop_assert_eq!(wake, expected.due(), "armed for the next try and for nothing else");
        }
        prop_assert!(alerts(&rig.effects).len() <= 1, "one alert per outage");
        rig.mood = Mood::Up;
        rig.advance_to(expected.due().unwrap_or(rig.now_ms));
        rig.assert_done();
    }
}
