//! What is in the zone, and which of it is asked for.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use hickory_proto::ProtoError;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::control::CLUSTERS_MAX;

/// For how long an answer about a cluster may be kept, also that there is none, in seconds.
pub const TTL_S: u32 = 5;

/// For how long it may be kept who answers for the zone, in seconds.
pub const SERVER_TTL_S: u32 = 300;

/// The most addresses of one name.
pub const ADDRESSES_MAX: usize = 32;

/// HQ's own name in its zone: no cluster can have it.
pub const SERVER_LABEL: &str = "ns1";

const CONTACT_LABEL: &str = "hostmaster";

/// The longest name of a zone, in bytes: a label in front of it still makes a name.
const ORIGIN_BYTES_MAX: usize = 189;

const LABEL_BYTES_MAX: usize = 63;

// How often a second server would ask for news of the zone, and try again, and for how long it would
// answer without; HQ has none, but the record has places for it.
const REFRESH_S: i32 = 60;
const RETRY_S: i32 = 10;
const EXPIRE_S: i32 = 86_400;

/// Why a text is not the name of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadZone;

impl fmt::Display for BadZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a zone is a name such as vault.example.com: its parts are 1 to {LABEL_BYTES_MAX} \
             characters of a-z, 0-9 and -, none begins or ends with -, and all of it is at most \
             {ORIGIN_BYTES_MAX}"
        )
    }
}

impl From<ProtoError> for BadZone {
    fn from(_: ProtoError) -> Self {
        BadZone
    }
}

/// The name of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Name);

impl Origin {
    /// Reads it, with or without a dot at its end.
    pub fn parse(text: &str) -> Result<Origin, BadZone> {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if text.len() > ORIGIN_BYTES_MAX || !text.split('.').all(is_label) {
            return Err(BadZone);
        }
        Ok(Origin(Name::from_labels(text.split('.').map(str::as_bytes))?))
    }

    /// The name itself.
    pub(super) fn name(&self) -> &Name {
        &self.0
    }

    /// A name in the zone.
    pub(super) fn below(&self, label: &str) -> Result<Name, BadZone> {
        Ok(self.0.prepend_label(label)?)
    }
}

impl fmt::Display for Origin {
    /// With a dot at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_ascii())
    }
}

/// The zone as it is answered from.
///
/// Invariant: with each change of what is answered the serial number grows, so that whoever keeps a
/// copy sees that it is old.
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    server: Name,
    contact: Name,
    serial: u32,
    server_addresses: Vec<IpAddr>,
    clusters: BTreeMap<String, Vec<IpAddr>>,
}

impl Zone {
    /// A zone without clusters. `server` has the addresses of HQ itself, and `serial` is above every
    /// number that this zone had before: the time in seconds will do.
    pub fn new(origin: &str, server: &[IpAddr], serial: u32) -> Result<Zone, BadZone> {
        let origin = Origin::parse(origin)?;
        Ok(Zone {
            server: origin.below(SERVER_LABEL)?,
            contact: origin.below(CONTACT_LABEL)?,
            origin: origin.0,
            serial,
            server_addresses: addresses(server),
            clusters: BTreeMap::new(),
        })
    }

    /// The name of the zone, with a dot at its end.
    pub fn origin(&self) -> String {
        self.origin.to_ascii()
    }

    /// Shows a cluster at these addresses, or without any as long as it has had no primary. Answers
    /// whether that is news; a name that no cluster can have is none, nor is one cluster too many.
    pub fn show(&mut self, cluster: &str, at: &[IpAddr]) -> bool {
        let at = addresses(at);
        let is_room = self.clusters.len() < CLUSTERS_MAX || self.clusters.contains_key(cluster);
        if !is_room || !is_cluster_label(cluster) || self.clusters.get(cluster) == Some(&at) {
            return false;
        }
        self.clusters.insert(cluster.into(), at);
        self.serial = self.serial.wrapping_add(1);
        true
    }

    /// Shows a cluster no longer; answers whether it was shown.
    pub fn forget(&mut self, cluster: &str) -> bool {
        let was_shown = self.clusters.remove(cluster).is_some();
        self.serial = self.serial.wrapping_add(u32::from(was_shown));
        was_shown
    }

    /// Where a cluster is shown; `None` if it is not.
    pub fn shown(&self, cluster: &str) -> Option<&[IpAddr]> {
        self.clusters.get(cluster).map(Vec::as_slice)
    }

    /// Adds to the reply what there is of a name and type.
    pub(super) fn look_up(&self, name: &Name, asked: RecordType, reply: &mut Message) {
        let place = self.place(name);
        if matches!(place, Place::Outside) {
            reply.metadata.response_code = ResponseCode::Refused;
            return;
        }
        reply.metadata.authoritative = true;
        // In the letters of the question, so that it is clear which question this answers.
        let apex = name.trim_to(self.origin.iter().count());
        match (place, asked) {
            (Place::Apex, RecordType::SOA | RecordType::ANY) => {
                reply.add_answer(self.soa(apex.clone()));
            }
            (Place::Apex, RecordType::NS) => {
                let data = RData::NS(NS(self.server.clone()));
                reply.add_answer(Record::from_rdata(apex.clone(), SERVER_TTL_S, data));
                for family in [RecordType::A, RecordType::AAAA] {
                    let records = of_family(&self.server_addresses, family);
                    reply.add_additionals(
                        records.map(|data| {
                            Record::from_rdata(self.server.clone(), SERVER_TTL_S, data)
                        }),
                    );
                }
            }
            (Place::Server, _) => {
                add_addresses(reply, name, SERVER_TTL_S, &self.server_addresses, asked);
            }
            (Place::Cluster(at), _) => add_addresses(reply, name, TTL_S, at, asked),
            (Place::Nothing, _) => reply.metadata.response_code = ResponseCode::NXDomain,
            (Place::Apex | Place::Outside, _) => {}
        }
        if reply.answers.is_empty() {
            reply.add_authority(self.soa(apex));
        }
    }

    fn place(&self, name: &Name) -> Place<'_> {
        if !self.origin.zone_of(name) {
            return Place::Outside;
        }
        let above = name.iter().count().saturating_sub(self.origin.iter().count());
        let first = name.iter().next().unwrap_or_default().to_ascii_lowercase();
        match (above, core::str::from_utf8(&first)) {
            (0, _) => Place::Apex,
            (1, Ok(SERVER_LABEL)) => Place::Server,
            (1, Ok(label)) => self.shown(label).map_or(Place::Nothing, Place::Cluster),
            _ => Place::Nothing,
        }
    }

    fn soa(&self, owner: Name) -> Record {
        let (server, contact) = (self.server.clone(), self.contact.clone());
        let soa = SOA::new(server, contact, self.serial, REFRESH_S, RETRY_S, EXPIRE_S, TTL_S);
        Record::from_rdata(owner, TTL_S, RData::SOA(soa))
    }
}

/// Whether a cluster of that name can be asked for.
pub fn is_cluster_label(name: &str) -> bool {
    is_label(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase()) && name != SERVER_LABEL
}

/// What a name of the question stands for.
enum Place<'a> {
    Outside,
    Apex,
    Server,
    Cluster(&'a [IpAddr]),
    Nothing,
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// As they are kept: each once, and one of version 4 as such.
pub(super) fn addresses(given: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = given.iter().map(IpAddr::to_canonical).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    addresses
}

fn add_addresses(reply: &mut Message, name: &Name, ttl_s: u32, at: &[IpAddr], asked: RecordType) {
    let family = match asked {
        RecordType::ANY if at.iter().any(IpAddr::is_ipv4) => RecordType::A,
        RecordType::ANY => RecordType::AAAA,
        other => other,
    };
    let records = of_family(at, family);
    reply.add_answers(records.map(|data| Record::from_rdata(name.clone(), ttl_s, data)));
}

fn of_family(at: &[IpAddr], family: RecordType) -> impl Iterator<Item = RData> {
    at.iter().filter_map(move |address| match (address, family) {
        (IpAddr::V4(v4), RecordType::A) => Some(RData::A(A(*v4))),
        (IpAddr::V6(v6), RecordType::AAAA) => Some(RData::AAAA(AAAA(*v6))),
        _ => None,
    })
}
