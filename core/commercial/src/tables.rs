//! The edition's own tables, beside the store's.

use alloc::vec::Vec;
use core::ops::Bound;

use clavitor_core::codec;
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::record::Key;
use clavitor_core::store::{
    OWN_TABLES, Reader, Rows, RowsMut, StoreError, Table, Transaction, decode_key, encode_key,
};
use clavitor_core::time::UnixTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::alerts::outbox::OUTBOX;
use crate::frame::{Position, Verdict};
use crate::received::Received;

/// URL → [`Peer`].
pub const PEERS: Table = Table::new(3, "peers");

/// POP and data directory → [`Received`].
pub const RECEIVED: Table = Table::new(4, "received");

/// URL, record key → a record that the peer could not take.
pub const SETBACKS: Table = Table::new(5, "setbacks");

/// Sequence number → when every peer had confirmed it.
pub const CONFIRMED: Table = Table::new(6, "confirmed");

/// The conflict journal by age and by item; see [`crate::journal`].
pub const JOURNAL: Table = Table::new(7, "journal");

/// Every one of them.
pub const TABLES: [Table; 6] = [PEERS, RECEIVED, SETBACKS, CONFIRMED, JOURNAL, OUTBOX];

const _: () = assert!(PEERS.place() as usize == OWN_TABLES.len(), "a place is taken");

/// The most former data directories of a peer of which it is remembered what they sent: one that is
/// put back must learn that it is an old copy.
pub const FORMER_MAX: usize = 8;

/// The most rows that tell when a change was confirmed everywhere; the oldest goes first.
const CONFIRMED_MAX: u64 = 4_096;

/// What is known of a peer, by its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Who it was when it last answered.
    pub identity: Option<(PopId, StoreId)>,
    /// Up to where it confirmed.
    pub cursor: Seq,
    /// A data directory that speaks under the peer's id and is not the peer.
    pub denied: Option<StoreId>,
    /// The newest sequence number at the first start since the peer last answered.
    pub unverified: Option<Seq>,
    /// The data directories it had before, the oldest first; at most [`FORMER_MAX`].
    pub former: Vec<StoreId>,
}

impl Peer {
    /// Takes note of who answers from now on.
    pub fn adopt(&mut self, pop: PopId, store: StoreId) {
        let former = self.identity.filter(|(known, _)| *known == pop).map(|(_, store)| store);
        if former.is_none() {
            self.former.clear();
        }
        self.former.retain(|other| *other != store && Some(*other) != former);
        self.former.extend(former.filter(|former| *former != store));
        if self.former.len() > FORMER_MAX {
            self.former.remove(0);
        }
        self.identity = Some((pop, store));
        self.denied = self.denied.filter(|denied| *denied != store);
    }
}

/// What is known of the peer at a URL.
pub fn peer<R: Rows>(reader: &Reader<'_, R>, url: &str) -> Result<Peer, StoreError> {
    let row = reader.rows().get(PEERS, url.as_bytes())?;
    Ok(row.map(decode).transpose()?.unwrap_or_default())
}

/// Changes what is known of the peer at a URL.
pub fn change_peer<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    url: &str,
    change: impl FnOnce(&mut Peer),
) -> Result<(), StoreError> {
    let mut row = peer(&txn.reader(), url)?;
    change(&mut row);
    txn.rows_mut().put(PEERS, url.as_bytes(), &codec::encode(&row))
}

/// How much was received from a source.
pub fn received<R: Rows>(
    reader: &Reader<'_, R>,
    pop: PopId,
    store: StoreId,
) -> Result<Received, StoreError> {
    let row = reader.rows().get(RECEIVED, &source_key(pop, store))?;
    Ok(row.map(decode).transpose()?.unwrap_or_default())
}

/// Notes how much was received from a source.
pub fn set_received<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    pop: PopId,
    store: StoreId,
    received: &Received,
) -> Result<(), StoreError> {
    txn.rows_mut().put(RECEIVED, &source_key(pop, store), &codec::encode(received))
}

/// Forgets what was received from a POP's data directories other than these.
pub fn forget_others<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    pop: PopId,
    stores: &[StoreId],
) -> Result<(), StoreError> {
    let kept: Vec<Vec<u8>> = stores.iter().map(|store| source_key(pop, *store)).collect();
    let mut others = keys_below(txn, RECEIVED, &source_prefix(pop))?;
    others.retain(|key| !kept.contains(key));
    delete(txn, RECEIVED, &others)
}

/// Forgets what was received from everybody: frames for a new data directory are all new to it. How
/// far each source had numbered stays known.
pub fn forget_received<R: RowsMut>(txn: &mut Transaction<'_, R>) -> Result<(), StoreError> {
    let mut forgotten = Vec::new();
    for row in txn.rows().all(RECEIVED)? {
        let (key, received) = row?;
        forgotten.push((key.to_vec(), decode::<Received>(received)?.forgotten()));
    }
    for (key, received) in forgotten {
        txn.rows_mut().put(RECEIVED, &key, &codec::encode(&received))?;
    }
    Ok(())
}

/// How much of every source was received, but for one; `max` of them. Of a peer's data directories
/// only the current one is a source.
pub fn positions<R: Rows>(
    reader: &Reader<'_, R>,
    but: PopId,
    max: usize,
) -> Result<Vec<Position>, StoreError> {
    let mut former = Vec::new();
    for row in reader.rows().all(PEERS)? {
        let peer: Peer = decode(row?.1)?;
        former.extend(peer.former);
    }
    let mut positions = Vec::new();
    for row in reader.rows().all(RECEIVED)? {
        let (key, value) = row?;
        let source = parse_source_key(key);
        let source = source.filter(|(pop, store)| *pop != but && !former.contains(store));
        let Some((source, store)) = source else { continue };
        let received: Received = decode(value)?;
        if positions.len() < max {
            positions.push(Position { source, store, received: received.prefix });
        }
    }
    Ok(positions)
}

/// Keeps a record that a peer could not take.
pub fn add_setback<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    url: &str,
    key: &Key,
    verdict: Verdict,
) -> Result<(), StoreError> {
    let key = [url.as_bytes(), &[0], &encode_key(key)].concat();
    txn.rows_mut().put(SETBACKS, &key, &codec::encode(&verdict))
}

/// Takes out the records that a peer could not take.
pub fn take_setbacks<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    url: &str,
) -> Result<Vec<Key>, StoreError> {
    let prefix = [url.as_bytes(), &[0]].concat();
    let rows = keys_below(txn, SETBACKS, &prefix)?;
    delete(txn, SETBACKS, &rows)?;
    let key = |row: &Vec<u8>| decode_key(row.get(prefix.len()..)?);
    Ok(rows.iter().filter_map(key).collect())
}

/// How many records a peer could not take.
pub fn setbacks<R: Rows>(reader: &Reader<'_, R>, url: &str) -> Result<u32, StoreError> {
    let prefix = [url.as_bytes(), &[0]].concat();
    let count = reader.rows().prefixed(SETBACKS, &prefix)?.count();
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Takes note that every peer has confirmed up to `seq`.
pub fn confirm<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    seq: Seq,
    at: UnixTime,
) -> Result<(), StoreError> {
    let key = seq.0.to_be_bytes();
    if txn.rows().last(CONFIRMED)?.is_some_and(|(newest, _)| newest >= key.as_slice()) {
        return Ok(());
    }
    txn.rows_mut().put(CONFIRMED, &key, &codec::encode(&at))?;
    if txn.rows().count(CONFIRMED)? > CONFIRMED_MAX {
        let oldest = txn.rows().all(CONFIRMED)?.next().transpose()?.map(|(key, _)| key.to_vec());
        if let Some(oldest) = oldest {
            txn.rows_mut().delete(CONFIRMED, &oldest)?;
        }
    }
    Ok(())
}

/// Forgets confirmations above `seq`: a peer lost what it had confirmed.
pub fn unconfirm<R: RowsMut>(txn: &mut Transaction<'_, R>, seq: Seq) -> Result<(), StoreError> {
    let from = seq.next().0.to_be_bytes();
    let mut rows = Vec::new();
    for row in txn.rows().range(CONFIRMED, Bound::Included(&from), Bound::Unbounded)? {
        rows.push(row?.0.to_vec());
    }
    delete(txn, CONFIRMED, &rows)
}

/// When every peer had confirmed a change, at the latest.
pub fn confirmed_at<R: Rows>(
    reader: &Reader<'_, R>,
    seq: Seq,
) -> Result<Option<UnixTime>, StoreError> {
    let from = seq.0.to_be_bytes();
    let mut rows = reader.rows().range(CONFIRMED, Bound::Included(&from), Bound::Unbounded)?;
    rows.next().transpose()?.map(|(_, at)| decode(at)).transpose()
}

fn keys_below<R: RowsMut>(
    txn: &Transaction<'_, R>,
    table: Table,
    prefix: &[u8],
) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = txn.rows().prefixed(table, prefix)?;
    rows.map(|row| Ok(row?.0.to_vec())).collect()
}

fn delete<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    table: Table,
    keys: &[Vec<u8>],
) -> Result<(), StoreError> {
    for key in keys {
        txn.rows_mut().delete(table, key)?;
    }
    Ok(())
}

fn source_prefix(pop: PopId) -> Vec<u8> {
    [pop.as_str().as_bytes(), &[0]].concat()
}

fn source_key(pop: PopId, store: StoreId) -> Vec<u8> {
    [source_prefix(pop).as_slice(), &store.0].concat()
}

fn parse_source_key(key: &[u8]) -> Option<(PopId, StoreId)> {
    let (pop, store) = key.split_last_chunk::<16>()?;
    let pop = core::str::from_utf8(pop.strip_suffix(&[0])?).ok()?.parse().ok()?;
    Some((pop, StoreId(*store)))
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(bytes).map_err(|_| StoreError::Damaged("a row about a peer cannot be read"))
}

#[cfg(test)]
pub(crate) mod memory;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_keys_are_read_back() {
        let (pop, store) = ("calgary-01".parse().unwrap(), StoreId([0; 16]));
        assert_eq!(parse_source_key(&source_key(pop, store)), Some((pop, store)));
        assert_eq!(parse_source_key(b"short"), None);
    }

    #[test]
    fn the_last_few_data_directories_of_a_peer_are_remembered() {
        let pop = "a".parse().unwrap();
        let store = |number| StoreId([number; 16]);
        let mut peer = Peer::default();
        (1..=20).for_each(|number| peer.adopt(pop, store(number)));
        assert_eq!(peer.former, (12..20).map(store).collect::<Vec<_>>());
        peer.adopt(pop, store(15));
        assert_eq!(peer.identity, Some((pop, store(15))));
        assert!(!peer.former.contains(&store(15)) && peer.former.last() == Some(&store(20)));
        peer.adopt("b".parse().unwrap(), store(30));
        assert!(peer.former.is_empty(), "another POP's are none of its own");
    }
}
