//! Whatever happens to POPs, HQ, disks and messages: at any instant at most one POP takes writes,
//! terms only grow, and once the faults are over there is a primary.

#![allow(clippy::cast_possible_truncation)]

mod faults;
mod pop;
mod world;

use proptest::prelude::*;

use world::{Knobs, World};

/// After this, in milliseconds, a cluster without faults has a primary.
const HEALED_MS: u64 = 30_000;

/// No message is under way for longer, in milliseconds.
const MESSAGE_MS: u64 = 12_000;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Wait,
    CutHq { pop: u8, is_outward: bool },
    Cut { from: u8, to: u8 },
    Join,
    CrashPop { pop: u8 },
    RestartPop { pop: u8 },
    PausePop { pop: u8, ms: u16 },
    Unready { pop: u8, is_ready: bool },
    Release { pop: u8 },
    Duplicate { pop: u8 },
    PromoteByHand { pop: u8 },
    Replace { pop: u8 },
    Remove { pop: u8 },
    CrashHq,
    StartHq,
    StallHq { ms: u16 },
    FailDisk { is_failing: bool },
    Switchover { to: u8 },
}

fn actions() -> impl Strategy<Value = Action> {
    let pop = 0..5_u8;
    prop_oneof![
        3 => Just(Action::Wait),
        4 => (pop.clone(), any::<bool>())
            .prop_map(|(pop, is_outward)| Action::CutHq { pop, is_outward }),
        2 => (pop.clone(), pop.clone()).prop_map(|(from, to)| Action::Cut { from, to }),
        3 => Just(Action::Join),
        2 => pop.clone().prop_map(|pop| Action::CrashPop { pop }),
        4 => pop.clone().prop_map(|pop| Action::RestartPop { pop }),
        2 => (pop.clone(), 0..12_000_u16).prop_map(|(pop, ms)| Action::PausePop { pop, ms }),
        1 => (pop.clone(), any::<bool>())
            .prop_map(|(pop, is_ready)| Action::Unready { pop, is_ready }),
        1 => pop.clone().prop_map(|pop| Action::Release { pop }),
        2 => pop.clone().prop_map(|pop| Action::Duplicate { pop }),
        1 => pop.clone().prop_map(|pop| Action::PromoteByHand { pop }),
        1 => pop.clone().prop_map(|pop| Action::Replace { pop }),
        1 => pop.clone().prop_map(|pop| Action::Remove { pop }),
        2 => Just(Action::CrashHq),
        4 => Just(Action::StartHq),
        1 => (0..12_000_u16).prop_map(|ms| Action::StallHq { ms }),
        1 => any::<bool>().prop_map(|is_failing| Action::FailDisk { is_failing }),
        2 => pop.prop_map(|to| Action::Switchover { to }),
    ]
}

/// Of all that may happen, what makes leases end while their holders live.
fn cuts() -> impl Strategy<Value = Action> {
    let pop = 0..5_u8;
    prop_oneof![
        4 => Just(Action::Wait),
        6 => (pop.clone(), any::<bool>())
            .prop_map(|(pop, is_outward)| Action::CutHq { pop, is_outward }),
        2 => (pop.clone(), pop.clone()).prop_map(|(from, to)| Action::Cut { from, to }),
        3 => Just(Action::Join),
        1 => pop.prop_map(|pop| Action::RestartPop { pop }),
        1 => Just(Action::StartHq),
    ]
}

/// What happens, and how long after what happened before, in milliseconds.
fn script() -> impl Strategy<Value = Vec<(u64, Action)>> {
    use proptest::collection::vec;
    prop_oneof![vec((0..4_000_u64, actions()), 0..60), vec((0..4_000_u64, cuts()), 0..60)]
}

prop_compose! {
    fn knobs()(
        pops in 1..5_u8,
        loss_percent in prop_oneof![Just(0), 0..40_u64],
        slow_percent in prop_oneof![Just(0), 0..40_u64],
        is_fast: bool,
        asks_always: bool,
        has_duplicates: bool,
    ) -> Knobs {
        Knobs { pops, loss_percent, slow_percent, is_fast, asks_always, has_duplicates }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn at_most_one_pop_takes_writes_and_one_does_in_the_end(
        seed: u64,
        knobs in knobs(),
        is_first: bool,
        script in script(),
    ) {
        let mut world = World::new(seed, knobs, is_first);
        for (after_ms, action) in script {
            world.act(after_ms, action);
        }
        world.heal();
        // What was under way until then may still have named a data directory that is gone.
        world.run(MESSAGE_MS);
        world.heal();
        world.run(HEALED_MS);
        let writer = world.writer();
        prop_assert!(writer.is_some(), "nobody takes writes: {}", world.views());
        world.run(HEALED_MS);
        prop_assert_eq!(world.writer(), writer, "it is not for long");
        prop_assert!(world.unanswered() <= usize::from(knobs.pops), "answers are missing");
    }
}
