use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use hickory_proto::op::ResponseCode;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::Sha256;

use super::*;

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const NOW: UnixTime = UnixTime(1_700_000_000_000);
const NOW_S: u64 = 1_700_000_000;

fn key() -> Key {
    Key::parse(&format!("HQ-key:hmac-sha256:{SECRET}")).unwrap()
}

fn other_key() -> Key {
    Key::parse(&format!("hq-key:hmac-sha256:{}", SECRET.replace('M', "N"))).unwrap()
}

fn origin() -> Origin {
    Origin::parse("vault.test").unwrap()
}

fn change(cluster: &str, addresses: &[&str]) -> Change {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Change { cluster: cluster.to_string(), addresses }
}

fn request() -> Request {
    let changes = [change("red", &["192.0.2.7", "2001:db8::7"]), change("blue", &[])];
    Request::new(&origin(), &key(), &changes, 0x1234, NOW).unwrap()
}

/// What a server says that has signed it with that key.
fn signed(key: &Key, request: &Request, code: u8, error: u16, now_s: u64) -> Vec<u8> {
    let other: &[u8] = if error == tsig::BADTIME { &[0, 0, 1, 2, 3, 4] } else { &[] };
    let id = &request.bytes[..2];
    let mut message = [id, &[0xA8, code, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let name = canonical(key.name());
    let algorithm = canonical(&Key::algorithm().unwrap());
    let time = &now_s.to_be_bytes()[2..];
    let [fudge, error, length] =
        [FUDGE_S, error, other.len() as u16].map(|number| number.to_be_bytes());
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.secret()).unwrap();
    mac.update(&[&[0, 32], request.mac.as_slice(), &message].concat());
    mac.update(&[&name, &[0, 255, 0, 0, 0, 0][..], &algorithm, time, &fudge, &error].concat());
    mac.update(&[&length, other].concat());
    let mac = mac.finalize().into_bytes();
    let data = [&algorithm, time, &fudge, &[0, 32], &mac, id, &error, &length, other].concat();
    message.extend([&name, &[0, 250, 0, 255, 0, 0, 0, 0][..]].concat());
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    message[11] = 1;
    message
}

/// What a server says that has no such key.
fn unsigned(request: &Request, code: u8, error: Option<u16>) -> Vec<u8> {
    let mut message = [&request.bytes[..2], &[0xA8, code, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
    let Some(error) = error else { return message };
    let algorithm = canonical(&Key::algorithm().unwrap());
    let data = [&algorithm, &[0; 8][..], &[0, 0], &[0x12, 0x34], &error.to_be_bytes(), &[0, 0]];
    let data = data.concat();
    message.extend([canonical(key().name()), vec![0, 250, 0, 255, 0, 0, 0, 0]].concat());
    message.extend((data.len() as u16).to_be_bytes());
    message.extend(data);
    message[11] = 1;
    message
}

fn read(answer: &[u8]) -> Answered {
    request().read(&key(), answer, NOW)
}

#[test]
fn an_update_takes_all_addresses_away_and_gives_the_new_ones() {
    let request = request();
    let message = Message::from_vec(request.bytes()).unwrap();
    assert_eq!((message.metadata.id, message.metadata.op_code), (0x1234, OpCode::Update));
    assert_eq!(message.metadata.message_type, MessageType::Query);
    assert_eq!(message.queries[0].to_string(), "vault.test. IN SOA");
    let orders: Vec<String> = message
        .authorities
        .iter()
        .map(|record| format!("{} {} {}", record.name, record.dns_class, record.record_type()))
        .collect();
    let expected = [
        "red.vault.test. ANY A",
        "red.vault.test. ANY AAAA",
        "red.vault.test. IN A",
        "red.vault.test. IN AAAA",
        "blue.vault.test. ANY A",
        "blue.vault.test. ANY AAAA",
    ];
    assert_eq!(orders, expected);
    let given = message.authorities.iter().filter(|record| record.dns_class == DNSClass::IN);
    assert!(given.into_iter().all(|record| record.ttl == TTL_S));
    assert!(message.answers.is_empty(), "nothing has to be there before");
}

#[test]
fn the_signature_is_what_others_compute() {
    let changes = [change("red", &["192.0.2.7"])];
    let request = Request::new(&origin(), &key(), &changes, 0x1234, NOW).unwrap();
    assert_eq!(data_encoding::HEXLOWER.encode(request.bytes()), FROM_ELSEWHERE);
}

/// The same update as dnspython 2.9.2 writes and signs it.
const FROM_ELSEWHERE: &str = "123428000001000000030001057661756c740474657374000006000103726564c00c\
    000100ff000000000000c01c001c00ff000000000000c01c00010001000000050004c00002070668712d6b657900\
    00fa00ff00000000003d0b686d61632d7368613235360000006553f100012c00205b892ef9e171b3f752aa74e0e6\
    83f8657248f399b09e320cd3ede4ff877a7fd3123400000000";

#[test]
fn a_signed_answer_is_believed() {
    assert_eq!(read(&signed(&key(), &request(), 0, 0, NOW_S)), Answered::Done);
    assert_eq!(read(&signed(&key(), &request(), 0, 0, NOW_S + 300)), Answered::Done);
    let failures = [
        (ResponseCode::ServFail, Failure::Server),
        (ResponseCode::NotImp, Failure::NoUpdates),
        (ResponseCode::Refused, Failure::Refused),
        (ResponseCode::NotAuth, Failure::NotItsZone),
        (ResponseCode::NotZone, Failure::NotItsZone),
        (ResponseCode::YXDomain, Failure::Other(6)),
    ];
    for (code, failure) in failures {
        let answer = signed(&key(), &request(), code.low(), 0, NOW_S);
        assert_eq!(read(&answer), Answered::Failed(failure));
        let answer = unsigned(&request(), code.low(), None);
        assert_eq!(read(&answer), Answered::Failed(failure), "whoever has no keys cannot sign");
    }
    let late = signed(&key(), &request(), 9, tsig::BADTIME, NOW_S);
    assert_eq!(read(&late), Answered::Failed(Failure::Clock));
}

#[test]
fn a_wrong_key_is_told_apart_from_a_wrong_secret() {
    let answer = unsigned(&request(), 9, Some(tsig::BADKEY));
    assert_eq!(read(&answer), Answered::Failed(Failure::UnknownKey));
    let answer = unsigned(&request(), 9, Some(tsig::BADSIG));
    assert_eq!(read(&answer), Answered::Failed(Failure::WrongSecret));
    for failure in [Failure::UnknownKey, Failure::WrongSecret] {
        assert!(failure.to_string().contains("key"), "{failure}");
    }
}

#[test]
fn nobody_without_the_key_says_that_it_is_done() {
    assert_eq!(read(&unsigned(&request(), 0, None)), Answered::Unrelated);
    assert_eq!(read(&unsigned(&request(), 0, Some(0))), Answered::Unrelated);
    assert_eq!(read(&signed(&other_key(), &request(), 0, 0, NOW_S)), Answered::Unrelated);
    let old = signed(&key(), &request(), 0, 0, NOW_S - 301);
    assert_eq!(read(&old), Answered::Unrelated);
    // Of another request with the same number.
    let other = Request { mac: vec![7; 32], ..request() };
    assert_eq!(read(&signed(&key(), &other, 0, 0, NOW_S)), Answered::Unrelated);
    let good = signed(&key(), &request(), 0, 0, NOW_S);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_ne!(read(&bad), Answered::Done, "byte {at}");
    }
    assert_eq!(read(request().bytes()), Answered::Unrelated);
}

#[test]
fn keys_are_read_as_tools_write_them() {
    let printed = format!(
        "# of the operator\nkey \"HQ-key\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n"
    );
    let turned = format!("key hq-key {{ secret \"{SECRET}\"; algorithm HMAC-SHA256; }};");
    let texts = [
        printed,
        turned,
        format!("hq-key:hmac-sha256:{SECRET}\n"),
        format!("hmac-sha256:hq-key:{SECRET}"),
        format!("hq-key.:hmac-sha256.:{SECRET}"),
    ];
    for text in texts {
        assert_eq!(Key::parse(&text), Ok(key()), "{text}");
    }
    let bad = [
        ("", BadKey::Text),
        ("hq-key", BadKey::Text),
        ("a:b:c:d", BadKey::Text),
        ("key a { algorithm hmac-sha256; };", BadKey::Text),
        (&format!("hq-key:hmac-md5:{SECRET}"), BadKey::Algorithm),
        (&format!("hmac-sha512:hq-key:{SECRET}"), BadKey::Algorithm),
        (&format!("hq-key:hmac-sha256:{}", &SECRET[1..]), BadKey::Secret),
        ("hq-key:hmac-sha256:MDEyMzQ1Njc4OWFiY2RlZg==", BadKey::Short),
        (&format!(".:hmac-sha256:{SECRET}"), BadKey::Name),
        (&format!("a..b:hmac-sha256:{SECRET}"), BadKey::Name),
    ];
    for (text, error) in bad {
        assert_eq!(Key::parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_key_never_shows_its_secret() {
    let shown = format!("{:?}", key());
    assert!(shown.contains("hq-key") && !shown.contains("012345") && !shown.contains("48, 49"));
}

proptest! {
    #[test]
    fn any_answer_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let whole = [&[0x12, 0x34, 0xA8][..], &bytes].concat();
        for answer in [&bytes, &whole] {
            prop_assert_ne!(read(answer), Answered::Done);
        }
    }

    #[test]
    fn a_damaged_answer_is_survived(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in any::<prop::sample::Index>(),
    ) {
        let good = signed(&key(), &request(), 0, 0, NOW_S);
        let mut bad = good.clone();
        for (at, byte) in damage {
            bad[at.index(good.len())] = byte;
        }
        read(&bad);
        bad.truncate(length.index(good.len()));
        prop_assert_ne!(read(&bad), Answered::Done);
    }

    #[test]
    fn any_key_is_survived(text in ".{0,80}", name in "[a-z.:{};\" ]{0,40}") {
        let _ = (Key::parse(&text), Key::parse(&format!("{name}:hmac-sha256:{SECRET}")));
    }
}
