//! The hybrid logical clock whose order is last-write-wins.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::PopId;
use crate::time::UnixTime;

/// A timestamp: milliseconds since 1970, a counter within the millisecond, and the POP that
/// issued it. Totally ordered.
///
/// Its text, `{ms:x}-{counter:x}-{pop}`, is an entry's ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hlc {
    /// Milliseconds since 1970-01-01 UTC, at most [`Hlc::MS_MAX`].
    pub ms: u64,
    /// Orders timestamps within one millisecond.
    pub counter: u32,
    /// The POP that issued it.
    pub pop: PopId,
}

impl Hlc {
    /// The last millisecond a timestamp can name: the year 10889. What claims more is malformed.
    pub const MS_MAX: u64 = (1 << 48) - 1;

    /// Whether the timestamp is within the range that a clock can follow.
    pub fn is_plausible(&self) -> bool {
        self.ms <= Self::MS_MAX
    }

    /// Its text.
    pub fn text(&self) -> HlcText {
        let mut text = HlcText { bytes: [0; HlcText::BYTES_MAX], len: 0 };
        text.push_hex(self.ms);
        text.push(b'-');
        text.push_hex(u64::from(self.counter));
        text.push(b'-');
        self.pop.as_str().bytes().for_each(|byte| text.push(byte));
        text
    }

    /// The wall-clock part.
    pub fn time(&self) -> UnixTime {
        UnixTime(self.ms)
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// A timestamp's text, in place: every read writes one.
#[derive(Clone, Debug)]
pub struct HlcText {
    bytes: [u8; HlcText::BYTES_MAX],
    len: usize,
}

impl HlcText {
    /// The longest text, in bytes: two numbers, two dashes, a POP id.
    pub const BYTES_MAX: usize = 16 + 1 + 8 + 1 + PopId::LEN_MAX;

    /// The text.
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn push_hex(&mut self, value: u64) {
        let digits = (u64::BITS - value.leading_zeros()).div_ceil(4).max(1);
        for at in (0..digits).rev() {
            let [digit, ..] = (value >> (4 * at)).to_le_bytes();
            self.push(HEX.get(usize::from(digit & 15)).copied().unwrap_or_default());
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A text that is not a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHlc;

impl FromStr for Hlc {
    type Err = BadHlc;

    fn from_str(text: &str) -> Result<Self, BadHlc> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().ok_or(BadHlc);
        let ms = u64::from_str_radix(part()?, 16).map_err(|_| BadHlc)?;
        let counter = u32::from_str_radix(part()?, 16).map_err(|_| BadHlc)?;
        let pop = part()?.parse().map_err(|_| BadHlc)?;
        let hlc = Self { ms, counter, pop };
        // One text per timestamp: "+a" and "00a" parse as numbers but are not its text.
        let canonical = hlc.is_plausible() && is_text_of(&hlc, text);
        canonical.then_some(hlc).ok_or(BadHlc)
    }
}

fn is_text_of(hlc: &Hlc, text: &str) -> bool {
    struct Rest<'a>(&'a str);
    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut rest = Rest(text);
    fmt::write(&mut rest, format_args!("{hlc}")).is_ok() && rest.0.is_empty()
}

/// Issues timestamps for one POP.
///
/// Invariant: no timestamp is issued at or below one issued or observed before, whatever the wall
/// clock does. The floor is stored with every write and handed in again at start-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    pop: PopId,
    ms: u64,
    counter: u32,
}

impl Clock {
    /// A clock for `pop` that continues above `floor`.
    pub fn new(pop: PopId, floor: Floor) -> Self {
        Self { pop, ms: floor.ms, counter: floor.counter }
    }

    /// Issues the next timestamp; `now` is the wall clock.
    pub fn next(&mut self, now: UnixTime) -> Hlc {
        let before = (self.ms, self.counter);
        if now.0 > self.ms && now.0 <= Hlc::MS_MAX {
            (self.ms, self.counter) = (now.0, 0);
        } else if let Some(counter) = self.counter.checked_add(1) {
            self.counter = counter;
        } else {
            (self.ms, self.counter) = (self.ms + 1, 0);
        }
        assert!((self.ms, self.counter) > before, "the clock went back");
        Hlc { ms: self.ms, counter: self.counter, pop: self.pop }
    }

    /// Takes note of a timestamp issued elsewhere; implausible ones are ignored.
    pub fn observe(&mut self, seen: Hlc) {
        if seen.is_plausible() {
            (self.ms, self.counter) = (self.ms, self.counter).max((seen.ms, seen.counter));
        }
    }

    /// Starts over from `limit`, if the clock is ahead of it. Only for the repair of a store whose
    /// clock ran away, while nothing else is running.
    pub fn set_back(&mut self, limit: UnixTime) {
        if self.ms > limit.0 {
            (self.ms, self.counter) = (limit.0, 0);
        }
    }

    /// What to store so that a later clock continues above everything issued and observed.
    pub fn floor(&self) -> Floor {
        Floor { ms: self.ms, counter: self.counter }
    }
}

/// The highest timestamp a server has issued or seen; stored in the same transaction as the write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Floor {
    /// Milliseconds since 1970-01-01 UTC.
    pub ms: u64,
    /// The counter within that millisecond.
    pub counter: u32,
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    fn pop() -> PopId {
        "calgary-01".parse().unwrap()
    }

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn never_goes_back_when_the_wall_clock_is_set_back_a_day() {
        let mut clock = Clock::new(pop(), Floor::default());
        let before = clock.next(UnixTime(3 * DAY_MS));
        let after = clock.next(UnixTime(2 * DAY_MS));
        assert!(after > before);
    }

    #[test]
    fn never_goes_back_across_a_restart_with_the_clock_set_back() {
        let mut clock = Clock::new(pop(), Floor::default());
        let before = clock.next(UnixTime(3 * DAY_MS));
        let mut restarted = Clock::new(pop(), clock.floor());
        assert!(restarted.next(UnixTime(DAY_MS)) > before);
    }

    #[test]
    fn counter_overflow_carries_into_the_milliseconds() {
        let mut clock = Clock::new(pop(), Floor { ms: 7, counter: u32::MAX });
        let next = clock.next(UnixTime(7));
        assert_eq!((next.ms, next.counter), (8, 0));
    }

    #[test]
    fn implausible_timestamps_do_not_move_the_clock() {
        let mut clock = Clock::new(pop(), Floor::default());
        clock.observe(Hlc { ms: u64::MAX, counter: 0, pop: pop() });
        assert_eq!(clock.floor(), Floor::default());
        assert_eq!(clock.next(UnixTime(u64::MAX)).ms, 0);
    }

    #[test]
    fn only_the_canonical_text_is_a_timestamp() {
        let hlc = Hlc { ms: 0x1a, counter: 2, pop: pop() };
        assert_eq!(hlc.to_string(), "1a-2-calgary-01");
        assert_eq!("1a-2-calgary-01".parse(), Ok(hlc));
        for text in ["", "1a", "1a-2", "1A-2-x", "01a-2-x", "+1-2-x", "1-2-X", "ffffffffffff0-0-x"]
        {
            assert_eq!(text.parse::<Hlc>(), Err(BadHlc), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_timestamp_is_above_all_issued_and_seen(
            steps in proptest::collection::vec((any::<bool>(), 0u64..1 << 20, any::<u32>()), 1..50)
        ) {
            let mut clock = Clock::new(pop(), Floor::default());
            let mut highest = (0, 0);
            for (issue, ms, counter) in steps {
                if issue {
                    let hlc = clock.next(UnixTime(ms));
                    prop_assert!((hlc.ms, hlc.counter) > highest);
                    highest = (hlc.ms, hlc.counter);
                } else {
                    clock.observe(Hlc { ms, counter, pop: pop() });
                    highest = highest.max((ms, counter));
                }
            }
        }
    }
}
