//! The schedule, whenever an outage ends.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_outage_has_the_same_delays_however_the_ones_before_ended(
        outages in prop::collection::vec(0usize..10, 1..20),
    ) {
        let schedule = [1_000, 5_000, 25_000, 125_000, 625_000];
        let mut backoff = Backoff::default();
        for failures in outages {
            let delays: Vec<Option<u64>> = (0..failures).map(|_| backoff.fail()).collect();
            let expected = schedule.iter().copied().map(Some).chain([None; 10]);
            prop_assert_eq!(delays, expected.take(failures).collect::<Vec<_>>());
            prop_assert_eq!(backoff.attempt(), u32::try_from(failures).unwrap().min(RETRIES));
            backoff.reset();
            prop_assert_eq!(backoff, Backoff::default());
        }
    }
}
