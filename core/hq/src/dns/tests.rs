use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::*;
use crate::control::CLUSTERS_MAX;

mod messages;
mod properties;

const SERIAL: u32 = 1_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn zone() -> Zone {
    let mut zone = Zone::new("vault.test", &[ip("192.0.2.1"), ip("2001:db8::1")], SERIAL).unwrap();
    assert!(zone.show("red", &[ip("192.0.2.10"), ip("2001:db8::10")]));
    assert!(zone.show("six", &[ip("2001:db8::66")]));
    assert!(zone.show("none", &[]));
    zone
}

fn question(name: &str, record_type: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
    message
}

fn sent(zone: &Zone, message: &Message, via: Transport) -> Option<Message> {
    let bytes = answer(zone, &message.to_vec().unwrap(), via)?;
    Some(Message::from_vec(&bytes).unwrap())
}

fn ask(zone: &Zone, name: &str, record_type: RecordType) -> Message {
    sent(zone, &question(name, record_type), Transport::Udp).unwrap()
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(ToString::to_string).collect()
}

/// The number of this version of the zone.
fn serial(zone: &Zone) -> u32 {
    match &ask(zone, "vault.test.", RecordType::SOA).answers[0].data {
        RData::SOA(soa) => soa.serial,
        other => panic!("{other:?}"),
    }
}

const SOA: &str = "vault.test. 5 IN SOA ns1.vault.test. hostmaster.vault.test. 1003 60 10 86400 5";

#[test]
fn a_cluster_has_the_addresses_of_its_primary() {
    let zone = zone();
    let reply = ask(&zone, "red.vault.test.", RecordType::A);
    assert_eq!(texts(&reply.answers), ["red.vault.test. 5 IN A 192.0.2.10"]);
    assert!(reply.metadata.authoritative && !reply.metadata.recursion_available);
    assert!(reply.authorities.is_empty() && reply.additionals.is_empty());
    assert_eq!(reply.metadata.id, 7);
    let reply = ask(&zone, "red.vault.test.", RecordType::AAAA);
    assert_eq!(texts(&reply.answers), ["red.vault.test. 5 IN AAAA 2001:db8::10"]);
}

#[test]
fn a_change_is_answered_at_once_under_a_new_serial_number() {
    let mut zone = zone();
    let before = serial(&zone);
    assert!(!zone.show("red", &[ip("2001:db8::10"), ip("192.0.2.10")]), "the same, turned round");
    assert_eq!(serial(&zone), before);
    assert!(zone.show("red", &[ip("192.0.2.11")]));
    assert_eq!(serial(&zone), before + 1);
    let reply = ask(&zone, "red.vault.test.", RecordType::A);
    assert_eq!(texts(&reply.answers), ["red.vault.test. 5 IN A 192.0.2.11"]);
    assert!(zone.forget("red") && !zone.forget("red"));
    assert_eq!(serial(&zone), before + 2);
    let reply = ask(&zone, "red.vault.test.", RecordType::A);
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn the_top_of_the_zone_names_its_server() {
    let zone = zone();
    let reply = ask(&zone, "vault.test.", RecordType::SOA);
    assert_eq!(texts(&reply.answers), [SOA]);
    let reply = ask(&zone, "vault.test.", RecordType::NS);
    assert_eq!(texts(&reply.answers), ["vault.test. 300 IN NS ns1.vault.test."]);
    let glue = ["ns1.vault.test. 300 IN A 192.0.2.1", "ns1.vault.test. 300 IN AAAA 2001:db8::1"];
    assert_eq!(texts(&reply.additionals), glue);
    for (family, expected) in [RecordType::A, RecordType::AAAA].into_iter().zip(glue) {
        assert_eq!(texts(&ask(&zone, "ns1.vault.test.", family).answers), [expected]);
    }
}

#[test]
fn a_name_without_such_records_is_not_an_unknown_name() {
    let zone = zone();
    let without = [
        ("red.vault.test.", RecordType::TXT),
        ("red.vault.test.", RecordType::SOA),
        ("six.vault.test.", RecordType::A),
        ("none.vault.test.", RecordType::A),
        ("none.vault.test.", RecordType::ANY),
        ("vault.test.", RecordType::A),
        ("ns1.vault.test.", RecordType::MX),
    ];
    for (name, record_type) in without {
        let reply = ask(&zone, name, record_type);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name}");
        assert!(reply.answers.is_empty() && reply.metadata.authoritative, "{name}");
        assert_eq!(texts(&reply.authorities), [SOA], "{name}");
    }
    for name in ["blue.vault.test.", "a.red.vault.test.", "r\\.ed.vault.test.", "*.vault.test."] {
        let reply = ask(&zone, name, RecordType::A);
        assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain, "{name}");
        assert!(reply.answers.is_empty() && reply.metadata.authoritative, "{name}");
        assert_eq!(texts(&reply.authorities), [SOA], "{name}");
    }
    let mut query = question(".", RecordType::A);
    let labels: [&[u8]; 3] = [&[0xFF, 0], b"vault", b"test"];
    query.queries[0].set_name(Name::from_labels(labels).unwrap());
    let reply = sent(&zone, &query, Transport::Udp).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn any_gets_one_set_of_records() {
    let zone = zone();
    let any = |name| texts(&ask(&zone, name, RecordType::ANY).answers);
    assert_eq!(any("red.vault.test."), ["red.vault.test. 5 IN A 192.0.2.10"]);
    assert_eq!(any("six.vault.test."), ["six.vault.test. 5 IN AAAA 2001:db8::66"]);
    assert_eq!(any("vault.test."), [SOA]);
}

#[test]
fn what_is_outside_the_zone_is_refused() {
    let zone = zone();
    for name in ["test.", ".", "vault.test.example.", "xvault.test.", "red.vault.example."] {
        let reply = ask(&zone, name, RecordType::A);
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "{name}");
        assert!(!reply.metadata.authoritative && reply.authorities.is_empty(), "{name}");
        assert_eq!(reply.queries, question(name, RecordType::A).queries, "{name}");
    }
}

#[test]
fn letters_are_alike_in_either_case_and_come_back_as_they_were_asked() {
    let zone = zone();
    for name in ["rEd.VaUlT.tEsT.", "NS1.VAULT.TEST.", "BLUE.vault.TEST.", "VAULT.test."] {
        let query = question(name, RecordType::A).to_vec().unwrap();
        let reply = answer(&zone, &query, Transport::Udp).unwrap();
        assert_eq!(reply.get(12..query.len()), query.get(12..), "{name}");
        let message = Message::from_vec(&reply).unwrap();
        let owners = message.answers.iter().map(|record| record.name.to_ascii());
        assert!(owners.into_iter().all(|owner| owner == name), "{name}");
        assert!(message.metadata.authoritative, "{name}");
    }
    let reply = ask(&zone, "rEd.VaUlT.tEsT.", RecordType::A);
    assert_eq!(reply.answers.len(), 1);
}

#[test]
fn zones_are_names_of_letters_digits_and_hyphens() {
    for good in ["vault.test", "VAULT.Test.", "a", "1.2.3", &"a.".repeat(94), "x-1.example.com"] {
        assert!(Zone::new(good, &[], 1).is_ok(), "{good:?}");
    }
    assert_eq!(Zone::new("VAULT.Test", &[], 1).unwrap().origin(), "vault.test.");
    let long = "x".repeat(64);
    let bad =
        ["", ".", "..", "a..b", ".a", "a b", "vault.tést", "-a.b", "a-.b", "a_b", "a.b..", "*.a"];
    for bad in bad.into_iter().chain([long.as_str(), &"ab.".repeat(64)]) {
        assert_eq!(Zone::new(bad, &[], 1).err(), Some(BadZone), "{bad:?}");
    }
}

#[test]
fn the_longest_zone_still_answers() {
    let origin = "a.".repeat(94) + "b";
    let mut zone = Zone::new(&origin, &[ip("192.0.2.1")], 1).unwrap();
    let label = "c".repeat(63);
    assert!(zone.show(&label, &[ip("192.0.2.2")]));
    let reply = ask(&zone, &alloc::format!("{label}.{origin}."), RecordType::A);
    assert_eq!(reply.answers.len(), 1);
    assert_eq!(ask(&zone, &(origin.clone() + "."), RecordType::NS).additionals.len(), 1);
}

#[test]
fn no_cluster_takes_the_servers_name_or_one_that_is_none() {
    let mut zone = zone();
    for bad in ["ns1", "", "a.b", "Red", "-a", "a-", "a_b", "é"] {
        assert!(!is_cluster_label(bad) && !zone.show(bad, &[ip("192.0.2.9")]), "{bad:?}");
    }
    assert_eq!(serial(&zone), SERIAL + 3);
    assert!(is_cluster_label("calgary-01"));
}

#[test]
fn clusters_and_addresses_are_bounded() {
    let mut zone = Zone::new("vault.test", &[], SERIAL).unwrap();
    let name = |number: usize| alloc::format!("c{number}");
    assert!((0..CLUSTERS_MAX).all(|number| zone.show(&name(number), &[])));
    assert!(!zone.show("another", &[]));
    assert!(zone.show("c0", &[ip("192.0.2.1")]), "those that are there still change");
    assert!(zone.forget("c1") && zone.show("another", &[]), "room for one");

    let many: Vec<IpAddr> = (0..=255).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    assert!(zone.show("c2", &many));
    assert_eq!(zone.shown("c2").map(<[IpAddr]>::len), Some(ADDRESSES_MAX));
}

#[test]
fn an_address_of_version_four_is_one_however_it_is_written() {
    let mut zone = zone();
    assert!(zone.show("red", &[ip("::ffff:192.0.2.77"), ip("192.0.2.77")]));
    assert_eq!(zone.shown("red"), Some(vec![ip("192.0.2.77")].as_slice()));
}
