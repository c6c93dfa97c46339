//! The transactions by which a POP keeps its books about its peers: each carries out one order of
//! the replication machine. They read what they change, so that they may run twice; those about one
//! peer must run in the order in which the machine gave them.

use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::record::Key;
use clavitor_core::store::{IMPORTED, RowsMut, StoreError, Transaction};
use clavitor_core::time::UnixTime;

use crate::frame::Verdict;
use crate::replication::View;
use crate::tables;

/// Up to where every peer will have confirmed once `peer` has up to `cursor`, by what the machine
/// shows of the others.
pub fn lowest_confirmed(views: &[View], peer: u8, cursor: Seq) -> Seq {
    let others = (0u8..).zip(views).filter(|(index, _)| *index != peer);
    others.map(|(_, view)| view.acked).chain([cursor]).min().unwrap_or(cursor)
}

/// The records of a frame that the peer could not take.
pub fn kept(keys: &[Key], setbacks: &[u32]) -> Vec<Key> {
    let key = |at: &u32| keys.get(usize::try_from(*at).ok()?).cloned();
    setbacks.iter().filter_map(key).collect()
}

/// Moves a peer's cursor, and keeps the records that it could not take. `urls` are all peers'.
pub fn advance_cursor<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    urls: &[String],
    url: &str,
    cursor: Seq,
    setbacks: &[Key],
) -> Result<(), StoreError> {
    tables::change_peer(txn, url, |row| row.cursor = cursor)?;
    for key in setbacks {
        tables::add_setback(txn, url, key, Verdict::Deferred)?;
    }
    confirm_lowest(txn, urls)
}

/// Takes note of who answers at a peer's URL from now on.
pub fn adopt_peer<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    url: &str,
    (pop, store): (PopId, StoreId),
    cursor: Seq,
) -> Result<(), StoreError> {
    let mut stores = Vec::new();
    tables::change_peer(txn, url, |row| {
        row.adopt(pop, store);
        row.cursor = cursor;
        stores = row.former.iter().copied().chain([store]).collect();
    })?;
    tables::forget_others(txn, pop, &stores)?;
    tables::unconfirm(txn, cursor)
}

/// Takes note that a peer has nothing this server does not know of.
pub fn verified<R: RowsMut>(txn: &mut Transaction<'_, R>, url: &str) -> Result<(), StoreError> {
    tables::change_peer(txn, url, |row| row.unverified = None)
}

/// Takes note of a data directory that speaks under a peer's id and is not the peer.
pub fn deny_store<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    url: &str,
    store: StoreId,
) -> Result<(), StoreError> {
    tables::change_peer(txn, url, |row| row.denied = Some(store))
}

/// Gives the records that a peer could not take new sequence numbers.
pub fn retry_setbacks<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    url: &str,
) -> Result<(), StoreError> {
    for key in tables::take_setbacks(txn, url)? {
        match txn.renumber(&key) {
            // A damaged one cannot be sent; the others can.
            Ok(()) | Err(StoreError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives a data directory that is an old copy the identity `fresh`: its numbers up to `received`
/// were used before, for other records. `agreed` is what the peers' clocks show, if known.
pub fn replace_identity<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    pop: PopId,
    urls: &[String],
    fresh: StoreId,
    received: Seq,
    agreed: Option<UnixTime>,
) -> Result<(), StoreError> {
    txn.replace_identity(fresh, received)?;
    // What was issued since the copy was made is forgotten here, but it was issued by now, as its
    // peers count.
    if let Some(now) = agreed {
        txn.observe(Hlc { ms: now.0, counter: u32::MAX, pop });
    }
    for url in urls {
        tables::change_peer(txn, url, |row| {
            row.cursor = Seq(0);
            row.unverified = None;
        })?;
    }
    tables::forget_received(txn)?;
    tables::unconfirm(txn, Seq(0))
}

/// Takes note that an import has heard its peers, or need not.
pub fn settle_import<R: RowsMut>(txn: &mut Transaction<'_, R>) -> Result<(), StoreError> {
    txn.set_fact(IMPORTED, &false)
}

fn confirm_lowest<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    urls: &[String],
) -> Result<(), StoreError> {
    let mut lowest = Seq(u64::MAX);
    for url in urls {
        lowest = lowest.min(tables::peer(&txn.reader(), url)?.cursor);
    }
    if lowest > Seq(0) {
        let now = txn.now();
        tables::confirm(txn, lowest, now)?;
    }
    Ok(())
}
