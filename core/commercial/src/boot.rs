//! What a POP settles and finds out when it starts.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::id::{Epoch, OpId, PopId, Seq};
use clavitor_core::store::{IMPORTED, Reader, Rows, RowsMut, StoreError, Transaction};

use crate::cluster::Cluster;
use crate::load::is_owed;
use crate::replication::{Known, Order};
use crate::{epoch, tables};

/// What a POP starts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The newest epoch it knows.
    pub epoch: Option<Epoch>,
    /// Whether it has yet to hear its peers before it takes client writes.
    pub is_imported: bool,
}

/// Settles what a POP starts as.
pub fn settle<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    cluster: &Cluster,
    pop: PopId,
) -> Result<Settled, StoreError> {
    // A store that knows of no epoch is new to its cluster, so this comes first.
    let is_imported = settle_imported(txn, cluster)?;
    Ok(Settled { epoch: settle_epoch(txn, cluster, pop)?, is_imported })
}

/// Settles the epoch to start with. A server alone is primary in epoch 0, which any cluster
/// outranks; the configured primary of a cluster begins epoch 1; whoever has seen a later one keeps
/// it.
fn settle_epoch<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    cluster: &Cluster,
    primary: PopId,
) -> Result<Option<Epoch>, StoreError> {
    let stored = epoch::known(&txn.reader())?;
    let is_first = cluster.primary_url.as_ref() == Some(&cluster.own_url);
    let settled = match stored.filter(|epoch| epoch.number > 0) {
        Some(epoch) => Some(epoch),
        None if cluster.is_alone() => Some(Epoch { number: 0, primary }),
        None if is_first => Some(Epoch { number: 1, primary }),
        None => None,
    };
    if settled != stored {
        epoch::store(txn, settled)?;
    }
    Ok(settled)
}

/// Settles whether the data may lack what peers hold, and has yet to hear them. A server alone has
/// none to hear. One that is new to its cluster may have been another's, or its own, before: what
/// it wrote at once could take the place of what it never saw.
fn settle_imported<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    cluster: &Cluster,
) -> Result<bool, StoreError> {
    if cluster.is_alone() {
        return Ok(false);
    }
    let was_imported = txn.fact::<bool>(IMPORTED)?.unwrap_or(false);
    // Epoch 0 is that of a server alone.
    let is_new = epoch::known(&txn.reader())?.is_none_or(|epoch| epoch.number == 0);
    if is_new && !was_imported {
        txn.set_fact(IMPORTED, &true)?;
    }
    Ok(was_imported || is_new)
}

/// Takes note of the newest number: until a peer answers, it can have no more of this server's
/// changes than there are now.
pub fn note_unverified<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    urls: &[String],
) -> Result<(), StoreError> {
    let last = txn.last();
    for url in urls {
        if tables::peer(&txn.reader(), url)?.unverified.is_none() {
            tables::change_peer(txn, url, |row| row.unverified = Some(last))?;
        }
    }
    Ok(())
}

/// What is known of every peer, in the order of the configuration; `last` is the newest number.
pub fn known_peers<R: Rows>(
    reader: &Reader<'_, R>,
    urls: &[String],
    last: Seq,
) -> Result<Vec<Known>, StoreError> {
    urls.iter().map(|url| known(reader, url, last)).collect()
}

/// What is known of a peer, and up to where it is owed nothing.
fn known<R: Rows>(reader: &Reader<'_, R>, url: &str, last: Seq) -> Result<Known, StoreError> {
    let peer = tables::peer(reader, url)?;
    let cursor = peer.cursor.min(last);
    let order = Order {
        op: OpId(0),
        is_hello: false,
        after: cursor,
        read_after: cursor,
        upto: last,
        complete_at: last,
        identity: peer.identity,
        covered: Vec::new(),
    };
    let mut clean_to = last;
    for row in reader.changes(cursor)? {
        let (seq, change, _) = row?;
        if is_owed(&change, &order) {
            clean_to = Seq(seq.0.saturating_sub(1));
            break;
        }
    }
    let setbacks = tables::setbacks(reader, url)?;
    let (identity, unverified) = (peer.identity, peer.unverified);
    Ok(Known { url: url.to_owned(), identity, cursor, clean_to, setbacks, unverified })
}
