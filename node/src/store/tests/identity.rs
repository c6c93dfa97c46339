//! What a directory is and remembers, and who may open it.

use super::*;
use clavitor_core::store::SCHEMA;

fn hlc(store: &Store, name: &str) -> Hlc {
    get(store, name).unwrap().record.head.hlc
}

#[test]
fn sequence_numbers_are_never_used_again() {
    let dir = Dir::new();
    let store = dir.open();
    put(&store, "a", b"x");
    put(&store, "b", b"x");
    let removed = store.write_blocking::<_, (), _>(|txn| Ok(txn.remove(&key("b"))?));
    assert_eq!(removed, Ok(()));
    close(store);
    let store = dir.open();
    assert_eq!(store.last(), Seq(2));
    assert_eq!(put(&store, "c", b"x"), Seq(3));
}

#[test]
fn timestamps_go_on_when_the_clock_was_set_back_a_day() {
    let dir = Dir::new();
    let store = dir.open_at(monday);
    put(&store, "a", b"x");
    let before = hlc(&store, "a");
    close(store);
    let store = dir.open_at(sunday);
    assert_eq!(store.floor_ms(), monday().0);
    put(&store, "b", b"x");
    assert!(hlc(&store, "b") > before);
}

#[test]
fn timestamps_go_on_above_what_was_seen_of_others() {
    let dir = Dir::new();
    let store = dir.open_at(sunday);
    let seen = Hlc { ms: monday().0, counter: 3, pop: "peer".parse().unwrap() };
    let observed = store.write_blocking::<_, (), _>(move |txn| {
        txn.observe(seen);
        Ok(txn.set_fact("seen", &true)?)
    });
    assert_eq!(observed, Ok(()));
    close(store);
    let store = dir.open_at(sunday);
    put(&store, "a", b"x");
    assert!(hlc(&store, "a") > seen);
}

#[test]
fn a_directory_keeps_its_identity_until_it_is_replaced() {
    let dir = Dir::new();
    let store = dir.open();
    assert!(store.is_new());
    let (id, other) = (store.store_id(), StoreId([9; 16]));
    put(&store, "a", b"x");
    close(store);
    let store = dir.open();
    assert!(!store.is_new());
    assert_eq!(store.store_id(), id);
    let replaced =
        store.write_blocking::<_, (), _>(move |txn| Ok(txn.replace_identity(other, Seq(50))?));
    assert_eq!(replaced, Ok(()));
    assert_eq!((store.store_id(), store.last()), (other, Seq(51)));
    close(store);
    let store = dir.open();
    assert_eq!((store.store_id(), store.last()), (other, Seq(51)));
}

#[test]
fn two_directories_differ() {
    let (one, other) = (Dir::new(), Dir::new());
    let (one, other) = (one.open(), other.open());
    assert_ne!(one.store_id(), other.store_id());
    assert_ne!(one.pop(), other.pop());
}

#[test]
fn a_pop_id_is_minted_then_adopted_then_kept() {
    let dir = Dir::new();
    let opening =
        |pop: Option<&str>| Opening { pop: pop.map(|pop| pop.parse().unwrap()), ..dir.opening() };
    let store = open(&opening(None), monday);
    let minted = store.pop();
    assert!(minted.as_str().starts_with("local-"));
    close(store);
    let store = open(&opening(None), monday);
    assert_eq!(store.pop(), minted);
    close(store);
    for given in [Some("calgary-01"), None, Some("calgary-01")] {
        let store = open(&opening(given), monday);
        assert_eq!(store.pop().as_str(), "calgary-01");
        close(store);
    }
    let refused = open_error(&opening(Some("zurich-01")));
    assert!(
        matches!(refused, OpenError::OtherPop { stored, given }
            if stored.as_str() == "calgary-01" && given.as_str() == "zurich-01"),
        "{refused}"
    );
    assert_eq!(open(&opening(None), monday).pop().as_str(), "calgary-01");
}

#[test]
fn a_second_opening_is_refused_until_the_first_ends() {
    let dir = Dir::new();
    let store = dir.open();
    assert!(matches!(open_error(&dir.opening()), OpenError::InUse));
    put(&store, "a", b"x");
    close(store);
    assert_eq!(blob(&dir.open(), "a").unwrap(), b"x");
}

#[test]
fn another_schema_is_refused_and_left_alone() {
    for schema in [SCHEMA - 1, SCHEMA + 1] {
        let dir = Dir::new();
        let store = dir.open();
        let set = store.write_blocking::<_, (), _>(move |txn| Ok(txn.set_fact("schema", &schema)?));
        assert_eq!(set, Ok(()));
        close(store);
        let before = fs::read(dir.data_file()).unwrap();
        match open_error(&dir.opening()) {
            OpenError::NewerSchema { found } => assert_eq!(found, SCHEMA + 1),
            OpenError::OlderSchema { found } => assert_eq!(found, SCHEMA - 1),
            other => panic!("{other}"),
        }
        assert_eq!(fs::read(dir.data_file()).unwrap(), before);
    }
}

#[test]
fn opening_and_closing_again_writes_nothing() {
    let dir = Dir::new();
    close(dir.open());
    let before = fs::read(dir.data_file()).unwrap();
    close(dir.open());
    assert!(fs::read(dir.data_file()).unwrap() == before);
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let dir = Dir::new();
    fs::write(dir.data_file(), [1; 16 * 1024]).unwrap();
    let refused = open_error(&dir.opening());
    assert!(matches!(refused, OpenError::Store(StoreError::Damaged(_))), "{refused}");
}
