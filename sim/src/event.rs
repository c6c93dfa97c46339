//! What is going to happen in a world, and what checkers are told has happened.

use std::net::IpAddr;
use std::rc::Rc;

use clavitor_commercial::alerts::Item;
use clavitor_commercial::frame::{Frame, Refusal, Verdict};
use clavitor_commercial::lease;
use clavitor_commercial::tarpit::Held;
use clavitor_core::alert::Alert;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, OpId, Seq, StoreId};
use clavitor_core::record::Key;
use clavitor_core::store::Notice;
use clavitor_hq_core::control::{self, ClusterName, Row};

use crate::around::Bytes;
use crate::call::{Back, Call, Question};
use crate::hq::Note;
use crate::scanners::Burst;
use crate::script::{Action, Attack, Request, Sync};
use crate::server::{Done, Job};

/// Something that is going to happen.
#[derive(Debug)]
pub enum Event {
    /// What the script says.
    Act(Action),
    /// A process starts, if it is not running.
    Start(u8),
    /// A process that stands still may go on.
    GoOn(u8),
    /// Faults end.
    Heal,
    /// A process may be due.
    ToProcess {
        /// Whose process.
        pop: u8,
        /// Which process of it; the event means nothing to a later one.
        life: u32,
        /// What.
        event: ToProcess,
    },
    /// A frame arrives.
    Frame(Box<Delivery>),
    /// Something arrives at HQ.
    Note(Box<Note>),
    /// A POP's question arrives at HQ.
    Call(Box<Call>),
    /// A question for a lease vote arrives.
    Question(Box<Question>),
    /// HQ's process may be due.
    ToHq {
        /// Which process; the event means nothing to a later one.
        life: u32,
        /// What.
        event: ToHq,
    },
    /// A client that was refused asks again.
    Retry(Retry),
    /// A scanner connects.
    Scan {
        /// To whom.
        pop: u8,
        /// Which burst it belongs to.
        burst: Burst,
        /// Which one of them.
        nth: u16,
    },
}

/// A request that was refused, and is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// What was asked.
    pub request: Request,
    /// How often.
    pub tries: u8,
}

/// Something that is going to happen to HQ's process.
#[derive(Debug)]
pub enum ToHq {
    /// Its machine asked for a tick.
    Wake,
    /// A row is committed, or fails.
    Commit {
        /// The order.
        op: OpId,
        /// Whose row.
        cluster: ClusterName,
        /// The row.
        row: Box<Row>,
        /// What becomes of it.
        sync: Sync,
    },
    /// The machine hears of a commit.
    Kept {
        /// The order.
        op: OpId,
        /// Whether it is on disk.
        is_kept: bool,
    },
    /// A watch was held open for long enough.
    WatchOver(Back),
}

/// Something that is going to happen to one process.
#[derive(Debug)]
pub enum ToProcess {
    /// Its machine asked for a tick.
    Wake,
    /// Its group of writes is committed, or fails.
    Commit,
    /// Bookkeeping waited long enough for a write to go with.
    Lazy,
    /// The answers of a committed group reach whoever waits for them.
    Answers(Vec<Done>),
    /// What found no room is tried again.
    Again(Box<Job>),
    /// Its machine hears of a commit.
    Noticed(Notice),
    /// Its store is closed.
    Closed,
    /// A frame is answered.
    Reply(Box<Reply>),
    /// HQ answered, or cannot be reached.
    Hq {
        /// The order.
        op: OpId,
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
        /// Whether it was to a report.
        is_report: bool,
    },
    /// HQ answered, or did not.
    Lease(Box<lease::Input>),
    /// A voter answered, or cannot be reached.
    Voted {
        /// The order.
        op: OpId,
        /// The answer, sealed.
        bytes: Option<Bytes>,
    },
    /// HQ says that there is news, or ends the watch.
    Watched {
        /// The order.
        op: OpId,
        /// The number of the newest news, if there is any.
        news: Option<u64>,
    },
    /// Its tarpit asked for a tick.
    PitWake,
    /// A held client has left.
    Left {
        /// The holding.
        held: Held,
        /// Whether it closed its half only.
        is_half: bool,
    },
}

/// A frame on its way.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Who sent it.
    pub from: u8,
    /// By which process.
    pub life: u32,
    /// To whom.
    pub to: u8,
    /// The sender's order.
    pub op: OpId,
    /// The frame, sealed.
    pub bytes: Rc<[u8]>,
    /// How long the answer takes, in microseconds.
    pub back_us: u32,
    /// Whether the answer gets lost.
    pub is_answer_lost: bool,
    /// Whether somebody without the secret sends it, and how it was made.
    pub attack: Option<Attack>,
}

/// What came back for a frame.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The sender's order.
    pub op: OpId,
    /// Who answers.
    pub from: u8,
    /// The answer.
    pub posted: Posted,
}

/// An answer to a frame.
#[derive(Clone, Debug)]
pub enum Posted {
    /// A sealed ack.
    Ack(Rc<[u8]>),
    /// A refusal.
    Refused(Refusal),
    /// None.
    Unreachable,
}

/// How a client's request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; durable where it was asked, and on a backup if `is_on_backup`.
    Done {
        /// Whether a backup has it.
        is_on_backup: bool,
    },
    /// What is there: the version, or nothing.
    Found(Option<Hlc>),
    /// Refused; nothing changed.
    Refused(&'static str),
    /// Nobody knows.
    Unknown,
}

/// A version that a client's write made durable.
#[derive(Clone, Debug)]
pub struct Wrote {
    /// The client's request.
    pub id: u32,
    /// What was written.
    pub key: Key,
    /// Its timestamp.
    pub hlc: Hlc,
    /// The version that was there before, which the write has replaced.
    pub seen: Option<Hlc>,
    /// The journalled version that the write has replaced.
    pub restored: Option<Hlc>,
    /// Whether a token was revoked.
    pub is_revocation: bool,
    /// The newest epoch that was stored when it was written.
    pub epoch: Option<Epoch>,
}

/// Something that has happened: what checkers are fed.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A group of writes is on disk.
    Committed {
        /// Where.
        pop: u8,
        /// The keys of the records that changed.
        keys: Vec<Vec<u8>>,
        /// What clients wrote.
        wrote: Vec<Wrote>,
    },
    /// A frame was taken, durably.
    Took {
        /// By whom.
        pop: u8,
        /// The frame.
        frame: Rc<Frame>,
        /// What became of each record.
        verdicts: Vec<Verdict>,
        /// Up to where it has received everything of the source.
        received: Seq,
        /// How many records changed.
        changed: u32,
        /// Whether somebody without the secret sent it.
        attack: Option<Attack>,
    },
    /// A client asked.
    Asked {
        /// Its request.
        id: u32,
        /// Whom.
        pop: u8,
        /// For what.
        request: Request,
    },
    /// A client was answered.
    Answered {
        /// Its request.
        id: u32,
        /// By whom.
        pop: u8,
        /// What.
        answer: Answer,
    },
    /// A frame went out.
    Sent {
        /// From whom.
        pop: u8,
        /// To which peer.
        peer: u8,
        /// The order.
        op: OpId,
        /// Whether it carries records.
        has_records: bool,
    },
    /// A cursor moved.
    Advanced {
        /// Whose.
        pop: u8,
        /// For which peer.
        peer: u8,
        /// The frame that was answered.
        op: OpId,
        /// To where.
        cursor: Seq,
        /// What the peer could not take.
        setbacks: Vec<Key>,
    },
    /// A peer was taken for somebody else, or set back.
    Adopted {
        /// By whom.
        pop: u8,
        /// Which peer.
        peer: u8,
        /// Its data directory.
        store: StoreId,
        /// Up to where it confirmed.
        cursor: Seq,
    },
    /// A process started.
    Started(u8),
    /// A process ended without being asked, or after it was.
    Ended(u8),
    /// A server was asked to end.
    EndAsked(u8),
    /// A data directory was emptied.
    Emptied(u8),
    /// A data directory was copied.
    Copied(u8),
    /// A data directory was put back as it was when it was copied.
    PutBack(u8),
    /// A server told a person.
    Alerted(u8, Alert),
    /// The outbox is written.
    AlertsKept {
        /// Whose.
        pop: u8,
        /// What it holds from now on, each as it is stored.
        put: Vec<Item>,
        /// What it holds no more, by number.
        remove: Vec<u64>,
    },
    /// The outbox could not be written.
    AlertsUnkept(u8),
    /// A server sends an alert to HQ.
    AlertPosted {
        /// Which.
        pop: u8,
        /// The alert.
        item: Item,
    },
    /// HQ took an alert.
    AlertTaken {
        /// Whose.
        pop: u8,
        /// The alert, under the key that came with it.
        item: Item,
        /// Whether it is shown since, and was not before.
        is_new: bool,
    },
    /// A server sends a report.
    Reported(u8),
    /// A server ends by itself, as it was asked to.
    Exited(u8),
    /// Something happened to a scanner's connection.
    Scanned {
        /// At whose tarpit.
        pop: u8,
        /// Which connection.
        id: u32,
        /// What.
        what: Scanned,
    },
    /// HQ's process started.
    HqStarted,
    /// HQ's process ended.
    HqEnded,
    /// HQ answers a renewal with a lease.
    Led {
        /// Whose.
        pop: u8,
        /// In which term.
        epoch: Epoch,
    },
    /// Something happened that HQ keeps in its history.
    Happened(control::Event),
    /// An operator who asked a POP, or HQ, for another primary was answered.
    Switched {
        /// By whom.
        pop: u8,
        /// The term of the new primary, if there is one.
        epoch: Option<Epoch>,
    },
    /// Faults ended.
    Healed,
}

/// What happened to a scanner's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// It asked.
    Asked {
        /// From where.
        address: IpAddr,
        /// Whether it is to be answered promptly.
        is_welcome: bool,
    },
    /// It was answered promptly.
    Prompt,
    /// It was sent a head, and is held.
    Held,
    /// It was closed without a byte.
    Dropped,
    /// It was sent a byte.
    Byte,
    /// A byte was for it, and it was gone.
    Gone,
    /// It was held, and is closed.
    Closed {
        /// Whether because everything was sent.
        sent_all: bool,
    },
}
