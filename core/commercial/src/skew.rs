//! Judges this server's wall clock by its peers': merge itself never looks at a clock.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::hlc::{Floor, Hlc};
use clavitor_core::time::{Instant, UnixTime};
use serde::{Deserialize, Serialize};

use crate::cluster::PEERS_MAX;

/// A clock this far off its peers' median is worth an alert, in milliseconds.
pub const ALERT_MS: u64 = 60_000;

/// A clock this far off must not stamp client writes, in milliseconds. A record this far in the
/// future is deferred by its receiver.
pub const REFUSE_MS: u64 = 300_000;

/// Two wall clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// The peer's.
    pub peer: UnixTime,
    /// This server's.
    pub own: UnixTime,
}

/// What every peer's wall clock shows, told by this server's monotonic clock: a wall clock that is
/// set right is right at once, without hearing anybody again.
///
/// Invariant: at most [`PEERS_MAX`] peers; an alert is raised once per excursion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skew {
    origins_ms: BTreeMap<u8, i64>,
    is_alerted: bool,
}

impl Skew {
    /// Takes note of a peer's clock at `now`.
    pub fn observe(&mut self, now: Instant, peer: u8, clocks: Clocks) -> Option<Alert> {
        let since_ms = now.ms_since(Instant(0));
        let origin_ms = clocks.peer.signed_ms_since(UnixTime(since_ms));
        if self.origins_ms.len() < PEERS_MAX || self.origins_ms.contains_key(&peer) {
            self.origins_ms.insert(peer, origin_ms);
        }
        let agreed = UnixTime(since_ms).offset_ms(self.median_origin_ms().unwrap_or_default());
        let ahead_ms = agreed.signed_ms_since(clocks.own);
        let is_off = ahead_ms.unsigned_abs() > ALERT_MS;
        let is_news = is_off && !self.is_alerted;
        self.is_alerted = is_off;
        is_news.then(|| {
            let message = "this server's clock differs from its peers'; check NTP on all of them";
            Alert::new(AlertType::ClockSkew, message).with("peers_ahead_ms", ahead_ms)
        })
    }

    /// What the peers' median clock showed when the monotonic clock showed 0, in milliseconds;
    /// `None` while no peer is known.
    pub fn median_origin_ms(&self) -> Option<i64> {
        let mut sorted: Vec<i64> = self.origins_ms.values().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }
}

/// What the peers' median clock shows at `now`.
pub fn agreed_time(origin_ms: i64, now: Instant) -> UnixTime {
    UnixTime(now.ms_since(Instant(0))).offset_ms(origin_ms)
}

/// Whether this server's clock may stamp client writes: neither it nor the timestamps it has
/// issued may be far off what its peers' clocks say.
pub fn may_stamp(agreed: UnixTime, now: UnixTime, floor: Floor) -> bool {
    agreed.signed_ms_since(now).unsigned_abs() <= REFUSE_MS
        && floor.ms <= agreed.plus_ms(REFUSE_MS).0
}

/// Whether a record's timestamp is so far ahead that its receiver defers it.
pub fn is_future(hlc: Hlc, now: UnixTime) -> bool {
    hlc.ms > now.plus_ms(REFUSE_MS).0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(43_200_000);

    fn observe(skew: &mut Skew, peer: u8, ahead_ms: i64) -> Option<Alert> {
        let clocks = Clocks { peer: NOON.offset_ms(ahead_ms), own: NOON };
        skew.observe(Instant::from_ms(5_000), peer, clocks)
    }

    #[test]
    fn one_wrong_peer_among_three_is_outvoted() {
        let mut skew = Skew::default();
        assert_eq!(observe(&mut skew, 0, 5), None);
        assert_eq!(observe(&mut skew, 1, 90_000_000), None);
        assert_eq!(observe(&mut skew, 2, -5), None);
        let agreed = agreed_time(skew.median_origin_ms().unwrap(), Instant::from_ms(5_000));
        assert_eq!(agreed, NOON.plus_ms(5));
    }

    #[test]
    fn an_excursion_is_alerted_once() {
        let mut skew = Skew::default();
        assert!(observe(&mut skew, 0, -61_000).is_some());
        assert!(observe(&mut skew, 0, -62_000).is_none());
        assert!(observe(&mut skew, 0, 0).is_none());
        assert!(observe(&mut skew, 0, 61_000).is_some());
    }

    #[test]
    fn a_clock_that_is_set_right_may_stamp_at_once() {
        let mut skew = Skew::default();
        observe(&mut skew, 0, 600_000);
        let origin_ms = skew.median_origin_ms().unwrap();
        let later = agreed_time(origin_ms, Instant::from_ms(65_000));
        assert!(!may_stamp(later, NOON.plus_ms(60_000), Floor::default()));
        assert!(may_stamp(later, NOON.plus_ms(660_000), Floor::default()));
    }

    #[test]
    fn a_clock_or_a_floor_far_off_must_not_stamp() {
        let (now, ahead) = (UnixTime(10_000_000), Floor { ms: 10_300_001, counter: 0 });
        assert!(may_stamp(now.plus_ms(300_000), now, Floor::default()));
        assert!(!may_stamp(now.plus_ms(300_001), now, Floor::default()));
        assert!(!may_stamp(now.offset_ms(-300_001), now, Floor::default()));
        assert!(!may_stamp(now, now, ahead));
        assert!(may_stamp(now.plus_ms(1), now, ahead));
    }
}
