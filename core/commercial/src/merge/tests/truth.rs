//! What every POP must hold in the end, by what clients wrote and saw.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::record::{Item, Key};

use super::site::Site;

/// What was acknowledged, and what the client of each write had before its eyes.
#[derive(Default)]
pub(crate) struct Truth {
    written: BTreeMap<Key, BTreeSet<Hlc>>,
    seen: BTreeMap<Key, BTreeSet<Hlc>>,
    /// Versions that had lost elsewhere and were replaced here before this POP heard of the winner:
    /// a journal item of them is allowed, but not demanded.
    allowed: BTreeMap<Key, BTreeSet<Hlc>>,
}

impl Truth {
    /// A client writes; answers what changed.
    pub(crate) fn on_write(&mut self, site: &mut Site, now_ms: u64, item: Item) -> Key {
        let count: usize = self.written.values().map(BTreeSet::len).sum();
        let lost = site.lost(&item);
        let is_deletion = matches!(item, Item::Entry { deleted: true, .. });
        let blob = if is_deletion { Vec::new() } else { count.to_le_bytes().to_vec() };
        let before = site.records.clone();
        let record = site.write(now_ms, item, blob);
        let key = record.head.key();
        if let Some(seen) = before.get(&key).map(|held| held.head.hlc) {
            assert!(seen < record.head.hlc, "a client's write is later than what it replaces");
            self.seen.entry(key.clone()).or_default().insert(seen);
            if lost.contains(&seen) {
                self.allowed.entry(key.clone()).or_default().insert(seen);
            }
        }
        self.written.entry(key.clone()).or_default().insert(record.head.hlc);
        key
    }

    /// Whether a POP that heard everything holds what it must.
    pub(crate) fn check(&self, site: &Site) {
        for (key, written) in &self.written {
            let none = BTreeSet::new();
            let seen = self.seen.get(key).unwrap_or(&none);
            let allowed = self.allowed.get(key).unwrap_or(&none);
            let held = site.records.get(key).unwrap();
            assert_eq!(Some(&held.head.hlc), written.last(), "the last write wins");
            let lost: BTreeSet<Hlc> = site.lost(&held.head.item).into_iter().collect();
            let unseen: BTreeSet<Hlc> = written.difference(seen).copied().collect();
            for version in unseen.iter().filter(|version| **version != held.head.hlc) {
                assert!(lost.contains(version), "{version} was acknowledged, and is nowhere");
            }
            for version in &lost {
                let is_due = unseen.contains(version) || allowed.contains(version);
                assert!(is_due, "{version} was replaced by a write that had seen it");
            }
        }
    }
}
