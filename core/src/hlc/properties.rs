//! What holds of the clock whatever the wall clock shows, whoever is heard and however often the
//! server is restarted.

use alloc::string::ToString;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A write, while the wall clock shows this.
    Issue(u64),
    /// A timestamp of somebody else.
    Observe(Hlc),
    /// The server stops, and starts from the floor that was stored with its last write.
    Restart,
}

fn pop() -> impl Strategy<Value = PopId> {
    "[a-z0-9-]{1,31}".prop_map(|text| text.parse().unwrap())
}

/// Any time there is; near the others, and near the limits, more often than not.
fn ms() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..20,
        2 => Just(1_700_000_000_000),
        1 => Hlc::MS_MAX - 3..=Hlc::MS_MAX - 2,
        1 => Hlc::MS_MAX + 1..,
        1 => any::<u64>(),
    ]
}

fn counter() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 0u32..4, 1 => u32::MAX - 2.., 1 => any::<u32>()]
}

fn hlc() -> impl Strategy<Value = Hlc> {
    (ms(), counter(), pop()).prop_map(|(ms, counter, pop)| Hlc { ms, counter, pop })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => ms().prop_map(Step::Issue),
        2 => hlc().prop_map(Step::Observe),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_timestamp_is_above_all_before_it_across_restarts_and_any_wall_clock(
        pop in pop(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut clock = Clock::new(pop, Floor::default());
        let mut highest = (0, 0);
        // The latest moment that anybody named so far: what the clock may be blamed for.
        let mut latest = 0;
        for step in steps {
            match step {
                Step::Issue(now) => {
                    let hlc = clock.next(UnixTime(now));
                    prop_assert!((hlc.ms, hlc.counter) > highest, "{hlc} after {highest:?}");
                    prop_assert_eq!(hlc.pop, pop);
                    latest = latest.max(if now <= Hlc::MS_MAX { now } else { 0 });
                    let carried = u64::from(highest.1 == u32::MAX);
                    prop_assert!(hlc.ms <= latest + carried, "{hlc} is later than anybody said");
                    latest = latest.max(hlc.ms);
                    highest = (hlc.ms, hlc.counter);
                }
                Step::Observe(seen) => {
                    clock.observe(seen);
                    if seen.is_plausible() {
                        highest = highest.max((seen.ms, seen.counter));
                        latest = latest.max(seen.ms);
                    }
                }
                Step::Restart => clock = Clock::new(pop, clock.floor()),
            }
            let floor = clock.floor();
            prop_assert_eq!((floor.ms, floor.counter), highest, "the floor is the highest known");
        }
    }

    #[test]
    fn a_wall_clock_that_moves_on_is_what_timestamps_say(
        pop in pop(),
        waits in prop::collection::vec(prop_oneof![Just(1), 1..Hlc::MS_MAX / 20], 1..20),
    ) {
        let mut clock = Clock::new(pop, Floor::default());
        let mut now = 0;
        for wait in waits {
            now += wait;
            prop_assert_eq!(clock.next(UnixTime(now)), Hlc { ms: now, counter: 0, pop });
        }
    }

    #[test]
    fn a_clock_that_is_set_back_ends_at_the_limit_and_goes_on_from_there(
        floor in hlc(),
        limit in ms(),
        now in ms(),
    ) {
        let before = Floor { ms: floor.ms & Hlc::MS_MAX, counter: floor.counter };
        let mut clock = Clock::new(floor.pop, before);
        clock.set_back(UnixTime(limit));
        let is_ahead = before.ms > limit;
        let expected = if is_ahead { Floor { ms: limit, counter: 0 } } else { before };
        prop_assert_eq!(clock.floor(), expected);
        prop_assert!(clock.next(UnixTime(now)).ms >= expected.ms);
    }

    #[test]
    fn a_timestamp_has_one_text_and_its_order_is_its_fields(one in hlc(), other in hlc()) {
        for hlc in [one, other] {
            let expected = hlc.is_plausible().then_some(hlc).ok_or(BadHlc);
            prop_assert_eq!(hlc.to_string().parse::<Hlc>(), expected);
        }
        let fields = |hlc: Hlc| (hlc.ms, hlc.counter, hlc.pop.to_string());
        prop_assert_eq!(one.cmp(&other), fields(one).cmp(&fields(other)));
    }

    #[test]
    fn a_text_that_is_read_is_the_text_that_is_written(
        text in "[0-9a-f+A]{0,3}-[0-9a-f+]{0,9}-[a-z-]{0,3}",
    ) {
        if let Ok(hlc) = text.parse::<Hlc>() {
            prop_assert_eq!(hlc.to_string(), text);
        }
    }
}
