//! What goes into the replication machine, what comes out, and what operators see.

use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::alert::Alert;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{OpId, PopId, Seq, StoreId};
use clavitor_core::record::{RECORD_BYTES_MAX, RecordId};
use clavitor_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::frame::{ENVELOPE_BYTES_MAX, FRAME_BYTES_MAX, Position, Refusal, Verdict};
use crate::load::RECORD_OVERHEAD;

/// How many frames and bytes may be in flight to one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Frames.
    pub frames: u32,
    /// Bytes of frames.
    pub bytes: u64,
}

impl Window {
    /// The default: 8 frames and 16 MiB.
    pub const STANDARD: Window = Window { frames: 8, bytes: 16 * 1024 * 1024 };

    /// For small hosts: 2 frames and 4 MiB.
    pub const SMALL: Window = Window { frames: 2, bytes: 4 * 1024 * 1024 };

    /// The most bytes of one frame, so that a second one always fits beside it.
    pub const fn frame_bytes_max(self) -> u64 {
        let half = self.bytes / 2;
        if half < FRAME_BYTES_MAX as u64 { half } else { FRAME_BYTES_MAX as u64 }
    }
}

const _: () = assert!(Window::STANDARD.frame_bytes_max() == FRAME_BYTES_MAX as u64);
const _: () = assert!(
    Window::SMALL.frame_bytes_max()
        >= (RECORD_BYTES_MAX + RECORD_OVERHEAD + ENVELOPE_BYTES_MAX) as u64
);

/// What is known of a peer at start-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its URL, by which alerts name it.
    pub url: String,
    /// Who it was when it last answered.
    pub identity: Option<(PopId, StoreId)>,
    /// Up to where it confirmed.
    pub cursor: Seq,
    /// Up to where it is owed nothing.
    pub clean_to: Seq,
    /// How many records it could not take.
    pub setbacks: u32,
    /// The newest sequence number at the first start since the peer last answered: until it answers
    /// again, nobody can have more. `None` is the newest one now.
    pub unverified: Option<Seq>,
}

/// Whether a commit is owed to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owed {
    /// At once.
    Now,
    /// Unless its source ships it first.
    Later,
    /// Not at all: it came from this peer.
    Not,
}

/// An answered record: what it was, and what the peer did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordVerdict {
    /// Which record.
    pub record: RecordId,
    /// Which version.
    pub hlc: Hlc,
    /// What the peer did.
    pub verdict: Verdict,
}

/// An authenticated ack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// Who answered.
    pub pop: PopId,
    /// From which data directory.
    pub store: StoreId,
    /// How much of this server's changes it has received.
    pub received: Seq,
    /// What it did with each record.
    pub verdicts: Vec<RecordVerdict>,
    /// How much of every other source it has received.
    pub positions: Vec<Position>,
    /// Whether the peer owes this server nothing.
    pub is_complete: bool,
    /// This server's wall clock when the ack came in.
    pub at: UnixTime,
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// An ack that passed every check.
    Acked(Acked),
    /// The peer refused it with a code.
    Refused(Refusal),
    /// No answer, or none that means anything.
    Unreachable,
    /// An answer that pretends to be an ack.
    Forged,
}

/// A fact about one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The server runs: the peer should hear so.
    Started,
    /// Records changed, up to `last`.
    Committed {
        /// The newest sequence number.
        last: Seq,
        /// Whether the peer is owed them.
        owed: Owed,
    },
    /// The ordered frame covers everything up to `to`; with no records it was not sent.
    FrameBuilt {
        /// The order.
        op: OpId,
        /// The end of its range.
        to: Seq,
        /// How many records it carries.
        records: u32,
        /// Its size.
        bytes: u64,
    },
    /// A frame was answered, or will not be.
    FrameAnswered {
        /// The order.
        op: OpId,
        /// What became of it.
        answer: Answer,
    },
    /// A hello, or any other authentic frame, came from the peer.
    PeerHeard {
        /// The data directory it speaks for.
        store: StoreId,
        /// How much of this server's changes it says it has received.
        received: Seq,
        /// Whether it said hello, which always deserves a try.
        is_hello: bool,
    },
    /// A peer told how much of some source's changes this peer has.
    Covered(Position),
    /// [`Effect::Verified`] is on disk, or there is no room for it: data may flow.
    VerificationStored,
    /// The epoch changed: whatever is owed goes out at once.
    EpochChanged,
    /// An operator asks for another try.
    Resumed,
    /// This server's data directory has a new identity; everything is owed again.
    StoreReplaced {
        /// The newest sequence number.
        last: Seq,
    },
    /// Time has passed.
    Tick,
}

/// What is known when a frame is ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Names the order.
    pub op: OpId,
    /// Whether it is a hello: no range, no records.
    pub is_hello: bool,
    /// Where its range begins.
    pub after: Seq,
    /// Up to where nothing is owed, so that reading may begin there.
    pub read_after: Seq,
    /// Where its range ends at the latest: what was committed later has an order of its own.
    pub upto: Seq,
    /// Up to where the frame must reach to say that nothing more is owed.
    pub complete_at: Seq,
    /// The identity of the peer, once known.
    pub identity: Option<(PopId, StoreId)>,
    /// Records of other sources that the peer is known to have.
    pub covered: Vec<Position>,
}

/// An order about one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Build and send a frame; answer [`Input::FrameBuilt`], then [`Input::FrameAnswered`].
    SendFrame(Order),
    /// Nobody waits for this frame's answer any more.
    CancelFrame {
        /// The order.
        op: OpId,
    },
    /// The frame was confirmed: store the cursor, and keep what the peer could not take.
    AdvanceCursor {
        /// The frame.
        op: OpId,
        /// Up to where the peer confirmed.
        cursor: Seq,
        /// Positions in the frame of the records that the peer could not take.
        setbacks: Vec<u32>,
    },
    /// The peer is this POP with this data directory from now on.
    AdoptPeer {
        /// Its id.
        pop: PopId,
        /// Its data directory.
        store: StoreId,
        /// Up to where it confirmed.
        cursor: Seq,
    },
    /// The peer has nothing that this server does not know of: this data directory is no old copy.
    /// Store it, and answer [`Input::VerificationStored`]; no data is sent before.
    Verified,
    /// Somebody else speaks under this peer's id: refuse that data directory, unless and until
    /// [`Effect::AdoptPeer`] names it.
    DenyStore {
        /// The impostor's.
        store: StoreId,
    },
    /// Give the records that the peer could not take new sequence numbers.
    RetrySetbacks,
    /// The peer has received more than this server has: this data directory is an old copy. Give it
    /// a new identity, jump above, and answer [`Input::StoreReplaced`]; nothing is sent before.
    RolledBack {
        /// What the peer has received.
        received: Seq,
    },
    /// Tell a person.
    RaiseAlert(Alert),
}

/// The state of a peer as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is owed, or what is owed has time.
    Idle,
    /// Frames are in flight.
    Sending,
    /// A try failed; the next one is scheduled.
    Waiting,
    /// Every try failed; waiting for a reason.
    Suspended,
}

/// What operators see of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its id, once it answered.
    pub pop: Option<PopId>,
    /// Its data directory, likewise.
    pub store: Option<StoreId>,
    /// Its state.
    pub state: State,
    /// How many tries of this outage failed.
    pub attempt: u32,
    /// How long until the next try, in milliseconds.
    pub next_retry_ms: Option<u64>,
    /// Up to where it confirmed.
    pub acked: Seq,
    /// Up to where it is owed nothing.
    pub settled_to: Seq,
    /// When it last confirmed something.
    pub last_ack_at: Option<UnixTime>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}
