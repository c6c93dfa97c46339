//! What a peer is owed.

use alloc::vec::Vec;

use clavitor_core::id::{OpId, PopId, Seq, StoreId};
use clavitor_core::store::{Reader, Rows, StoreError};
use clavitor_core::time::UnixTime;

use crate::frame::Frame;
use crate::load::is_owed;
use crate::replication::{Order, View};
use crate::tables;

/// The most changes that are looked at for what a renewal of the lease says about all peers together:
/// it has a second for everything, and voters wait for the same thread.
pub const RENEWAL_ROWS_MAX: usize = 10_000;

/// The most changes that are looked at for one peer when somebody asks.
pub const SHOWN_ROWS_MAX: usize = 100_000;

/// What a peer is owed, as far as was looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// How many records.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Since when the oldest has been owed.
    pub oldest: Option<UnixTime>,
    /// Whether there were more changes than may be looked at: it is so much, or more.
    pub is_or_more: bool,
}

/// What the peer at a URL is owed, by what its machine shows; looks at `rows_max` changes.
pub fn of<R: Rows>(
    reader: &Reader<'_, R>,
    url: &str,
    view: &View,
    rows_max: usize,
) -> Result<Debt, StoreError> {
    let order = everything(tables::peer(reader, url)?.identity, view);
    let setbacks = tables::setbacks(reader, url)?;
    let mut debt = Debt { records: u64::from(setbacks), ..Debt::default() };
    for (rows, row) in reader.changes(view.settled_to)?.enumerate() {
        if rows >= rows_max {
            debt.is_or_more = true;
            break;
        }
        let (_, change, _) = row?;
        if is_owed(&change, &order) {
            debt.records += 1;
            debt.bytes += u64::from(change.bytes);
            let oldest = debt.oldest.map_or(change.since, |oldest| oldest.min(change.since));
            debt.oldest = Some(oldest);
        }
    }
    Ok(debt)
}

/// Whether the source of a frame has everything this server owes it; asked in answer to a hello. If
/// that takes a look at more than [`SHOWN_ROWS_MAX`] changes, it is not said yet.
pub fn owes_nothing<R: Rows>(
    reader: &Reader<'_, R>,
    view: &View,
    frame: &Frame,
) -> Result<bool, StoreError> {
    let source = (frame.source.pop, frame.source.store);
    let identity = tables::peer(reader, &frame.source.url)?.identity;
    // What is shown may be of the data directory that the source had before.
    let is_shown = view.store == Some(source.1);
    if identity != Some(source) || !is_shown || tables::setbacks(reader, &frame.source.url)? > 0 {
        return Ok(false);
    }
    is_nothing_owed(reader, &everything(identity, view), SHOWN_ROWS_MAX)
}

fn is_nothing_owed<R: Rows>(
    reader: &Reader<'_, R>,
    order: &Order,
    rows_max: usize,
) -> Result<bool, StoreError> {
    for (rows, row) in reader.changes(order.after)?.enumerate() {
        if rows >= rows_max || is_owed(&row?.1, order) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn everything(identity: Option<(PopId, StoreId)>, view: &View) -> Order {
    Order {
        op: OpId(0),
        is_hello: false,
        after: view.settled_to,
        read_after: view.settled_to,
        upto: Seq(u64::MAX),
        complete_at: Seq(u64::MAX),
        identity,
        covered: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
