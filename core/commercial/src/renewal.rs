//! What a POP and HQ say to each other: a POP renews, and HQ answers what it is to do.

use alloc::vec::Vec;

use clavitor_core::id::{Epoch, PopId, Seq, StoreId};
use serde::{Deserialize, Serialize};

use crate::cluster::PEERS_MAX;

/// How long a lease lasts, in milliseconds: counted by the POP from the moment it sent the renewal.
pub const LEASE_MS: u64 = 6_000;

/// The time between two renewals, in milliseconds.
pub const RENEW_MS: u64 = 2_000;

/// How long HQ, or a voter, gets to answer, in milliseconds.
pub const ANSWER_MS: u64 = 1_000;

/// What is added to every wait for somebody else's lease to end, in milliseconds, besides 2 % of it:
/// the rates of two clocks may differ by 1 %.
pub const MARGIN_MS: u64 = 250;

/// The most POPs that a grant names: a primary and its peers.
pub const GRANT_MEMBERS_MAX: usize = PEERS_MAX + 1;

/// The longest lease that anybody gives or votes for, in milliseconds.
pub const LEASE_MS_MAX: u64 = 60_000;

/// How long to wait for a lease of somebody else to be over, by a clock that may run faster.
pub const fn with_margin(lease_ms: u64) -> u64 {
    lease_ms.saturating_add(lease_ms / 50).saturating_add(MARGIN_MS)
}

const _: () = assert!(RENEW_MS + ANSWER_MS < LEASE_MS, "a lost renewal must not end a lease");

/// The right to take writes in an epoch, and who may follow on: lease votes have to come from every
/// other member, and nobody else is ever promoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The term.
    pub epoch: Epoch,
    /// Grows with every change of the members within a term.
    pub version: u64,
    /// The primary and whoever may follow it, sorted, at most [`GRANT_MEMBERS_MAX`].
    pub members: Vec<PopId>,
    /// How long it lasts from the moment the renewal was sent, in milliseconds.
    pub lease_ms: u64,
}

impl Grant {
    /// Which grant it is.
    pub fn id(&self) -> GrantId {
        GrantId { epoch: self.epoch, version: self.version }
    }
}

/// Names a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GrantId {
    /// The term.
    pub epoch: Epoch,
    /// The version within it.
    pub version: u64,
}

/// Up to where a POP holds what a data directory of some POP, its own included, has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whose changes.
    pub pop: PopId,
    /// Of which data directory.
    pub store: StoreId,
    /// The end of the contiguous prefix.
    pub seq: Seq,
}

/// What a POP tells HQ whenever it renews.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// A random number of this process: two processes under one id differ in it.
    pub start: u64,
    /// Grows with every renewal of this process, so that one that was long under way is known from a
    /// newer one; 0 if it does not say.
    #[serde(default)]
    pub number: u64,
    /// Its data directory.
    pub store: StoreId,
    /// The newest epoch that it has stored.
    pub epoch: Option<Epoch>,
    /// The grant that it goes by if it has to gather lease votes. It asks nobody but its members.
    pub grant: Option<GrantId>,
    /// Whether it gave up for good what that grant allowed.
    pub is_released: bool,
    /// Whether it may be promoted: its data is not an import that has yet to hear its peers.
    pub is_ready: bool,
    /// Whether the configuration names it as the primary.
    pub is_preferred: bool,
    /// For how long from now on it refuses to be promoted, in milliseconds: a lease vote binds it, or
    /// it does not know whether one does, having just started.
    pub refuses_ms: u64,
    /// For how long a lease vote of this process still carries the primary, in milliseconds.
    pub voted_ms: u64,
    /// How much it holds of every POP it knows, at most [`GRANT_MEMBERS_MAX`].
    pub held: Vec<Held>,
    /// The newest timestamp it has seen or issued, in milliseconds since 1970.
    pub floor_ms: u64,
    /// What an operator asked of it.
    pub wish: Option<Wish>,
    /// Why it did not hand over to whom it was to.
    pub kept_back: Option<KeptBack>,
}

impl Renewal {
    /// Whether the same process said `other` later.
    pub fn is_before(&self, other: &Renewal) -> bool {
        self.start == other.start && self.number < other.number
    }

    /// Whether it is a copy of `other`, as far as its process numbers what it says.
    pub fn is_same(&self, other: &Renewal) -> bool {
        self.start == other.start && self.number == other.number && self.number > 0
    }
}

/// What an operator asked a primary for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Who is to follow; `None` is whoever holds most.
    pub to: Option<PopId>,
}

/// Why a primary keeps its lease although it was to hand it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptBack {
    /// The other one could not be brought up to date in time.
    TooFarBehind,
    /// The other one did not confirm the last writes in time.
    NotDrained,
    /// It is no peer of this POP.
    NotAPeer,
}

/// What HQ answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Take writes for as long as the grant says, and hand over to somebody if so asked.
    Lead {
        /// The lease.
        grant: Grant,
        /// Who is to be brought up to date and given the lease, in an orderly way.
        hand_over_to: Option<PopId>,
    },
    /// Somebody else is primary, or nobody yet.
    Follow {
        /// The newest epoch.
        epoch: Option<Epoch>,
    },
    /// Become primary: store the epoch, raise the clock's floor, and renew.
    Promote {
        /// The epoch to store.
        epoch: Epoch,
        /// A timestamp above everything the old primary can have issued, in milliseconds since 1970.
        floor_ms: u64,
    },
    /// Another data directory, or another process, is alive under this POP's id.
    Duplicate,
}
