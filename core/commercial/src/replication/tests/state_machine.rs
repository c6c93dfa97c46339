//! One server, its store and one peer over a network that loses, delays and repeats, against a
//! model of what clients wrote: whatever happened, the peer ends up with all of it.

use proptest::prelude::*;
use proptest_state_machine::{StateMachineTest, prop_state_machine};

use super::*;

mod model;
mod world;

use model::{Model, Outages, Step};
use world::World;

impl StateMachineTest for Outages {
    type SystemUnderTest = World;
    type Reference = Outages;

    fn init_test(model: &Model) -> World {
        World::new(model.record_bytes)
    }

    fn apply(mut world: World, model: &Model, step: Step) -> World {
        match step {
            Step::Write(count) => world.change(count, Owed::Now, false),
            Step::Rewrite(_) => {
                let newest = model.newest.iter().find(|(_, seq)| **seq == model.last);
                if let Some((record, _)) = newest.filter(|_| model.last > world.rig.last) {
                    world.rewrite(*record);
                }
            }
            Step::Relay { count, reaches_peer } => world.change(count, Owed::Later, reaches_peer),
            Step::FromPeer(count) => world.change(count, Owed::Not, true),
            Step::OnWire(wire, at) => world.on_wire(wire, &at),
            Step::Settle => world.settle(),
            Step::Late(at) => world.late(&at),
            Step::Wake => world.wait_until(world.wake_ms().unwrap_or(0)),
            Step::Wait(ms) => world.wait_until(world.rig.now_ms + u64::from(ms)),
            Step::Tick => world.input(Input::Tick),
            Step::Restart(lost_cursors) => world.restart(lost_cursors),
            Step::PeerStarts => {
                let (store, received) = (world.rig.peer_store, Seq(world.rig.received.prefix));
                world.input(Input::PeerHeard { store, received, is_hello: true });
            }
            Step::PeerEmptied => world.empty_peer(),
            Step::PeerForgets(frames) => world.forget(frames),
            Step::Resumed(is_epoch) => {
                world.input(if is_epoch { Input::EpochChanged } else { Input::Resumed });
            }
        }
        world
    }

    fn check_invariants(world: &World, model: &Model) {
        assert_eq!(world.rig.last, model.last);
        world.assert_cursor_is_true();
        world.assert_window_is_kept();
        world.assert_rest_is_rest();
    }

    /// The network heals: everything arrives, within the longest time that anything may wait.
    fn teardown(mut world: World, model: Model) {
        let until = world.rig.now_ms + 2 * PROBE_MS;
        world.settle();
        for wakes in 0.. {
            assert!(wakes < 1_000, "a hot loop");
            let Some(at) = world.wake_ms() else { break };
            assert!(at <= until, "something waits for longer than a probe");
            world.wait_until(at);
            world.settle();
        }
        Self::check_invariants(&world, &model);
        if core::mem::take(&mut world.is_silent_loss) {
            // Nothing is owed to the disk that is gone; a hello tells, at the next start at last.
            world.restart(0);
            return Self::teardown(world, model);
        }
        assert_eq!(world.rig.machine.next_wake(), None, "nothing is owed");
        let is_there = |(record, seq): &(&u32, &u64)| world.rig.peer_has.get(record) == Some(seq);
        let missing = model.newest.iter().find(|owed| !is_there(owed));
        assert_eq!(missing, None, "the peer lacks it, or has it old");
        assert_eq!(world.rig.peer_has.len(), model.newest.len());
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_lost_repeated_or_killed_the_peer_gets_everything_and_then_all_rests(
        sequential 1..50 => Outages
    );
}
