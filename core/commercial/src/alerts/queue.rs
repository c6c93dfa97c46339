//! What waits for HQ: in which order, what becomes one item, and what must go.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::codec;
use clavitor_core::time::{Instant, UnixTime};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::outbox::Loaded;
use super::{Item, Sender, bounds};
use crate::cluster::PEERS_MAX;

/// The most items that wait. Beyond it the oldest of the most frequent type goes.
pub const ITEMS_MAX: usize = 256;

/// The most items beside them that report what went.
pub const LOST_ITEMS_MAX: usize = 4;

/// The most different alerts of one type that wait without having been offered; further ones are
/// counted in an item of their own that says no more than how many.
pub const PER_TYPE_MAX: usize = 32;

const _: () = assert!(PER_TYPE_MAX >= 2 * PEERS_MAX, "each peer is named, for two reasons");
const _: () = assert!(PER_TYPE_MAX < ITEMS_MAX, "one type alone pushes nothing out");

/// How long further alerts of a type are held back, and counted, once one was offered, in
/// milliseconds.
pub const HOLD_BACK_MS: u64 = 60_000;

/// How old an item may become, in milliseconds. HQ remembers keys for longer.
pub const AGE_MAX_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// An older item was stamped or is judged by a clock that is wrong, in milliseconds.
pub const BELIEVED_AGE_MAX_MS: u64 = 2 * AGE_MAX_MS;

/// The items that wait.
///
/// Invariant: entries are in the order of their numbers; a frozen one's item does not change; one is
/// dirty while `kept` is not its count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queue {
    seed: u64,
    sender: Sender,
    next_number: u64,
    entries: Vec<Entry>,
    held: BTreeMap<AlertType, Held>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    item: Item,
    // The count it is stored with; 0 while it is not stored as it is.
    kept: u32,
    has_row: bool,
    // An order to store it has yet to be answered.
    is_under_way: bool,
    is_frozen: bool,
    refusals: u8,
    // How many items HQ had taken when it last refused this one.
    refused_at: Option<u64>,
    not_before: Instant,
    expires: Instant,
    may_expire: bool,
}

/// Alerts of a type from `from` on wait until `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    until: Instant,
    from: u64,
}

impl Queue {
    pub(super) fn new(
        seed: u64,
        sender: Sender,
        loaded: &Loaded,
        (now, wall): (Instant, UnixTime),
    ) -> Self {
        let Loaded { items, damaged } = loaded;
        let numbers = items.iter().map(|item| item.number).chain(damaged.iter().copied());
        let next_number = numbers.max().map_or(1, |number| number.saturating_add(1));
        let sender = bounds::bounded_sender(sender);
        let entries = items.iter().map(|item| found(item.clone(), now, wall)).collect();
        Self { seed, sender, next_number, entries, held: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Lets an alert wait: counted in an equal one, as an item of its own, or among the further ones
    /// of its type.
    pub(super) fn raise(&mut self, now: Instant, alert: Alert) {
        if self.count_in(&alert, 1) {
            return;
        }
        let alert_type = alert.alert_type;
        let is_open = |entry: &&Entry| is_open(entry) && entry.item.alert.alert_type == alert_type;
        let is_crowded = self.entries.iter().filter(is_open).count() >= PER_TYPE_MAX;
        let alert = if is_crowded { further(alert_type) } else { alert };
        if !self.count_in(&alert, 1) {
            self.add(now, alert, 1);
        }
    }

    /// Counts an alert in an equal one that waits, if there is one.
    pub(super) fn count_in(&mut self, alert: &Alert, count: u32) -> bool {
        let is_it = |entry: &&mut Entry| is_open(entry) && entry.item.alert == *alert;
        let Some(entry) = self.entries.iter_mut().find(is_it) else { return false };
        entry.item.count = entry.item.count.saturating_add(count);
        true
    }

    /// Lets an alert wait as an item of its own.
    pub(super) fn add(&mut self, now: Instant, alert: Alert, count: u32) {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        let key = key(self.seed, number, now, &alert);
        let sender = self.sender.clone();
        self.entries.push(Entry {
            item: Item { number, key, alert, count, at: None, sender, doubts: 0 },
            kept: 0,
            has_row: false,
            is_under_way: false,
            is_frozen: false,
            refusals: 0,
            refused_at: None,
            not_before: Instant(0),
            expires: now.plus_ms(AGE_MAX_MS),
            may_expire: true,
        });
    }

    /// The next item to be sent, from now on frozen; `None` also while it has yet to be stored.
    /// Without room a stored item is sent as it is stored: what was counted since comes second.
    pub(super) fn offer(&mut self, now: Instant, has_no_room: bool) -> Option<(Item, u32)> {
        let (held, next_number) = (&self.held, self.next_number);
        let free = self.entries.iter_mut().filter(|entry| free_at(held, entry) <= now);
        // What was refused comes after what was not, and last what was refused last.
        let entry = free.min_by_key(|entry| entry.not_before)?;
        entry.is_frozen = true;
        if !is_ready(entry, has_no_room) {
            return None;
        }
        entry.may_expire = true;
        let mut rest = 0;
        if entry.kept > 0 {
            rest = entry.item.count.saturating_sub(entry.kept);
            entry.item.count = entry.kept;
        }
        let held = self.held.entry(entry.item.alert.alert_type);
        let held = held.or_insert(Held { until: now, from: 0 });
        if held.until <= now {
            *held = Held { until: now.plus_ms(HOLD_BACK_MS), from: next_number };
        }
        Some((entry.item.clone(), rest))
    }

    /// When the next item may be offered; `None` if none waits, or one waits to be stored first.
    pub(super) fn free_at(&self, has_no_room: bool) -> Option<Instant> {
        let is_unstored = |entry: &Entry| entry.is_frozen && !is_ready(entry, has_no_room);
        if self.entries.iter().any(is_unstored) {
            return None;
        }
        self.entries.iter().map(|entry| free_at(&self.held, entry)).min()
    }

    /// Lets an item that was refused wait, so that the others come first. If HQ, which has taken
    /// that many items, took another one since it last refused this one, then it is about this one:
    /// how often it was.
    pub(super) fn refuse(&mut self, number: u64, again: Instant, taken: u64) -> Option<u8> {
        let at = self.position(number)?;
        let entry = self.entries.get_mut(at)?;
        entry.not_before = again;
        let before = entry.refused_at.replace(taken);
        // A report of losses is never given up for this, or nobody would hear of them.
        if is_report(entry) || before.is_none_or(|before| before >= taken) {
            return None;
        }
        entry.refusals = entry.refusals.saturating_add(1);
        Some(entry.refusals)
    }

    /// Takes an item out; whether the outbox holds it, or may once an order is answered.
    pub(super) fn take(&mut self, number: u64) -> Option<(Item, bool)> {
        let entry = self.entries.remove(self.position(number)?);
        Some((entry.item, entry.has_row || entry.is_under_way))
    }

    /// What has become too old.
    pub(super) fn expired(&self, now: Instant, in_flight: Option<u64>) -> Vec<u64> {
        let expired = self.entries.iter().filter(|it| it.may_expire && it.expires <= now);
        let numbers = expired.map(|entry| entry.item.number);
        numbers.filter(|number| Some(*number) != in_flight).collect()
    }

    /// The item that must go, if too many wait: the oldest of the most frequent type.
    pub(super) fn excess(&self, in_flight: Option<u64>) -> Option<u64> {
        let alerts = || self.entries.iter().filter(|entry| !is_report(entry));
        if alerts().count() <= ITEMS_MAX {
            return None;
        }
        let mut counts: BTreeMap<AlertType, u32> = BTreeMap::new();
        for entry in alerts() {
            *counts.entry(entry.item.alert.alert_type).or_default() += 1;
        }
        let most = counts.values().max().copied()?;
        let is_of_most = |entry: &&Entry| counts.get(&entry.item.alert.alert_type) == Some(&most);
        let numbers = alerts().filter(is_of_most).map(|entry| entry.item.number);
        numbers.filter(|number| Some(*number) != in_flight).min()
    }

    /// The report of losses that must go before another one comes.
    pub(super) fn excess_report(&self, in_flight: Option<u64>) -> Option<u64> {
        let reports = || self.entries.iter().filter(|entry| is_report(entry));
        let numbers = reports().map(|entry| entry.item.number);
        let oldest = numbers.filter(|number| Some(*number) != in_flight).min();
        oldest.filter(|_| reports().count() >= LOST_ITEMS_MAX)
    }

    /// Whether something waits that is not stored as it is.
    pub(super) fn is_dirty(&self) -> bool {
        self.entries.iter().any(is_dirty)
    }

    /// Whether something of it should be stored at once: an alert, or what is to be sent. How often
    /// an alert was raised can wait a little.
    pub(super) fn is_urgent(&self) -> bool {
        self.entries.iter().any(|entry| is_dirty(entry) && (entry.kept == 0 || entry.is_frozen))
    }

    /// What is to be stored; whether for the first time.
    pub(super) fn dirty(&mut self) -> Vec<(Item, bool)> {
        let dirty = self.entries.iter_mut().filter(|entry| is_dirty(entry));
        let item = |entry: &mut Entry| {
            entry.is_under_way = true;
            (entry.item.clone(), !entry.has_row)
        };
        dirty.map(item).collect()
    }

    /// An item was stored with this count, or could not be. If it has no time yet, it is of this.
    pub(super) fn tried(&mut self, number: u64, kept: Option<u32>, at: UnixTime) {
        if let Some(entry) = self.position(number).and_then(|at| self.entries.get_mut(at)) {
            entry.is_under_way = false;
            entry.has_row |= kept.is_some();
            entry.kept = kept.unwrap_or(entry.kept);
            entry.item.at = entry.item.at.or(Some(at));
        }
    }

    #[cfg(test)]
    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.entries.iter().map(|entry| &entry.item)
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.item.number == number)
    }
}

/// An item that was found in the outbox. Each start under a clock that is not to be believed grants
/// it half of what the one before did, so that it does not wait for ever.
fn found(mut item: Item, now: Instant, wall: UnixTime) -> Entry {
    let age_ms = u64::try_from(wall.signed_ms_since(item.at.unwrap_or(wall))).ok();
    let age_ms = age_ms.filter(|age_ms| *age_ms <= BELIEVED_AGE_MAX_MS);
    let left_ms = match age_ms {
        Some(age_ms) => AGE_MAX_MS.saturating_sub(age_ms),
        None => AGE_MAX_MS.checked_shr(item.doubts.into()).unwrap_or_default(),
    };
    if age_ms.is_none() {
        item.doubts = item.doubts.saturating_add(1);
    }
    Entry {
        kept: if age_ms.is_some() { item.count } else { 0 },
        has_row: true,
        is_under_way: false,
        is_frozen: true,
        refusals: 0,
        refused_at: None,
        not_before: Instant(0),
        expires: now.plus_ms(left_ms),
        // Whatever the clock says, HQ is asked first.
        may_expire: false,
        item,
    }
}

/// What stands for more different alerts of a type than wait one by one. It says nothing that is
/// not so of all of them, so that it never changes.
pub fn further(alert_type: AlertType) -> Alert {
    let message = "further alerts of this type; the local log has each of them";
    Alert::new(alert_type, message)
}

/// A machine that is resumed from a snapshot has its seed and its numbers again, and other alerts.
fn key(seed: u64, number: u64, now: Instant, alert: &Alert) -> [u8; 16] {
    let digest = Sha256::digest(codec::encode(&(seed, number, now, alert)));
    let (key, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    *key
}

fn is_open(entry: &Entry) -> bool {
    !entry.is_frozen
}

fn is_dirty(entry: &Entry) -> bool {
    entry.kept != entry.item.count
}

/// Whether an item can be sent: it is stored as it is, or was tried to and there is no room.
fn is_ready(entry: &Entry, has_no_room: bool) -> bool {
    !is_dirty(entry) || (has_no_room && !entry.is_under_way && entry.item.at.is_some())
}

fn is_report(entry: &Entry) -> bool {
    entry.item.alert.alert_type == AlertType::AlertsLost
}

/// From when on an item may be offered. What was offered before is held back by nothing but its own
/// refusal.
fn free_at(held: &BTreeMap<AlertType, Held>, entry: &Entry) -> Instant {
    let held = held.get(&entry.item.alert.alert_type);
    let held = held.filter(|held| !entry.is_frozen && entry.item.number >= held.from);
    held.map_or(entry.not_before, |held| held.until)
}
