//! What happens to a world from outside: clients, operators, faults. Drawn as the run goes, and
//! written down at the same time; or read from what another run wrote down.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entropy::Entropy;
use crate::hq::{Mood, Storm};
use crate::knobs::Knobs;
use crate::scanners::Burst;

mod draw;

/// What a client asks of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Writes an entry.
    Put {
        /// Which entry.
        key: u8,
        /// The size of its blob.
        bytes: u32,
        /// Under which condition.
        condition: Condition,
        /// Whether the client waits for a backup.
        waits: bool,
    },
    /// Deletes an entry.
    Delete {
        /// Which entry.
        key: u8,
        /// Whether the client waits for a backup.
        waits: bool,
    },
    /// Reads an entry.
    Get {
        /// Which entry.
        key: u8,
    },
    /// Makes an access token.
    CreateToken {
        /// Which one; an id is made once.
        token: u16,
        /// Whether the client waits for a backup.
        waits: bool,
    },
    /// Revokes an access token.
    RevokeToken {
        /// Which one.
        token: u16,
        /// Whether the client waits for a backup.
        waits: bool,
    },
    /// Makes the oldest journalled version of an entry the newest one.
    RestoreLoser {
        /// Which entry.
        key: u8,
    },
}

/// A client's condition on what it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// None.
    Always,
    /// Something is there.
    Exists,
    /// Nothing is there.
    Absent,
    /// What this client has read or written last is there.
    Seen,
}

/// Something that happens to a world. Faults end by themselves after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "POPs by index, times in milliseconds, as each variant says")]
pub enum Action {
    /// A client asks a server.
    Ask { pop: u8, request: Request },
    /// A process is killed, and comes back later.
    Crash { pop: u8, down_ms: u32 },
    /// A process stands still for a while.
    Pause { pop: u8, ms: u32 },
    /// A server is asked to end, and started again later.
    Shutdown { pop: u8, down_ms: u32 },
    /// A link loses everything for a while, in one direction.
    Cut { from: u8, to: u8, ms: u32 },
    /// A wall clock is set so far ahead of the right time.
    SetClock { pop: u8, ahead_ms: i64 },
    /// A monotonic clock goes wrong by parts in a million.
    Drift { pop: u8, ppm: i32 },
    /// A disk has no room for a while.
    FillDisk { pop: u8, ms: u32 },
    /// A disk does not answer for a while.
    HangDisk { pop: u8, ms: u32 },
    /// An operator promotes a server.
    Promote { pop: u8 },
    /// An operator asks a server to try its peers again.
    Resume { pop: u8 },
    /// Somebody without the secret interferes.
    Attack { attack: Attack, nth: u32, pop: u8 },
    /// A data directory is emptied.
    Empty { pop: u8, down_ms: u32 },
    /// A data directory is copied.
    Copy { pop: u8 },
    /// A data directory is replaced by its last copy.
    PutBack { pop: u8, down_ms: u32 },
    /// Faults end, and everything has to settle.
    Heal,
    /// Scanners come to a server.
    Scan { pop: u8, burst: Burst },
    /// A server has something to tell a person, again and again.
    Storm { pop: u8, storm: Storm },
    /// HQ is in a mood for a while.
    Mood { mood: Mood, ms: u32 },
    /// A POP is cut off from every other and from HQ, in both directions.
    Isolate { pop: u8, ms: u32 },
    /// An operator asks a POP, or HQ, to let `to` be primary, or whoever holds most.
    Switchover { pop: u8, to: u8 },
    /// An operator tells HQ that a POP's data directory is another one by now, if it is.
    Replace { pop: u8 },
}

impl Action {
    /// In place of a POP: whoever takes writes, as far as clients know; where something is done to it,
    /// as far as HQ knows.
    pub const PRIMARY: u8 = u8::MAX;

    /// In place of the POP to hand over to: whoever holds most.
    pub const ANYBODY: u8 = u8::MAX;

    /// The POPs that it is about.
    pub fn pops_mut(&mut self) -> [Option<&mut u8>; 2] {
        match self {
            Action::Ask { pop, .. }
            | Action::Crash { pop, .. }
            | Action::Pause { pop, .. }
            | Action::Shutdown { pop, .. }
            | Action::SetClock { pop, .. }
            | Action::Drift { pop, .. }
            | Action::FillDisk { pop, .. }
            | Action::HangDisk { pop, .. }
            | Action::Promote { pop }
            | Action::Resume { pop }
            | Action::Attack { pop, .. }
            | Action::Empty { pop, .. }
            | Action::Copy { pop }
            | Action::PutBack { pop, .. }
            | Action::Scan { pop, .. }
            | Action::Storm { pop, .. }
            | Action::Isolate { pop, .. }
            | Action::Replace { pop } => [Some(pop), None],
            Action::Cut { from, to, .. } => [Some(from), Some(to)],
            Action::Switchover { pop, to } => [Some(pop), Some(to)],
            Action::Heal | Action::Mood { .. } => [None, None],
        }
    }
}

/// What somebody without the secret can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attack {
    /// A frame that was sent once is sent again to whom it was for.
    Replay,
    /// A frame that was sent once is sent to another POP.
    Misdirect,
    /// A frame that was sent once is sent with one bit changed.
    Tamper,
    /// The next answer to a POP is an ack that answered another frame.
    StaleAck,
    /// The next answer to a POP is its ack with one bit changed.
    TamperAck,
}

/// What becomes of one frame and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// How long it takes there, in microseconds.
    pub there_us: u32,
    /// How long the answer takes back, in microseconds.
    pub back_us: u32,
    /// What else.
    pub end: End,
}

/// How a frame ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It arrives, and so does its answer.
    Taken,
    /// It is lost, and nobody is told.
    Lost,
    /// The connection is reset before it arrives.
    Reset,
    /// It arrives, and its answer is lost.
    AnswerLost,
    /// It arrives twice.
    Doubled,
}

impl Default for Fate {
    fn default() -> Self {
        Self { there_us: 1_000, back_us: 1_000, end: End::Taken }
    }
}

/// What becomes of one group of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// How long the commit takes, in microseconds.
    pub us: u32,
    /// How long the answers take after it, in microseconds.
    pub answer_us: u32,
    /// How long until the machine hears of the commit, in microseconds.
    pub notice_us: u32,
    /// Whether the disk fails: nothing is committed, and the process ends.
    pub fails: bool,
}

impl Default for Sync {
    fn default() -> Self {
        Self { us: 1_000, answer_us: 0, notice_us: 0, fails: false }
    }
}

/// What happened to a world, written down: enough to let it happen again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Actions by time, in milliseconds of the world.
    pub actions: Vec<(u64, Action)>,
    /// Frames that had a fate of their own: sender, receiver, and which on that link.
    pub frames: Vec<(u8, u8, u32, Fate)>,
    /// Groups of writes that had a fate of their own: whose, and which.
    pub syncs: Vec<(u8, u32, Sync)>,
}

/// The source of everything that happens from outside.
#[derive(Debug)]
pub struct Script {
    source: Source,
    record: Record,
}

#[derive(Debug)]
enum Source {
    Drawn { entropy: Entropy, state: draw::State },
    Told { actions: std::vec::IntoIter<(u64, Action)>, entropy: Entropy, state: draw::State },
    Written(Written),
}

#[derive(Debug)]
struct Written {
    actions: std::vec::IntoIter<(u64, Action)>,
    frames: BTreeMap<(u8, u8, u32), Fate>,
    syncs: BTreeMap<(u8, u32), Sync>,
}

impl Script {
    /// Draws what happens as it goes.
    pub fn drawn(entropy: Entropy, knobs: &Knobs) -> Self {
        let source = Source::Drawn { entropy, state: draw::State::new(knobs) };
        Self { source, record: Record::default() }
    }

    /// Tells a story, and draws what becomes of frames and groups of writes.
    pub fn told(actions: Vec<(u64, Action)>, entropy: Entropy, knobs: &Knobs) -> Self {
        let (actions, state) = (actions.into_iter(), draw::State::new(knobs));
        Self { source: Source::Told { actions, entropy, state }, record: Record::default() }
    }

    /// Lets happen again what is written down.
    pub fn written(record: Record) -> Self {
        let frames = record.frames.into_iter().map(|(a, b, nth, fate)| ((a, b, nth), fate));
        let syncs = record.syncs.into_iter().map(|(pop, nth, sync)| ((pop, nth), sync));
        let (frames, syncs) = (frames.collect(), syncs.collect());
        let actions = record.actions.into_iter();
        let source = Source::Written(Written { actions, frames, syncs });
        Self { source, record: Record::default() }
    }

    /// What happened so far.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether bytes to draw from have run out.
    pub fn is_spent(&self) -> bool {
        matches!(&self.source, Source::Drawn { entropy, .. } if entropy.is_spent())
    }

    /// The next action and when it happens; `None` when there is no more.
    pub fn next(&mut self, knobs: &Knobs, now_ms: u64) -> Option<(u64, Action)> {
        let next = match &mut self.source {
            Source::Drawn { entropy, state } => state.next(entropy, knobs, now_ms),
            Source::Told { actions, .. } => actions.next(),
            Source::Written(written) => written.actions.next(),
        };
        self.record.actions.extend(next);
        next
    }

    /// What becomes of the next frame on a link.
    pub fn fate(&mut self, knobs: &Knobs, now_ms: u64, link: (u8, u8), nth: u32) -> Fate {
        let fate = match &mut self.source {
            Source::Drawn { entropy, state } | Source::Told { entropy, state, .. } => {
                state.fate(entropy, knobs, now_ms)
            }
            Source::Written(written) => {
                written.frames.get(&(link.0, link.1, nth)).copied().unwrap_or_default()
            }
        };
        if fate != Fate::default() {
            self.record.frames.push((link.0, link.1, nth, fate));
        }
        fate
    }

    /// What becomes of the next group of writes of a POP.
    pub fn sync(&mut self, knobs: &Knobs, now_ms: u64, pop: u8, nth: u32) -> Sync {
        let sync = match &mut self.source {
            Source::Drawn { entropy, state } | Source::Told { entropy, state, .. } => {
                state.sync(entropy, knobs, now_ms)
            }
            Source::Written(written) => written.syncs.get(&(pop, nth)).copied().unwrap_or_default(),
        };
        if sync != Sync::default() {
            self.record.syncs.push((pop, nth, sync));
        }
        sync
    }

    /// From now on nothing happens any more, and every frame arrives.
    pub fn end(&mut self) {
        if let Source::Drawn { state, .. } | Source::Told { state, .. } = &mut self.source {
            state.end();
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
