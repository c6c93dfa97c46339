//! Whatever is asked, and however.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What holds of every answer to any bytes.
fn check(query: &[u8], via: Transport) {
    let zone = zone();
    let Some(bytes) = answer(&zone, query, via) else { return };
    let reply = Message::from_vec(&bytes).unwrap();
    assert!(query[2] & 0x80 == 0, "an answer was answered");
    assert_eq!(bytes[..2], query[..2]);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    let asked = Message::from_vec(query);
    let payload = asked.as_ref().map_or(512, |asked| usize::from(asked.max_payload()));
    let max = if via == Transport::Tcp { 65_535 } else { payload.clamp(512, 1_232) };
    assert!(bytes.len() <= max, "{} bytes of {max}", bytes.len());
    if let (Some(echo), Ok(asked)) = (reply.queries.first(), &asked) {
        let name = &asked.queries[0].name;
        assert!(echo.name.eq_case(name) && *echo == asked.queries[0]);
        assert_eq!(reply.edns.is_some(), asked.edns.is_some());
    }
    if reply.metadata.authoritative {
        assert!(Name::from_ascii("vault.test.").unwrap().zone_of(&reply.queries[0].name));
        assert_ne!(reply.answers.is_empty(), reply.authorities.is_empty());
    } else {
        assert!(reply.answers.is_empty() && reply.authorities.is_empty());
        assert_ne!(reply.metadata.response_code, ResponseCode::NoError);
    }
}

/// Texts around what the zone has.
fn names() -> impl Strategy<Value = String> {
    let label =
        prop_oneof!["red", "RED", "six", "none", "ns1", "nS1", "[*]", "[a-z]{1,9}", "[a-z]{63}"];
    let origin = prop_oneof![Just("vault.test."), Just("vAuLt.TeSt."), Just("test."), Just("x.")];
    (vec(label, 0..3), origin).prop_map(|(labels, origin)| {
        labels.into_iter().map(|label| label + ".").collect::<String>() + origin
    })
}

fn questions() -> impl Strategy<Value = Message> {
    let edns = proptest::option::of((any::<u16>(), 0_u8..2, any::<bool>()));
    (names(), 0_u16..260, 0_u16..5, edns).prop_map(|(name, record_type, class, edns)| {
        let mut message = question(&name, RecordType::from(record_type));
        message.queries[0].set_query_class(DNSClass::from(class.max(1)));
        if let Some((payload, version, dnssec_ok)) = edns {
            let mut own = Edns::new();
            own.set_max_payload(payload).set_version(version).set_dnssec_ok(dnssec_ok);
            message.set_edns(own);
        }
        message
    })
}

fn transports() -> impl Strategy<Value = Transport> {
    prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)]
}

proptest! {
    #[test]
    fn any_bytes_are_survived(query in vec(any::<u8>(), 0..600), via in transports()) {
        check(&query, via);
    }

    #[test]
    fn any_question_is_answered_as_it_should_be(message in questions(), via in transports()) {
        let query = message.to_vec().unwrap();
        prop_assert!(answer(&zone(), &query, via).is_some());
        check(&query, via);
    }

    #[test]
    fn a_damaged_question_is_survived(
        message in questions(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        via in transports(),
    ) {
        let mut query = message.to_vec().unwrap();
        for (at, byte) in damage {
            let at = at.index(query.len());
            query[at] = byte;
        }
        check(&query, via);
    }
}
