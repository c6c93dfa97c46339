//! Which records each POP has taken, and how far each cursor is known to have moved.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use clavitor_commercial::frame::Verdict;
use clavitor_commercial::tables;
use clavitor_core::id::{OpId, PopId, Seq, StoreId};
use clavitor_core::record::Key;
use clavitor_core::store::{Origin, RECORDS, Reader, Rows};
use clavitor_core::time::Instant;

use super::Sight;
use crate::digest;
use crate::event::Fact;

/// What was delivered.
#[derive(Debug)]
pub(super) struct Delivery {
    taken: HashSet<(u8, u64)>,
    cursors: Vec<Vec<Seq>>,
    set_back: BTreeSet<(u8, u8, Key)>,
    sent_at: BTreeMap<(u8, OpId), Instant>,
    reached: BTreeMap<(u8, PopId, StoreId), Seq>,
}

impl Delivery {
    pub(super) fn new(pops: usize) -> Self {
        let cursors = vec![vec![Seq(0); pops]; pops];
        Self {
            taken: HashSet::new(),
            cursors,
            set_back: BTreeSet::new(),
            sent_at: BTreeMap::new(),
            reached: BTreeMap::new(),
        }
    }

    /// Up to where a peer had confirmed before.
    pub(super) fn cursor(&self, pop: u8, peer: u8) -> Seq {
        self.cursors[usize::from(pop)][usize::from(peer)]
    }

    /// Whether a POP has taken this very record.
    pub(super) fn has_taken(&self, pop: u8, record: &[u8]) -> bool {
        self.taken.contains(&(pop, digest::of(record)))
    }

    /// Up to where a POP has received everything of a data directory.
    pub(super) fn reached(&self, pop: u8, source: PopId, store: StoreId) -> Seq {
        self.reached.get(&(pop, source, store)).copied().unwrap_or_default()
    }

    /// Whether a record came from the POP itself, or reached it from where it came from: as it was
    /// then, or rewritten since.
    pub(super) fn is_from(&self, origin: &Origin, pop: u8, id: PopId) -> bool {
        origin.pop == id || self.reached(pop, origin.pop, origin.store) >= origin.seq
    }

    /// Whether a peer could not take a record, which is kept for it.
    pub(super) fn is_set_back(&self, pop: u8, peer: u8, key: &Key) -> bool {
        self.set_back.contains(&(pop, peer, key.clone()))
    }

    /// Whether a frame was sent to a data directory that has been replaced since.
    pub(super) fn is_outdated(&self, pop: u8, peer: u8, op: OpId, sight: Sight<'_>) -> bool {
        let Some(to) = sight.server(pop).peers.get(usize::from(peer)) else { return true };
        let replaced_at = sight.server(*to).replaced_at;
        let sent_at = self.sent_at.get(&(pop, op)).copied().unwrap_or_default();
        replaced_at > Instant(0) && sent_at <= replaced_at
    }

    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) {
        match fact {
            Fact::Took { pop, frame, verdicts, received, .. } => {
                if !frame.is_hello() {
                    let course = (*pop, frame.source.pop, frame.source.store);
                    self.reached.insert(course, *received);
                }
                let taken = frame.records.iter().zip(verdicts);
                let taken = taken
                    .filter(|(_, verdict)| matches!(verdict, Verdict::Applied | Verdict::Already));
                self.taken.extend(taken.map(|(record, _)| (*pop, digest::of(&record.0))));
            }
            Fact::Sent { pop, op, .. } => {
                self.sent_at.insert((*pop, *op), sight.around.now);
                while self.sent_at.len() > 4_096 {
                    self.sent_at.pop_first();
                }
            }
            Fact::Advanced { pop, peer, cursor, setbacks, .. } => {
                self.cursors[usize::from(*pop)][usize::from(*peer)] = *cursor;
                self.set_back.extend(setbacks.iter().map(|key| (*pop, *peer, key.clone())));
            }
            Fact::Adopted { pop, peer, cursor, .. } => {
                self.cursors[usize::from(*pop)][usize::from(*peer)] = *cursor;
            }
            Fact::Started(pop) => self.on_start(*pop, sight),
            Fact::Emptied(pop) => self.forget(*pop),
            Fact::PutBack(pop) => {
                // What the copy holds was taken before it was made.
                let disk = &sight.server(*pop).disk;
                let courses: Vec<(u8, PopId, StoreId)> =
                    self.reached.keys().filter(|course| course.0 == *pop).copied().collect();
                self.forget(*pop);
                for course in courses {
                    let received = tables::received(&Reader::new(disk), course.1, course.2);
                    self.reached.insert(course, received.expect("rows are whole").prefix);
                }
                for row in disk.all(RECORDS).expect("rows are whole") {
                    let (_, stored) = row.expect("a row is whole");
                    let record = stored.get(16..).unwrap_or_default();
                    self.taken.insert((*pop, digest::of(record)));
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, pop: u8) {
        self.taken.retain(|(taker, _)| *taker != pop);
        self.reached.retain(|(taker, ..), _| *taker != pop);
    }

    fn on_start(&mut self, pop: u8, sight: Sight<'_>) {
        let Some(process) = &sight.server(pop).process else { return };
        self.sent_at.retain(|(sender, _), _| *sender != pop);
        for (peer, view) in process.views.iter().enumerate() {
            self.cursors[usize::from(pop)][peer] = view.acked;
        }
    }
}
