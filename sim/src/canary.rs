//! Planted bugs: what the checkers are worth is shown by what they catch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! canaries {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A bug that the world plants around the machines of a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Canary {
            $($(#[$doc])* $name,)*
        }

        impl Canary {
            /// Every planted bug.
            pub const ALL: &[Canary] = &[$(Canary::$name,)*];

            /// Its name on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Canary::$name => $text,)* }
            }
        }
    };
}

canaries! {
    /// A write is answered before it is on disk.
    AckBeforeCommit = "ack-before-commit",
    /// The cursor moves when a frame is sent, not when it is acked.
    CursorBeforeAck = "cursor-before-ack",
    /// A commit while a frame is in flight leaves nothing dirty: one flag for all.
    BooleanDirtyFlag = "boolean-dirty-flag",
    /// A client that waits for a backup is answered when the cursor moves.
    WaiterByCursor = "waiter-by-cursor",
    /// What was received before is merged and counted again.
    NoReplayGuard = "no-replay-guard",
    /// An emptied data directory keeps the identity it had.
    NoStoreIdentity = "no-store-identity",
    /// Nothing is sent at start-up before a client writes.
    NoStartupDrain = "no-startup-drain",
    /// A suspended peer is never tried again.
    SuspendedForEver = "suspended-for-ever",
    /// A timestamp is what the wall clock shows.
    WallClockTimestamp = "wall-clock-timestamp",
    /// After a full frame the worker sleeps, whatever else is dirty.
    BatchThenSleep = "batch-then-sleep",
    /// An ack is taken for whatever frame waits for one.
    MisdirectedAck = "misdirected-ack",
    /// A frame is taken although its proof does not fit.
    UnprovenFrame = "unproven-frame",
    /// Bookkeeping that found no room comes to disk in any order.
    BooksOutOfOrder = "books-out-of-order",
    /// A server on its way out does not hear its timer.
    EndlessGrace = "endless-grace",
    /// A write is taken whoever is primary by now.
    NoEpochCheck = "no-epoch-check",
    /// Who waited for a backup long enough is told that it has the write.
    BackupByTimeout = "backup-by-timeout",
    /// What a peer could not take is counted, and not kept.
    ForgottenSetback = "forgotten-setback",
    /// An ack moves the cursor to the newest record there is.
    CursorToNewest = "cursor-to-newest",
    /// What arrives last is held, whatever its timestamp.
    LastArrivalWins = "last-arrival-wins",
    /// A data directory new to its cluster takes writes before it has heard its peers.
    NoImportWait = "no-import-wait",
    /// A server that is done does not end.
    LostExit = "lost-exit",
    /// A client of the tarpit that is told late to have left frees the slot of the next one.
    SlotReturnedTwice = "slot-returned-twice",
    /// A client of the tarpit that closes its half keeps its slot.
    SlotLeakedOnHalfClose = "slot-leaked-on-half-close",
    /// A scanner is held before there is a slot for it.
    CapAfterHolding = "cap-after-holding",
    /// Whoever is held when the server goes away is held on.
    TarpitNotCut = "tarpit-not-cut",
    /// An alert is sent before it is stored.
    AlertBeforeStored = "alert-before-stored",
    /// An alert is forgotten when it is sent, not when HQ has it.
    AlertForgottenEarly = "alert-forgotten-early",
    /// An alert is sent under another key each time.
    KeyDrawnAnew = "key-drawn-anew",
    /// What is sent again under a key says something else.
    OfferChanged = "offer-changed",
    /// Every alert of a storm is kept as an item of its own.
    StormInFull = "storm-in-full",
    /// HQ is not told of alerts that were given up.
    LossUnreported = "loss-unreported",
    /// Alerts that wait are not stored any more once the server goes away.
    AlertsLeftBehind = "alerts-left-behind",
    /// A server does not end before HQ has answered.
    ShutdownWaitsForHq = "shutdown-waits-for-hq",
    /// A report is sent after the signal.
    ReportAfterSignal = "report-after-signal",
    /// A report is sent again and again until it is answered.
    ReportRepeated = "report-repeated",
    /// A primary goes on taking writes after its lease.
    NoStepDown = "no-step-down",
    /// A POP that gave its vote is promoted all the same.
    VoteAndPromotion = "vote-and-promotion",
    /// HQ promotes a POP that the primary does not go by.
    NonMemberPromoted = "non-member-promoted",
    /// HQ does not wait for longer than the lease.
    NoMargin = "no-margin",
    /// A term is stored without a look at the one that is stored.
    StaleEpochStored = "stale-epoch-stored",
    /// HQ decides right after its start.
    HqDecidesAtOnce = "hq-decides-at-once",
    /// The time that a process stands still does not count against its lease.
    SuspendNotCounted = "suspend-not-counted",
    /// A lease is counted from the answer.
    LeaseFromAnswer = "lease-from-answer",
    /// A primary asks nobody for a lease vote.
    NoVotesAsked = "no-votes-asked",
    /// DNS goes on naming whoever was configured.
    DnsStays = "dns-stays",
    /// HQ promotes nobody.
    NobodyPromoted = "nobody-promoted",
}

impl Canary {
    /// Whether it is about leases, and means nothing where there are none.
    pub fn is_of_leases(self) -> bool {
        self >= Canary::NoStepDown
    }
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Canary {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|canary| canary.as_str() == text).ok_or(())
    }
}
