//! The latest report of each server, as it came.

use clavitor_core::codec::Block;
use clavitor_core::time::UnixTime;
use clavitor_node::store::{Rows, RowsMut, StoreError};
use serde::{Deserialize, Serialize};

use crate::registry::Name;
use crate::tables::{self, REPORTS, pop_key, read_pop_key};

/// The longest report that is kept, in bytes.
pub(crate) const REPORT_BYTES_MAX: usize = 64 * 1024;

/// The most servers whose reports are kept; of more, the one that has been silent longest goes.
pub(crate) const REPORTS_MAX: u64 = 2_048;

/// A report.
#[derive(Serialize, Deserialize)]
struct Report {
    at: UnixTime,
    bytes: Block,
}

/// Keeps a report in place of the one before.
pub(crate) fn keep(
    rows: &mut impl RowsMut,
    name: &Name,
    at: UnixTime,
    bytes: &[u8],
) -> Result<(), StoreError> {
    keep_at_most(rows, name, at, bytes, REPORTS_MAX)
}

fn keep_at_most(
    rows: &mut impl RowsMut,
    name: &Name,
    at: UnixTime,
    bytes: &[u8],
    reports_max: u64,
) -> Result<(), StoreError> {
    let key = pop_key(&name.cluster, &name.pop);
    let is_new = rows.get(REPORTS, &key)?.is_none();
    if is_new && rows.count(REPORTS)? >= reports_max {
        let oldest = all(rows)?.into_iter().min_by_key(|(_, at)| *at);
        if let Some((oldest, _)) = oldest {
            rows.delete(REPORTS, &pop_key(&oldest.cluster, &oldest.pop))?;
        }
    }
    tables::save(rows, REPORTS, &key, &Report { at, bytes: Block(bytes.to_vec()) })
}

/// A server's report.
pub(crate) fn load(rows: &impl Rows, name: &Name) -> Result<Option<Vec<u8>>, StoreError> {
    let key = pop_key(&name.cluster, &name.pop);
    let report: Option<Report> = tables::load(rows, REPORTS, &key)?;
    Ok(report.map(|report| report.bytes.0))
}

/// Whose reports there are, and when each came.
pub(crate) fn all(rows: &impl Rows) -> Result<Vec<(Name, UnixTime)>, StoreError> {
    let rows = rows.all(REPORTS)?;
    rows.map(|row| {
        let (key, value) = row?;
        let (cluster, pop) = read_pop_key(key)?;
        Ok((Name { cluster, pop }, tables::decode::<Report>(value)?.at))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use clavitor_node::store::bare::transact;

    use super::*;
    use crate::tables::TABLES;

    #[test]
    fn of_too_many_servers_the_one_that_was_silent_longest_is_forgotten() {
        let dir = std::env::temp_dir().join(format!("clavitor-hq-reports-{}", std::process::id()));
        let ran = transact(&dir, 1 << 20, &TABLES, |rows| {
            let name = |pop: &str| Name { cluster: String::new(), pop: pop.parse().unwrap() };
            let mut keep = |pop: &str, at, bytes: &[u8]| {
                keep_at_most(rows, &name(pop), UnixTime(at), bytes, 2).unwrap();
            };
            keep("a", 1, b"first");
            keep("b", 2, b"second");
            keep("a", 3, b"third");
            keep("c", 4, b"fourth");
            let known = all(rows).unwrap();
            let known: Vec<&str> = known.iter().map(|(name, _)| name.pop.as_str()).collect();
            assert_eq!(known, ["a", "c"]);
            assert_eq!(load(rows, &name("a")).unwrap().as_deref(), Some(&b"third"[..]));
            assert_eq!(load(rows, &name("b")).unwrap(), None);
            false
        });
        let _ = std::fs::remove_dir_all(&dir);
        ran.unwrap();
    }
}
