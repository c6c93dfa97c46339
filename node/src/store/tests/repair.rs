//! Checks of a stopped directory, and the way back after a clock ran away.

use super::*;

fn filled(dir: &Dir) -> Store {
    let store = dir.open();
    for at in 0..20 {
        let blob = format!("the blob of entry number {at:02}, {}", "x".repeat(6_000));
        put(&store, &at.to_string(), blob.as_bytes());
    }
    store
}

fn findings(dir: &Dir) -> Vec<String> {
    let verified = verify(&dir.opening(), monday).unwrap();
    assert_eq!(verified.finding_count, verified.findings.len() as u64);
    let findings = verified.findings.into_iter();
    findings.map(|finding| finding.what).collect()
}

#[test]
fn a_sound_directory_has_no_findings() {
    let dir = Dir::new();
    let store = filled(&dir);
    delete(&store, "3");
    close(store);
    let verified = verify(&dir.opening(), monday).unwrap();
    assert_eq!((verified.records, verified.entries, verified.finding_count), (20, 19, 0));
}

#[test]
fn there_must_be_something_to_verify_and_nobody_using_it() {
    let dir = Dir::new();
    assert!(matches!(verify(&dir.opening(), monday), Err(OpenError::Missing)));
    assert!(matches!(restamp(&dir.opening(), monday), Err(OpenError::Missing)));
    let _store = dir.open();
    assert!(matches!(verify(&dir.opening(), monday), Err(OpenError::InUse)));
}

#[test]
fn a_flipped_byte_is_found_and_not_served() {
    let dir = Dir::new();
    close(filled(&dir));
    flip(&dir.data_file(), b"the blob of entry number 07");
    assert_eq!(findings(&dir), ["record 17 cannot be read"]);
    let store = dir.open();
    let read = store.read(|reader| reader.record(&key("7")));
    assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
    let served = store.read(|reader| reader.entry(&vault(), &entry("7")));
    assert!(matches!(served, Err(StoreError::Damaged(_))), "{served:?}");
    assert!(get(&store, "8").is_some());
}

#[test]
fn a_row_missing_from_the_index_of_changes_is_found() {
    let dir = Dir::new();
    let store = filled(&dir);
    let removed = store.write_blocking::<_, (), _>(|txn| {
        Ok(txn.rows_mut().delete(CHANGES, &5_u64.to_be_bytes())?)
    });
    assert_eq!(removed, Ok(true));
    close(store);
    assert_eq!(findings(&dir), ["record 14 is missing from the index of changes"]);
}

#[test]
fn a_change_without_a_record_is_found() {
    let dir = Dir::new();
    let store = filled(&dir);
    let removed = store.write_blocking::<_, (), _>(|txn| {
        Ok(txn.rows_mut().delete(RECORDS, &encode_key(&key("4")))?)
    });
    assert_eq!(removed, Ok(true));
    close(store);
    assert_eq!(findings(&dir), ["change 5 names a record that is not there"]);
}

#[test]
fn wrong_counts_are_found() {
    let dir = Dir::new();
    let store = filled(&dir);
    // Behind the writer's back: it would write down what it has counted itself.
    let mut rows = WriteRows::begin(&store.inner.env, &store.inner.tables).unwrap();
    let state: State = tables::load_fact(&rows, "state").unwrap().unwrap();
    let miscounted = State { entries: state.entries + 1, seq: Seq(3), ..state };
    tables::save_fact(&mut rows, "state", &miscounted).unwrap();
    rows.commit().unwrap();
    close(store);
    let found = findings(&dir);
    assert_eq!(found.len(), 17);
    assert!(found.iter().all(|what| what.contains("from the future")));
}

fn page_count(store: &Store) -> usize {
    store.inner.env.info().last_page_number + 1
}

fn cut(dir: &Dir, pages: usize) {
    let bytes = pages as u64 * rustix::param::page_size() as u64;
    let file = File::options().write(true).open(dir.data_file()).unwrap();
    file.set_len(bytes).unwrap();
}

#[test]
fn a_file_that_was_cut_short_is_refused() {
    let dir = Dir::new();
    let store = filled(&dir);
    let pages = page_count(&store);
    close(store);
    for left in (2..pages).rev() {
        cut(&dir, left);
        let refused = open_error(&dir.opening());
        assert!(
            matches!(refused, OpenError::Store(StoreError::Damaged(_))),
            "{left} of {pages}: {refused}"
        );
        assert!(verify(&dir.opening(), monday).is_err());
    }
}

#[test]
fn a_file_that_ends_before_free_pages_is_whole() {
    let dir = Dir::new();
    let store = filled(&dir);
    let sizes = [300_000, 500_000, 400_000, 900_000];
    for bytes in sizes {
        let large = vec![1; bytes];
        // Pages that are taken and given back at once are never written.
        let put_and_removed = store.write_blocking::<_, (), _>(move |txn| {
            write(txn, "large", Some(&large))?;
            Ok(txn.remove(&key("large"))?)
        });
        assert_eq!(put_and_removed, Ok(()));
    }
    let pages = page_count(&store);
    close(store);
    let page_bytes = rustix::param::page_size() as u64;
    let in_file = fs::metadata(dir.data_file()).unwrap().len() / page_bytes;
    assert!(in_file < pages as u64, "{in_file} of {pages}");
    assert_eq!(findings(&dir), [] as [String; 0]);
    let store = dir.open();
    let large = vec![2; 900_000];
    put(&store, "large", &large);
    assert_eq!(blob(&store, "large").unwrap(), large);
    close(store);
    cut(&dir, usize::try_from(in_file).unwrap() - 1);
    assert!(verify(&dir.opening(), monday).is_err());
}

#[test]
fn timestamps_from_a_clock_that_ran_away_are_brought_back_in_their_order() {
    fn a_year_ahead() -> UnixTime {
        monday().plus_ms(365 * DAY_MS)
    }
    let dir = Dir::new();
    let store = dir.open_at(sunday);
    put(&store, "before", b"x");
    close(store);
    let store = dir.open_at(a_year_ahead);
    put(&store, "b", b"x");
    put(&store, "a", b"x");
    let before = get(&store, "before").unwrap();
    close(store);
    assert_eq!(restamp(&dir.opening(), monday).unwrap(), 2);
    assert_eq!(restamp(&dir.opening(), monday).unwrap(), 0);
    assert_eq!(findings(&dir), [] as [String; 0]);
    let store = dir.open_at(monday);
    let hlc = |name: &str| get(&store, name).unwrap().record.head.hlc;
    assert_eq!(get(&store, "before"), Some(before));
    assert!(hlc("b") < hlc("a"));
    assert!(hlc("a").ms <= monday().0 + 60_000);
    assert_eq!(changes(&store).len(), 3);
    put(&store, "later", b"x");
    assert!(hlc("later").ms < monday().0 + DAY_MS);
}

#[test]
fn a_clock_that_ran_away_without_a_trace_is_brought_back_too() {
    let dir = Dir::new();
    let store = dir.open_at(monday);
    put(&store, "a", b"x");
    let removed = store.write_blocking::<_, (), _>(|txn| Ok(txn.remove(&key("a"))?));
    assert_eq!(removed, Ok(()));
    close(store);
    assert_eq!(restamp(&dir.opening(), sunday).unwrap(), 0);
    assert!(dir.open_at(sunday).floor_ms() < monday().0);
}
