//! One POP's records and clock: the least that a store must do with the outcome of a merge.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_core::hlc::{Clock, Floor, Hlc};
use clavitor_core::id::PopId;
use clavitor_core::record::{Head, Item, Key, Record, successor};
use clavitor_core::time::UnixTime;

use crate::merge::{Merged, merge_entry, merge_loser, merge_token};

/// What an apply did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Records that changed, and whether each is what came in, to the letter.
    pub(crate) changed: Vec<(Key, bool)>,
    /// Whether two versions carried one timestamp.
    pub(crate) is_tie: bool,
}

#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) pop: PopId,
    pub(crate) records: BTreeMap<Key, Record>,
    clock: Clock,
}

impl Site {
    pub(crate) fn new(pop: &str) -> Self {
        let pop: PopId = pop.parse().unwrap();
        Self { pop, records: BTreeMap::new(), clock: Clock::new(pop, Floor::default()) }
    }

    pub(crate) fn stamp(&mut self, now_ms: u64) -> Hlc {
        self.clock.next(UnixTime(now_ms))
    }

    /// The journalled versions of the entry that `item` belongs to.
    pub(crate) fn lost(&self, item: &Item) -> Vec<Hlc> {
        let (Item::Entry { vault, entry, .. } | Item::Loser { vault, entry, .. }) = item else {
            return Vec::new();
        };
        let versions = self.records.keys().filter_map(|key| match key {
            Key::Loser(of_vault, of_entry, version) => {
                ((of_vault, of_entry) == (vault, entry)).then_some(*version)
            }
            Key::Entry(..) | Key::Token(_) => None,
        });
        versions.collect()
    }

    /// A client writes; answers the new version.
    pub(crate) fn write(&mut self, now_ms: u64, item: Item, blob: Vec<u8>) -> Record {
        let hlc = self.stamp(now_ms);
        let lost = self.lost(&item);
        let head = Head { hlc, context: Default::default(), item: item.clone() };
        let held = self.records.get(&head.key()).map(|record| &record.head);
        let head = successor(held, &lost, hlc, item);
        let record = Record { head, blob };
        let valid = Record::decode(&record.encode());
        assert_eq!(valid.as_ref(), Ok(&record), "peers must take it");
        self.records.insert(record.head.key(), record.clone());
        record
    }

    /// A record comes in.
    pub(crate) fn apply(&mut self, incoming: &Record) -> Applied {
        let valid = Record::decode(&incoming.encode());
        assert_eq!(valid.as_ref(), Ok(incoming), "peers must take it");
        self.clock.observe(incoming.head.hlc);
        let key = incoming.head.key();
        let held = self.records.get(&key);
        let merged = match &incoming.head.item {
            Item::Entry { .. } => merge_entry(held, &self.lost(&incoming.head.item), incoming),
            Item::Token(_) => merge_token(held, incoming),
            Item::Loser { vault, entry, .. } => {
                let entry = Key::Entry(vault.clone(), entry.clone());
                let entry = self.records.get(&entry).map(|record| &record.head.context);
                merge_loser(held, entry, incoming)
            }
        };
        self.store(merged, &incoming.head)
    }

    fn store(&mut self, merged: Merged, head: &Head) -> Applied {
        let mut applied = Applied { changed: Vec::new(), is_tie: merged.is_tie };
        if let Some(record) = merged.hold {
            let key = record.head.key();
            applied.changed.push((key.clone(), merged.is_incoming));
            self.records.insert(key, record);
        }
        for version in merged.settled {
            if let Item::Entry { vault, entry, .. } = &head.item {
                let key = Key::Loser(vault.clone(), entry.clone(), version);
                self.records.remove(&key);
            }
        }
        if let Some(item) = merged.journal {
            // It was made here: whoever sent the winner does not have it.
            let changed = self.apply(&item).changed.into_iter();
            applied.changed.extend(changed.map(|(key, _)| (key, false)));
        }
        applied
    }
}
