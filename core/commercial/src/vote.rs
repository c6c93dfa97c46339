//! Questions for lease votes, and their answers: what POPs say to each other while HQ is away.
//!
//! On the wire either is its encoding (version byte first) followed by 32 bytes of HMAC-SHA256 under
//! a subkey of the inter-POP secret. A question is good for one voter and one of its challenges; an
//! answer is good for one question.

use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::codec;
use clavitor_core::id::{Epoch, PopId, StoreId};
use serde::{Deserialize, Serialize};

use crate::frame::{Keys, Member, Purpose, Refusal, digest, refusal_of, split_mac};
use crate::lease::Vote;
use crate::renewal::LEASE_MS_MAX;

/// The most bytes of a question on the wire.
pub const ASK_BYTES_MAX: usize = 8 * 1024;

/// The most bytes of an answer on the wire.
pub const VOTE_BYTES_MAX: usize = 8 * 1024;

/// A question for a lease vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The primary, who asks.
    pub source: Member,
    /// Whose vote is asked for.
    pub voter: PopId,
    /// Where that is.
    pub destination: String,
    /// The voter's data directory, once known.
    pub destination_store: Option<StoreId>,
    /// The cluster both belong to.
    pub cluster: String,
    /// The term.
    pub epoch: Epoch,
    /// For how long, in milliseconds.
    pub lease_ms: u64,
    /// The challenge that the voter last gave.
    pub challenge: u64,
    /// Random: no two questions are the same.
    pub nonce: [u8; 16],
}

/// What a voter answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who votes, or not.
    pub voter: Member,
    /// SHA-256 of the whole question.
    pub ask: [u8; 32],
    /// What it says.
    pub vote: Vote,
}

/// Encodes and authenticates a question.
pub fn seal_ask(ask: &Ask, keys: &Keys) -> Vec<u8> {
    seal(codec::encode(ask), Purpose::Ask, keys)
}

/// Authenticates and decodes a question; [`crate::cluster::Cluster::check_ask`] says whether it is for
/// this POP.
pub fn open_ask(bytes: &[u8], keys: &Keys) -> Result<Ask, Refusal> {
    if bytes.len() > ASK_BYTES_MAX {
        return Err(Refusal::TooLarge);
    }
    let (payload, mac) = split_mac(bytes).ok_or(Refusal::Malformed)?;
    if payload.first() != Some(&codec::VERSION) {
        return Err(Refusal::Version);
    }
    if !keys.is_mac(Purpose::Ask, payload, mac) {
        return Err(Refusal::Auth);
    }
    let ask: Ask = codec::decode(payload).map_err(refusal_of)?;
    let is_sound = ask.epoch.primary == ask.source.pop && ask.lease_ms <= LEASE_MS_MAX;
    is_sound.then_some(ask).ok_or(Refusal::Malformed)
}

/// Encodes and authenticates an answer to the question of these bytes.
pub fn seal_vote(voter: Member, ask_bytes: &[u8], vote: Vote, keys: &Keys) -> Vec<u8> {
    let answer = Answer { voter, ask: digest(ask_bytes), vote };
    seal(codec::encode(&answer), Purpose::Vote, keys)
}

/// Authenticates an answer and checks that it is the voter's to this very question. `ask_bytes` is
/// what was sent, `ask` what it says.
pub fn open_vote(bytes: &[u8], keys: &Keys, ask_bytes: &[u8], ask: &Ask) -> Option<Vote> {
    let (payload, mac) = split_mac(bytes).filter(|_| bytes.len() <= VOTE_BYTES_MAX)?;
    if !keys.is_mac(Purpose::Vote, payload, mac) {
        return None;
    }
    let answer: Answer = codec::decode(payload).ok()?;
    let is_right = answer.ask == digest(ask_bytes)
        && answer.voter.pop == ask.voter
        && answer.voter.url == ask.destination
        && ask.destination_store.is_none_or(|store| store == answer.voter.store);
    is_right.then_some(answer.vote)
}

fn seal(mut bytes: Vec<u8>, purpose: Purpose, keys: &Keys) -> Vec<u8> {
    let mac = keys.mac(purpose, &bytes);
    bytes.extend_from_slice(&mac);
    bytes
}

#[cfg(test)]
mod tests;
