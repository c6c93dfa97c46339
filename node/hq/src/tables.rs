//! HQ's tables, beside those of every store, and the keys in them.

use clavitor_core::codec;
use clavitor_core::id::PopId;
use clavitor_core::store::{OWN_TABLES, Rows, RowsMut, StoreError, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Cluster → [`clavitor_hq_core::control::Row`].
pub(crate) const CLUSTERS: Table = Table::new(3, "clusters");

/// Cluster, POP → [`crate::registry::Registered`].
pub(crate) const POPS: Table = Table::new(4, "pops");

/// Number → what happened.
pub(crate) const EVENTS: Table = Table::new(5, "events");

pub(crate) use clavitor_hq_core::incidents::INCIDENTS;

/// Cluster, POP → its latest report.
pub(crate) const REPORTS: Table = Table::new(7, "reports");

/// The public part of a POP token → whose it is.
pub(crate) const TOKENS: Table = Table::new(8, "tokens");

/// Cluster, POP → what it said of itself, and when.
pub(crate) const KNOWN: Table = Table::new(9, "known");

/// Cluster → the holder of a lease that an operator last said is gone.
pub(crate) const GONE: Table = Table::new(10, "gone");

/// Whether it is a POP's, when it came, cluster and POP → nothing: the reports that go first come first.
pub(crate) const REPORT_AGES: Table = Table::new(11, "report_ages");

/// Every one of them.
pub(crate) const TABLES: [Table; 9] =
    [CLUSTERS, POPS, EVENTS, INCIDENTS, REPORTS, TOKENS, KNOWN, GONE, REPORT_AGES];

// Two tables at one place would be read and written as each other.
const _: () = {
    let mut at = 0;
    let mut taken = (1u16 << OWN_TABLES.len()) - 1;
    while at < TABLES.len() {
        assert!(taken & 1 << TABLES[at].place() == 0, "a place is taken");
        taken |= 1 << TABLES[at].place();
        at += 1;
    }
};

/// The key of what there is one of for each POP. No name has a zero byte.
pub(crate) fn pop_key(cluster: &str, pop: &PopId) -> Vec<u8> {
    [&cluster_prefix(cluster), pop.as_str().as_bytes()].concat()
}

/// What the keys of a cluster's POPs begin with, and no others.
pub(crate) fn cluster_prefix(cluster: &str) -> Vec<u8> {
    [cluster.as_bytes(), &[0]].concat()
}

/// What such a key names.
pub(crate) fn read_pop_key(key: &[u8]) -> Result<(String, PopId), StoreError> {
    let read = || {
        let (cluster, pop) = std::str::from_utf8(key).ok()?.split_once('\0')?;
        Some((cluster.to_owned(), pop.parse().ok()?))
    };
    read().ok_or(StoreError::Damaged("a key of HQ's cannot be read"))
}

/// A stored value.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(bytes).map_err(|_| StoreError::Damaged("a row of HQ's cannot be read"))
}

/// The value under a key.
pub(crate) fn load<T: Serialize + DeserializeOwned>(
    rows: &impl Rows,
    table: Table,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    rows.get(table, key)?.map(decode).transpose()
}

/// Stores a value under a key.
pub(crate) fn save(
    rows: &mut impl RowsMut,
    table: Table,
    key: &[u8],
    value: &impl Serialize,
) -> Result<(), StoreError> {
    rows.put(table, key, &codec::encode(value))
}

/// Gives a test HQ's tables, in a directory of its own that goes with it.
#[cfg(test)]
pub(crate) fn with_rows(name: &str, test: impl FnOnce(&mut clavitor_node::store::WriteRows<'_>)) {
    let dir = std::env::temp_dir().join(format!("clavitor-hq-{name}-{}", std::process::id()));
    let ran = clavitor_node::store::bare::transact(&dir, 1 << 24, &TABLES, |rows| {
        test(rows);
        false
    });
    let _ = std::fs::remove_dir_all(&dir);
    ran.unwrap();
}
