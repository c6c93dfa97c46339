//! The latest report of each server, as it came.

use clavitor_core::codec::Block;
use clavitor_core::time::UnixTime;
use clavitor_node::store::{Rows, RowsMut, StoreError};
use serde::{Deserialize, Serialize};

use crate::registry::{Name, POPS_MAX};
use crate::tables::{self, POPS, REPORT_AGES, REPORTS, pop_key, read_pop_key};

/// The longest report that is kept, in bytes.
pub(crate) const REPORT_BYTES_MAX: usize = 64 * 1024;

/// The most servers whose reports are kept; of more, the one goes that has no token of a POP and has been
/// silent longest.
pub(crate) const REPORTS_MAX: u64 = 2_048;

// There is always one of those.
const _: () = assert!(REPORTS_MAX > POPS_MAX as u64);

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
    // It may have been removed meanwhile.
    if is_pops(name) && rows.get(POPS, &key)?.is_none() {
        return Ok(());
    }
    match tables::load::<Report>(rows, REPORTS, &key)? {
        Some(old) => {
            rows.delete(REPORT_AGES, &age_key(name, old.at))?;
        }
        None if rows.count(REPORTS)? >= reports_max => {
            let first = rows.all(REPORT_AGES)?.next().transpose()?;
            let first = first.map(|(key, _)| read_age_key(key)).transpose()?;
            first.map_or(Ok(()), |(first, _)| forget(rows, &first))?;
        }
        None => {}
    }
    rows.put(REPORT_AGES, &age_key(name, at), &[])?;
    tables::save(rows, REPORTS, &key, &Report { at, bytes: Block(bytes.to_vec()) })
}

/// A server's report goes, if there is one.
pub(crate) fn forget(rows: &mut impl RowsMut, name: &Name) -> Result<(), StoreError> {
    let key = pop_key(&name.cluster, &name.pop);
    if let Some(report) = tables::load::<Report>(rows, REPORTS, &key)? {
        rows.delete(REPORT_AGES, &age_key(name, report.at))?;
        rows.delete(REPORTS, &key)?;
    }
    Ok(())
}

/// A server's report.
pub(crate) fn load(rows: &impl Rows, name: &Name) -> Result<Option<Vec<u8>>, StoreError> {
    let key = pop_key(&name.cluster, &name.pop);
    let report: Option<Report> = tables::load(rows, REPORTS, &key)?;
    Ok(report.map(|report| report.bytes.0))
}

/// Whose reports there are, and when each came.
pub(crate) fn all(rows: &impl Rows) -> Result<Vec<(Name, UnixTime)>, StoreError> {
    let ages = rows.all(REPORT_AGES)?;
    let mut known = ages.map(|row| read_age_key(row?.0)).collect::<Result<Vec<_>, _>>()?;
    known.sort_unstable();
    Ok(known)
}

/// Whether it reports with the token of a POP.
fn is_pops(name: &Name) -> bool {
    !name.cluster.is_empty()
}

fn age_key(name: &Name, at: UnixTime) -> Vec<u8> {
    let kind = [u8::from(is_pops(name))];
    [&kind, at.0.to_be_bytes().as_slice(), &pop_key(&name.cluster, &name.pop)].concat()
}

fn read_age_key(key: &[u8]) -> Result<(Name, UnixTime), StoreError> {
    let read = key.split_first().and_then(|(_, rest)| rest.split_first_chunk::<8>());
    let (at, key) = read.ok_or(StoreError::Damaged("the age of a report cannot be read"))?;
    let (cluster, pop) = read_pop_key(key)?;
    Ok((Name { cluster, pop }, UnixTime(u64::from_be_bytes(*at))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::with_rows;

    fn name(cluster: &str, pop: &str) -> Name {
        Name { cluster: cluster.to_owned(), pop: pop.parse().unwrap() }
    }

    fn names(rows: &impl Rows) -> Vec<String> {
        let known = all(rows).unwrap();
        known.iter().map(|(name, _)| format!("{}/{}", name.cluster, name.pop)).collect()
    }

    #[test]
    fn of_too_many_servers_the_one_that_was_silent_longest_is_forgotten() {
        with_rows("reports", |rows| {
            let mut keep = |pop: &str, at, bytes: &[u8]| {
                keep_at_most(rows, &name("", pop), UnixTime(at), bytes, 2).unwrap();
            };
            keep("a", 1, b"first");
            keep("b", 2, b"second");
            keep("a", 3, b"third");
            keep("c", 4, b"fourth");
            assert_eq!(names(rows), ["/a", "/c"]);
            assert_eq!(load(rows, &name("", "a")).unwrap().as_deref(), Some(&b"third"[..]));
            assert_eq!(load(rows, &name("", "b")).unwrap(), None);
        });
    }

    #[test]
    fn a_pops_report_goes_for_nobody_elses() {
        with_rows("reports-pops", |rows| {
            let pops = ["calgary", "zurich"].map(|pop| name("main", pop));
            for (at, pop) in pops.iter().enumerate() {
                rows.put(POPS, &pop_key(&pop.cluster, &pop.pop), &[]).unwrap();
                keep_at_most(rows, pop, UnixTime(at as u64), b"its own", 4).unwrap();
            }
            for number in 0..9 {
                let stranger = name("", &format!("s{number}"));
                keep_at_most(rows, &stranger, UnixTime(100 - number), b"anything", 4).unwrap();
            }
            assert_eq!(names(rows).len(), 4);
            assert_eq!(names(rows)[2..], ["main/calgary", "main/zurich"]);
            assert_eq!(rows.count(REPORTS).unwrap(), 4);
            let late = name("main", "late");
            keep_at_most(rows, &late, UnixTime(200), b"gone", 4).unwrap();
            assert_eq!(load(rows, &late).unwrap(), None, "it has no token any more");
            rows.put(POPS, &pop_key(&late.cluster, &late.pop), &[]).unwrap();
            keep_at_most(rows, &late, UnixTime(200), b"new", 4).unwrap();
            assert_eq!(names(rows)[1..], ["main/calgary", "main/late", "main/zurich"]);
            for pop in pops.iter().chain([&late]) {
                forget(rows, pop).unwrap();
            }
            assert_eq!((names(rows).len(), rows.count(REPORT_AGES).unwrap()), (1, 1));
        });
    }
}
