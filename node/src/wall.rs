//! The clocks of this machine, as the core's types.

use clavitor_core::time::UnixTime;
use jiff::fmt::rfc2822::DateTimePrinter;
use rustix::time::{ClockId, clock_gettime};

pub use clavitor_core::time::Instant;

/// The wall clock.
pub fn unix_time() -> UnixTime {
    let (seconds, nanos) = read(ClockId::Realtime);
    UnixTime(seconds.saturating_mul(1_000).saturating_add(nanos / 1_000_000))
}

/// The monotonic clock that counts suspend, so that nothing outlives a sleeping machine.
pub fn instant() -> Instant {
    let (seconds, nanos) = read(ClockId::Boottime);
    Instant(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn read(clock: ClockId) -> (u64, u64) {
    let time = clock_gettime(clock);
    let whole = |value: i64| u64::try_from(value).unwrap_or_default();
    (whole(time.tv_sec), whole(time.tv_nsec))
}

/// A time as RFC 3339 text in UTC, to the millisecond.
pub fn rfc3339(time: UnixTime) -> String {
    let ms = i64::try_from(time.0).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
    format!("{timestamp:.3}")
}

/// Reads RFC 3339 text.
pub fn parse_rfc3339(text: &str) -> Option<UnixTime> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(timestamp.as_millisecond()).ok().map(UnixTime)
}

/// A time as HTTP writes it.
pub fn http_date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.0 / 1_000).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(UnixTime(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(UnixTime(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let time = UnixTime(1_700_000_000_123);
        assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
        assert_eq!(parse_rfc3339("2023-11-14T23:13:20.123+01:00"), Some(time));
        for text in ["", "yesterday", "2023-11-14", "1969-12-31T23:59:59Z"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn http_has_a_form_of_its_own() {
        assert_eq!(http_date(UnixTime(1_700_000_000_999)), "Tue, 14 Nov 2023 22:13:20 GMT");
        assert!(!http_date(UnixTime(u64::MAX)).is_empty());
    }
}
