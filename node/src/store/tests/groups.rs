//! Writes that share a transaction, and what one that fails does to the others.

use super::*;

const SIZE: usize = 50;
const SPOILER: usize = 20;

fn name(at: usize) -> String {
    format!("e{at:03}")
}

fn accept_all<F>(store: &Store, mut operation: impl FnMut(usize) -> F) -> Vec<Accepted>
where
    F: FnMut(&mut Transaction<'_>) -> Result<Seq, Stop<&'static str>> + Send + 'static,
{
    (0..SIZE).map(|at| Accepted::new(store, operation(at))).collect()
}

fn outcomes(accepted: Vec<Accepted>) -> Vec<Outcome> {
    accepted.into_iter().map(Accepted::outcome).collect()
}

/// All but the spoiler are done, and nothing of the spoiler is left.
fn assert_only_the_spoiler_failed(
    store: &Store,
    outcomes: &[Outcome],
    failure: &WriteError<&'static str>,
) {
    for (at, outcome) in outcomes.iter().enumerate() {
        if at == SPOILER {
            assert_eq!(outcome.as_ref(), Err(failure));
        } else {
            assert!(outcome.is_ok(), "{at}: {outcome:?}");
        }
        assert_eq!(blob(store, &name(at)).is_some(), at != SPOILER, "{at}");
    }
    let listed: Vec<String> = changes(store).into_iter().map(|(_, name)| name).collect();
    let expected: Vec<String> = (0..SIZE).filter(|at| *at != SPOILER).map(name).collect();
    assert_eq!(listed, expected);
    let done = SIZE as u64 - 1;
    assert_eq!((store.entries(), store.last()), (done, Seq(done)));
}

#[test]
fn what_waits_at_one_moment_shares_one_transaction() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    let accepted = accept_all(&store, |at| putting(&name(at), b"x"));
    gate.open();
    let numbers: Vec<Seq> = outcomes(accepted).into_iter().map(Result::unwrap).collect();
    assert_eq!(numbers, (1..=50).map(Seq).collect::<Vec<_>>());
    assert_eq!(store.commits(), (50 + GATE, 1));
}

#[test]
fn each_operation_of_a_group_sees_those_before_it() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    let accepted = accept_all(&store, |_| {
        |txn: &mut Transaction<'_>| {
            if txn.head(&key("one"))?.is_some() {
                return Err(Stop::Refused("taken"));
            }
            Ok(write(txn, "one", Some(b"x"))?)
        }
    });
    gate.open();
    let outcomes = outcomes(accepted);
    assert_eq!(outcomes[0], Ok(Seq(1)));
    let others = &outcomes[1..];
    assert!(others.iter().all(|other| *other == Err(WriteError::Refused("taken"))));
    assert_eq!(store.commits().1, 1);
}

#[test]
fn a_refusal_after_a_write_leaves_its_neighbours_alone() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    let accepted = accept_all(&store, |at| {
        let mut put = putting(&name(at), b"x");
        move |txn: &mut Transaction<'_>| {
            let seq = put(txn)?;
            if at == SPOILER {
                return Err(Stop::Refused("changed my mind"));
            }
            Ok(seq)
        }
    });
    gate.open();
    let failure = WriteError::Refused("changed my mind");
    assert_only_the_spoiler_failed(&store, &outcomes(accepted), &failure);
    assert_eq!(store.commits(), (49 + GATE, 2));
}

#[test]
fn an_operation_that_fills_the_map_leaves_its_neighbours_alone() {
    let dir = Dir::new();
    let small = Opening { bytes_max: MIB, ..dir.opening() };
    let store = open(&small, monday);
    let gate = Gate::shut(&store);
    let large = vec![0; 1024 * 1024];
    let accepted =
        accept_all(&store, |at| putting(&name(at), if at == SPOILER { &large } else { b"x" }));
    gate.open();
    assert_only_the_spoiler_failed(&store, &outcomes(accepted), &WriteError::Full);
    assert_eq!(store.commits(), (49 + GATE, 2));
    put(&store, "later", b"x");
}

#[test]
fn an_operation_over_the_quota_costs_its_group_nothing() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    let accepted = accept_all(&store, |at| {
        let mut put = putting(&name(at), b"x");
        move |txn: &mut Transaction<'_>| {
            txn.check_room(if at == SPOILER { usize::MAX } else { 1 })?;
            put(txn)
        }
    });
    gate.open();
    assert_only_the_spoiler_failed(&store, &outcomes(accepted), &WriteError::Full);
    assert_eq!(store.commits().1, 1);
}

#[test]
fn when_every_operation_fails_each_fails_alone() {
    let dir = Dir::new();
    let store = dir.open();
    let gate = Gate::shut(&store);
    let accepted = accept_all(&store, |at| {
        let mut put = putting(&name(at), b"x");
        move |txn: &mut Transaction<'_>| {
            put(txn)?;
            Err(Stop::Refused("no"))
        }
    });
    gate.open();
    let no = Err(WriteError::Refused("no"));
    assert!(outcomes(accepted).iter().all(|outcome| *outcome == no));
    assert_eq!((store.last(), store.commits()), (Seq(0), (0, 0)));
    assert_eq!(put(&store, "a", b"x"), Seq(1));
}

#[test]
fn writes_are_refused_beyond_the_quota_until_something_is_deleted() {
    let dir = Dir::new();
    let small = Opening { bytes_max: MIB, ..dir.opening() };
    let store = open(&small, monday);
    let blob = [0; 16 * 1024];
    let put_if_room = |at: usize| {
        let mut put = putting(&name(at), &blob);
        store.write_blocking(move |txn| {
            txn.check_room(blob.len())?;
            put(txn)
        })
    };
    let fits = (0..).take_while(|at| put_if_room(*at).is_ok()).count();
    assert!((40..60).contains(&fits), "{fits}");
    assert_eq!(put_if_room(fits), Err(WriteError::Full));
    let (used, quota) = store.usage().unwrap();
    assert!(used <= quota && used + blob.len() as u64 > quota);
    delete(&store, &name(0));
    assert!(put_if_room(fits).is_ok());
    assert!(get(&store, &name(fits)).is_some());
}
