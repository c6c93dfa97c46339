//! Two and three POPs that write and exchange records in any order, against what clients saw.

use alloc::vec::Vec;

use clavitor_core::record::Record;
use proptest::prelude::*;

use super::entry;
use super::site::Site;
use super::truth::Truth;

#[derive(Clone, Debug)]
enum Step {
    /// A client writes at a POP whose wall clock may be anything.
    Write { at: usize, name: bool, is_deletion: bool, now_ms: u64 },
    /// A POP puts one of its records on the wire.
    Send { from: usize, record: usize },
    /// Something on the wire, however old, arrives; it may arrive again.
    Deliver { to: usize, sent: usize },
    /// A POP sends everything it has to another.
    Sync { from: usize, to: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0usize..3, any::<bool>(), prop::bool::weighted(0.2), 0u64..20);
    prop_oneof![
        4 => write.prop_map(|(at, name, is_deletion, now_ms)| Step::Write { at, name, is_deletion, now_ms }),
        4 => (0usize..3, any::<usize>()).prop_map(|(from, record)| Step::Send { from, record }),
        5 => (0usize..3, any::<usize>()).prop_map(|(to, sent)| Step::Deliver { to, sent }),
        1 => (0usize..3, 0usize..3).prop_map(|(from, to)| Step::Sync { from, to }),
    ]
}

fn run(pops: usize, steps: &[Step]) {
    let mut sites: Vec<Site> =
        ["a", "b", "c"].iter().take(pops).map(|pop| Site::new(pop)).collect();
    let mut wire: Vec<Record> = Vec::new();
    let mut truth = Truth::default();
    for step in steps {
        match *step {
            Step::Write { at, name, is_deletion, now_ms } => {
                let item = entry(if name { "k" } else { "l" }, is_deletion);
                truth.on_write(&mut sites[at % pops], now_ms, item);
            }
            Step::Send { from, record } => {
                let records = &sites[from % pops].records;
                let at = record.checked_rem(records.len());
                wire.extend(at.and_then(|at| records.values().nth(at)).cloned());
            }
            Step::Deliver { to, sent } => {
                if let Some(at) = sent.checked_rem(wire.len()) {
                    sites[to % pops].apply(&wire[at]);
                }
            }
            Step::Sync { from, to } => sync(&mut sites, from % pops, to % pops),
        }
    }
    for _ in 0..2 {
        for pair in 0..pops * pops {
            sync(&mut sites, pair / pops, pair % pops);
        }
    }
    for site in &sites {
        assert_eq!(site.records, sites[0].records, "every POP ends in the same state");
        truth.check(site);
    }
}

fn sync(sites: &mut [Site], from: usize, to: usize) {
    let records: Vec<Record> = sites[from].records.values().cloned().collect();
    for record in records {
        sites[to].apply(&record);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_pops_end_in_the_same_state_and_lose_nothing(steps in prop::collection::vec(step(), 0..50)) {
        run(2, &steps);
    }

    #[test]
    fn three_pops_end_in_the_same_state_and_lose_nothing(steps in prop::collection::vec(step(), 0..70)) {
        run(3, &steps);
    }
}
