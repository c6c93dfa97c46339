//! What every store of rows must do: one suite for the model and for a server's own database.

use std::ops::Bound;

use clavitor_core::store::{CHANGES, META, RECORDS, Rows, RowsMut, StoreError, Table};

use super::Disk;

/// A store that can be put to the test: each call is one transaction, committed or given up.
pub trait Transactional {
    /// Runs `work` in a transaction; commits it if it answers `true`, else gives it up.
    fn transact(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> bool);
}

/// [`RowsMut`] as the suite needs it, without its generics.
pub trait Tables {
    /// See [`RowsMut::put_parts`].
    fn put(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError>;
    /// See [`RowsMut::delete`].
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError>;
    /// See [`RowsMut::clear`].
    fn clear(&mut self, table: Table) -> Result<(), StoreError>;
    /// See [`Rows::get`].
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>>;
    /// The rows between two keys as text.
    fn between(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Vec<(String, String)>;
    /// The rows with a prefix as text.
    fn prefixed(&self, table: Table, prefix: &[u8]) -> Vec<(String, String)>;
    /// See [`Rows::last`].
    fn last(&self, table: Table) -> Option<(String, String)>;
    /// See [`Rows::count`].
    fn count(&self, table: Table) -> u64;
    /// See [`Rows::bytes_used`].
    fn bytes_used(&self) -> u64;
}

fn text((key, value): (&[u8], &[u8])) -> (String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(key), text(value))
}

impl<R: RowsMut> Tables for R {
    fn put(&mut self, table: Table, key: &[u8], parts: &[&[u8]]) -> Result<(), StoreError> {
        self.put_parts(table, key, parts)
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        RowsMut::delete(self, table, key)
    }

    fn clear(&mut self, table: Table) -> Result<(), StoreError> {
        RowsMut::clear(self, table)
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        Rows::get(self, table, key).expect("rows can be read").map(<[u8]>::to_vec)
    }

    fn between(&self, table: Table, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Vec<(String, String)> {
        let rows = self.range(table, from, to).expect("rows can be read");
        rows.map(|row| text(row.expect("a row can be read"))).collect()
    }

    fn prefixed(&self, table: Table, prefix: &[u8]) -> Vec<(String, String)> {
        let rows = Rows::prefixed(self, table, prefix).expect("rows can be read");
        rows.map(|row| text(row.expect("a row can be read"))).collect()
    }

    fn last(&self, table: Table) -> Option<(String, String)> {
        Rows::last(self, table).expect("rows can be read").map(text)
    }

    fn count(&self, table: Table) -> u64 {
        Rows::count(self, table).expect("rows can be counted")
    }

    fn bytes_used(&self) -> u64 {
        Rows::bytes_used(self).expect("bytes can be counted")
    }
}

impl Transactional for Disk {
    fn transact(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> bool) {
        let mut sheet = self.begin();
        if work(&mut sheet) {
            sheet.commit(RECORDS);
        }
    }
}

/// Runs the whole suite on an empty store.
///
/// # Panics
/// Where the store does not conform.
pub fn suite(store: &mut dyn Transactional) {
    puts_and_gets(store);
    ranges(store);
    given_up(store);
    clears(store);
}

fn pairs(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn puts_and_gets(store: &mut dyn Transactional) {
    store.transact(&mut |tables| {
        assert_eq!(tables.get(RECORDS, b"a"), None, "an empty store is empty");
        assert_eq!(tables.last(RECORDS), None);
        assert_eq!(tables.put(RECORDS, b"a", &[b"o", b"", b"ne"]), Ok(()));
        assert_eq!(tables.get(RECORDS, b"a").as_deref(), Some(b"one".as_slice()));
        assert_eq!(tables.put(RECORDS, b"a", &[b"1"]), Ok(()), "a put replaces");
        assert_eq!(tables.put(RECORDS, b"empty", &[]), Ok(()));
        assert_eq!(tables.get(RECORDS, b"empty").as_deref(), Some(b"".as_slice()));
        assert_eq!(tables.get(CHANGES, b"a"), None, "tables are apart");
        assert_eq!(tables.count(RECORDS), 2);
        assert_eq!(tables.delete(RECORDS, b"empty"), Ok(true));
        assert_eq!(tables.delete(RECORDS, b"empty"), Ok(false), "it is gone already");
        assert_eq!(tables.count(RECORDS), 1);
        true
    });
    store.transact(&mut |tables| {
        assert_eq!(tables.get(RECORDS, b"a").as_deref(), Some(b"1".as_slice()));
        false
    });
}

fn ranges(store: &mut dyn Transactional) {
    use Bound::{Excluded, Included, Unbounded};
    store.transact(&mut |tables| {
        for key in ["b", "ab", "ac", "c", "\u{ff}"] {
            assert_eq!(tables.put(RECORDS, key.as_bytes(), &[key.as_bytes()]), Ok(()));
        }
        let all = [("a", "1"), ("ab", "ab"), ("ac", "ac"), ("b", "b"), ("c", "c")];
        let between = |from: Bound<&str>, to: Bound<&str>| {
            let bytes = |bound: Bound<&'static str>| bound.map(str::as_bytes);
            let leak = |bound: Bound<&str>| bound.map(|key| &*key.to_owned().leak());
            tables.between(RECORDS, bytes(leak(from)), bytes(leak(to)))
        };
        assert_eq!(between(Unbounded, Excluded("d")), pairs(&all), "keys are in byte order");
        assert_eq!(between(Included("ab"), Included("b")), pairs(&all[1..4]));
        assert_eq!(between(Excluded("ab"), Excluded("b")), pairs(&all[2..3]));
        assert_eq!(between(Included("aa"), Excluded("ab")), pairs(&[]));
        assert_eq!(between(Included("c"), Included("a")), pairs(&[]), "crossed bounds");
        assert_eq!(between(Excluded("b"), Excluded("b")), pairs(&[]));
        assert_eq!(between(Included("b"), Included("b")), pairs(&all[3..4]));
        assert_eq!(tables.prefixed(RECORDS, b"a"), pairs(&all[..3]));
        assert_eq!(tables.prefixed(RECORDS, b"x"), pairs(&[]));
        assert_eq!(tables.last(RECORDS), pairs(&[("\u{ff}", "\u{ff}")]).pop());
        true
    });
}

fn given_up(store: &mut dyn Transactional) {
    let mut bytes = 0;
    store.transact(&mut |tables| {
        bytes = tables.bytes_used();
        assert_eq!(tables.put(RECORDS, b"a", &[&[0; 5_000]]), Ok(()));
        assert_eq!(tables.put(META, b"new", &[b"1"]), Ok(()));
        assert_eq!(tables.delete(RECORDS, b"b"), Ok(true));
        assert_eq!(tables.clear(RECORDS), Ok(()));
        assert_eq!(tables.count(RECORDS), 0, "a transaction sees its own changes");
        false
    });
    store.transact(&mut |tables| {
        assert_eq!(tables.get(RECORDS, b"a").as_deref(), Some(b"1".as_slice()));
        assert_eq!(tables.get(RECORDS, b"b").as_deref(), Some(b"b".as_slice()));
        assert_eq!(tables.get(META, b"new"), None);
        assert_eq!(tables.bytes_used(), bytes);
        false
    });
}

fn clears(store: &mut dyn Transactional) {
    store.transact(&mut |tables| {
        assert_eq!(tables.put(META, b"kept", &[b"1"]), Ok(()));
        assert_eq!(tables.clear(RECORDS), Ok(()));
        true
    });
    store.transact(&mut |tables| {
        assert_eq!(tables.count(RECORDS), 0);
        assert_eq!(tables.last(RECORDS), None);
        assert_eq!(tables.get(META, b"kept").as_deref(), Some(b"1".as_slice()));
        false
    });
}
