//! Clients that wait until a backup holds what they wrote (`?ack=backup`).

use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::id::OpId;
use clavitor_core::record::RecordId;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

/// How long a client waits before it is told that its write is safe here but not yet there.
pub const WAIT_MS: u64 = 5_000;

/// The most clients that wait at once: one for every connection there can be.
pub const WAITERS_MAX: usize = 4_096;

/// A write that a client waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// Names the waiting request.
    pub op: OpId,
    /// What was written.
    pub record: RecordId,
    /// The version that was written.
    pub hlc: Hlc,
}

/// What a waiting client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The request.
    pub op: OpId,
    /// Whether a backup has the write on disk.
    pub is_on_backup: bool,
}

/// The waiting clients, oldest first.
///
/// Invariant: at most [`WAITERS_MAX`]; deadlines ascend, so the first is the next to expire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiters {
    waiting: Vec<(Instant, Waiter)>,
}

impl Waiters {
    /// Lets a client wait; one too many is told at once that no backup has its write yet.
    pub fn add(&mut self, now: Instant, waiter: Waiter, out: &mut Vec<Release>) {
        if self.waiting.len() >= WAITERS_MAX {
            out.push(Release { op: waiter.op, is_on_backup: false });
        } else {
            self.waiting.push((now.plus_ms(WAIT_MS), waiter));
        }
    }

    /// A backup confirmed this very version of the record, or a later one that was written here
    /// and so had seen it. What another POP wrote may have beaten it without replacing it.
    pub fn on_confirmed(&mut self, record: RecordId, hlc: Hlc, out: &mut Vec<Release>) {
        self.release(out, true, |_, waiter| {
            let is_here = waiter.hlc.pop == hlc.pop;
            waiter.record == record && is_here && waiter.hlc <= hlc
        });
    }

    /// Versions lost to others that had not seen them. They, and what they replaced, live on in the
    /// journal, for which a later version of the record does not stand.
    pub fn on_beaten(&mut self, beaten: &[(RecordId, Hlc)], out: &mut Vec<Release>) {
        if beaten.is_empty() {
            return;
        }
        self.release(out, false, |_, waiter| {
            beaten.iter().any(|(record, hlc)| {
                let is_here = waiter.hlc.pop == hlc.pop;
                waiter.record == *record && is_here && waiter.hlc <= *hlc
            })
        });
    }

    /// Time has passed.
    pub fn on_tick(&mut self, now: Instant, out: &mut Vec<Release>) {
        self.release(out, false, |deadline, _| deadline <= now);
    }

    /// Nobody waits any longer: nothing that comes could be told to be about a waiter's version.
    pub fn give_up(&mut self, out: &mut Vec<Release>) {
        self.release(out, false, |_, _| true);
    }

    /// When the first client has waited long enough.
    pub fn next_wake(&self) -> Option<Instant> {
        self.waiting.first().map(|(deadline, _)| *deadline)
    }

    fn release(
        &mut self,
        out: &mut Vec<Release>,
        is_on_backup: bool,
        is_done: impl Fn(Instant, &Waiter) -> bool,
    ) {
        self.waiting.retain(|(deadline, waiter)| {
            let done = is_done(*deadline, waiter);
            if done {
                out.push(Release { op: waiter.op, is_on_backup });
            }
            !done
        });
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn waiter(op: u64, record: u8, ms: u64) -> Waiter {
        let hlc = Hlc { ms, counter: 0, pop: "a".parse().unwrap() };
        Waiter { op: OpId(op), record: RecordId([record; 16]), hlc }
    }

    #[test]
    fn only_the_written_version_or_a_later_one_releases() {
        let mut waiters = Waiters::default();
        let mut out = Vec::new();
        waiters.add(Instant(0), waiter(1, 7, 50), &mut out);
        waiters.on_confirmed(RecordId([8; 16]), waiter(0, 0, 90).hlc, &mut out);
        waiters.on_confirmed(RecordId([7; 16]), waiter(0, 0, 49).hlc, &mut out);
        assert_eq!(out, vec![]);
        waiters.on_confirmed(RecordId([7; 16]), waiter(0, 0, 50).hlc, &mut out);
        assert_eq!(out, vec![Release { op: OpId(1), is_on_backup: true }]);
    }

    #[test]
    fn a_later_version_of_another_pop_releases_nobody() {
        let mut waiters = Waiters::default();
        let mut out = Vec::new();
        waiters.add(Instant(0), waiter(1, 7, 50), &mut out);
        let rival = Hlc { pop: "b".parse().unwrap(), ..waiter(0, 0, 90).hlc };
        waiters.on_confirmed(RecordId([7; 16]), rival, &mut out);
        assert_eq!(out, vec![]);
    }

    #[test]
    fn a_beaten_version_is_not_confirmed_by_a_later_one() {
        let mut waiters = Waiters::default();
        let mut out = Vec::new();
        for (op, ms) in [(1, 40), (2, 50), (3, 60)] {
            waiters.add(Instant(0), waiter(op, 7, ms), &mut out);
        }
        waiters.on_beaten(&[(RecordId([7; 16]), waiter(0, 0, 50).hlc)], &mut out);
        waiters.on_confirmed(RecordId([7; 16]), waiter(0, 0, 90).hlc, &mut out);
        let release = |op, is_on_backup| Release { op: OpId(op), is_on_backup };
        assert_eq!(out, vec![release(1, false), release(2, false), release(3, true)]);
    }

    #[test]
    fn whoever_waited_long_enough_is_told_so_once() {
        let mut waiters = Waiters::default();
        let mut out = Vec::new();
        waiters.add(Instant(0), waiter(1, 7, 50), &mut out);
        assert_eq!(waiters.next_wake(), Some(Instant::from_ms(WAIT_MS)));
        waiters.on_tick(Instant::from_ms(WAIT_MS), &mut out);
        waiters.on_tick(Instant::from_ms(WAIT_MS), &mut out);
        assert_eq!(out, vec![Release { op: OpId(1), is_on_backup: false }]);
        assert_eq!(waiters.next_wake(), None);
    }

    #[test]
    fn one_waiter_too_many_is_answered_at_once() {
        let mut waiters = Waiters::default();
        let mut out = Vec::new();
        for op in 0..=WAITERS_MAX as u64 {
            waiters.add(Instant(0), waiter(op, 7, 50), &mut out);
        }
        assert_eq!(out, vec![Release { op: OpId(WAITERS_MAX as u64), is_on_backup: false }]);
    }
}
