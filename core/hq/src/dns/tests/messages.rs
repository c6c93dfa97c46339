//! Headers, EDNS, sizes, and what is no question.

use super::*;

#[test]
fn what_is_no_question_is_dropped() {
    let zone = zone();
    let query = question("red.vault.test.", RecordType::A).to_vec().unwrap();
    for length in 0..12 {
        assert_eq!(answer(&zone, &query[..length], Transport::Udp), None, "{length} bytes");
    }
    let mut response = query.clone();
    response[2] |= 0x80;
    assert_eq!(answer(&zone, &response, Transport::Udp), None);
    let mut long = query.clone();
    long.resize(QUERY_BYTES_MAX, 0);
    assert!(answer(&zone, &long, Transport::Tcp).is_some());
    long.push(0);
    assert_eq!(answer(&zone, &long, Transport::Tcp), None);
    assert!(answer(&zone, &query, Transport::Udp).is_some());
}

#[test]
fn a_question_that_is_cut_short_or_not_one_is_malformed() {
    let zone = zone();
    let query = question("red.vault.test.", RecordType::A).to_vec().unwrap();
    let code = |bytes: &[u8]| {
        let reply = Message::from_vec(&answer(&zone, bytes, Transport::Udp).unwrap()).unwrap();
        assert_eq!((reply.metadata.id, reply.queries.len()), (7, 0));
        assert_eq!(reply.metadata.message_type, MessageType::Response);
        reply.metadata.response_code
    };
    for length in 12..query.len() {
        assert_eq!(code(&query[..length]), ResponseCode::FormErr, "{length} bytes");
    }
    let mut two = question("red.vault.test.", RecordType::A);
    two.add_query(two.queries[0].clone());
    assert_eq!(code(&two.to_vec().unwrap()), ResponseCode::FormErr);
    let none = Message::new(7, MessageType::Query, OpCode::Query);
    assert_eq!(code(&none.to_vec().unwrap()), ResponseCode::FormErr);
}

#[test]
fn other_operations_are_not_there() {
    let zone = zone();
    for number in 1..16 {
        let mut query = question("red.vault.test.", RecordType::A).to_vec().unwrap();
        query[2] |= number << 3;
        let reply = Message::from_vec(&answer(&zone, &query, Transport::Udp).unwrap()).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::NotImp, "{number}");
        assert_eq!(u8::from(reply.metadata.op_code), number);
        assert_eq!(reply.metadata.id, 7);
    }
}

#[test]
fn only_one_class_and_no_transfer() {
    let zone = zone();
    for class in [DNSClass::CH, DNSClass::HS, DNSClass::ANY, DNSClass::NONE] {
        let mut query = question("red.vault.test.", RecordType::A);
        query.queries[0].set_query_class(class);
        let reply = sent(&zone, &query, Transport::Udp).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "{class}");
        assert_eq!(reply.queries, query.queries);
    }
    let expected = [
        (RecordType::AXFR, ResponseCode::Refused),
        (RecordType::IXFR, ResponseCode::Refused),
        (RecordType::OPT, ResponseCode::FormErr),
        (RecordType::TSIG, ResponseCode::FormErr),
        (RecordType::from(254), ResponseCode::NotImp),
    ];
    for (record_type, code) in expected {
        let reply = sent(&zone, &question("vault.test.", record_type), Transport::Tcp).unwrap();
        assert_eq!(reply.metadata.response_code, code, "{record_type}");
        assert!(reply.answers.is_empty());
    }
}

#[test]
fn only_what_belongs_into_an_answer_is_copied_from_the_header() {
    let zone = zone();
    let mut query = question("red.vault.test.", RecordType::A);
    query.metadata.recursion_desired = true;
    query.metadata.checking_disabled = true;
    query.metadata.authentic_data = true;
    query.metadata.recursion_available = true;
    query.metadata.truncation = true;
    let reply = sent(&zone, &query, Transport::Udp).unwrap().metadata;
    assert!(reply.recursion_desired && reply.checking_disabled && reply.authoritative);
    assert!(!reply.authentic_data && !reply.recursion_available && !reply.truncation);
}

fn extended(name: &str, record_type: RecordType, payload: u16) -> Message {
    let mut message = question(name, record_type);
    let mut edns = Edns::new();
    edns.set_max_payload(payload).set_dnssec_ok(true);
    message.set_edns(edns);
    message
}

#[test]
fn whoever_speaks_edns_is_answered_in_it() {
    let zone = zone();
    assert!(ask(&zone, "red.vault.test.", RecordType::A).edns.is_none());
    for (name, code) in [("red.vault.test.", 0), ("no.vault.test.", 3), ("example.", 5)] {
        let query = extended(name, RecordType::A, 4_096);
        let reply = sent(&zone, &query, Transport::Udp).unwrap();
        assert_eq!(u16::from(reply.metadata.response_code), code);
        let edns = reply.edns.unwrap();
        assert_eq!((edns.version(), edns.max_payload()), (0, PAYLOAD_BYTES_MAX));
        assert!(edns.flags().dnssec_ok && edns.options().as_ref().is_empty());
    }
}

#[test]
fn a_later_version_of_edns_is_told_which_one_is_spoken() {
    let mut query = extended("red.vault.test.", RecordType::A, 4_096);
    query.edns.as_mut().unwrap().set_version(1);
    let reply = sent(&zone(), &query, Transport::Udp).unwrap();
    assert_eq!(u16::from(reply.metadata.response_code), 16, "the number of BADVERS");
    assert_eq!(reply.edns.unwrap().version(), 0);
    assert!(reply.answers.is_empty() && reply.authorities.is_empty());
}

#[test]
fn two_of_edns_are_malformed() {
    let mut query = extended("red.vault.test.", RecordType::A, 4_096);
    query.add_additional(Record::from(&Edns::new()));
    let reply = sent(&zone(), &query, Transport::Udp).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::FormErr);
}

#[test]
fn what_does_not_fit_is_asked_for_again_over_tcp() {
    let mut zone = zone();
    let many: Vec<IpAddr> =
        (0..32).map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])).collect();
    zone.show("wide", &many);
    let name = "wide.vault.test.";
    let query = question(name, RecordType::AAAA);
    let cut = answer(&zone, &query.to_vec().unwrap(), Transport::Udp).unwrap();
    assert!(cut.len() <= PLAIN_BYTES_MAX);
    let cut = Message::from_vec(&cut).unwrap();
    assert!(cut.metadata.truncation && cut.answers.is_empty() && cut.authorities.is_empty());
    assert_eq!(cut.queries, query.queries);
    let whole = sent(&zone, &query, Transport::Tcp).unwrap();
    assert_eq!((whole.answers.len(), whole.metadata.truncation), (32, false));

    for (payload, is_cut) in [(0, true), (512, true), (900, true), (1_000, false), (65_535, false)]
    {
        let reply =
            sent(&zone, &extended(name, RecordType::AAAA, payload), Transport::Udp).unwrap();
        assert_eq!(reply.metadata.truncation, is_cut, "{payload}");
        assert_eq!(reply.answers.len(), if is_cut { 0 } else { 32 }, "{payload}");
        assert!(reply.edns.is_some());
    }
}

#[test]
fn what_else_comes_with_a_question_changes_nothing() {
    let zone = zone();
    let data = RData::A("192.0.2.5".parse().unwrap());
    let name = Name::from_ascii("red.vault.test.").unwrap();
    let mut query = question("red.vault.test.", RecordType::A);
    query.add_answer(Record::from_rdata(name.clone(), 9, data.clone()));
    query.add_additional(Record::from_rdata(name, 9, data));
    let mut bytes = query.to_vec().unwrap();
    bytes.extend([1, 2, 3]);
    let plain = question("red.vault.test.", RecordType::A).to_vec().unwrap();
    let expected = answer(&zone, &plain, Transport::Udp);
    assert_eq!(answer(&zone, &bytes, Transport::Udp), expected);
}
