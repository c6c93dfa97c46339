//! A run written to a file: everything that happened to a world from outside, so that it happens
//! again wherever the file is read.

use std::fmt;

use clavitor_core::codec;
use serde::{Deserialize, Serialize};

use crate::hq::{HQ, STORM_MAX, Storm};
use crate::knobs::Knobs;
use crate::network::POPS_MAX;
use crate::run::{Outcome, Plan, Source};
use crate::scanners::{Burst, COUNT_MAX, OVER_MS_MAX};
use crate::script::{Action, Record, Request};
use crate::trace::Level;
use crate::verdict::Verdict;
use crate::world::Interrupt;

/// What a file of a run begins with.
pub const MAGIC: &[u8; 16] = b"clavitor-simrun\n";

/// The version of the simulator: another one draws and decides otherwise.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The largest file that is read, in bytes.
pub const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// The latest that anything may happen, in milliseconds: a hundred years.
const MS_MAX: u64 = 100 * 365 * 86_400_000;

/// A blob of so many bytes is not written by any run.
const BLOB_MAX: u32 = 4 * 1024 * 1024;

/// A run as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// Which version of the simulator wrote it.
    pub version: String,
    /// Where it came from, for people.
    pub origin: String,
    /// What kind of world.
    pub knobs: Knobs,
    /// What happened to it.
    pub record: Record,
    /// What happened before a given event.
    pub interrupt: Option<Interrupt>,
    /// How it failed, if it did; see [`Verdict::label`].
    pub broken: Option<String>,
}

/// Why bytes are not a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadFile {
    /// They begin with something else.
    Foreign,
    /// They are cut short, or changed.
    Damaged,
    /// Another version wrote them.
    Version(String),
    /// They speak of a world that there cannot be.
    Impossible,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadFile::Foreign => {
                f.write_str("it is neither a run of this simulator nor a recording")
            }
            BadFile::Damaged => f.write_str("it is damaged: cut short, or changed"),
            BadFile::Version(found) => {
                write!(f, "clavitor-sim {found} wrote it, and this is {VERSION}")
            }
            BadFile::Impossible => f.write_str("it speaks of a world that there cannot be"),
        }
    }
}

impl RunFile {
    /// What a run was made from, and how it failed.
    pub fn of(plan: &Plan, outcome: &Outcome, origin: String) -> Self {
        let verdict = Verdict::from(&outcome.end);
        Self {
            version: VERSION.to_owned(),
            origin,
            knobs: plan.knobs.clone(),
            record: outcome.record.clone(),
            interrupt: plan.interrupt,
            broken: verdict.class().map(|_| verdict.label()),
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let payload = codec::encode(self);
        bytes.extend_from_slice(&crate::digest::of(&payload).to_le_bytes());
        bytes.extend_from_slice(&payload);
        bytes
    }

    /// Reads a file's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadFile> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(BadFile::Foreign)?;
        let (sum, payload) = rest.split_first_chunk::<8>().ok_or(BadFile::Damaged)?;
        if crate::digest::of(payload).to_le_bytes() != *sum {
            return Err(BadFile::Damaged);
        }
        // The version comes first, so that it can be read whatever follows.
        if let Some(found) = version_in(payload).filter(|found| found != VERSION) {
            return Err(BadFile::Version(found));
        }
        let file: RunFile = codec::decode(payload).map_err(|_| BadFile::Damaged)?;
        if file.is_possible() { Ok(file) } else { Err(BadFile::Impossible) }
    }

    /// The run again.
    pub fn plan(&self) -> Plan {
        Plan {
            knobs: self.knobs.clone(),
            source: Source::Written(self.record.clone()),
            interrupt: self.interrupt,
            level: Level::Off,
        }
    }

    fn is_possible(&self) -> bool {
        let pops = self.knobs.pops;
        let has_pops = pops > 0 && usize::from(pops) < POPS_MAX;
        let mut actions = self.record.actions.iter();
        let interrupted = self.interrupt.iter().all(|it| is_among(&it.action, &self.knobs));
        has_pops
            && interrupted
            && actions.all(|(at_ms, action)| *at_ms <= MS_MAX && is_among(action, &self.knobs))
    }
}

fn version_in(payload: &[u8]) -> Option<String> {
    let (len, rest) = payload.get(1..)?.split_first_chunk::<8>()?;
    let text = rest.get(..usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
    String::from_utf8(text.to_vec()).ok().filter(|text| text.len() < 64)
}

fn is_among(action: &Action, knobs: &Knobs) -> bool {
    let is_led = knobs.leases.is_some();
    match *action {
        Action::Ask { request: Request::Put { bytes: BLOB_MAX.., .. }, .. } => false,
        Action::SetClock { ahead_ms, .. } if ahead_ms.unsigned_abs() > MS_MAX => false,
        Action::Drift { ppm, .. } if ppm.unsigned_abs() > 500_000 => false,
        Action::Scan { burst: Burst { count, over_ms, .. }, .. }
            if count > COUNT_MAX || over_ms > OVER_MS_MAX =>
        {
            false
        }
        Action::Storm { storm: Storm { count: STORM_MAX.., .. }, .. } => false,
        Action::Ask { pop: Action::PRIMARY, .. } => true,
        mut action => {
            let may_be_hq = is_led && is_done_to_hq(action);
            let is_there = |pop: u8| {
                pop < knobs.pops || (may_be_hq && pop == HQ) || (is_led && pop == Action::PRIMARY)
            };
            action.pops_mut().into_iter().flatten().all(|pop| is_there(*pop))
        }
    }
}

/// Whether it may happen to HQ.
fn is_done_to_hq(action: Action) -> bool {
    matches!(
        action,
        Action::Crash { .. }
            | Action::Pause { .. }
            | Action::Drift { .. }
            | Action::FillDisk { .. }
            | Action::HangDisk { .. }
            | Action::Cut { .. }
            | Action::Switchover { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Condition;

    fn file() -> RunFile {
        let outcome = Plan::lite(1).run();
        RunFile {
            version: VERSION.into(),
            origin: "a test".into(),
            knobs: Plan::lite(1).knobs,
            record: outcome.record,
            interrupt: None,
            broken: None,
        }
    }

    #[test]
    fn a_run_is_read_back_as_it_was_written() {
        assert_eq!(RunFile::from_bytes(&file().to_bytes()), Ok(file()));
    }

    #[test]
    fn foreign_damaged_and_newer_files_are_told_apart() {
        assert_eq!(RunFile::from_bytes(b"something else"), Err(BadFile::Foreign));
        let bytes = file().to_bytes();
        assert_eq!(RunFile::from_bytes(&bytes[..bytes.len() - 1]), Err(BadFile::Damaged));
        let mut newer = file();
        newer.version = "99.0.0".into();
        assert_eq!(RunFile::from_bytes(&newer.to_bytes()), Err(BadFile::Version("99.0.0".into())));
    }

    #[test]
    fn a_world_that_there_cannot_be_is_refused() {
        let put =
            |bytes| Request::Put { key: 0, bytes, condition: Condition::Always, waits: false };
        let impossible = [
            (0, Action::Crash { pop: 2, down_ms: 0 }),
            (0, Action::Cut { from: 0, to: 9, ms: 0 }),
            (0, Action::SetClock { pop: 0, ahead_ms: i64::MIN }),
            (0, Action::Drift { pop: 0, ppm: -1_000_000 }),
            (0, Action::Ask { pop: 0, request: put(u32::MAX) }),
            (u64::MAX, Action::Heal),
            (0, Action::Storm { pop: 0, storm: Storm { count: u16::MAX, ..Storm::default() } }),
            (0, Action::Scan { pop: 0, burst: Burst { count: u16::MAX, ..Burst::default() } }),
        ];
        for action in impossible {
            let mut file = file();
            file.record.actions.push(action);
            let read = RunFile::from_bytes(&file.to_bytes());
            assert_eq!(read, Err(BadFile::Impossible), "{action:?}");
        }
        let mut none = file();
        none.knobs.pops = 0;
        assert_eq!(RunFile::from_bytes(&none.to_bytes()), Err(BadFile::Impossible));
    }

    #[test]
    fn what_was_written_down_happens_again() {
        let plan = Plan { level: Level::Digest, ..Plan::lite(5) };
        let first = plan.run();
        let source = Source::Written(first.record.clone());
        let again = Plan { source, ..plan }.run();
        assert_eq!(first.trace.digest(), again.trace.digest());
        assert_eq!(first.counts, again.counts);
    }
}
