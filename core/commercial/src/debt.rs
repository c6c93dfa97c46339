//! What a peer is owed.

use alloc::vec::Vec;

use clavitor_core::id::{OpId, PopId, Seq, StoreId};
use clavitor_core::store::{Reader, Rows, StoreError};
use clavitor_core::time::UnixTime;

use crate::frame::Frame;
use crate::load::is_owed;
use crate::replication::{Order, View};
use crate::tables;

/// What a peer is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// How many records.
    pub records: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Since when the oldest has been owed.
    pub oldest: Option<UnixTime>,
}

/// What the peer at a URL is owed, by what its machine shows.
pub fn of<R: Rows>(reader: &Reader<'_, R>, url: &str, view: &View) -> Result<Debt, StoreError> {
    let order = everything(tables::peer(reader, url)?.identity, view);
    let setbacks = tables::setbacks(reader, url)?;
    let mut debt = Debt { records: u64::from(setbacks), ..Debt::default() };
    for row in reader.changes(view.settled_to)? {
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

/// Whether the source of a frame has everything this server owes it; asked in answer to a hello.
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
    let order = everything(identity, view);
    for row in reader.changes(view.settled_to)? {
        if is_owed(&row?.1, &order) {
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
