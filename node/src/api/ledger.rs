//! Counts what was answered and refused. A line in the log at most once per source, code and
//! minute, so that a scanner cannot fill the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use clavitor_core::source::network_of;
use http::StatusCode;

use crate::{log, wall};

/// The most sources and codes told apart in one minute.
const SOURCES_MAX: usize = 1_024;

/// The most of them that are refused slowly: scanners must leave room for those who try to get in.
const SCANNERS_MAX: usize = 128;

/// The most codes that are counted.
const CODES_MAX: usize = 128;

const MINUTE_MS: u64 = 60_000;

/// What was answered and refused since the start.
#[derive(Debug, Default)]
pub struct Ledger {
    by_class: [AtomicU64; 6],
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    by_code: BTreeMap<&'static str, u64>,
    minute: u64,
    this_minute: BTreeSet<(IpAddr, &'static str)>,
    scanners: usize,
}

impl Ledger {
    /// Counts an answer.
    pub fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(counter) = self.by_class.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a refusal, and logs the first of its kind in a minute if it says something about the
    /// caller rather than about what it asked for; that it was refused slowly does.
    pub fn refused(&self, source: IpAddr, code: &'static str, is_slow: bool) {
        let minute = wall::unix_time().0 / MINUTE_MS;
        let mut refused = self.lock();
        if refused.by_code.len() < CODES_MAX || refused.by_code.contains_key(code) {
            *refused.by_code.entry(code).or_default() += 1;
        }
        if refused.minute != minute {
            refused.minute = minute;
            refused.this_minute.clear();
            refused.scanners = 0;
        }
        let has_room = refused.this_minute.len() < SOURCES_MAX
            && (!is_slow || refused.scanners < SCANNERS_MAX);
        let is_worth_a_line = is_slow || is_worth_a_line(code);
        if !is_worth_a_line || !has_room {
            return;
        }
        let is_first = refused.this_minute.insert((network_of(source), code));
        refused.scanners += usize::from(is_first && is_slow);
        drop(refused);
        if is_first {
            log::line(&format!(
                "refused [{code}] from {source}; more of the same this minute are counted"
            ));
        }
    }

    /// Answers by the first digit of their status.
    pub fn by_class(&self) -> impl Iterator<Item = (usize, u64)> {
        let counters = self.by_class.iter().enumerate().skip(1);
        counters.map(|(class, counter)| (class, counter.load(Ordering::Relaxed)))
    }

    /// Refusals by code.
    pub fn by_code(&self) -> BTreeMap<&'static str, u64> {
        self.lock().by_code.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn is_worth_a_line(code: &str) -> bool {
    let at_hq = ["CV-POP-TOKEN", "CV-DUPLICATE", "CV-LOGIN-RATE", "CV-ORIGIN"];
    matches!(code, "CV-UNAUTHENTICATED" | "CV-FORBIDDEN" | "CV-DUPLICATE-POP")
        || code.starts_with("CV-FRAME-")
        || at_hq.contains(&code)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn refusals_are_counted_by_code() {
        let ledger = Ledger::default();
        let source = IpAddr::from([127, 0, 0, 1]);
        ledger.refused(source, "CV-BAD-NAME", false);
        ledger.refused(source, "CV-BAD-NAME", false);
        assert_eq!(ledger.by_code().get("CV-BAD-NAME"), Some(&2));
    }

    #[test]
    fn the_sources_of_one_minute_are_bounded() {
        let ledger = Ledger::default();
        for at in 0..=u16::MAX {
            let [a, b] = at.to_be_bytes();
            ledger.refused(IpAddr::from([127, 0, a, b]), "CV-FORBIDDEN", false);
        }
        assert_eq!(ledger.lock().this_minute.len(), SOURCES_MAX);
        assert_eq!(ledger.by_code().get("CV-FORBIDDEN"), Some(&65_536));
    }

    #[test]
    fn scanners_leave_room_for_those_who_try_to_get_in() {
        let ledger = Ledger::default();
        for at in 0..2_000u128 {
            let scanner = Ipv6Addr::from_bits(0x2001_0db8 << 96 | at << 64);
            ledger.refused(scanner.into(), "CV-NO-ROUTE", true);
        }
        assert_eq!(ledger.lock().this_minute.len(), SCANNERS_MAX);
        let somebody = Ipv6Addr::from_bits(0x2001_0db8_ffff << 80);
        for host in 0..9 {
            let source = Ipv6Addr::from_bits(somebody.to_bits() | host);
            ledger.refused(source.into(), "CV-UNAUTHENTICATED", false);
        }
        assert!(ledger.lock().this_minute.contains(&(somebody.into(), "CV-UNAUTHENTICATED")));
        assert_eq!(ledger.lock().this_minute.len(), SCANNERS_MAX + 1, "one network, one line");
    }
}
