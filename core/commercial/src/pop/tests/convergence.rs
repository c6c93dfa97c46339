use proptest::prelude::*;

use super::super::*;
use super::world::{Faults, World};

/// Long enough for the probe of a suspended peer, and a retry of what it could not take.
const HEALED_WITHIN_MS: u64 = 20 * 60_000;

/// More than is written between two copies of a data directory.
const GAP_MAX: u64 = 150;

/// Writes, faults and promotions for a while; answers a snapshot of a server on the way.
fn trouble(world: &mut World, steps: u64, has_promotions: bool) {
    let pops = world.servers.len() as u64;
    for _ in 0..steps {
        let at = world.dice.roll(pops) as usize;
        let other = world.dice.roll(pops) as usize;
        match world.dice.roll(14) {
            0 => world.servers[at].crash(),
            1 | 2 => world.start(at),
            3 => drop(world.cut.insert((at, other))),
            4 => drop(world.cut.remove(&(at, other))),
            5 => world.cut.clear(),
            6 if has_promotions => world.promote(at),
            7 => world.input(at, Input::Resumed),
            8 => {
                let name = if world.dice.is_one_in(2) { "late" } else { "x" };
                world.write(at, name, false);
            }
            9 => (0..6).for_each(|name| world.write(at, &alloc::format!("{name}"), false)),
            roll => world.write(at, if roll < 12 { "k" } else { "l" }, roll == 13),
        }
        let pause_ms = [3, 40, 900, 31_000][world.dice.roll(4) as usize];
        let until_ms = world.now_ms + world.dice.roll(pause_ms);
        world.run_until(until_ms);
    }
}

fn rest(world: &mut World) {
    world.faults = Faults { delay_ms: 3, ..Faults::default() };
    world.cut.clear();
    (0..world.servers.len()).for_each(|at| world.start(at));
    world.run_to_rest(HEALED_WITHIN_MS);
}

fn heal(world: &mut World) {
    rest(world);
    for at in 0..world.servers.len() {
        for (key, record) in world.records(0) {
            let other = world.records(at).get(key);
            assert_eq!(Some(record), other, "{key:?} differs at {at}");
        }
        let count = world.records(at).len();
        assert_eq!(count, world.records(0).len(), "everything reached everyone");
    }
}

fn faults(seed: u64) -> Faults {
    Faults {
        lost_frame: [0, 3, 6][seed as usize % 3],
        lost_answer: [0, 2, 5][seed as usize / 3 % 3],
        duplicate: [0, 2, 4][seed as usize / 9 % 3],
        delay_ms: [3, 300, 12_000][seed as usize / 27 % 3],
        is_late: seed.is_multiple_of(2),
    }
}

fn run(pops: usize, seed: u64, steps: u64) {
    let mut world = World::new(pops, seed);
    world.faults = faults(seed);
    trouble(&mut world, steps, true);
    heal(&mut world);
    (0..pops).for_each(|at| world.truth.check(&world.servers[at].site));
}

/// A server comes back with an older copy of its data directory, or an empty one.
fn run_with_lost_data(pops: usize, seed: u64, steps: u64, is_emptied: bool) {
    let mut world = World::new(pops, seed);
    world.faults = faults(seed);
    let victim = world.dice.roll(pops as u64) as usize;
    trouble(&mut world, steps / 3, false);
    let old = world.servers[victim].clone();
    trouble(&mut world, steps / 3, false);
    world.forget_frames_of(victim);
    if is_emptied {
        world.servers[victim].empty();
    } else {
        world.servers[victim].restore(&old);
    }
    trouble(&mut world, steps / 3, false);
    rest(&mut world);
    // A gap in what others received hides a roll back until as much was written anew.
    (0..GAP_MAX).for_each(|name| world.write(victim, &alloc::format!("new {name}"), false));
    heal(&mut world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_pops_over_a_bad_network_with_crashes_agree_after_healing_and_rest(seed in any::<u64>(), steps in 1u64..60) {
        run(2, seed, steps);
    }

    #[test]
    fn three_pops_over_a_bad_network_with_crashes_agree_after_healing_and_rest(seed in any::<u64>(), steps in 1u64..60) {
        run(3, seed, steps);
    }

    #[test]
    fn a_pop_that_was_emptied_agrees_with_the_others_after_healing(seed in any::<u64>(), steps in 3u64..45) {
        run_with_lost_data(2 + seed as usize % 2, seed, steps, true);
    }

    #[test]
    fn a_pop_that_was_rolled_back_agrees_with_the_others_after_healing(seed in any::<u64>(), steps in 3u64..45) {
        run_with_lost_data(2 + seed as usize % 2, seed, steps, false);
    }
}
