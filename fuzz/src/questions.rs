//! DNS questions: whatever is asked, an answer is one, is as short as it has to be, and says no more
//! than there is.

use std::net::IpAddr;
use std::sync::LazyLock;

use clavitor_hq_core::dns::{
    PAYLOAD_BYTES_MAX, PLAIN_BYTES_MAX, QUERY_BYTES_MAX, Transport, Zone, answer,
};
use hickory_proto::op::Message;
use hickory_proto::rr::Name;

const HEADER_BYTES: usize = 12;

static ZONE: LazyLock<Zone> = LazyLock::new(zone);

fn zone() -> Zone {
    let wide = (0..32).map(|last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]));
    let wide: Vec<IpAddr> = wide.collect();
    let (v4, v6) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
    let mut zone = Zone::new("vault.test", &[v4, v6], 7).expect("a zone");
    assert!(zone.show("red", &[v4, v6]) && zone.show("wide", &wide) && zone.show("none", &[]));
    zone
}

/// Asks what the bytes ask over either transport.
pub fn dns_question(bytes: &[u8]) {
    let [udp, tcp] = [Transport::Udp, Transport::Tcp].map(|via| answer(&ZONE, bytes, via));
    let is_question = (HEADER_BYTES..=QUERY_BYTES_MAX).contains(&bytes.len()) && bytes[2] < 0x80;
    assert_eq!((udp.is_some(), tcp.is_some()), (is_question, is_question), "dropped or not");
    let (Some(udp), Some(tcp)) = (udp, tcp) else { return };
    let (whole, cut) = (check(bytes, &tcp), check(bytes, &udp));
    assert!(!whole.metadata.truncation, "a connection has room for all");
    let payload = Message::from_vec(bytes).map_or(0, |asked| usize::from(asked.max_payload()));
    let max = payload.clamp(PLAIN_BYTES_MAX, PAYLOAD_BYTES_MAX.into());
    assert!(udp.len() <= max, "{} bytes of {max}", udp.len());
    assert_eq!(cut.metadata.truncation, tcp.len() > max, "cut without need, or not though needed");
    assert!(cut.metadata.truncation || udp == tcp);
    assert_eq!(cut.queries, whole.queries);
    assert_eq!(cut.edns.is_some(), whole.edns.is_some());
}

/// What holds of every answer.
fn check(query: &[u8], reply: &[u8]) -> Message {
    let message = Message::from_vec(reply).expect("an answer can be read");
    assert_eq!(reply[..2], query[..2], "another number");
    assert_eq!(reply[2] & 0b1111_1001, (query[2] | 0x80) & 0b1111_1001, "QR, operation, RD");
    assert_eq!(reply[3] & 0b1110_0000, 0, "RA, Z and AD");
    if message.queries.is_empty() {
        assert_eq!(reply.len(), HEADER_BYTES, "an answer to nothing that was asked");
    } else if let Some(end) = plain_question_end(query) {
        assert_eq!(
            reply.get(..end).map(|reply| &reply[HEADER_BYTES..]),
            query.get(HEADER_BYTES..end)
        );
    }
    let origin = Name::from_ascii("vault.test.").expect("a name");
    let is_inside = message.queries.first().is_some_and(|query| origin.zone_of(&query.name));
    assert!(is_inside || !message.metadata.authoritative);
    let has_records = !message.answers.is_empty() || !message.authorities.is_empty();
    assert!(!has_records || message.metadata.authoritative);
    assert!(message.answers.is_empty() || message.authorities.is_empty());
    for record in &message.answers {
        assert!(record.name.eq_case(&message.queries[0].name), "another name is answered");
    }
    for record in message.authorities.iter().chain(&message.additionals) {
        assert!(origin.zone_of(&record.name));
    }
    message
}

/// Where the question ends, if its name is written out.
fn plain_question_end(query: &[u8]) -> Option<usize> {
    let mut at = HEADER_BYTES;
    loop {
        match *query.get(at)? {
            0 => return Some(at + 5),
            length @ 1..=63 => at += 1 + usize::from(length),
            64.. => return None,
        }
    }
}
