//! What is answered to DNS questions: bytes in, bytes out.
//!
//! `{cluster}.{zone}` has the addresses of the cluster's primary, and no more than the zone's own
//! records stand beside it. There is no recursion, no transfer of the zone, and no other class than
//! `IN`. `ANY` gets one set of records, as RFC 8482 suggests: the addresses of version 4 or, if there
//! are none, of version 6; at the top of the zone its `SOA`.

use alloc::vec::Vec;

use hickory_proto::op::{Edns, Header, Message, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

pub mod push;
pub mod update;
mod zone;

pub use zone::{
    ADDRESSES_MAX, BadZone, Origin, SERVER_LABEL, SERVER_TTL_S, TTL_S, Zone, is_cluster_label,
};

/// The longest question that is looked at, in bytes; a longer one is dropped.
pub const QUERY_BYTES_MAX: usize = 4_096;

/// The longest answer over UDP to whoever does not say that it takes more, in bytes.
pub const PLAIN_BYTES_MAX: usize = 512;

/// The longest answer over UDP, in bytes: what no network has to cut into pieces.
pub const PAYLOAD_BYTES_MAX: u16 = 1_232;

// A question at its longest, with every address a name can have.
const _: () = assert!(12 + 255 + 4 + 11 + 28 * ADDRESSES_MAX <= PAYLOAD_BYTES_MAX as usize);

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram: what does not fit into one is asked for again over TCP.
    Udp,
    /// On a connection.
    Tcp,
}

/// Answers a question; `None` is to say nothing at all, because it is no question.
pub fn answer(zone: &Zone, query: &[u8], via: Transport) -> Option<Vec<u8>> {
    if query.len() > QUERY_BYTES_MAX {
        return None;
    }
    let asked = Header::read(&mut BinDecoder::new(query)).ok()?.metadata;
    // Whoever answers answers would be sent round and round with another one of its kind.
    if asked.message_type != MessageType::Query {
        return None;
    }
    if asked.op_code != OpCode::Query {
        return refusal(&asked, ResponseCode::NotImp);
    }
    match Message::from_vec(query) {
        Ok(message) => reply(zone, &message, via),
        Err(_) => refusal(&asked, ResponseCode::FormErr),
    }
}

/// What can be said without having understood the rest.
fn refusal(asked: &Metadata, code: ResponseCode) -> Option<Vec<u8>> {
    let mut reply = begun(asked);
    reply.metadata.response_code = code;
    reply.to_vec().ok()
}

fn begun(asked: &Metadata) -> Message {
    let mut reply = Message::response(asked.id, asked.op_code);
    reply.metadata = Metadata::response_from_request(asked);
    reply
}

fn reply(zone: &Zone, asked: &Message, via: Transport) -> Option<Vec<u8>> {
    let [question] = asked.queries.as_slice() else {
        return refusal(&asked.metadata, ResponseCode::FormErr);
    };
    let mut reply = begun(&asked.metadata);
    reply.add_query(question.clone());
    let version = asked.edns.as_ref().map(|edns| {
        let mut own = Edns::new();
        own.set_max_payload(PAYLOAD_BYTES_MAX).set_dnssec_ok(edns.flags().dnssec_ok);
        reply.set_edns(own);
        edns.version()
    });
    match refused(question.query_class, question.query_type) {
        _ if version.is_some_and(|version| version != 0) => {
            reply.metadata.response_code = ResponseCode::BADVERS;
        }
        Some(code) => reply.metadata.response_code = code,
        None => zone.look_up(&question.name, question.query_type, &mut reply),
    }
    let bytes = reply.to_vec().ok()?;
    if bytes.len() <= bytes_max(asked, via) {
        return Some(bytes);
    }
    reply.truncate().to_vec().ok()
}

fn bytes_max(asked: &Message, via: Transport) -> usize {
    match (via, &asked.edns) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => PLAIN_BYTES_MAX,
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.max_payload().min(PAYLOAD_BYTES_MAX)).max(PLAIN_BYTES_MAX)
        }
    }
}

/// What is not answered whatever name it is asked of.
fn refused(class: DNSClass, record_type: RecordType) -> Option<ResponseCode> {
    match u16::from(record_type) {
        _ if class != DNSClass::IN => Some(ResponseCode::Refused),
        // OPT, TKEY and TSIG belong to messages, not to names.
        41 | 249 | 250 => Some(ResponseCode::FormErr),
        // IXFR and AXFR.
        251 | 252 => Some(ResponseCode::Refused),
        // MAILB and MAILA, which nobody ever built.
        253 | 254 => Some(ResponseCode::NotImp),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
