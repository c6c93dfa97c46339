//! The core's own time types: callers hand time in, the core never reads a clock.

use serde::{Deserialize, Serialize};

/// A point on the server's monotonic clock, in nanoseconds since an arbitrary start.
///
/// The clock counts suspend (`CLOCK_BOOTTIME` on Linux), so that a lease expires while a laptop
/// sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instant(pub u64);

impl Instant {
    const NS_PER_MS: u64 = 1_000_000;

    /// The point `ms` milliseconds after the clock's start.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(Self::NS_PER_MS))
    }

    /// The point `ms` milliseconds after this one; saturates at the end of time.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(Self::NS_PER_MS)))
    }

    /// Whole milliseconds from `earlier` to this point; 0 if `earlier` is later.
    pub const fn ms_since(self, earlier: Instant) -> u64 {
        self.0.saturating_sub(earlier.0) / Self::NS_PER_MS
    }
}

/// Wall-clock time in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The time `ms` milliseconds later; saturates at the end of time.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time; negative if `earlier` is later.
    pub const fn signed_ms_since(self, earlier: UnixTime) -> i64 {
        let forward = self.0.saturating_sub(earlier.0);
        let back = earlier.0.saturating_sub(self.0);
        clamp(forward) - clamp(back)
    }

    /// This time moved by `ms`, which may be negative; saturates at both ends.
    #[must_use]
    pub const fn offset_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add_signed(ms))
    }
}

const fn clamp(ms: u64) -> i64 {
    if ms > i64::MAX as u64 { i64::MAX } else { ms as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_instead_of_wrapping() {
        assert_eq!(Instant(u64::MAX).plus_ms(1), Instant(u64::MAX));
        assert_eq!(Instant::from_ms(5).ms_since(Instant::from_ms(9)), 0);
        assert_eq!(Instant::from_ms(9).ms_since(Instant::from_ms(5)), 4);
    }

    #[test]
    fn wall_clock_differences_are_signed_and_clamped() {
        assert_eq!(UnixTime(5).signed_ms_since(UnixTime(9)), -4);
        assert_eq!(UnixTime(u64::MAX).signed_ms_since(UnixTime(0)), i64::MAX);
        assert_eq!(UnixTime(3).offset_ms(-9), UnixTime(0));
    }
}
