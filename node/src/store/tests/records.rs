//! What single writes leave behind.

use super::*;

#[test]
fn an_entry_is_put_read_and_put_again() {
    let dir = Dir::new();
    let store = dir.open();
    assert_eq!(get(&store, "a"), None);
    put(&store, "a", b"one");
    let first = get(&store, "a").unwrap();
    put(&store, "a", b"two");
    let second = get(&store, "a").unwrap();
    assert_eq!((first.seq, first.record.blob.as_slice()), (Seq(1), b"one".as_slice()));
    assert_eq!((second.seq, second.record.blob.as_slice()), (Seq(2), b"two".as_slice()));
    assert!(second.record.head.context.covers(first.record.head.hlc));
}

#[test]
fn each_record_is_listed_once_at_its_newest_number() {
    let dir = Dir::new();
    let store = dir.open();
    for name in ["a", "b", "a", "c", "b", "b"] {
        put(&store, name, b"x");
    }
    let listed = [(3, "a"), (4, "c"), (6, "b")].map(|(seq, name)| (seq, name.to_owned()));
    assert_eq!(changes(&store), listed);
    assert_eq!(store.last(), Seq(6));
}

#[test]
fn a_client_reads_the_version_that_is_there_and_none_that_is_deleted() {
    let dir = Dir::new();
    let store = dir.open();
    let read = || store.read(|reader| reader.entry(&vault(), &entry("a"))).unwrap();
    assert_eq!(read(), None);
    put(&store, "a", b"one");
    put(&store, "a", b"two");
    let stored = get(&store, "a").unwrap().record;
    assert_eq!(read(), Some((stored.head.hlc, b"two".to_vec())));
    delete(&store, "a");
    assert_eq!(read(), None);
}

#[test]
fn renumbering_owes_the_same_version_again() {
    let dir = Dir::new();
    let store = dir.open();
    put(&store, "a", b"x");
    put(&store, "b", b"y");
    let before = get(&store, "a").unwrap().record;
    let renumbered =
        store.write_blocking::<_, (), _>(|txn| Ok((txn.renumber(&key("a"))?, txn.last()).1));
    assert_eq!(renumbered, Ok(Seq(3)));
    let after = get(&store, "a").unwrap();
    assert_eq!((after.seq, after.record), (Seq(3), before));
    assert_eq!(changes(&store), [(2, "b".into()), (3, "a".into())]);
}

#[test]
fn renumbering_and_removing_what_is_not_there_does_nothing() {
    let dir = Dir::new();
    let store = dir.open();
    let done = store.write_blocking::<_, (), _>(|txn| {
        txn.renumber(&key("a"))?;
        Ok(txn.remove(&key("a"))?)
    });
    assert_eq!(done, Ok(()));
    assert_eq!((store.last(), store.entries()), (Seq(0), 0));
}

#[test]
fn a_removed_record_leaves_no_trace_but_its_number() {
    let dir = Dir::new();
    let store = dir.open();
    put(&store, "a", b"x");
    let removed = store.write_blocking::<_, (), _>(|txn| Ok(txn.remove(&key("a"))?));
    assert_eq!(removed, Ok(()));
    assert_eq!(get(&store, "a"), None);
    assert_eq!(changes(&store), []);
    assert_eq!(put(&store, "b", b"y"), Seq(2));
}

#[test]
fn entries_that_are_there_are_counted() {
    let dir = Dir::new();
    let store = dir.open();
    put(&store, "a", b"x");
    put(&store, "a", b"y");
    put(&store, "b", b"");
    assert_eq!(store.entries(), 2);
    delete(&store, "a");
    delete(&store, "a");
    assert_eq!(store.entries(), 1);
    put(&store, "a", b"z");
    let removed = store.write_blocking::<_, (), _>(|txn| Ok(txn.remove(&key("b"))?));
    assert_eq!((removed, store.entries()), (Ok(()), 1));
    close(store);
    assert_eq!(dir.open().entries(), 1);
}

#[test]
fn a_record_rewritten_while_owed_keeps_the_time_since_when() {
    let since = |store: &Store| {
        let since = store.read(|reader| {
            let mut rows = reader.changes(Seq(0))?;
            rows.next().unwrap().map(|(_, change, _)| change.since)
        });
        since.unwrap()
    };
    let dir = Dir::new();
    let store = dir.open_at(sunday);
    store.set_confirmed(Seq(0));
    put(&store, "a", b"x");
    close(store);
    let store = dir.open_at(monday);
    store.set_confirmed(Seq(0));
    put(&store, "a", b"y");
    assert_eq!(since(&store), sunday());
    store.set_confirmed(Seq(2));
    put(&store, "a", b"z");
    assert_eq!(since(&store), monday());
}

#[test]
fn where_a_change_came_from_is_kept_and_told() {
    let dir = Dir::new();
    let store = dir.open();
    let (told, notices) = channel();
    store.observe(move |notice| told.send(notice).unwrap());
    let peer: PopId = "peer".parse().unwrap();
    let origin = Origin { pop: peer, store: StoreId([7; 16]), seq: Seq(40) };
    let put_from_peer = move |txn: &mut Transaction<'_>| {
        for name in ["a", "b"] {
            let record = version(txn, name, Some(b"x"))?;
            txn.put(&record, Some(origin))?;
        }
        Ok::<_, Stop<()>>(())
    };
    assert_eq!(store.write_blocking(put_from_peer), Ok(()));
    put(&store, "c", b"y");
    let from_peer = notices.recv().unwrap();
    assert_eq!((from_peer.own, from_peer.from), (false, vec![(peer, StoreId([7; 16]))]));
    let own = notices.recv().unwrap();
    assert_eq!((own.last, own.own, own.from), (Seq(3), true, vec![]));
    let origins: Result<Vec<_>, _> = store.read(|reader| {
        let rows = reader.changes(Seq(0))?;
        rows.map(|row| row.map(|(_, change, _)| change.origin)).collect()
    });
    assert_eq!(origins.unwrap(), [Some(origin), Some(origin), None]);
}

#[test]
fn a_write_that_changes_nothing_is_no_news() {
    let dir = Dir::new();
    let store = dir.open();
    let (told, notices) = channel();
    store.observe(move |notice| told.send(notice).unwrap());
    let refused = store.write_blocking::<(), _, _>(|_| Err(Stop::Refused("no")));
    assert_eq!(refused, Err(WriteError::Refused("no")));
    let noted = store.write_blocking::<_, (), _>(|txn| Ok(txn.set_fact("f", &1_u64)?));
    assert_eq!(noted, Ok(()));
    put(&store, "a", b"x");
    assert_eq!(notices.recv().unwrap().last, Seq(1));
    assert_eq!(store.read(|reader| reader.fact("f")), Ok(Some(1_u64)));
}
