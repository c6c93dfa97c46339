//! Renewals as HQ gets them: what the machine says, completed from the store.

use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Seq, StoreId};
use clavitor_core::store::Reader;

use super::*;
use crate::frame::Range;
use crate::received::Received;
use crate::renewal::{GRANT_MEMBERS_MAX, Held, Renewal};
use crate::tables;
use crate::tables::memory::Memory;

const OWN: StoreId = StoreId([1; 16]);

fn received(memory: &mut Memory, from: &str, store: StoreId, ranges: &[(u64, u64)]) {
    let mut known = Received::default();
    for (after, to) in ranges {
        known = known.with(Range { after: Seq(*after), to: Seq(*to) }).unwrap();
    }
    memory.write(|txn| tables::set_received(txn, pop(from), store, &known)).unwrap();
}

fn complete(memory: &Memory, term: Option<Epoch>) -> Renewal {
    let (op, draft) = Bench::new(term).renewal().unwrap();
    draft.complete(op, &Reader::new(memory)).unwrap()
}

#[test]
fn a_renewal_says_how_much_is_held_of_everybody_without_gaps() {
    let mut memory = Memory::of(pop("a"), OWN, Seq(40));
    received(&mut memory, "b", StoreId([2; 16]), &[(0, 5), (5, 9), (12, 20)]);
    received(&mut memory, "c", StoreId([3; 16]), &[(3, 4)]);
    let renewal = complete(&memory, Some(epoch(1, "b")));
    let held = |name, store, seq| Held { pop: pop(name), store, seq: Seq(seq) };
    assert_eq!(renewal.store, OWN);
    assert_eq!(
        renewal.held,
        [held("a", OWN, 40), held("b", StoreId([2; 16]), 9), held("c", StoreId([3; 16]), 0),]
    );
}

#[test]
fn a_renewal_says_how_far_the_clock_is() {
    let mut memory = Memory::of(pop("a"), OWN, Seq(0));
    memory.write(|txn| {
        txn.observe(Hlc { ms: 77_000, counter: 3, pop: pop("b") });
        txn.set_fact("anything", &true).unwrap();
    });
    assert_eq!(complete(&memory, None).floor_ms, 77_000);
}

#[test]
fn renewals_are_numbered_in_the_order_in_which_they_are_sent() {
    let memory = Memory::of(pop("a"), OWN, Seq(1));
    let mut bench = Bench::new(None);
    let mut numbers = alloc::vec::Vec::new();
    for at in 1..=3 {
        bench.until(at * 2 * RENEW_MS);
        let (op, draft) = bench.renewal().unwrap();
        numbers.push(draft.complete(op, &Reader::new(&memory)).unwrap().number);
    }
    assert!(numbers[0] > 0 && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

/// The old primary's changes decide who follows, so that they are never left out.
#[test]
fn a_renewal_is_bounded_and_the_primarys_changes_are_always_in_it() {
    let mut memory = Memory::of(pop("a"), OWN, Seq(1));
    for place in 0..30u8 {
        let name = alloc::format!("p-{place:02}");
        received(&mut memory, &name, StoreId([place; 16]), &[(0, 7)]);
    }
    let renewal = complete(&memory, Some(epoch(4, "p-29")));
    assert_eq!(renewal.held.len(), GRANT_MEMBERS_MAX);
    assert_eq!(renewal.held[0].pop, pop("a"));
    assert_eq!(renewal.held[1].pop, pop("p-29"));
}

#[test]
fn no_renewal_comes_from_a_store_that_is_none() {
    let (op, draft) = Bench::new(None).renewal().unwrap();
    assert!(draft.complete(op, &Reader::new(&Memory::default())).is_err());
}
