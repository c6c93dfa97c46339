//! One POP of the model: its store, and the machine of its current process.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use clavitor_core::codec::Block;
use clavitor_core::id::OpId;
use clavitor_core::record::{Item, Key, Record};
use clavitor_core::time::UnixTime;

use super::super::*;
use crate::frame::{Ack, Frame, Member, PeerPosition, Range, Refusal, Verdict};
use crate::merge::tests::site::Site;
use crate::replication::tests::received::Received;
use crate::replication::{Acked, Known, Order, RecordVerdict, Window};

mod receiving;

/// Small frames, so that there are many.
const RECORDS_MAX: usize = 4;

pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];

type Origin = (PopId, StoreId, Seq);

/// What a data directory holds, and nothing else survives a crash.
#[derive(Clone)]
pub(super) struct Server {
    at: usize,
    pops: usize,
    pub(super) site: Site,
    pub(super) store: StoreId,
    pub(super) epoch: Option<Epoch>,
    pub(super) last: u64,
    index: BTreeMap<u64, (Key, Option<Origin>)>,
    received: BTreeMap<PopId, (StoreId, Received)>,
    pub(super) known: Vec<Known>,
    kept: Vec<BTreeSet<Key>>,
    pub(super) denied: BTreeSet<(u8, StoreId)>,
    frames: BTreeMap<(u8, OpId), Vec<Key>>,
    pub(super) machine: Option<CommercialPop>,
    pub(super) process: u32,
    stores: u8,
}

impl Server {
    pub(super) fn new(at: usize, pops: usize) -> Self {
        Self {
            at,
            pops,
            site: Site::new(NAMES[at]),
            store: StoreId([at as u8 + 1; 16]),
            epoch: None,
            last: 0,
            index: BTreeMap::new(),
            received: BTreeMap::new(),
            known: (1..pops).map(|_| Known::default()).collect(),
            kept: (1..pops).map(|_| BTreeSet::new()).collect(),
            denied: BTreeSet::new(),
            frames: BTreeMap::new(),
            machine: None,
            process: 0,
            stores: 0,
        }
    }

    pub(super) fn boot(&mut self) {
        self.process += 1;
        self.frames.clear();
        let known = self.known.iter().zip(&self.kept);
        let known =
            known.map(|(known, kept)| Known { setbacks: kept.len() as u32, ..known.clone() });
        let known: Vec<Known> = known.collect();
        for known in &mut self.known {
            known.unverified = known.unverified.or(Some(Seq(self.last)));
        }
        self.machine = Some(CommercialPop::new(Boot {
            pop: self.site.pop,
            epoch: self.epoch,
            last: Seq(self.last),
            peers: known,
            window: Window::STANDARD,
            is_imported: false,
            alerts: Default::default(),
            lease: lease::Start::without_hq(self.site.pop),
        }));
    }

    pub(super) fn crash(&mut self) {
        self.machine = None;
    }

    /// The process goes down, and comes back with an older copy of its data directory.
    pub(super) fn restore(&mut self, old: &Server) {
        let process = self.process;
        *self = Server { machine: None, process, ..old.clone() };
    }

    /// The process goes down, and comes back with an empty data directory.
    pub(super) fn empty(&mut self) {
        let process = self.process;
        let stores = self.stores + 1;
        let store = self.fresh_store();
        *self = Server { process, stores, store, ..Server::new(self.at, self.pops) };
    }

    pub(super) fn replace_store(&mut self, above: Seq) -> Seq {
        self.store = self.fresh_store();
        self.stores += 1;
        self.last = self.last.max(above.0) + 1;
        for known in &mut self.known {
            (known.cursor, known.clean_to) = (Seq(0), Seq(0));
        }
        Seq(self.last)
    }

    fn fresh_store(&self) -> StoreId {
        let mut store = StoreId([self.at as u8 + 1; 16]);
        store.0[1] = self.stores + 100;
        store.0[2] = self.process as u8;
        store
    }

    /// The server behind one of our peers, and the other way round.
    pub(super) fn node_of(&self, peer: u8) -> usize {
        let peer = usize::from(peer);
        if peer < self.at { peer } else { peer + 1 }
    }

    pub(super) fn peer_of(&self, node: usize) -> u8 {
        (if node < self.at { node } else { node - 1 }) as u8
    }

    /// The record changed: it has a new sequence number, and only that one.
    pub(super) fn touch(&mut self, key: &Key, origin: Option<Origin>) {
        self.index.retain(|_, (known, _)| known != key);
        self.last += 1;
        self.index.insert(self.last, (key.clone(), origin));
    }

    pub(super) fn build(&mut self, peer: u8, order: &Order) -> (Frame, u32) {
        let dirty = self.index.iter().filter(|(seq, (key, origin))| {
            let is_in_range = order.read_after.0 < **seq && **seq <= order.upto.0;
            let is_known = origin.is_some_and(|(pop, store, seq)| {
                let is_it = |position: &Position| {
                    (position.source, position.store) == (pop, store) && position.received >= seq
                };
                order.identity == Some((pop, store)) || order.covered.iter().any(is_it)
            });
            is_in_range && !is_known && !order.is_hello && self.site.records.contains_key(key)
        });
        let dirty: Vec<(u64, Key)> =
            dirty.map(|(seq, of)| (*seq, of.0.clone())).take(RECORDS_MAX).collect();
        let to = match dirty.last() {
            _ if order.is_hello => order.after,
            Some((seq, _)) if dirty.len() == RECORDS_MAX => Seq(*seq),
            _ => order.upto,
        };
        let records = dirty.iter().map(|(_, key)| Block(self.site.records[key].encode())).collect();
        let count = dirty.len() as u32;
        self.frames.insert((peer, order.op), dirty.into_iter().map(|dirty| dirty.1).collect());
        let mine = |known: &StoreId| order.identity.is_some_and(|(_, store)| store == *known);
        let destination = order.identity.and_then(|(pop, _)| self.received.get(&pop));
        let received =
            destination.filter(|(store, _)| mine(store)).map_or(0, |known| known.1.prefix);
        let others = self.known.iter().enumerate().filter(|(at, _)| *at != usize::from(peer));
        let position = |(_, known): (usize, &Known)| {
            let (peer, store) = known.identity?;
            Some(PeerPosition { peer, store, received: known.cursor })
        };
        let frame = Frame {
            source: self.member(),
            destination: NAMES[self.node_of(peer)].to_string(),
            destination_store: order.identity.map(|(_, store)| store),
            cluster: "main".to_string(),
            epoch: self.epoch,
            range: Range { after: order.after, to },
            sent: UnixTime(0),
            is_complete: to >= order.complete_at,
            received: Seq(received),
            peers: others.filter_map(position).collect(),
            records,
        };
        (frame, count)
    }

    fn member(&self) -> Member {
        Member { pop: self.site.pop, store: self.store, url: NAMES[self.at].to_string() }
    }

    /// What the sender's node makes of the ack.
    pub(super) fn acked(&self, frame: &Frame, ack: Ack) -> Acked {
        let heads = frame.records.iter().map(|block| Record::decode(&block.0).unwrap().head);
        let verdict = |(head, verdict): (clavitor_core::record::Head, Verdict)| RecordVerdict {
            record: head.key().id(),
            hlc: head.hlc,
            verdict,
        };
        Acked {
            pop: ack.acker.pop,
            store: ack.acker.store,
            received: ack.received,
            verdicts: heads.zip(ack.verdicts).map(verdict).collect(),
            positions: ack.positions,
            is_complete: false,
            at: UnixTime(0),
        }
    }

    pub(super) fn confirm(&mut self, peer: u8, op: OpId, cursor: Seq, setbacks: &[u32]) {
        let records = self.frames.remove(&(peer, op)).unwrap_or_default();
        let kept = setbacks.iter().map(|at| records[*at as usize].clone());
        self.kept[usize::from(peer)].extend(kept);
        let known = &mut self.known[usize::from(peer)];
        (known.cursor, known.clean_to) = (cursor, cursor);
    }

    pub(super) fn adopt_peer(&mut self, peer: u8, identity: (PopId, StoreId), cursor: Seq) {
        let known = &mut self.known[usize::from(peer)];
        (known.cursor, known.clean_to) = (cursor, cursor);
        known.identity = Some(identity);
        self.denied.remove(&(peer, identity.1));
    }

    /// Answers whether there was any.
    pub(super) fn retry_setbacks(&mut self, peer: u8) -> bool {
        let kept = core::mem::take(&mut self.kept[usize::from(peer)]);
        kept.iter().for_each(|key| self.touch(key, None));
        !kept.is_empty()
    }
}
