use alloc::borrow::ToOwned;
use alloc::format;

use clavitor_core::hlc::Hlc;
use clavitor_core::name::{EntryName, VaultName};
use clavitor_core::record::{Context, Head, Item, Record};
use clavitor_core::store::Origin;

use super::*;
use crate::replication::State;
use crate::tables::memory::Memory;

const PEER: StoreId = StoreId([2; 16]);
const URL: &str = "http://b";

fn pop(name: &str) -> PopId {
    name.parse().unwrap()
}

/// The store of `a` with so many entries; `b` brought all but the last one, if that is `own`.
fn store(entries: u64, is_last_own: bool) -> Memory {
    let mut memory = Memory::of(pop("a"), StoreId([1; 16]), Seq(0));
    memory.write(|txn| {
        for number in 1..=entries {
            let vault = VaultName::try_from("v".to_owned()).unwrap();
            let entry = EntryName::try_from(format!("{number}")).unwrap();
            let item = Item::Entry { vault, entry, deleted: false };
            let hlc = Hlc { ms: number, counter: 0, pop: pop("b") };
            let head = Head { hlc, context: Context::default(), item };
            let brought = Origin { pop: pop("b"), store: PEER, seq: Seq(number) };
            let is_own = is_last_own && number == entries;
            let origin = if is_own { None } else { Some(brought) };
            txn.put(&Record { head, blob: Vec::new() }, origin).unwrap();
        }
    });
    memory
}

fn view() -> View {
    View {
        pop: None,
        store: None,
        state: State::Idle,
        attempt: 0,
        next_retry_ms: None,
        acked: Seq(0),
        settled_to: Seq(0),
        last_ack_at: None,
        last_error: None,
    }
}

#[test]
fn no_more_changes_are_looked_at_than_may_be_and_it_is_said_if_there_are_more() {
    let memory = store(11, false);
    let debt = |rows_max| of(&Reader::new(&memory), URL, &view(), rows_max).unwrap();
    let (whole, part) = (debt(11), debt(10));
    assert_eq!((whole.records, whole.is_or_more), (11, false));
    assert_eq!((part.records, part.is_or_more), (10, true));
    assert!(0 < part.bytes && part.bytes < whole.bytes && part.oldest == whole.oldest);
}

#[test]
fn that_nothing_is_owed_is_said_once_every_change_was_looked_at() {
    let order = everything(Some((pop("b"), PEER)), &view());
    let is_nothing = |memory: &Memory, rows_max| {
        is_nothing_owed(&Reader::new(memory), &order, rows_max).unwrap()
    };
    let memory = store(11, false);
    assert!(is_nothing(&memory, 11));
    assert!(!is_nothing(&memory, 10));
    assert!(!is_nothing(&store(11, true), 11));
}
