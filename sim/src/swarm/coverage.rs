//! Which faults a swarm has seen, and in how many of its runs.

use std::fmt;

use crate::hq::{HQ, Mood};
use crate::knobs::Knobs;
use crate::script::{Action, Attack, End, Record};

macro_rules! faults {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy)]
        enum Seen {
            $($name,)*
        }

        /// The name of everything that is counted.
        const NAMES: &[&str] = &[$($text,)*];
    };
}

faults! {
    Lost = "frame lost",
    Reset = "connection reset",
    Doubled = "frame doubled",
    AnswerLost = "answer lost",
    Late = "frame late",
    Cut = "link cut",
    Crash = "crash",
    Pause = "pause",
    Shutdown = "shutdown",
    Clock = "clock set",
    Drift = "clock drift",
    DiskFull = "disk full",
    DiskHang = "disk hangs",
    DiskError = "disk error",
    Unanswered = "committed, unanswered",
    Promote = "promotion",
    Resume = "resume",
    Replay = "frame replayed",
    Misdirect = "frame misdirected",
    Tamper = "frame tampered",
    StaleAck = "ack of another frame",
    TamperAck = "ack tampered",
    Empty = "disk emptied",
    PutBack = "disk put back",
    Alone = "one POP",
    Many = "three POPs or more",
    Scan = "scanners",
    Storm = "alerts raised",
    HqAway = "HQ away",
    HqHangs = "HQ hangs",
    HqDenies = "HQ denies the token",
    HqBusy = "HQ busy",
    HqRefuses = "HQ refuses an alert",
    Reports = "telemetry",
    Leases = "leases",
    HqCrash = "HQ killed",
    HqPause = "HQ stands still",
    HqCut = "HQ cut off from a POP",
    HqClock = "HQ's clock drifts",
    HqDisk = "HQ's disk full or hangs",
    Isolated = "POP cut off from all",
    Switchover = "switchover",
}

/// In how many runs each fault was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    runs: Vec<u64>,
}

impl Coverage {
    /// Adds what happened in a run.
    pub fn add(&mut self, knobs: &Knobs, record: &Record) {
        let mut seen = 0u64;
        let mut see = |fault: Seen| seen |= 1 << fault as u64;
        for (_, action) in &record.actions {
            of_action(action).into_iter().for_each(&mut see);
        }
        for (.., fate) in &record.frames {
            match fate.end {
                End::Taken => {}
                End::Lost => see(Seen::Lost),
                End::Reset => see(Seen::Reset),
                End::AnswerLost => see(Seen::AnswerLost),
                End::Doubled => see(Seen::Doubled),
            }
            if fate.there_us.max(fate.back_us) > knobs.delay_ms.saturating_mul(1_000) {
                see(Seen::Late);
            }
        }
        for (.., sync) in &record.syncs {
            if sync.fails {
                see(Seen::DiskError);
            } else if sync.answer_us > 0 {
                see(Seen::Unanswered);
            }
        }
        match knobs.pops {
            0 | 1 => see(Seen::Alone),
            2 => {}
            _ => see(Seen::Many),
        }
        if knobs.report_s > 0 {
            see(Seen::Reports);
        }
        if knobs.leases.is_some() {
            see(Seen::Leases);
        }
        self.runs.resize(NAMES.len(), 0);
        for (at, runs) in self.runs.iter_mut().enumerate() {
            *runs += seen >> at & 1;
        }
    }

    /// Adds what other runs have seen.
    pub fn join(&mut self, other: &Coverage) {
        self.runs.resize(NAMES.len(), 0);
        self.runs.iter_mut().zip(&other.runs).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// Every fault by its name, and in how many runs it was seen.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let count = |at| self.runs.get(at).copied().unwrap_or_default();
        NAMES.iter().enumerate().map(move |(at, name)| (*name, count(at)))
    }
}

fn of_action(action: &Action) -> Option<Seen> {
    Some(match action {
        Action::Ask { .. } | Action::Copy { .. } | Action::Heal | Action::Replace { .. } => {
            return None;
        }
        Action::Crash { pop: HQ, .. } => Seen::HqCrash,
        Action::Pause { pop: HQ, .. } => Seen::HqPause,
        Action::Cut { from: HQ, .. } | Action::Cut { to: HQ, .. } => Seen::HqCut,
        Action::Drift { pop: HQ, .. } => Seen::HqClock,
        Action::FillDisk { pop: HQ, .. } | Action::HangDisk { pop: HQ, .. } => Seen::HqDisk,
        Action::Isolate { .. } => Seen::Isolated,
        Action::Switchover { .. } => Seen::Switchover,
        Action::Crash { .. } => Seen::Crash,
        Action::Pause { .. } => Seen::Pause,
        Action::Shutdown { .. } => Seen::Shutdown,
        Action::Cut { .. } => Seen::Cut,
        Action::SetClock { .. } => Seen::Clock,
        Action::Drift { .. } => Seen::Drift,
        Action::FillDisk { .. } => Seen::DiskFull,
        Action::HangDisk { .. } => Seen::DiskHang,
        Action::Promote { .. } => Seen::Promote,
        Action::Resume { .. } => Seen::Resume,
        Action::Attack { attack, .. } => match attack {
            Attack::Replay => Seen::Replay,
            Attack::Misdirect => Seen::Misdirect,
            Attack::Tamper => Seen::Tamper,
            Attack::StaleAck => Seen::StaleAck,
            Attack::TamperAck => Seen::TamperAck,
        },
        Action::Empty { .. } => Seen::Empty,
        Action::PutBack { .. } => Seen::PutBack,
        Action::Scan { .. } => Seen::Scan,
        Action::Storm { .. } => Seen::Storm,
        Action::Mood { mood, .. } => match mood {
            Mood::Away => Seen::HqAway,
            Mood::Hangs => Seen::HqHangs,
            Mood::Denies => Seen::HqDenies,
            Mood::Busy => Seen::HqBusy,
            Mood::Refuses => Seen::HqRefuses,
        },
    })
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<String> =
            self.rows().map(|(name, runs)| format!("{runs:>8} {name}")).collect();
        for row in cells.chunks(3) {
            for (at, cell) in row.iter().enumerate() {
                let is_last = at + 1 == row.len();
                if is_last { f.write_str(cell)? } else { write!(f, "{cell:<34}")? }
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Fate, Sync};

    fn runs(coverage: &Coverage, name: &str) -> u64 {
        let mut rows = coverage.rows();
        rows.find(|row| row.0 == name).expect("a fault of that name").1
    }

    #[test]
    fn a_fault_is_counted_once_a_run() {
        let fate = Fate { end: End::Lost, ..Fate::default() };
        let record = Record {
            actions: vec![(1, Action::Crash { pop: 0, down_ms: 5 }); 3],
            frames: vec![(0, 1, 0, fate), (0, 1, 1, fate)],
            syncs: vec![(0, 0, Sync { fails: true, ..Sync::default() })],
        };
        let mut coverage = Coverage::default();
        coverage.add(&Knobs::default(), &record);
        coverage.add(&Knobs::default(), &Record::default());
        let mut all = Coverage::default();
        all.join(&coverage);
        all.join(&coverage);
        for name in ["crash", "frame lost", "disk error"] {
            assert_eq!(runs(&all, name), 2, "{name}");
        }
        assert_eq!((runs(&all, "pause"), runs(&all, "one POP")), (0, 0));
        let lines = all.to_string();
        assert!(NAMES.iter().all(|name| lines.contains(name)), "{lines}");
    }
}
