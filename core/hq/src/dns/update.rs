//! Updates of a zone that another server answers for (RFC 2136), signed (RFC 8945): what is sent, and
//! whether an answer is one.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use clavitor_core::time::UnixTime;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use serde::{Deserialize, Serialize};

use super::zone::{Origin, TTL_S, addresses};

mod key;
mod tsig;

pub use key::{BadKey, Key, SECRET_BYTES_MIN};

/// How far the clocks of both may be apart, in seconds.
pub const FUDGE_S: u16 = 300;

/// A name and all the addresses that it is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The cluster, and with it the name.
    pub cluster: alloc::string::String,
    /// Its addresses; none takes the name out.
    pub addresses: Vec<IpAddr>,
}

/// A signed update, and what is needed to know its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    bytes: Vec<u8>,
    mac: Vec<u8>,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The update is done.
    Done,
    /// It is not.
    Failed(Failure),
    /// This answers something else, or comes from somebody else.
    Unrelated,
}

/// Why an update is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// Nobody answers, or nobody who has the key.
    Unanswered,
    /// The server does not know the key by its name, or not for this algorithm.
    UnknownKey,
    /// The server knows the key, but its secret is another one.
    WrongSecret,
    /// The clocks are too far apart.
    Clock,
    /// The key may not do this.
    Refused,
    /// The server does not answer for this zone, or the names are not in it.
    NotItsZone,
    /// The server takes no updates.
    NoUpdates,
    /// The server failed.
    Server,
    /// The server gives another reason, which has this number.
    Other(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Unanswered => "nobody answers: see that it runs, and that it can be reached",
            Failure::UnknownKey => {
                "the server does not know the key: give both the same name and hmac-sha256"
            }
            Failure::WrongSecret => "the server has another secret under the key's name",
            Failure::Clock => "its clock and this one are more than five minutes apart",
            Failure::Refused => "the key may not change the zone: see the server's update policy",
            Failure::NotItsZone => "the server does not answer for the zone",
            Failure::NoUpdates => "the server takes no updates: see that the zone is dynamic there",
            Failure::Server => "the server failed: see its log",
            Failure::Other(code) => return write!(f, "the server refuses it with the code {code}"),
        })
    }
}

impl Request {
    /// An update of the zone that makes all the changes or none. `id` is a random number.
    pub fn new(
        origin: &Origin,
        key: &Key,
        changes: &[Change],
        id: u16,
        now: UnixTime,
    ) -> Option<Self> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Update);
        message.add_query(Query::query(origin.name().clone(), RecordType::SOA));
        for change in changes {
            let name = origin.below(&change.cluster).ok()?;
            for family in [RecordType::A, RecordType::AAAA] {
                let mut gone = Record::update0(name.clone(), 0, family);
                gone.dns_class = DNSClass::ANY;
                message.add_authority(gone);
            }
            message.add_authorities(addresses(&change.addresses).into_iter().map(|address| {
                let data = match address {
                    IpAddr::V4(v4) => RData::A(A(v4)),
                    IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
                };
                Record::from_rdata(name.clone(), TTL_S, data)
            }));
        }
        let (bytes, mac) = tsig::sign(key, message.to_vec().ok()?, id, now.0 / 1_000)?;
        Some(Self { bytes, mac })
    }

    /// What to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What these bytes are to this request.
    pub fn read(&self, key: &Key, answer: &[u8], now: UnixTime) -> Answered {
        self.understood(key, answer, now.0 / 1_000).unwrap_or(Answered::Unrelated)
    }

    fn understood(&self, key: &Key, answer: &[u8], now_s: u64) -> Option<Answered> {
        let head = answer.first_chunk::<12>()?;
        let is_answer = head[..2] == self.bytes[..2] && head[2] & 0xF8 == 0x80 | 5 << 3;
        if !is_answer {
            return None;
        }
        let code = u16::from(head[3] & 0xF);
        match tsig::read(answer)? {
            // Nobody can sign who has not the key; it is only believed that there is a failure.
            None if code != 0 => Some(Answered::Failed(failure(code, 0))),
            None => None,
            Some(signed) if matches!(signed.error, tsig::BADSIG | tsig::BADKEY) => {
                Some(Answered::Failed(failure(code, signed.error)))
            }
            Some(signed) => {
                if !signed.is_right(key, &self.mac, answer, now_s) {
                    return None;
                }
                let is_done = code == 0 && signed.error == 0;
                let failed = || Answered::Failed(failure(code, signed.error));
                Some(if is_done { Answered::Done } else { failed() })
            }
        }
    }
}

fn failure(code: u16, error: u16) -> Failure {
    match (error, code) {
        (tsig::BADSIG, _) => Failure::WrongSecret,
        (tsig::BADKEY, _) => Failure::UnknownKey,
        (tsig::BADTIME, _) => Failure::Clock,
        (1.., _) => Failure::Other(error),
        (_, 2) => Failure::Server,
        (_, 4) => Failure::NoUpdates,
        (_, 5) => Failure::Refused,
        (_, 9 | 10) => Failure::NotItsZone,
        (_, other) => Failure::Other(other),
    }
}

/// A name as it is signed.
fn canonical(name: &Name) -> Vec<u8> {
    let lower = name.to_lowercase();
    let mut bytes = Vec::with_capacity(256);
    for label in &lower {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label);
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests;
