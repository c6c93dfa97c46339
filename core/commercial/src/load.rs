//! Builds frames from what is owed.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec::Block;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, Seq};
use clavitor_core::record::{self, Key};
use clavitor_core::store::{Change, Reader, Rows, StoreError};
use clavitor_core::time::UnixTime;

use crate::cluster::Cluster;
use crate::frame::{
    self, ENVELOPE_BYTES_MAX, Frame, Keys, Member, PeerPosition, RECORDS_MAX, Range,
};
use crate::pop::Input;
use crate::replication::{Order, Window};
use crate::tables;

/// The most rows of the index of changes that one order walks over.
pub const ROWS_MAX: usize = 100_000;

/// What a record takes in a frame beside its own bytes.
pub(crate) const RECORD_OVERHEAD: usize = 8;

/// The records of a frame, and what else is read for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The end of the frame's range.
    pub to: Seq,
    /// The records, encoded.
    pub records: Vec<Block>,
    /// Which versions they are.
    pub versions: Vec<(Key, Hlc)>,
    /// How much of the peer's changes was received here.
    pub received: Seq,
    /// How much of this server's changes the other peers have confirmed.
    pub peers: Vec<PeerPosition>,
    /// How many records could not be read.
    pub damaged: u32,
}

/// Who sends, and what a frame says beside its load.
#[derive(Clone)]
pub struct Sender<'a> {
    /// This POP.
    pub member: Member,
    /// Its cluster.
    pub cluster: &'a Cluster,
    /// The newest epoch it knows.
    pub epoch: Option<Epoch>,
    /// Its wall clock.
    pub now: UnixTime,
    /// The subkeys of the inter-POP secret.
    pub keys: &'a Keys,
}

/// What became of an order.
#[derive(Clone, Debug)]
pub struct Built {
    /// What the machine is told.
    pub fact: Input,
    /// What to post; `None` if there is nothing to say.
    pub sealed: Option<Sealed>,
    /// What a person should know.
    pub alert: Option<Alert>,
}

/// A frame on its way.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The versions it carries, in order.
    pub versions: Vec<(Key, Hlc)>,
}

/// Reads what an order asks for, as much as fits in one frame of this window.
pub fn load<R: Rows>(
    reader: &Reader<'_, R>,
    cluster: &Cluster,
    window: Window,
    order: &Order,
) -> Result<Load, StoreError> {
    let mut load = Load { to: order.upto, ..Load::default() };
    if let Some((pop, store)) = order.identity {
        load.received = tables::received(reader, pop, store)?.prefix;
    }
    for url in &cluster.peer_urls {
        let row = tables::peer(reader, url)?;
        if let Some((peer, store)) = row.identity.filter(|it| order.identity != Some(*it)) {
            load.peers.push(PeerPosition { peer, store, received: row.cursor });
        }
    }
    if order.is_hello {
        return Ok(load);
    }
    let mut bytes = ENVELOPE_BYTES_MAX as u64;
    let mut last = order.read_after;
    for (rows, row) in reader.changes(order.read_after)?.enumerate() {
        let (seq, change, key) = row?;
        if seq > order.upto {
            break;
        }
        let size = u64::from(change.bytes).saturating_add(RECORD_OVERHEAD as u64);
        let is_owed = is_owed(&change, order);
        let has_room = load.records.len() < RECORDS_MAX
            && bytes.saturating_add(size) <= window.frame_bytes_max();
        if rows >= ROWS_MAX || (is_owed && !has_room) {
            load.to = last;
            break;
        }
        if is_owed {
            bytes += size;
            load.add(reader, key)?;
        }
        last = seq;
    }
    Ok(load)
}

impl Load {
    fn add<R: Rows>(&mut self, reader: &Reader<'_, R>, key: &[u8]) -> Result<(), StoreError> {
        let encoded = match reader.encoded(key) {
            Ok(encoded) => encoded,
            // One damaged record must not keep back every other.
            Err(StoreError::Damaged(_)) => None,
            Err(error) => return Err(error),
        };
        let head = encoded.and_then(|encoded| record::decode_head(encoded).ok());
        match (encoded, head) {
            (Some(encoded), Some((head, _))) => {
                self.versions.push((head.key(), head.hlc));
                self.records.push(Block(encoded.to_vec()));
            }
            _ => self.damaged += 1,
        }
        Ok(())
    }
}

impl Sender<'_> {
    /// Builds the ordered frame for a peer, if there is anything to say.
    pub fn build(self, peer: u8, order: &Order, load: Load) -> Built {
        let op = order.op;
        let alert = (load.damaged > 0).then(|| {
            let message = "damaged records cannot be replicated; run the `check` command";
            Alert::new(AlertType::StorageFailed, message).with("records", load.damaged)
        });
        let records = u32::try_from(load.records.len()).unwrap_or(u32::MAX);
        let to = load.to;
        if records == 0 && !order.is_hello {
            let fact = Input::FrameBuilt { peer, op, to, records, bytes: 0 };
            return Built { fact, sealed: None, alert };
        }
        let keys = self.keys;
        let destination = self.cluster.peer_url(peer).to_owned();
        let (frame, versions) = self.frame(destination, order, load);
        let bytes = frame::seal_frame(&frame, keys);
        let fact = Input::FrameBuilt { peer, op, to, records, bytes: bytes.len() as u64 };
        Built { fact, sealed: Some(Sealed { bytes, versions }), alert }
    }

    fn frame(self, destination: String, order: &Order, load: Load) -> (Frame, Vec<(Key, Hlc)>) {
        let to = if order.is_hello { order.after } else { load.to };
        let frame = Frame {
            source: self.member,
            destination,
            destination_store: order.identity.map(|(_, store)| store),
            cluster: self.cluster.name.clone(),
            epoch: self.epoch,
            range: Range { after: order.after, to },
            sent: self.now,
            is_complete: to >= order.complete_at,
            received: load.received,
            peers: load.peers,
            records: load.records,
        };
        (frame, load.versions)
    }
}

/// Whether a change is owed to the peer: not what came from it, nor what it has from its source.
pub fn is_owed(change: &Change, order: &Order) -> bool {
    let Some(origin) = change.origin else { return true };
    let is_from_peer = order.identity == Some((origin.pop, origin.store));
    let is_covered = order.covered.iter().any(|position| {
        position.source == origin.pop
            && position.store == origin.store
            && origin.seq <= position.received
    });
    !is_from_peer && !is_covered
}
