//! What waits for a server's writer, and what comes of it.

use std::rc::Rc;

use clavitor_commercial::apply::Applied;
use clavitor_commercial::frame::{Frame, Refusal};
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, OpId, PopId, Seq, StoreId};
use clavitor_core::record::{Key, Record};
use clavitor_core::time::UnixTime;

use super::Keep;
use crate::event::Wrote;
use crate::script::{Attack, Request};

/// An operation that waits for its turn.
#[derive(Clone, Debug)]
pub enum Job {
    /// A client's write.
    Ask(Ask),
    /// A peer's frame.
    Take(Box<Take>),
    /// A promotion by an operator.
    Promote,
    /// A promotion by HQ.
    Accept(Accept),
    /// Bookkeeping, tried again until there is room.
    Book(Book),
    /// What waits for HQ.
    Keep(Box<Keep>),
}

/// A promotion by HQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The machine's order.
    pub op: OpId,
    /// The new term.
    pub epoch: Epoch,
    /// What the clock is raised to, in milliseconds since 1970.
    pub floor_ms: u64,
}

/// A client's write.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The request.
    pub id: u32,
    /// What is asked.
    pub request: Request,
    /// Names the wait for a backup.
    pub wait: Option<OpId>,
    /// The version that the client has read or written last.
    pub seen: Option<Hlc>,
}

/// A frame to be taken, and how to answer it.
#[derive(Clone, Debug)]
pub struct Take {
    /// The peer's index.
    pub peer: u8,
    /// The frame.
    pub frame: Rc<Frame>,
    /// Its records, decoded.
    pub records: Rc<Vec<Option<Record>>>,
    /// The digest of its bytes.
    pub digest: [u8; 32],
    /// Where the answer goes.
    pub back: Back,
}

/// Where the answer to a frame goes.
#[derive(Clone, Copy, Debug)]
pub struct Back {
    /// To whom.
    pub to: u8,
    /// To which process.
    pub life: u32,
    /// For which order.
    pub op: OpId,
    /// How long it takes, in microseconds.
    pub us: u32,
    /// Whether it gets lost.
    pub is_lost: bool,
    /// Whether the frame came from somebody without the secret.
    pub attack: Option<Attack>,
}

/// Bookkeeping that the machine orders.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "as the machine's effects of the same names")]
pub enum Book {
    AdvanceCursor { peer: u8, cursor: Seq, setbacks: Vec<Key>, is_lazy: bool },
    AdoptPeer { peer: u8, pop: PopId, store: StoreId, cursor: Seq },
    Verified { peer: u8, is_again: bool },
    DenyStore { peer: u8, store: StoreId },
    RetrySetbacks { peer: u8 },
    ReplaceIdentity { fresh: StoreId, received: Seq },
    AdoptEpoch(Epoch),
    ImportSettled,
}

/// What came of an operation, once its group is on disk or given up.
#[derive(Clone, Debug)]
pub enum Done {
    /// A client's write.
    Ask(Ask, Result<Option<Box<Wrote>>, Failed>),
    /// A frame.
    Take(Box<Take>, Result<Box<Applied>, Failed>),
    /// A promotion.
    Promote(Result<Epoch, Failed>),
    /// A promotion by HQ.
    Accept(Accept, Result<Epoch, Failed>),
    /// Bookkeeping.
    Book(Book, Result<(), Failed>),
    /// What waits for HQ, and the time that it was stamped with.
    Keep(Box<Keep>, Result<UnixTime, Failed>),
}

/// Why an operation changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A client's write was refused, with a code.
    Asked(&'static str),
    /// A frame was refused.
    Frame(Refusal),
    /// There is no room.
    Full,
    /// Something that it needs is damaged.
    Damaged,
    /// The server is going away.
    Stopped,
}
