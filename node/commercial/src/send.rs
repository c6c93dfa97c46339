//! Builds frames from what is owed, posts them, and reads the answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_commercial::frame::{
    self, ACK_BYTES_MAX, Ack, ENVELOPE_BYTES_MAX, FRAME_BYTES_MAX, Frame, Keys, PeerPosition,
    RECORDS_MAX, Range, Refusal,
};
use clavitor_commercial::pop::{Input, PeerReport};
use clavitor_commercial::replication::{Acked, Answer, Order, RecordVerdict};
use clavitor_commercial::skew::Clocks;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec::Block;
use clavitor_core::edition::Edition;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{OpId, PopId, Seq, StoreId};
use clavitor_core::record::{self, Key};
use clavitor_node::runtime::{Post, Posted, Runtime, Unreachable};
use clavitor_node::store::{Change, Reader, StoreError};
use clavitor_node::wall;
use futures_util::future::{AbortHandle, abortable};

use crate::{Commercial, lock};

/// Where frames go.
pub(crate) const FRAMES_PATH: &str = "/v1/replication/frames";

/// The most rows of the index of changes that one order walks over.
const ROWS_MAX: usize = 100_000;

/// What a record takes in a frame beside its own bytes.
const RECORD_OVERHEAD: usize = 8;

/// How many of a peer's newest frames are remembered: far more than may be in flight.
const FLIGHTS_KEPT: u64 = 64;

/// A frame under way.
pub(crate) struct InFlight {
    abort: AbortHandle,
    keys: Vec<Key>,
}

impl InFlight {
    pub(crate) fn abort(&self) {
        self.abort.abort();
    }

    pub(crate) fn into_keys(self) -> Vec<Key> {
        self.keys
    }
}

/// The records of a frame.
#[derive(Default)]
struct Load {
    to: Seq,
    records: Vec<Block>,
    versions: Vec<(Key, Hlc)>,
    received: Seq,
    peers: Vec<PeerPosition>,
    damaged: u32,
}

impl<R: Runtime> Commercial<R> {
    /// Builds the ordered frame and, if there is anything to say, sends it. What was built is told
    /// at once; the answer comes later.
    pub(crate) fn send_frame(self: &Arc<Self>, peer: u8, order: &Order, facts: &mut Vec<Input>) {
        let op = order.op;
        let Some(keys) = self.keys.clone() else { return };
        let load = match self.store.read(|reader| self.load(reader, order)) {
            Ok(load) => load,
            Err(_) => {
                facts.push(report(peer, op, Answer::Unreachable));
                return;
            }
        };
        if load.damaged > 0 {
            let message = "damaged records cannot be replicated; run `clavitor check`";
            let alert = Alert::new(AlertType::StorageFailed, message);
            self.alert_operator(alert.with("records", load.damaged));
        }
        let records = u32::try_from(load.records.len()).unwrap_or(u32::MAX);
        let to = load.to;
        if records == 0 && !order.is_hello {
            facts.push(Input::FrameBuilt { peer, op, to, records, bytes: 0 });
            return;
        }
        let url = self.peer_url(peer);
        let (frame, versions) = self.frame(&url, order, load);
        let sealed = frame::seal_frame(&frame, &keys);
        facts.push(Input::FrameBuilt { peer, op, to, records, bytes: sealed.len() as u64 });
        self.counters.frames_sent.fetch_add(1, Ordering::Relaxed);
        self.counters.records_sent.fetch_add(u64::from(records), Ordering::Relaxed);
        self.post(peer, order, url, sealed, versions, keys);
    }

    fn post(
        self: &Arc<Self>,
        peer: u8,
        order: &Order,
        url: String,
        sealed: Vec<u8>,
        versions: Vec<(Key, Hlc)>,
        keys: Keys,
    ) {
        let (op, identity) = (order.op, order.identity);
        let names = versions.iter().map(|(key, _)| key.clone()).collect();
        let edition = self.clone();
        let (task, abort) = abortable(async move {
            let digest = frame::digest(&sealed);
            let post = Post {
                url: url.clone(),
                path: FRAMES_PATH,
                body: sealed.into(),
                answer_bytes_max: ACK_BYTES_MAX,
            };
            let answer = edition.runtime.post(post).await;
            let expected =
                Expected { keys: &keys, digest, url: &url, versions: &versions, identity };
            edition.mailbox.push(expected.read(peer, op, edition.store.pop(), answer));
        });
        let mut flights = lock(&self.flights);
        // An answer that led nowhere leaves its frame behind; the window bounds the live ones.
        flights.retain(|other, flight| {
            let is_kept = other.0 >> 48 != op.0 >> 48 || other.0 + FLIGHTS_KEPT > op.0;
            if !is_kept {
                flight.abort();
            }
            is_kept
        });
        flights.insert(op, InFlight { abort, keys: names });
        drop(flights);
        self.runtime.spawn(async move {
            let _ = task.await;
        });
    }

    fn frame(&self, url: &str, order: &Order, load: Load) -> (Frame, Vec<(Key, Hlc)>) {
        let to = if order.is_hello { order.after } else { load.to };
        let frame = Frame {
            source: self.member(),
            destination: url.to_owned(),
            destination_store: order.identity.map(|(_, store)| store),
            cluster: self.cluster.name.clone(),
            epoch: *lock(&self.epoch),
            range: Range { after: order.after, to },
            sent: wall::unix_time(),
            is_complete: to >= order.complete_at,
            received: load.received,
            peers: load.peers,
            records: load.records,
        };
        (frame, load.versions)
    }

    fn load(&self, reader: &Reader<'_>, order: &Order) -> Result<Load, StoreError> {
        let mut load = Load { to: order.upto, ..Load::default() };
        if let Some((pop, store)) = order.identity {
            load.received = self.tables.received(reader, pop, store)?.prefix;
        }
        for url in &self.cluster.peer_urls {
            let row = self.tables.peer(reader, url)?;
            if let Some((peer, store)) = row.identity.filter(|it| order.identity != Some(*it)) {
                load.peers.push(PeerPosition { peer, store, received: row.cursor });
            }
        }
        if order.is_hello {
            return Ok(load);
        }
        let mut bytes = ENVELOPE_BYTES_MAX;
        let mut last = order.read_after;
        for (rows, row) in reader.changes(order.read_after)?.enumerate() {
            let (seq, change, key) = row?;
            if seq > order.upto {
                break;
            }
            let size = change.bytes as usize + RECORD_OVERHEAD;
            let is_owed = is_owed(&change, order);
            let has_room = load.records.len() < RECORDS_MAX && bytes + size <= FRAME_BYTES_MAX;
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

    pub(crate) fn peer_url(&self, peer: u8) -> String {
        self.cluster.peer_urls.get(usize::from(peer)).cloned().unwrap_or_default()
    }
}

impl Load {
    fn add(&mut self, reader: &Reader<'_>, key: &[u8]) -> Result<(), StoreError> {
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

/// Whether a change is owed to the peer: not what came from it, nor what it has from its source.
pub(crate) fn is_owed(change: &Change, order: &Order) -> bool {
    let Some(origin) = change.origin else { return true };
    let is_from_peer = order.identity == Some((origin.pop, origin.store));
    let is_covered = order.covered.iter().any(|position| {
        position.source == origin.pop
            && position.store == origin.store
            && origin.seq <= position.received
    });
    !is_from_peer && !is_covered
}

/// What an answer is held against.
struct Expected<'a> {
    keys: &'a Keys,
    digest: [u8; 32],
    url: &'a str,
    versions: &'a [(Key, Hlc)],
    identity: Option<(PopId, StoreId)>,
}

impl Expected<'_> {
    fn read(
        &self,
        peer: u8,
        op: OpId,
        own_pop: PopId,
        answer: Result<Posted, Unreachable>,
    ) -> Input {
        let Ok(posted) = answer else { return report(peer, op, Answer::Unreachable) };
        if posted.status != 200 {
            let refusal = refusal_of(&posted.body);
            return report(peer, op, refusal.map_or(Answer::Unreachable, Answer::Refused));
        }
        let (keys, digest, records) = (self.keys, &self.digest, self.versions.len());
        let Some(ack) = frame::open_ack(&posted.body, keys, digest, self.url, records) else {
            return report(peer, op, Answer::Forged);
        };
        let acker = (ack.acker.pop, ack.acker.store);
        if acker.0 == own_pop {
            return report(peer, op, Answer::Refused(Refusal::Duplicate));
        }
        if self.identity.is_some_and(|identity| identity != acker) && records > 0 {
            return report(peer, op, Answer::Refused(Refusal::Store));
        }
        let now = wall::unix_time();
        Input::FrameAnswered(PeerReport {
            peer,
            op,
            clock: Some(Clocks { peer: ack.wall, own: now }),
            epoch: ack.epoch,
            answer: Answer::Acked(self.acked(ack, now)),
        })
    }

    fn acked(&self, ack: Ack, at: clavitor_core::time::UnixTime) -> Acked {
        let versions = self.versions.iter().zip(ack.verdicts);
        let verdict = |((key, hlc), verdict): (&(Key, Hlc), _)| RecordVerdict {
            record: key.id(),
            hlc: *hlc,
            verdict,
        };
        Acked {
            pop: ack.acker.pop,
            store: ack.acker.store,
            received: ack.received,
            verdicts: versions.map(verdict).collect(),
            positions: ack.positions,
            is_complete: ack.is_complete,
            at,
        }
    }
}

fn report(peer: u8, op: OpId, answer: Answer) -> Input {
    Input::FrameAnswered(PeerReport { peer, op, answer, clock: None, epoch: None })
}

fn refusal_of(body: &[u8]) -> Option<Refusal> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    Refusal::from_code(document.get("code")?.as_str()?)
}

#[cfg(test)]
mod tests;
