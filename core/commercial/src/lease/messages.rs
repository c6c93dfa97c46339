//! What goes into the lease machine, and what comes out.

use clavitor_core::alert::Alert;
use clavitor_core::id::{Epoch, OpId, PopId, Seq};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::Draft;
use crate::renewal::{Answer, KeptBack};

/// What happens to writes on a primary that cannot renew its lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fencing {
    /// It stops before the lease ends: two primaries never take writes at the same time.
    #[default]
    Lease,
    /// It goes on: merge and journal settle what two have written.
    Merge,
}

/// What a POP starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Its id.
    pub pop: PopId,
    /// Whether there is an HQ. Without one, roles come from the configuration and from operators,
    /// and nothing here ever wakes.
    pub has_hq: bool,
    /// What happens to writes without a lease.
    pub fencing: Fencing,
    /// A random number, for everything that has to be unpredictable or different in each process.
    pub seed: u64,
    /// Whether the configuration names it as the primary.
    pub is_preferred: bool,
}

impl Start {
    /// A POP whose roles come from the configuration and from operators.
    pub fn without_hq(pop: PopId) -> Self {
        Self { pop, has_hq: false, fencing: Fencing::default(), seed: 0, is_preferred: false }
    }
}

/// What came of a renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Renewed {
    /// HQ answered.
    Answered(Answer),
    /// HQ refuses this POP's token, cluster or id: a person must look.
    Denied,
    /// No answer, or none that makes sense.
    Unanswered,
}

impl Renewed {
    /// Reads an HTTP status, if there was an answer, and what it said, if that makes sense.
    pub fn of(status: Option<u16>, answer: Option<Answer>) -> Self {
        match (status, answer) {
            (Some(200), Some(answer)) => Renewed::Answered(answer),
            (Some(409), _) => Renewed::Answered(Answer::Duplicate),
            (Some(401 | 403 | 404), _) => Renewed::Denied,
            _ => Renewed::Unanswered,
        }
    }
}

/// What a voter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Whether it votes: it will not be promoted before the lease that it votes for is over.
    pub is_given: bool,
    /// What the next question to it has to name, so that none can be asked twice.
    pub challenge: u64,
    /// The newest epoch that it has stored.
    pub epoch: Option<Epoch>,
}

/// A fact for the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The server listens.
    Started,
    /// Time has passed.
    Tick,
    /// A newer epoch is stored durably.
    EpochStored(Epoch),
    /// A peer tells of an epoch.
    EpochTold(Epoch),
    /// What came of [`Effect::Renew`].
    Renewed {
        /// The order.
        op: OpId,
        /// What came of it.
        outcome: Renewed,
    },
    /// [`Effect::Watch`] ended.
    WatchEnded {
        /// The order.
        op: OpId,
        /// Whether HQ has something to say, to whoever renews.
        is_news: bool,
    },
    /// The epoch of [`Effect::Accept`] and the clock's floor are on disk, or could not be written.
    Accepted {
        /// The order.
        op: OpId,
        /// The epoch, if it is stored.
        epoch: Option<Epoch>,
    },
    /// A peer, whose question is authentic, asks for a lease vote.
    VoteAsked {
        /// Names the question; [`Effect::AnswerVote`] answers it.
        op: OpId,
        /// Who asks.
        from: PopId,
        /// For which term.
        epoch: Epoch,
        /// For how long, in milliseconds.
        lease_ms: u64,
        /// The challenge that this POP last gave it; anything at first.
        challenge: u64,
    },
    /// What came of [`Effect::AskVote`]; `None` is no authentic answer.
    VoteAnswered {
        /// The order.
        op: OpId,
        /// The answer.
        vote: Option<Vote>,
    },
    /// What [`Effect::CloseWrites`] ordered is so: no client's write is under way any more.
    WritesClosed {
        /// The order.
        op: OpId,
        /// The newest sequence number by now, in which every write that was taken is counted.
        last: Seq,
    },
    /// An operator asks this primary to hand over.
    SwitchoverAsked {
        /// Names the question; [`Effect::AnswerSwitchover`] answers it.
        op: OpId,
        /// To whom; `None` is whoever holds most.
        to: Option<PopId>,
    },
    /// A peer is this POP.
    PeerKnown {
        /// The peer's index.
        peer: u8,
        /// Its id.
        pop: PopId,
    },
    /// This POP may be promoted: its data is not, or no longer, an import that has yet to hear its
    /// peers.
    BecameReady,
    /// How many changes the POP that is to follow has yet to confirm; `None` if it does not answer,
    /// or cannot take some of them.
    TargetSeen {
        /// The changes.
        behind: Option<u64>,
    },
    /// The server goes away.
    Closing,
    /// No client's write is in flight any more, and no reachable peer is owed anything.
    Flushed,
}

/// An order of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Complete the draft from the store, send it to HQ, and answer [`Input::Renewed`].
    Renew {
        /// Names the order.
        op: OpId,
        /// What to say.
        draft: Draft,
    },
    /// Ask HQ to say when there is news, and answer [`Input::WatchEnded`]. At most one is under way.
    Watch {
        /// Names the order.
        op: OpId,
    },
    /// Nobody waits for the answer of this order any longer.
    Cancel {
        /// The order.
        op: OpId,
    },
    /// Clients' writes may be taken and acknowledged until then, by the monotonic clock, as long as the
    /// stored epoch names this POP. Replaces what was said before.
    HoldLease {
        /// The end; `Instant(0)` is not at all, `Instant(u64::MAX)` for good.
        until: Instant,
    },
    /// Store the epoch and raise the clock's floor in one transaction, and answer
    /// [`Input::Accepted`].
    Accept {
        /// Names the order.
        op: OpId,
        /// The epoch.
        epoch: Epoch,
        /// The floor, in milliseconds since 1970.
        floor_ms: u64,
    },
    /// Store a newer epoch, and answer with [`Input::EpochStored`].
    Adopt(Epoch),
    /// Ask a member for a lease vote, and answer [`Input::VoteAnswered`].
    AskVote {
        /// Names the order.
        op: OpId,
        /// The member's index among the peers.
        peer: u8,
        /// Its id: nobody else's vote counts, whoever answers there.
        voter: PopId,
        /// For which term.
        epoch: Epoch,
        /// For how long, in milliseconds.
        lease_ms: u64,
        /// The challenge that this voter last gave.
        challenge: u64,
    },
    /// Answer a peer's question.
    AnswerVote {
        /// The question.
        op: OpId,
        /// The answer.
        vote: Vote,
    },
    /// From now on refuse clients' writes with the location of `to`, and answer
    /// [`Input::WritesClosed`] when none is under way any more.
    CloseWrites {
        /// Names the order.
        op: OpId,
        /// Who is going to take them.
        to: PopId,
    },
    /// Take clients' writes again, as far as the lease allows.
    OpenWrites,
    /// Answer an operator.
    AnswerSwitchover {
        /// The question.
        op: OpId,
        /// The epoch of the new primary, or why there is none.
        outcome: Result<Epoch, NotSwitched>,
    },
    /// Tell a person.
    RaiseAlert(Alert),
}

/// Why a switchover did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotSwitched {
    /// This POP is not the primary, or holds no lease.
    NotPrimary,
    /// There is no HQ.
    NoHq,
    /// Another one is under way.
    Busy,
    /// HQ does not answer, or found nobody who could follow.
    NobodyFollows,
    /// The other one cannot be brought up to date; the lease is kept.
    KeptBack(KeptBack),
}
