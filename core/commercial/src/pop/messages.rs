//! What goes into the Commercial edition's POP, and what comes out.

use alloc::vec::Vec;

use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, OpId, PopId, Seq, StoreId};
use clavitor_core::pop as community;
use clavitor_core::record::RecordId;
use clavitor_core::store::{Awaited, Notice};
use clavitor_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::alerts;
use crate::frame::Position;
use crate::lease;
use crate::replication::{self, Answer};
use crate::skew::Clocks;
use crate::waiters::{Release, Waiter};

/// A fact for a POP of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A fact for a POP of either edition.
    Community(community::Input),
    /// The server listens, and its store is open.
    Started,
    /// Records changed durably, up to `last`.
    Committed {
        /// The newest sequence number.
        last: Seq,
        /// Whether something changed that no peer has: a client's write, or the result of a merge.
        own: bool,
        /// The peers, with their data directories, that other changes came from.
        from: Vec<(PopId, StoreId)>,
        /// Clients that wait until a backup holds what they wrote.
        waiters: Vec<Waiter>,
        /// Versions that a merge beat, by record: they live on in the journal.
        beaten: Vec<(RecordId, Hlc)>,
    },
    /// An ordered frame was built; with no records it is not sent.
    FrameBuilt {
        /// The peer's index.
        peer: u8,
        /// The order.
        op: OpId,
        /// The end of the frame's range.
        to: Seq,
        /// How many records it carries.
        records: u32,
        /// Its size.
        bytes: u64,
    },
    /// A frame was answered, or will not be.
    FrameAnswered(PeerReport),
    /// An authentic frame came from a peer.
    PeerHeard {
        /// The peer's index.
        peer: u8,
        /// The data directory it speaks for.
        store: StoreId,
        /// How much of this server's changes it says it has received.
        received: Seq,
        /// Whether it is a hello.
        is_hello: bool,
    },
    /// A peer says how much of its changes another peer has.
    PeerCovered {
        /// The other peer.
        peer: PopId,
        /// In which data directory it has it.
        store: StoreId,
        /// What it has.
        position: Position,
    },
    /// It is stored that a peer knows of nothing that this server does not, or there is no room for
    /// it.
    VerificationStored {
        /// The peer's index.
        peer: u8,
    },
    /// This server holds everything that a peer owes it, or the peer says that it owes nothing.
    PeerComplete {
        /// The peer's index.
        peer: u8,
    },
    /// A newer epoch is stored durably.
    EpochChanged(Epoch),
    /// A peer's frame tells of a newer epoch in which this POP is primary, and which it does not know.
    EpochTold(Epoch),
    /// An operator made this POP the primary, in an epoch that is stored durably.
    Promoted(Epoch),
    /// An operator asks for another try of every peer.
    Resumed,
    /// This server's data directory has a new identity.
    StoreReplaced {
        /// The newest sequence number.
        last: Seq,
    },
    /// What [`Effect::KeepAlerts`] ordered is on disk.
    AlertsKept {
        /// The order.
        op: OpId,
        /// The wall clock of the transaction.
        at: UnixTime,
    },
    /// What [`Effect::KeepAlerts`] ordered could not be written.
    AlertsUnkept {
        /// The order.
        op: OpId,
        /// The wall clock.
        at: UnixTime,
        /// Whether there is no room.
        is_full: bool,
    },
    /// So many alerts were raised outside the machine while it could take no more facts.
    AlertsDropped {
        /// How many.
        count: u32,
    },
    /// HQ answered to an alert, or cannot be reached.
    AlertPosted {
        /// The order.
        op: OpId,
        /// What became of it.
        outcome: alerts::Outcome,
    },
    /// A fact about the right to take writes.
    Lease(lease::Input),
}

impl Input {
    /// What it tells the router of alerts.
    pub(super) fn about_alerts(&self) -> Option<alerts::Input> {
        Some(match self {
            Input::Community(community::Input::AlertRaised(alert)) => {
                alerts::Input::Raised(alert.clone())
            }
            Input::Community(community::Input::ShutdownRequested) => alerts::Input::Closing,
            Input::Community(community::Input::Tick) | Input::Started => alerts::Input::Tick,
            Input::AlertsKept { op, at } => alerts::Input::Kept { op: *op, at: *at },
            Input::AlertsUnkept { op, at, is_full } => {
                alerts::Input::Unkept { op: *op, at: *at, is_full: *is_full }
            }
            Input::AlertsDropped { count } => alerts::Input::Dropped { count: *count },
            Input::AlertPosted { op, outcome } => {
                alerts::Input::Posted { op: *op, outcome: *outcome }
            }
            _ => return None,
        })
    }
}

impl From<community::Input> for Input {
    fn from(input: community::Input) -> Self {
        Input::Community(input)
    }
}

impl From<Notice> for Input {
    fn from(notice: Notice) -> Self {
        let Notice { last, own, from, awaited, beaten } = notice;
        let waiters =
            awaited.into_iter().map(|Awaited { op, record, hlc }| Waiter { op, record, hlc });
        Input::Committed { last, own, from, waiters: waiters.collect(), beaten }
    }
}

/// What became of a frame to one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// The peer's index.
    pub peer: u8,
    /// The order.
    pub op: OpId,
    /// What became of it.
    pub answer: Answer,
    /// The peer's wall clock and ours, if an ack told. Only an ack is known to be fresh.
    pub clock: Option<Clocks>,
    /// The newest epoch the peer knows, if the ack told.
    pub epoch: Option<Epoch>,
}

/// An order of a POP of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// An order of a POP of either edition.
    Community(community::Effect),
    /// An order about one peer.
    Peer {
        /// The peer's index.
        peer: u8,
        /// The order.
        effect: replication::Effect,
    },
    /// Answer a client that waits for a backup.
    Release(Release),
    /// Store a newer epoch, and answer [`Input::EpochChanged`].
    AdoptEpoch(Epoch),
    /// Judge client writes by this from now on; see [`crate::skew`].
    ClockJudged {
        /// What the peers' median wall clock showed when this server's monotonic clock showed 0, in
        /// milliseconds since 1970; may be negative.
        peers_origin_ms: i64,
    },
    /// Every peer was heard since the import, or there is none: take client writes.
    ImportSettled,
    /// Write to the outbox, by [`alerts::outbox::keep`], and answer [`Input::AlertsKept`] or
    /// [`Input::AlertsUnkept`].
    KeepAlerts {
        /// Names the order.
        op: OpId,
        /// What to store.
        put: Vec<alerts::Item>,
        /// What to forget, by number.
        remove: Vec<u64>,
    },
    /// Send an alert to HQ, and answer [`Input::AlertPosted`].
    PostAlert {
        /// Names the order.
        op: OpId,
        /// The alert.
        item: alerts::Item,
    },
    /// Nobody waits for HQ's answer any longer.
    CancelPost {
        /// The order.
        op: OpId,
    },
    /// An order about the right to take writes; alerts and epochs of the lease machine are
    /// [`community::Effect::LogAlert`] and [`Effect::AdoptEpoch`].
    Lease(lease::Effect),
}

impl From<lease::Effect> for Effect {
    fn from(effect: lease::Effect) -> Self {
        match effect {
            lease::Effect::RaiseAlert(alert) => {
                Effect::Community(community::Effect::LogAlert(alert))
            }
            lease::Effect::Adopt(epoch) => Effect::AdoptEpoch(epoch),
            effect => Effect::Lease(effect),
        }
    }
}

impl From<alerts::Effect> for Effect {
    fn from(effect: alerts::Effect) -> Self {
        match effect {
            alerts::Effect::LogAlert(alert) => {
                Effect::Community(community::Effect::LogAlert(alert))
            }
            alerts::Effect::Keep { op, put, remove } => Effect::KeepAlerts { op, put, remove },
            alerts::Effect::Post { op, item } => Effect::PostAlert { op, item },
            alerts::Effect::CancelPost { op } => Effect::CancelPost { op },
        }
    }
}
