//! What holds of every context that writes and merges can make.

use proptest::prelude::*;

use super::*;

/// So few POPs and versions that no bound applies.
const POPS: [&str; 3] = ["a", "b", "c"];
const LAST_MS: u64 = 8;

fn hlc() -> impl Strategy<Value = Hlc> {
    (0..LAST_MS, 0..POPS.len()).prop_map(|(ms, pop)| Hlc {
        ms,
        counter: 0,
        pop: POPS[pop].parse().unwrap(),
    })
}

fn every_version() -> impl Iterator<Item = Hlc> {
    let of = |pop: &'static str| (0..LAST_MS).map(move |ms| (ms, pop));
    POPS.into_iter().flat_map(of).map(|(ms, pop)| Hlc { ms, counter: 0, pop: pop.parse().unwrap() })
}

/// A context as it grows: write after write, each over some losers it had not seen.
fn context() -> impl Strategy<Value = Context> {
    let write = (hlc(), prop::collection::vec(hlc(), 0..4));
    prop::collection::vec(write, 0..6).prop_map(|writes| {
        let start = Context::default();
        writes.iter().fold(start, |context, (version, lost)| context.superseding(*version, lost))
    })
}

fn covered(context: &Context) -> Vec<Hlc> {
    every_version().filter(|version| context.covers(*version)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_union_covers_exactly_what_either_side_covers(one in context(), other in context()) {
        let union = one.union(&other);
        let either: Vec<Hlc> = every_version()
            .filter(|version| one.covers(*version) || other.covers(*version))
            .collect();
        prop_assert_eq!(covered(&union), either);
        prop_assert_eq!(&union, &other.union(&one), "in either order");
        prop_assert_eq!(&union, &union.union(&one), "and once is enough");
    }

    #[test]
    fn unions_may_be_made_in_any_order(one in context(), two in context(), three in context()) {
        let left = one.union(&two).union(&three);
        prop_assert_eq!(&left, &one.union(&two.union(&three)));
        prop_assert_eq!(&left, &three.union(&one).union(&two));
    }

    #[test]
    fn a_write_covers_what_it_replaces_and_never_what_it_had_not_seen(
        context in context(),
        replaced in hlc(),
        lost in prop::collection::vec(hlc(), 0..4),
    ) {
        let lost: Vec<Hlc> = lost.into_iter().filter(|hlc| *hlc != replaced).collect();
        let next = context.superseding(replaced, &lost);
        prop_assert!(next.covers(replaced));
        for version in every_version().filter(|version| context.covers(*version)) {
            prop_assert!(next.covers(version), "{} was replaced before", version);
        }
        for version in lost.iter().filter(|version| !context.covers(**version)) {
            prop_assert!(!next.covers(*version), "{} was not seen", version);
        }
        let after = Hlc { ms: LAST_MS, counter: 0, pop: "z".parse().unwrap() };
        prop_assert!(next.is_valid(after), "peers must take it");
    }

    #[test]
    fn a_context_keeps_its_bounds_whatever_is_put_into_it(
        writes in prop::collection::vec((0u64..1_000, 0usize..40, 0u64..1_000), 1..200),
    ) {
        let at = |ms, pop: usize| {
            let pop = alloc::format!("p{pop}").parse().unwrap();
            Hlc { ms, counter: 0, pop }
        };
        let mut halves = [Context::default(), Context::default()];
        for (ms, pop, lost) in writes {
            let half = &mut halves[pop % 2];
            *half = half.superseding(at(ms, pop), &[at(lost, pop / 2); 3]);
        }
        let union = halves[0].union(&halves[1]);
        let after = at(1_000, 0);
        for context in halves.into_iter().chain([union]) {
            prop_assert!(context.is_valid(after));
            prop_assert!(context.up_to.len() <= POPS_MAX && context.lost.len() <= LOST_MAX);
        }
    }
}
