//! The writer's queue, writes that nobody waits for, and its end.

use super::*;

#[test]
fn a_full_queue_is_busy_and_forgets_nothing() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    let accepted: Vec<Accepted> =
        (0..QUEUE_MAX).map(|_| Accepted::new(&store, putting("a", b"x"))).collect();
    let one_more = Accepted::new(&store, putting("b", b"x"));
    assert_eq!(one_more.outcome(), Err(WriteError::Busy));
    gate.open();
    for write in accepted {
        assert!(write.outcome().is_ok());
    }
    assert_eq!(store.last(), Seq(QUEUE_MAX as u64));
    assert_eq!(get(&store, "b"), None);
    let writes = QUEUE_MAX as u64 + GATE;
    assert_eq!(store.commits(), (writes, writes.div_ceil(GROUP_OPS_MAX as u64)));
}

#[test]
fn a_group_ends_at_its_bound_of_bytes() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    let write = async |name: &'static str| {
        store.write(GROUP_BYTES_MAX / 2, putting(name, b"x")).await.unwrap()
    };
    let opened = async { gate.open() };
    let all = futures_util::future::join4(write("a"), write("b"), write("c"), opened);
    assert_eq!(block_on(all), (Seq(1), Seq(2), Seq(3), ()));
    assert_eq!(store.commits(), (3 + GATE, 2));
}

#[test]
fn a_lazy_write_goes_with_the_next_one() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    store.write_lazily(|txn| txn.set_fact("lazy", &1_u64));
    let write = Accepted::new(&store, putting("a", b"x"));
    gate.open();
    assert_eq!(write.outcome(), Ok(Seq(1)));
    assert_eq!(store.commits(), (2 + GATE, 1));
    assert_eq!(store.read(|reader| reader.fact("lazy")), Ok(Some(1_u64)));
}

#[test]
fn a_lazy_write_happens_by_itself() {
    let dir = Dir::new();
    let store = dir.open();
    let (told, notices) = channel();
    store.observe(move |notice| told.send(notice).unwrap());
    store.write_lazily(|txn| write(txn, "a", Some(b"x")).map(drop));
    assert_eq!(notices.recv().unwrap().last, Seq(1));
    assert_eq!(blob(&store, "a").unwrap(), b"x");
}

#[test]
fn closing_finishes_what_was_accepted_and_refuses_the_rest() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    store.write_lazily(|txn| txn.set_fact("lazy", &1_u64));
    let accepted: Vec<Accepted> = (0..2 * GROUP_OPS_MAX)
        .map(|at| Accepted::new(&store, putting(&at.to_string(), b"x")))
        .collect();
    store.write_lazily(|txn| txn.set_fact("last", &2_u64));
    let mut closing = Box::pin(store.close());
    let polled = closing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    let too_late = Accepted::new(&store, putting("late", b"x"));
    gate.open();
    block_on(closing);
    for write in accepted {
        assert!(write.outcome().is_ok());
    }
    assert_eq!(too_late.outcome(), Err(WriteError::Stopped));
    let later = store.write_blocking(putting("later", b"x"));
    assert_eq!(later, Err(WriteError::Stopped));
    close(store);
    let store = dir.open();
    assert_eq!(store.entries(), 2 * GROUP_OPS_MAX as u64);
    assert_eq!(store.read(|reader| reader.fact("lazy")), Ok(Some(1_u64)));
    assert_eq!(store.read(|reader| reader.fact("last")), Ok(Some(2_u64)));
}

#[test]
fn reads_go_on_after_closing() {
    let dir = Dir::new();
    let store = dir.open();
    put(&store, "a", b"x");
    block_on(store.close());
    block_on(store.close());
    assert_eq!(blob(&store, "a").unwrap(), b"x");
}

#[test]
fn a_client_that_went_away_takes_nothing_back() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    drop(Accepted::new(&store, putting("a", b"x")));
    let next = Accepted::new(&store, putting("b", b"x"));
    gate.open();
    assert_eq!(next.outcome(), Ok(Seq(2)));
    assert_eq!(blob(&store, "a").unwrap(), b"x");
}

#[test]
fn a_writer_that_breaks_says_so() {
    let dir = Dir::new();
    let (told, failures) = channel();
    let on_failure = move |error: &StoreError| told.send(error.clone()).unwrap();
    let store = Store::open(&dir.opening(), monday, on_failure).unwrap();
    let broken = store.write_blocking::<Seq, (), _>(|txn| {
        write(txn, "a", Some(b"x"))?;
        // Not a panic of its own, so that the output of a passing test stays clean.
        std::panic::resume_unwind(Box::new("broken"))
    });
    assert_eq!(broken, Err(WriteError::Stopped));
    assert!(matches!(failures.recv().unwrap(), StoreError::Broken(_)));
    assert_eq!(get(&store, "a"), None);
    let later = store.write_blocking(putting("b", b"x"));
    assert_eq!(later, Err(WriteError::Stopped));
}
