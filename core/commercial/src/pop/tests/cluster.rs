//! What clusters promise, on model servers.

use alloc::format;

use super::world::World;
use super::*;

const MINUTE_MS: u64 = 60_000;

/// Three POPs of which the first is primary; every hello is done.
fn three() -> World {
    let mut world = World::new(3, 1);
    world.promote(0);
    world.run_to_rest(MINUTE_MS);
    world.data_frames.fill(0);
    world.log.clear();
    world
}

fn assert_alike(world: &World, servers: &[usize]) {
    for at in servers {
        assert_eq!(world.records(*at), world.records(servers[0]), "{at}");
    }
}

#[test]
fn a_healthy_cluster_sends_each_batch_once_to_each_backup_and_relays_nothing() {
    let mut world = three();
    for batch in 0..200 {
        world.write(0, &format!("{}", batch % 7), false);
        world.run_until(world.now_ms + 1_000);
    }
    world.run_to_rest(5 * MINUTE_MS);
    assert_eq!(world.data_frames, [400, 0, 0]);
    assert_alike(&world, &[0, 1, 2]);
}

#[test]
fn a_backup_that_was_away_catches_up_on_its_hello_without_a_write_and_gets_nothing_twice() {
    let mut world = three();
    (0..40).for_each(|name| world.write(0, &format!("{name}"), false));
    world.run_until(world.now_ms + 1_000);
    let before = world.data_frames[0];
    world.servers[2].crash();
    (0..20).for_each(|name| world.write(0, &format!("new {name}"), false));
    world.run_until(world.now_ms + 15 * MINUTE_MS);
    world.data_frames.fill(0);
    world.start(2);
    world.run_until(world.now_ms + 1_000);
    assert_alike(&world, &[0, 1, 2]);
    assert!(before > 0);
    assert_eq!(world.data_frames[0], 5, "20 records in frames of 4");
}

#[test]
fn a_source_that_dies_half_way_is_relayed_by_the_backup_that_has_it() {
    let mut world = three();
    world.cut.extend([(0, 2), (2, 0)]);
    (0..9).for_each(|name| world.write(0, &format!("{name}"), false));
    world.run_until(world.now_ms + 1_000);
    world.servers[0].crash();
    assert_eq!(world.records(2).len(), 0);
    world.run_until(world.now_ms + 31_000);
    assert_alike(&world, &[1, 2]);
    assert_eq!(world.records(2).len(), 9);
    assert_eq!(world.data_frames[2], 0, "what came from the relay does not go back to it");
}

#[test]
fn a_promotion_relays_at_once() {
    let mut world = three();
    world.cut.extend([(0, 2), (2, 0)]);
    world.write(0, "k", false);
    world.run_until(world.now_ms + 1_000);
    world.servers[0].crash();
    world.promote(1);
    world.run_until(world.now_ms + 100);
    assert_alike(&world, &[1, 2]);
    assert_eq!(world.records(2).len(), 1);
    assert_eq!(world.servers[2].epoch, world.servers[1].epoch);
}

#[test]
fn an_old_primary_comes_back_ships_what_it_had_not_and_becomes_backup() {
    let mut world = three();
    world.cut.extend([(0, 1), (0, 2), (1, 0), (2, 0)]);
    world.write(0, "only here", false);
    world.write(0, "k", false);
    world.run_until(world.now_ms + MINUTE_MS);
    world.promote(1);
    world.write(1, "k", false);
    world.run_until(world.now_ms + MINUTE_MS);
    world.cut.clear();
    world.run_to_rest(20 * MINUTE_MS);
    assert_alike(&world, &[0, 1, 2]);
    assert_eq!(world.records(0).len(), 3, "two entries, and the version that lost");
    assert!((0..3).all(|at| world.servers[at].epoch == world.servers[1].epoch));
    (0..3).for_each(|at| world.truth.check(&world.servers[at].site));
}

#[test]
fn an_emptied_backup_is_refilled_even_with_what_it_once_wrote_itself() {
    let mut world = three();
    world.write(0, "a", false);
    world.write(2, "c", false);
    world.run_to_rest(5 * MINUTE_MS);
    world.forget_words_of(2);
    world.servers[2].empty();
    world.start(2);
    world.run_to_rest(5 * MINUTE_MS);
    assert_eq!(world.records(2).len(), 2);
    assert_alike(&world, &[0, 1, 2]);
}

#[test]
fn an_idle_cluster_has_no_timer_at_all() {
    let mut world = three();
    world.write(0, "k", false);
    let rested_ms = world.run_to_rest(2 * MINUTE_MS);
    world.data_frames.fill(0);
    world.run_until(rested_ms + 1_000 * MINUTE_MS);
    assert_eq!(world.data_frames, [0, 0, 0]);
    assert!((0..3).all(|at| world.servers[at].machine.as_ref().unwrap().next_wake().is_none()));
}
