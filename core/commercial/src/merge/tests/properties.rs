//! Any few versions at all, told in every order, again and again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::record::{Key, Record};
use proptest::prelude::*;

use super::order::same_in_every_order;
use super::site::Site;
use super::tokens::token;
use super::{entry, hlc, version};
use crate::merge::{merge_entry, merge_token};

const POPS: [&str; 3] = ["a", "b", "c"];

fn time() -> impl Strategy<Value = Hlc> {
    (1u64..7, 0..POPS.len()).prop_map(|(ms, pop)| hlc(ms, POPS[pop]))
}

/// A version that replaced any of the earlier ones, or a deletion.
fn any_version() -> impl Strategy<Value = Record> {
    let seen = prop::collection::vec(time(), 0..4);
    (time(), seen, 0u8..3, prop::bool::weighted(0.2)).prop_map(|(at, seen, blob, is_deletion)| {
        let seen: Vec<Hlc> = seen.into_iter().filter(|seen| *seen < at).collect();
        let blob = [blob];
        let mut record = version(at, &seen, if is_deletion { &[] } else { &blob });
        record.head.item = entry("k", is_deletion);
        record
    })
}

/// Versions of which each has a timestamp of its own.
fn versions() -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec(any_version(), 1..5).prop_map(|versions| {
        let by_time = versions.into_iter().map(|record| (record.head.hlc, record));
        by_time.collect::<BTreeMap<Hlc, Record>>().into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_few_versions_end_in_the_same_state_in_every_order(versions in versions()) {
        let end = same_in_every_order(&versions);
        let newest = versions.iter().map(|record| record.head.hlc).max();
        let held = end.iter().find(|(key, _)| matches!(key, Key::Entry(..)));
        prop_assert_eq!(held.map(|(_, record)| record.head.hlc), newest);
        let union = held.map(|(_, record)| record.head.context.clone()).unwrap_or_default();
        for record in versions.iter().filter(|record| Some(record.head.hlc) != newest) {
            let is_kept = end.keys().any(|key| matches!(key, Key::Loser(_, _, lost) if *lost == record.head.hlc));
            prop_assert_eq!(is_kept, !union.covers(record.head.hlc), "{}", record.head.hlc);
        }
    }

    #[test]
    fn what_was_applied_changes_nothing_again_and_the_held_version_never_gets_older(
        versions in prop::collection::vec(any_version(), 1..12),
    ) {
        let mut site = Site::new("z");
        let mut newest = None;
        for record in &versions {
            let applied = site.apply(record);
            newest = newest.max(Some(record.head.hlc));
            let held = site.records.get(&record.head.key());
            prop_assert_eq!(held.map(|held| held.head.hlc), newest);
            for (key, is_incoming) in &applied.changed {
                let is_it = site.records.get(key) == Some(record);
                prop_assert_eq!(*is_incoming, is_it, "only the incoming record need not go back");
            }
            let before = site.records.clone();
            prop_assert!(site.apply(record).changed.is_empty());
            prop_assert_eq!(&site.records, &before);
        }
    }

    #[test]
    fn a_merge_that_says_nothing_changes_nothing_and_one_that_holds_something_settles(
        held in any_version(),
        incoming in any_version(),
    ) {
        let merged = merge_entry(Some(&held), &[], &incoming);
        let after = merged.hold.clone().unwrap_or(held.clone());
        prop_assert_eq!(merged.is_nothing(), after == held && merged.journal.is_none());
        prop_assert!(merge_entry(Some(&after), &[], &after).is_nothing());
        let lost: Vec<Hlc> = merged.journal.iter().map(|item| item.head.hlc).collect();
        prop_assert!(merge_entry(Some(&after), &lost, &incoming).is_nothing(), "once is enough");
        prop_assert_eq!(merged.is_tie, held.head.hlc == incoming.head.hlc && merged.journal.is_some());
    }

    #[test]
    fn the_versions_of_a_token_end_in_the_same_one_in_any_order_and_revocation_wins(
        (versions, shuffled) in prop::collection::vec((time(), any::<bool>()), 1..10)
            .prop_flat_map(|versions| (Just(versions.clone()), Just(versions).prop_shuffle())),
    ) {
        let end = |versions: &[(Hlc, bool)]| {
            versions.iter().fold(None, |held: Option<Record>, (at, is_revoked)| {
                let incoming = token(*at, is_revoked.then_some(*at));
                merge_token(held.as_ref(), &incoming).hold.or(held)
            })
        };
        let newest = versions.iter().map(|(at, is_revoked)| (*is_revoked, *at)).max();
        let expected = newest.map(|(is_revoked, at)| token(at, is_revoked.then_some(at)));
        prop_assert_eq!(&end(&versions), &expected);
        prop_assert_eq!(&end(&shuffled), &expected);
    }
}
