//! Against a model, in any order.

use alloc::collections::BTreeSet;

use clavitor_core::id::Epoch;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::control::Event;

#[derive(Clone, Debug)]
enum Step {
    Take { key: u128, kind: &'static str, pop: &'static str },
    Resolve(u64),
    Happened(Event),
}

fn steps() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just("clock_skew"), Just("storage_full"), Just(DUPLICATE_POP_ID)];
    let pop = || prop_oneof![Just("a"), Just("b")];
    let take = (0_u128..30, kind, pop());
    let event = (0_u8..8, 1_u64..4, pop()).prop_map(|(which, number, primary)| {
        let pop = primary.parse().unwrap();
        let epoch = Epoch { number, primary: pop };
        match which {
            0 => Event::PopSeen(pop),
            1 => Event::PopLost(pop),
            2 => Event::LeaseExpired(epoch),
            3 => Event::Carried(epoch),
            4 => Event::PromotionOrdered(epoch),
            5 => Event::PromotionFailed(epoch),
            6 => Event::PrimaryChanged(epoch),
            _ => Event::Duplicate(pop),
        }
    });
    prop_oneof![
        4 => take.prop_map(|(key, kind, pop)| Step::Take { key, kind, pop }),
        1 => (0_u64..20).prop_map(Step::Resolve),
        4 => event.prop_map(Step::Happened),
    ]
}

/// That every row is needed, and that what is counted is there.
fn check(rows: &Memory) {
    let found = all(rows);
    let counts = rows::counts(rows).unwrap();
    let open: Vec<&Incident> = found.iter().filter(|found| found.resolved.is_none()).collect();
    assert_eq!((counts.incidents, counts.open), (found.len() as u64, open.len() as u64));
    assert!(found.iter().all(|found| (1..=counts.last_id).contains(&found.id)));
    let of: BTreeSet<(&str, Option<&str>, Option<String>)> = open
        .iter()
        .map(|found| {
            let pop = found.source.pop.map(|pop| pop.to_string());
            (found.kind.as_str(), found.source.cluster.as_deref(), pop)
        })
        .collect();
    assert_eq!(of.len(), open.len(), "two of one kind are open");
    for incident in &open {
        let known = rows::open(rows, &incident.source, &incident.kind).unwrap();
        assert_eq!(known.as_ref(), Some(*incident));
    }
    // The counts, an incident and a way to it each, another one while it is open, a key and its age each.
    let expected = 1 + 2 * counts.incidents + counts.open + 2 * counts.keys;
    assert!(rows.0.is_empty() || rows.0.len() as u64 == expected);
}

proptest! {
    #[test]
    fn each_alert_counts_once_and_no_row_is_left_over(steps in vec(steps(), 0..60)) {
        let mut rows = Memory::default();
        let (mut seen, mut counted) = (BTreeSet::new(), 0);
        for (now, step) in (1..).zip(steps) {
            match step {
                Step::Take { key: number, kind, pop } => {
                    let about = alert(kind, source("red", pop));
                    let outcome = take(&mut rows, at(now), key(number), about).unwrap();
                    let is_news = seen.insert(number);
                    prop_assert_eq!(is_news, outcome != Outcome::AlreadyShown);
                    counted += u64::from(is_news);
                }
                Step::Resolve(id) => drop(resolve(&mut rows, at(now), id).unwrap()),
                Step::Happened(event) => {
                    happened(&mut rows, at(now), "red", &event).unwrap();
                    counted += u64::from(matches!(event, Event::Duplicate(_)));
                }
            }
            check(&rows);
        }
        let of_hq = [POP_LOST, NO_PRIMARY, FAILOVER];
        let found = all(&rows);
        let shown = found.iter().filter(|found| !of_hq.contains(&found.kind.as_str()));
        prop_assert_eq!(shown.map(|found| found.count).sum::<u64>(), counted);
    }
}
