//! Frames and acks: what POPs say to each other, and the proof of who said it.
//!
//! On the wire a frame or ack is its encoding (version byte first) followed by 32 bytes of
//! HMAC-SHA256 under a subkey of the inter-POP secret. The secret itself never crosses the wire.

use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::codec::{self, Block, CodecError};
use clavitor_core::id::{Epoch, PopId, Seq, StoreId};
use clavitor_core::record::RECORD_BYTES_MAX;
use clavitor_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

mod keys;

pub use keys::Keys;
pub(crate) use keys::Purpose;

/// The most records in a frame.
pub const RECORDS_MAX: usize = 100;

/// The most bytes of a frame on the wire.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most bytes of an ack on the wire.
pub const ACK_BYTES_MAX: usize = 64 * 1024;

/// What a frame takes beside its records, at the most.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// The most POPs in a cluster, this one included.
pub const MEMBERS_MAX: usize = 16;

const MAC_BYTES: usize = 32;

const _: () = assert!(RECORD_BYTES_MAX + ENVELOPE_BYTES_MAX <= FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= codec::BYTES_MAX);

/// One POP as it names itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub pop: PopId,
    /// Its data directory.
    pub store: StoreId,
    /// Its URL in the cluster's configuration.
    pub url: String,
}

/// A half-open range of the source's sequence numbers: above `after`, up to and with `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// The last number before the range.
    pub after: Seq,
    /// The last number of the range.
    pub to: Seq,
}

/// How much of one source's changes somebody has received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Whose changes.
    pub source: PopId,
    /// In which data directory they were numbered.
    pub store: StoreId,
    /// The end of the contiguous prefix.
    pub received: Seq,
}

/// How much of the sender's changes another peer has confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPosition {
    /// The peer.
    pub peer: PopId,
    /// In which data directory: another one has nothing yet.
    pub store: StoreId,
    /// Up to where it confirmed.
    pub received: Seq,
}

/// One replication request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Who sends it.
    pub source: Member,
    /// For whom it is: the URL, so that a frame for one POP means nothing to another.
    pub destination: String,
    /// The data directory it is for, once known.
    pub destination_store: Option<StoreId>,
    /// The cluster both belong to.
    pub cluster: String,
    /// The newest epoch the sender knows.
    pub epoch: Option<Epoch>,
    /// What it covers; empty is a hello.
    pub range: Range,
    /// When it was sent, by the sender's wall clock.
    pub sent: UnixTime,
    /// Whether the sender owes the destination nothing beyond this frame.
    pub is_complete: bool,
    /// How much of the destination's own changes the sender has received.
    pub received: Seq,
    /// How much of the sender's changes its other peers have confirmed.
    pub peers: Vec<PeerPosition>,
    /// The records, each in its own encoding, so that one that cannot be read spoils no other.
    pub records: Vec<Block>,
}

impl Frame {
    /// Whether it only wakes.
    pub fn is_hello(&self) -> bool {
        self.range.after == self.range.to && self.records.is_empty()
    }
}

/// What a receiver did with one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It changed something, durably.
    Applied,
    /// It was there already, or a later version was.
    Already,
    /// It cannot be taken yet, and should be sent again later.
    Deferred,
    /// It cannot be taken by this receiver.
    Rejected,
}

/// The answer to a frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Who answers.
    pub acker: Member,
    /// SHA-256 of the whole frame that is answered.
    pub frame: [u8; 32],
    /// The newest epoch the receiver knows.
    pub epoch: Option<Epoch>,
    /// How much of the sender's changes the receiver has received: the end of the contiguous
    /// prefix. If it has received anything above what a hello calls the sender's last number, that
    /// number: the sender was rolled back, and a gap must not hide it until the numbers are used
    /// again.
    pub received: Seq,
    /// One verdict per record, in order.
    pub verdicts: Vec<Verdict>,
    /// How much of every other source the receiver has received.
    pub positions: Vec<Position>,
    /// Whether the receiver owes the sender nothing; only told in answer to a hello.
    pub is_complete: bool,
    /// The receiver's wall clock.
    pub wall: UnixTime,
}

/// Why a frame is refused. The caller is told the code and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Refusal {
    /// It does not decode, or breaks a structural rule.
    Malformed,
    /// It is of a version this build does not read.
    Version,
    /// Its MAC is not by the holder of the inter-POP secret.
    Auth,
    /// It is for another cluster.
    Cluster,
    /// Its source is not a configured POP of the cluster.
    Member,
    /// It is for another POP.
    Destination,
    /// It is for a data directory that this POP no longer has.
    Store,
    /// Its epoch is older than the one known here.
    Epoch,
    /// Another data directory is alive under its POP id.
    Duplicate,
    /// It is larger than a frame may be.
    TooLarge,
    /// It cannot be taken right now.
    Busy,
    /// There is no room for it.
    StorageFull,
}

impl Refusal {
    /// Every refusal with its code and HTTP status.
    pub const ALL: [(Refusal, &'static str, u16); 12] = [
        (Refusal::Malformed, "CV-FRAME-MALFORMED", 400),
        (Refusal::Version, "CV-FRAME-VERSION", 400),
        (Refusal::Auth, "CV-FRAME-AUTH", 401),
        (Refusal::Cluster, "CV-FRAME-CLUSTER", 403),
        (Refusal::Member, "CV-FRAME-MEMBER", 403),
        (Refusal::Destination, "CV-FRAME-DESTINATION", 421),
        (Refusal::Store, "CV-FRAME-STORE", 409),
        (Refusal::Epoch, "CV-FRAME-EPOCH", 409),
        (Refusal::Duplicate, "CV-DUPLICATE-POP", 409),
        (Refusal::TooLarge, "CV-TOO-LARGE", 413),
        (Refusal::Busy, "CV-BUSY", 503),
        (Refusal::StorageFull, "CV-STORAGE-FULL", 507),
    ];

    /// The stable code.
    pub fn code(self) -> &'static str {
        self.row().map_or("CV-FRAME-MALFORMED", |row| row.1)
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().map_or(400, |row| row.2)
    }

    /// The refusal a code stands for.
    pub fn from_code(code: &str) -> Option<Refusal> {
        Self::ALL.iter().find(|row| row.1 == code).map(|row| row.0)
    }

    /// Whether trying again cannot help before somebody changes a configuration.
    pub fn is_permanent(self) -> bool {
        use Refusal::{Auth, Cluster, Destination, Duplicate, Member, Version};
        matches!(self, Auth | Cluster | Destination | Duplicate | Member | Version)
    }

    fn row(self) -> Option<&'static (Refusal, &'static str, u16)> {
        Self::ALL.iter().find(|row| row.0 == self)
    }
}

/// The digest by which an ack names the frame it answers.
pub fn digest(frame_bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(frame_bytes).into()
}

/// Encodes and authenticates a frame.
pub fn seal_frame(frame: &Frame, keys: &Keys) -> Vec<u8> {
    let mut bytes = codec::encode(frame);
    let mac = keys.mac(Purpose::Frame, &bytes);
    bytes.extend_from_slice(&mac);
    bytes
}

/// Authenticates and decodes a frame; checks everything that can be checked without a store.
pub fn open_frame(bytes: &[u8], keys: &Keys) -> Result<Frame, Refusal> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    let (payload, mac) = split_mac(bytes).ok_or(Refusal::Malformed)?;
    if payload.first() != Some(&codec::VERSION) {
        return Err(Refusal::Version);
    }
    if !keys.is_mac(Purpose::Frame, payload, mac) {
        return Err(Refusal::Auth);
    }
    let frame: Frame = codec::decode(payload).map_err(refusal_of)?;
    let is_sound = frame.records.len() <= RECORDS_MAX
        && frame.peers.len() < MEMBERS_MAX
        && frame.range.after <= frame.range.to
        && frame.range.to.0 < u64::MAX / 2
        && (frame.range.after < frame.range.to || frame.records.is_empty());
    is_sound.then_some(frame).ok_or(Refusal::Malformed)
}

/// Encodes and authenticates an ack.
pub fn seal_ack(ack: &Ack, keys: &Keys) -> Vec<u8> {
    let mut bytes = codec::encode(ack);
    let mac = keys.mac(Purpose::Ack, &bytes);
    bytes.extend_from_slice(&mac);
    bytes
}

/// Authenticates an ack and checks that it answers this very frame, record by record, and comes
/// from the URL the frame was sent to.
pub fn open_ack(
    bytes: &[u8],
    keys: &Keys,
    frame_digest: &[u8; 32],
    acker_url: &str,
    records: usize,
) -> Option<Ack> {
    let (payload, mac) = split_mac(bytes).filter(|_| bytes.len() <= ACK_BYTES_MAX)?;
    if !keys.is_mac(Purpose::Ack, payload, mac) {
        return None;
    }
    let ack: Ack = codec::decode(payload).ok()?;
    let is_sound = ack.frame == *frame_digest
        && ack.acker.url == acker_url
        && ack.verdicts.len() == records
        && ack.positions.len() <= MEMBERS_MAX
        && ack.received.0 < u64::MAX / 2;
    is_sound.then_some(ack)
}

pub(crate) fn split_mac(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)
}

pub(crate) fn refusal_of(error: CodecError) -> Refusal {
    match error {
        CodecError::Version => Refusal::Version,
        CodecError::Malformed => Refusal::Malformed,
    }
}

#[cfg(test)]
mod tests;
