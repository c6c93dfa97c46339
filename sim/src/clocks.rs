//! The clocks of one machine: skewed, drifting, set forwards and back, while the world's own time
//! goes on.

use clavitor_core::time::{Instant, UnixTime};

/// What a right wall clock shows when the world begins: 2024-01-01.
pub const BEGINNING_MS: u64 = 1_704_067_200_000;

const MILLION: i128 = 1_000_000;

/// A monotonic clock that counts suspend, and a wall clock.
///
/// Invariant: the monotonic clock never goes back, whatever its rate becomes.
#[derive(Clone, Debug)]
pub struct Clocks {
    since: Instant,
    shown: Instant,
    rate_ppm: i32,
    ahead_ms: i64,
}

impl Clocks {
    /// Clocks of a machine that was switched on some time before the world began; its wall clock is
    /// right.
    pub fn new(up_ms: u64) -> Self {
        Self { since: Instant(0), shown: Instant::from_ms(up_ms), rate_ppm: 0, ahead_ms: 0 }
    }

    /// When the monotonic clock last began to run at another rate.
    pub fn changed_at(&self) -> Instant {
        self.since
    }

    /// What the monotonic clock shows.
    pub fn monotonic(&self, now: Instant) -> Instant {
        let passed = i128::from(now.0.saturating_sub(self.since.0));
        let passed = passed * (MILLION + i128::from(self.rate_ppm)) / MILLION;
        Instant(self.shown.0.saturating_add(u64::try_from(passed).unwrap_or_default()))
    }

    /// When, in the world's time, the monotonic clock shows `shown` or more.
    pub fn when(&self, shown: Instant) -> Instant {
        let left = i128::from(shown.0.saturating_sub(self.shown.0));
        let rate = MILLION + i128::from(self.rate_ppm);
        let left = (left * MILLION + rate - 1) / rate;
        Instant(self.since.0.saturating_add(u64::try_from(left).unwrap_or(u64::MAX)))
    }

    /// What the wall clock shows.
    pub fn wall(&self, now: Instant) -> UnixTime {
        true_wall(now).offset_ms(self.ahead_ms)
    }

    /// How far the wall clock is ahead of the right time.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms
    }

    /// Sets the wall clock so far ahead of the right time; below 0 is behind.
    pub fn set_ahead(&mut self, ahead_ms: i64) {
        self.ahead_ms = ahead_ms;
    }

    /// Lets the monotonic clock run fast or slow from now on, by parts in a million.
    pub fn set_rate(&mut self, now: Instant, rate_ppm: i32) {
        self.shown = self.monotonic(now);
        self.since = now;
        self.rate_ppm = rate_ppm.clamp(-500_000, 500_000);
    }
}

/// What a right wall clock shows.
pub fn true_wall(now: Instant) -> UnixTime {
    UnixTime(BEGINNING_MS).plus_ms(now.ms_since(Instant(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_shows_more_and_never_goes_back_when_it_is_slowed() {
        let mut clocks = Clocks::new(5);
        clocks.set_rate(Instant(0), 10_000);
        let fast = clocks.monotonic(Instant::from_ms(1_000));
        assert_eq!(fast, Instant::from_ms(1_015));
        clocks.set_rate(Instant::from_ms(1_000), -10_000);
        assert_eq!(clocks.monotonic(Instant::from_ms(1_000)), fast);
        assert_eq!(clocks.monotonic(Instant::from_ms(2_000)), Instant::from_ms(2_005));
    }

    #[test]
    fn when_is_the_first_moment_at_which_the_clock_shows_it() {
        let mut clocks = Clocks::new(77);
        for rate in [-9_999, 0, 1, 9_999] {
            clocks.set_rate(Instant::from_ms(3), rate);
            let wanted = Instant(clocks.monotonic(Instant::from_ms(3)).0 + 123_456_789);
            let when = clocks.when(wanted);
            assert!(clocks.monotonic(when) >= wanted, "{rate}");
            assert!(clocks.monotonic(Instant(when.0 - 2)) < wanted, "{rate}");
        }
    }

    #[test]
    fn setting_the_wall_clock_leaves_the_monotonic_one_alone() {
        let mut clocks = Clocks::new(0);
        clocks.set_ahead(-3_600_000);
        let now = Instant::from_ms(9);
        assert_eq!(clocks.wall(now), UnixTime(BEGINNING_MS - 3_600_000 + 9));
        assert_eq!(clocks.monotonic(now), now);
    }
}
