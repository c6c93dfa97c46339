//! Judges this server's wall clock by its peers': merge itself never looks at a clock.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::hlc::{Floor, Hlc};
use clavitor_core::time::UnixTime;
use serde::{Deserialize, Serialize};

/// A clock this far off its peers' median is worth an alert, in milliseconds.
pub const ALERT_MS: u64 = 60_000;

/// A clock this far off must not stamp client writes, in milliseconds. A record this far in the
/// future is deferred by its receiver.
pub const REFUSE_MS: u64 = 300_000;

/// The most peers whose clocks are compared.
pub const PEERS_MAX: usize = 16;

/// The last known offset of every peer's wall clock from ours.
///
/// Invariant: at most [`PEERS_MAX`] offsets; an alert is raised once per excursion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    offsets_ms: BTreeMap<u8, i64>,
    is_alerted: bool,
}

impl Skew {
    /// Takes note of a peer's clock: how far it is ahead of ours (negative: behind).
    pub fn observe(&mut self, peer: u8, offset_ms: i64) -> Option<Alert> {
        if self.offsets_ms.len() < PEERS_MAX || self.offsets_ms.contains_key(&peer) {
            self.offsets_ms.insert(peer, offset_ms);
        }
        let median_ms = self.median_ms();
        let is_off = median_ms.unsigned_abs() > ALERT_MS;
        let is_news = is_off && !self.is_alerted;
        self.is_alerted = is_off;
        is_news.then(|| {
            let message = "this server's clock differs from its peers'; check NTP on all of them";
            Alert::new(AlertType::ClockSkew, message).with("peers_ahead_ms", median_ms)
        })
    }

    /// How far the peers' median clock is ahead of ours, in milliseconds; 0 while none is known.
    pub fn median_ms(&self) -> i64 {
        let mut sorted: Vec<i64> = self.offsets_ms.values().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }
}

/// Whether this server's clock may stamp client writes: neither it nor the timestamps it has
/// issued may be far off what its peers' clocks say.
pub fn may_stamp(peers_ahead_ms: i64, now: UnixTime, floor: Floor) -> bool {
    let agreed = now.offset_ms(peers_ahead_ms);
    peers_ahead_ms.unsigned_abs() <= REFUSE_MS && floor.ms <= agreed.plus_ms(REFUSE_MS).0
}

/// Whether a record's timestamp is so far ahead that its receiver defers it.
pub fn is_future(hlc: Hlc, now: UnixTime) -> bool {
    hlc.ms > now.plus_ms(REFUSE_MS).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_peer_among_three_is_outvoted() {
        let mut skew = Skew::default();
        assert_eq!(skew.observe(0, 5), None);
        assert_eq!(skew.observe(1, 90_000_000), None);
        assert_eq!(skew.observe(2, -5), None);
        assert_eq!(skew.median_ms(), 5);
    }

    #[test]
    fn an_excursion_is_alerted_once() {
        let mut skew = Skew::default();
        assert!(skew.observe(0, -61_000).is_some());
        assert!(skew.observe(0, -62_000).is_none());
        assert!(skew.observe(0, 0).is_none());
        assert!(skew.observe(0, 61_000).is_some());
    }

    #[test]
    fn a_clock_or_a_floor_far_off_must_not_stamp() {
        let (now, ahead) = (UnixTime(10_000_000), Floor { ms: 10_300_001, counter: 0 });
        assert!(may_stamp(300_000, now, Floor::default()));
        assert!(!may_stamp(300_001, now, Floor::default()));
        assert!(!may_stamp(-300_001, now, Floor::default()));
        assert!(!may_stamp(0, now, ahead));
        assert!(may_stamp(1, now, ahead));
    }
}
