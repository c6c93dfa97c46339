use proptest::prelude::*;

use super::super::*;
use super::faults::Faults;
use super::world::World;

/// Long enough for the probe of a suspended peer, and a retry of what it could not take.
const HEALED_WITHIN_MS: u64 = 20 * 60_000;

/// A network without faults.
const GOOD: Faults =
    Faults { lost_frame: 0, lost_answer: 0, duplicate: 0, delay_ms: 3, is_late: false };

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

fn heal(world: &mut World) {
    world.faults = GOOD;
    world.cut.clear();
    (0..world.servers.len()).for_each(|at| world.start(at));
    world.run_to_rest(HEALED_WITHIN_MS);
    for at in 0..world.servers.len() {
        assert_alike(world, 0, at);
        assert_alike(world, at, 0);
    }
}

/// Everything that one holds, the other holds.
fn assert_alike(world: &World, one: usize, other: usize) {
    for (key, record) in world.records(one) {
        let found = world.records(other).get(key);
        assert_eq!(Some(record), found, "{key:?} of {one} did not reach {other}");
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
    world.forget_words_of(victim);
    if is_emptied {
        world.servers[victim].empty();
    } else {
        world.servers[victim].restore(&old);
        // It must hear of its past before it writes as much as it lost and is restarted again.
        world.cut.clear();
        let faults = core::mem::replace(&mut world.faults, GOOD);
        (0..pops).for_each(|at| world.start(at));
        world.run_until(world.now_ms + 30_000);
        world.faults = faults;
    }
    trouble(&mut world, steps / 3, false);
    heal(&mut world);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

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
    fn a_pop_that_was_rolled_back_agrees_with_its_peer_after_healing(seed in any::<u64>(), steps in 3u64..45) {
        run_with_lost_data(2, seed, steps, false);
    }
}
