//! The edition's own tables, beside the store's.

use std::ops::Bound;

use clavitor_commercial::frame::{Position, Range, Verdict};
use clavitor_core::codec;
use clavitor_core::id::{PopId, Seq, StoreId};
use clavitor_core::record::Key;
use clavitor_core::time::UnixTime;
use clavitor_node::store::{Reader, Store, StoreError, Table, Transaction, decode_key, encode_key};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The most ranges beyond the contiguous prefix that are remembered of one source: twice what a
/// source may have in flight.
const RANGES_MAX: usize = 16;

/// The most rows that tell when a change was confirmed everywhere; the oldest goes first.
const CONFIRMED_MAX: u64 = 4_096;

/// The tables.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    peers: Table,
    received: Table,
    setbacks: Table,
    confirmed: Table,
    pub(crate) journal: Table,
}

/// What is known of a peer, by its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) identity: Option<(PopId, StoreId)>,
    pub(crate) cursor: Seq,
    /// A data directory that speaks under the peer's id and is not the peer.
    pub(crate) denied: Option<StoreId>,
    /// The newest sequence number at the first start since the peer last answered.
    pub(crate) unverified: Option<Seq>,
}

/// How much of one source's changes was received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) prefix: Seq,
    beyond: Vec<Range>,
}

impl Received {
    /// Whether the whole range was received before.
    pub(crate) fn covers(&self, range: Range) -> bool {
        let is_inside = |known: &Range| known.after <= range.after && range.to <= known.to;
        range.to <= self.prefix || self.beyond.iter().any(is_inside)
    }

    /// The highest number received, gaps or not: what a source must never number again.
    pub(crate) fn highest(&self) -> Seq {
        self.beyond.iter().map(|range| range.to).max().unwrap_or(self.prefix).max(self.prefix)
    }

    /// Takes note of a range; `None` if too many others are missing before it.
    pub(crate) fn with(&self, range: Range) -> Option<Received> {
        let mut beyond = self.beyond.clone();
        beyond.push(range);
        beyond.sort_unstable();
        let mut prefix = self.prefix;
        beyond.retain(|known| {
            let joins = known.after <= prefix;
            if joins {
                prefix = prefix.max(known.to);
            }
            !joins
        });
        (beyond.len() <= RANGES_MAX).then_some(Received { prefix, beyond })
    }
}

impl Tables {
    pub(crate) fn open(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            peers: store.table("peers")?,
            received: store.table("received")?,
            setbacks: store.table("setbacks")?,
            confirmed: store.table("confirmed")?,
            journal: store.table("journal")?,
        })
    }

    pub(crate) fn peer(&self, reader: &Reader<'_>, url: &str) -> Result<Peer, StoreError> {
        let row = self.peers.get(reader.raw(), url.as_bytes())?;
        Ok(row.map(decode).transpose()?.unwrap_or_default())
    }

    pub(crate) fn set_peer(
        &self,
        txn: &mut Transaction<'_>,
        url: &str,
        peer: &Peer,
    ) -> Result<(), StoreError> {
        Ok(self.peers.put(txn.raw(), url.as_bytes(), &codec::encode(peer))?)
    }

    pub(crate) fn received(
        &self,
        reader: &Reader<'_>,
        pop: PopId,
        store: StoreId,
    ) -> Result<Received, StoreError> {
        let row = self.received.get(reader.raw(), &source_key(pop, store))?;
        Ok(row.map(decode).transpose()?.unwrap_or_default())
    }

    pub(crate) fn set_received(
        &self,
        txn: &mut Transaction<'_>,
        pop: PopId,
        store: StoreId,
        received: &Received,
    ) -> Result<(), StoreError> {
        let key = source_key(pop, store);
        Ok(self.received.put(txn.raw(), &key, &codec::encode(received))?)
    }

    /// Forgets what was received from a POP's former data directories.
    pub(crate) fn forget_former(
        &self,
        txn: &mut Transaction<'_>,
        pop: PopId,
        current: StoreId,
    ) -> Result<(), StoreError> {
        let mut former = Vec::new();
        let prefix = source_prefix(pop);
        for row in self.received.prefix_iter(txn.raw_reader(), &prefix)? {
            let (key, _) = row?;
            if key != source_key(pop, current) {
                former.push(key.to_vec());
            }
        }
        for key in former {
            self.received.delete(txn.raw(), &key)?;
        }
        Ok(())
    }

    /// Forgets what was received from everybody: frames for a new data directory are all new to it.
    pub(crate) fn forget_received(&self, txn: &mut Transaction<'_>) -> Result<(), StoreError> {
        Ok(self.received.clear(txn.raw())?)
    }

    /// How much of every source was received, but for one.
    pub(crate) fn positions(
        &self,
        reader: &Reader<'_>,
        but: PopId,
        max: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let mut positions = Vec::new();
        for row in self.received.iter(reader.raw())? {
            let (key, value) = row?;
            let Some((source, store)) = parse_source_key(key).filter(|(pop, _)| *pop != but) else {
                continue;
            };
            let received: Received = decode(value)?;
            if positions.len() < max {
                positions.push(Position { source, store, received: received.prefix });
            }
        }
        Ok(positions)
    }

    /// Keeps a record that a peer could not take.
    pub(crate) fn add_setback(
        &self,
        txn: &mut Transaction<'_>,
        url: &str,
        key: &Key,
        verdict: Verdict,
    ) -> Result<(), StoreError> {
        let key = [url.as_bytes(), &[0], &encode_key(key)].concat();
        Ok(self.setbacks.put(txn.raw(), &key, &codec::encode(&verdict))?)
    }

    /// Takes out the records that a peer could not take.
    pub(crate) fn take_setbacks(
        &self,
        txn: &mut Transaction<'_>,
        url: &str,
    ) -> Result<Vec<Key>, StoreError> {
        let prefix = [url.as_bytes(), &[0]].concat();
        let mut rows = Vec::new();
        for row in self.setbacks.prefix_iter(txn.raw_reader(), &prefix)? {
            rows.push(row?.0.to_vec());
        }
        for row in &rows {
            self.setbacks.delete(txn.raw(), row)?;
        }
        let key = |row: &Vec<u8>| decode_key(row.get(prefix.len()..)?);
        Ok(rows.iter().filter_map(key).collect())
    }

    /// How many records a peer could not take.
    pub(crate) fn setbacks(&self, reader: &Reader<'_>, url: &str) -> Result<u32, StoreError> {
        let prefix = [url.as_bytes(), &[0]].concat();
        let count = self.setbacks.prefix_iter(reader.raw(), &prefix)?.count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Takes note that every peer has confirmed up to `seq`.
    pub(crate) fn confirm(
        &self,
        txn: &mut Transaction<'_>,
        seq: Seq,
        at: UnixTime,
    ) -> Result<(), StoreError> {
        let newest = self.confirmed.last(txn.raw_reader())?.map(|(key, _)| key.to_vec());
        if newest.is_some_and(|newest| newest.as_slice() >= seq.0.to_be_bytes().as_slice()) {
            return Ok(());
        }
        self.confirmed.put(txn.raw(), &seq.0.to_be_bytes(), &codec::encode(&at))?;
        if self.confirmed.len(txn.raw_reader())? > CONFIRMED_MAX {
            let oldest = self.confirmed.first(txn.raw_reader())?.map(|(key, _)| key.to_vec());
            if let Some(oldest) = oldest {
                self.confirmed.delete(txn.raw(), &oldest)?;
            }
        }
        Ok(())
    }

    /// Forgets confirmations above `seq`: a peer lost what it had confirmed.
    pub(crate) fn unconfirm(&self, txn: &mut Transaction<'_>, seq: Seq) -> Result<(), StoreError> {
        let from = seq.next().0.to_be_bytes();
        let range = (Bound::Included(from.as_slice()), Bound::Unbounded);
        let mut rows = Vec::new();
        for row in self.confirmed.range(txn.raw_reader(), &range)? {
            rows.push(row?.0.to_vec());
        }
        for row in rows {
            self.confirmed.delete(txn.raw(), &row)?;
        }
        Ok(())
    }

    /// When every peer had confirmed a change, at the latest.
    pub(crate) fn confirmed_at(
        &self,
        reader: &Reader<'_>,
        seq: Seq,
    ) -> Result<Option<UnixTime>, StoreError> {
        let from = seq.0.to_be_bytes();
        let range = (Bound::Included(from.as_slice()), Bound::Unbounded);
        let row = self.confirmed.range(reader.raw(), &range)?.next().transpose()?;
        row.map(|(_, at)| decode(at)).transpose()
    }
}

fn source_prefix(pop: PopId) -> Vec<u8> {
    [pop.as_str().as_bytes(), &[0]].concat()
}

fn source_key(pop: PopId, store: StoreId) -> Vec<u8> {
    [source_prefix(pop).as_slice(), &store.0].concat()
}

fn parse_source_key(key: &[u8]) -> Option<(PopId, StoreId)> {
    let (pop, store) = key.split_last_chunk::<16>()?;
    let pop = std::str::from_utf8(pop.strip_suffix(&[0])?).ok()?.parse().ok()?;
    Some((pop, StoreId(*store)))
}

fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(bytes).map_err(|_| StoreError::Damaged("a row about a peer cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(after: u64, to: u64) -> Range {
        Range { after: Seq(after), to: Seq(to) }
    }

    #[test]
    fn the_prefix_grows_through_ranges_that_came_early() {
        let received = Received::default().with(range(100, 200)).unwrap();
        assert_eq!(received.prefix, Seq(0));
        assert!(received.covers(range(100, 200)) && !received.covers(range(0, 100)));
        let received = received.with(range(0, 100)).unwrap();
        assert_eq!(received, Received { prefix: Seq(200), beyond: vec![] });
    }

    #[test]
    fn a_seventeenth_gap_is_not_taken() {
        let mut received = Received::default();
        for at in 1..=16 {
            received = received.with(range(at * 10, at * 10 + 5)).unwrap();
        }
        assert_eq!(received.with(range(900, 905)), None);
        assert_eq!(received.with(range(0, 10)).unwrap().prefix, Seq(15));
    }

    #[test]
    fn source_keys_are_read_back() {
        let (pop, store) = ("calgary-01".parse().unwrap(), StoreId([0; 16]));
        assert_eq!(parse_source_key(&source_key(pop, store)), Some((pop, store)));
        assert_eq!(parse_source_key(b"short"), None);
    }
}
