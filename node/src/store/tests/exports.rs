//! Copies: written from a live store, read into an empty directory.

use super::*;

const ENTRIES: u64 = 2_500;

fn exported(store: &Store) -> Vec<u8> {
    let mut file = Vec::new();
    let done = export_to(store, &mut file).unwrap();
    assert_eq!(done.bytes + 32, file.len() as u64);
    file
}

/// A store of more than two batches, with a tombstone.
fn filled(dir: &Dir) -> Store {
    let store = dir.open();
    let filled = store.write_blocking::<_, (), _>(|txn| {
        for at in 0..=ENTRIES {
            write(txn, &at.to_string(), Some(&at.to_le_bytes()))?;
        }
        Ok(write(txn, "0", None)?)
    });
    filled.unwrap();
    store
}

fn import(mut file: &[u8], dir: &Dir) -> Result<Imported, ExportError> {
    import_from(&mut file, &dir.opening(), sunday, &mut |_| {})
}

fn is_empty(dir: &Dir) -> bool {
    fs::read_dir(&dir.0).unwrap().next().is_none()
}

#[test]
fn what_was_exported_is_imported_under_another_identity() {
    let (from, to) = (Dir::new(), Dir::new());
    let store = filled(&from);
    let imported = import(&exported(&store), &to).unwrap();
    assert_eq!((imported.records, imported.entries), (ENTRIES + 1, ENTRIES));
    let copy = to.open_at(sunday);
    for at in 0..=ENTRIES {
        let name = at.to_string();
        let (one, other) = (get(&store, &name), get(&copy, &name));
        assert_eq!(one.map(|one| one.record), other.map(|other| other.record));
    }
    assert_eq!(copy.entries(), ENTRIES);
    assert_ne!(copy.store_id(), store.store_id());
    assert_eq!(copy.read(|reader| reader.fact(IMPORTED)), Ok(Some(true)));
    assert_eq!(exported(&copy), exported(&store));
}

#[test]
fn an_imported_store_issues_timestamps_above_the_imported_ones() {
    let (from, to) = (Dir::new(), Dir::new());
    let store = filled(&from);
    import(&exported(&store), &to).unwrap();
    let copy = to.open_at(sunday);
    put(&copy, "1", b"later");
    let (old, new) = (get(&store, "1").unwrap(), get(&copy, "1").unwrap());
    assert!(new.record.head.hlc > old.record.head.hlc);
}

#[test]
fn an_export_is_of_one_moment() {
    struct WriteMeanwhile<'a>(&'a Store, Vec<u8>);
    impl std::io::Write for WriteMeanwhile<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.1.is_empty() {
                put(self.0, "meanwhile", b"x");
            }
            self.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = Dir::new();
    let store = filled(&dir);
    let before = exported(&store);
    let mut out = WriteMeanwhile(&store, Vec::new());
    export_to(&store, &mut out).unwrap();
    assert_eq!(out.1, before);
    assert!(get(&store, "meanwhile").is_some());
}

#[test]
fn an_empty_store_has_an_export() {
    let (from, to) = (Dir::new(), Dir::new());
    let imported = import(&exported(&from.open()), &to).unwrap();
    assert_eq!(imported, Imported::default());
    assert_eq!(to.open().last(), Seq(0));
}

#[test]
fn a_damaged_export_leaves_the_directory_empty() {
    let from = Dir::new();
    let store = from.open();
    put(&store, "a", b"blob");
    put(&store, "b", b"blob");
    let file = exported(&store);
    let cut = (0..file.len()).map(|len| file[..len].to_vec());
    let flipped = (0..file.len()).map(|at| {
        let mut file = file.clone();
        file[at] ^= 1;
        file
    });
    let longer = [file.as_slice(), b"x"].concat();
    for bad in cut.chain(flipped).chain([longer]).step_by(7) {
        let to = Dir::new();
        let refused = import(&bad, &to).unwrap_err();
        assert!(matches!(refused, ExportError::Damaged | ExportError::NotAnExport), "{refused}");
        assert!(is_empty(&to));
    }
}

#[test]
fn damage_after_the_first_batches_is_no_different() {
    let (from, to) = (Dir::new(), Dir::new());
    let mut file = exported(&filled(&from));
    file.pop();
    assert!(matches!(import(&file, &to), Err(ExportError::Damaged)));
    assert!(is_empty(&to));
    file.clear();
    assert!(matches!(import(&file, &to), Err(ExportError::NotAnExport)));
}

#[test]
fn a_directory_that_holds_a_store_is_not_imported_into() {
    let dir = Dir::new();
    let store = filled(&dir);
    let file = exported(&store);
    assert!(matches!(import(&file, &dir), Err(ExportError::Open(OpenError::NotEmpty))));
    close(store);
    assert!(matches!(import(&file, &dir), Err(ExportError::Open(OpenError::NotEmpty))));
    assert_eq!(dir.open().entries(), ENTRIES);
}

#[test]
fn a_directory_in_use_by_another_loses_nothing() {
    let (from, to) = (Dir::new(), Dir::new());
    let file = exported(&filled(&from));
    // Another process has taken the directory and is about to make its store.
    let lock = File::create(to.0.join("lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let refused = import(&file, &to);
    assert!(matches!(refused, Err(ExportError::Open(OpenError::InUse))), "{refused:?}");
    assert!(to.0.join("lock").exists());
}

#[test]
fn damage_in_the_store_stops_an_export() {
    let dir = Dir::new();
    let store = dir.open();
    put(&store, "a", b"a blob that is easy to find");
    close(store);
    flip(&dir.data_file(), b"easy to find");
    let done = export_to(&dir.open(), &mut Vec::new());
    assert!(matches!(done, Err(ExportError::Store(StoreError::Damaged(_)))));
}
