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
    let key = pop_key(&name.cluster, &name.pop);
    let is_new = rows.get(REPORTS, &key)?.is_none();
    if is_new && rows.count(REPORTS)? >= REPORTS_MAX {
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
