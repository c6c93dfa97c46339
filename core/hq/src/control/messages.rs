//! What the machine is told, what it orders, and what is durable of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use clavitor_commercial::renewal::{Answer, GRANT_MEMBERS_MAX, Renewal};
use clavitor_core::id::{Epoch, OpId, PopId, StoreId};
use serde::{Deserialize, Serialize};

/// The name of a cluster.
pub type ClusterName = String;

/// Why there is no room for one more POP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// Its cluster has [`POPS_MAX`] POPs.
    InCluster,
    /// There are [`CLUSTERS_MAX`] clusters.
    ForCluster,
}

/// The most clusters of one HQ.
pub const CLUSTERS_MAX: usize = 1_024;

/// The most POPs of one cluster: a grant names every one that may follow.
pub const POPS_MAX: usize = GRANT_MEMBERS_MAX;

/// What is durable of a cluster. What is offered or ordered is stored before anybody hears of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The newest term there is: ordered, or given.
    pub epoch: Option<Epoch>,
    /// The newest term in which a lease was given: DNS names its primary.
    pub granted: Option<Epoch>,
    /// The members that the primary is known to go by.
    pub acknowledged: Members,
    /// The members that it may go by already.
    pub offered: Option<Members>,
    /// Who holds the lease of `granted`, or held it last: nobody else is ever given one of that term.
    /// `None` once an operator has said that it is gone.
    pub holder: Option<Holder>,
    /// The POPs that have a POP token, sorted.
    pub pops: Vec<PopId>,
}

/// A process that was given a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The random number of the process.
    pub start: u64,
    /// Its data directory.
    pub store: StoreId,
}

/// The members of a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Grows with every change within a term.
    pub version: u64,
    /// Sorted.
    pub pops: Vec<PopId>,
}

/// What HQ starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// What is stored.
    pub clusters: BTreeMap<ClusterName, Row>,
    /// Those of their POPs that never renewed: nobody misses them before they do.
    pub unheard: BTreeSet<(ClusterName, PopId)>,
    /// Whether this is the first start of this data directory: nobody can hold a lease of it then.
    pub is_first: bool,
    /// How long a lease lasts, in milliseconds.
    pub lease_ms: u64,
    /// After how long a preferred primary that is back, and up to date, is given its place again, in
    /// milliseconds; `None` is never by itself.
    pub failback_ms: Option<u64>,
}

/// A fact for the machine.
#[expect(clippy::large_enum_variant, reason = "nearly all are renewals, and none is kept as it is")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A POP whose token is right renews. [`Effect::Answer`] answers it, at once or when what it says
    /// is stored; or [`Effect::Overtaken`] says that nothing does.
    Renewed {
        /// Names the question.
        op: OpId,
        /// Its cluster.
        cluster: ClusterName,
        /// Its id.
        pop: PopId,
        /// What it says.
        renewal: Renewal,
    },
    /// A POP was given a token. For one that had one already it is a person's word that its former
    /// process and data directory are gone.
    Registered {
        /// Its cluster.
        cluster: ClusterName,
        /// Its id.
        pop: PopId,
    },
    /// A POP's token was revoked: a person's word that it takes no part any more.
    Removed {
        /// Its cluster.
        cluster: ClusterName,
        /// Its id.
        pop: PopId,
    },
    /// An operator asks for a hand-over; [`Effect::AnswerSwitchover`] answers.
    SwitchoverAsked {
        /// Names the question.
        op: OpId,
        /// Which cluster.
        cluster: ClusterName,
        /// To whom; `None` is whoever holds most.
        to: Option<PopId>,
    },
    /// What [`Effect::Keep`] ordered is on disk, or could not be written.
    Kept {
        /// The order.
        op: OpId,
        /// Whether it is there.
        is_kept: bool,
    },
}

/// An order of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Answer a renewal.
    Answer {
        /// The question.
        op: OpId,
        /// The answer.
        answer: Answer,
    },
    /// A renewal came after a newer one of the same process: nothing that it says counts, and nobody waits
    /// for an answer.
    Overtaken {
        /// The question.
        op: OpId,
    },
    /// Store a cluster's row, and answer [`Input::Kept`].
    Keep {
        /// Names the order.
        op: OpId,
        /// Which cluster.
        cluster: ClusterName,
        /// What to store.
        row: Row,
    },
    /// Tell a POP that watches to renew at once; if it does not watch, as soon as it does.
    Wake {
        /// Its cluster.
        cluster: ClusterName,
        /// Its id.
        pop: PopId,
    },
    /// Answer an operator: the new primary's epoch, or why there is none.
    AnswerSwitchover {
        /// The question.
        op: OpId,
        /// What came of it.
        outcome: Result<Epoch, NotSwitched>,
    },
    /// Something happened that belongs into the history of a cluster.
    Happened {
        /// Which cluster.
        cluster: ClusterName,
        /// What.
        event: Event,
    },
}

/// Why a switchover did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotSwitched {
    /// There is no such cluster.
    UnknownCluster,
    /// It has no primary that renews.
    NoPrimary,
    /// Another change is under way.
    Busy,
    /// Whoever was named is no member, is away, or is not ready.
    NotFit,
    /// Nobody else could follow.
    NobodyFollows,
    /// The primary kept its lease: the other one cannot be brought up to date.
    KeptBack(clavitor_commercial::renewal::KeptBack),
    /// It took too long.
    TimedOut,
    /// The disk does not take what has to be stored first.
    NotKept,
}

/// What belongs into the history of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A POP renews that did not, or never had since HQ started.
    PopSeen(PopId),
    /// A POP has not renewed for a lease.
    PopLost(PopId),
    /// Nobody takes writes: the primary's lease is over, margin included, and it did not renew; or it gave
    /// its lease up, and nobody could follow within [`PATIENCE_MS`](super::PATIENCE_MS).
    LeaseExpired(Epoch),
    /// The primary does not renew, but lease votes carry it on.
    Carried(Epoch),
    /// A POP is to become primary.
    PromotionOrdered(Epoch),
    /// It did not accept in time; somebody else is asked.
    PromotionFailed(Epoch),
    /// A primary was given its first lease of a term: DNS moves.
    PrimaryChanged(Epoch),
    /// The primary is to hand over, in order.
    HandOverBegan(PopId),
    /// It kept its lease.
    HandOverFailed(clavitor_commercial::renewal::KeptBack),
    /// The primary goes by one more member.
    MemberAdded(PopId),
    /// The primary does not go by a member any longer.
    MemberRemoved(PopId),
    /// Two processes, or two data directories, are alive under one id.
    Duplicate(PopId),
    /// A POP knew of a term that HQ did not give; a newer one ends it.
    Overruled(Epoch),
}
