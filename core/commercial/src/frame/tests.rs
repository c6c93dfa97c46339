use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

mod acks;

const SECRET: &[u8] = b"an inter-POP secret of 32 bytes!";

fn keys() -> Keys {
    Keys::derive(SECRET)
}

fn member(pop: &str) -> Member {
    Member {
        pop: pop.parse().unwrap(),
        store: StoreId([7; 16]),
        url: alloc::format!("http://{pop}:1984"),
    }
}

fn frame(records: usize) -> Frame {
    Frame {
        source: member("a"),
        destination: "http://b:1984".to_string(),
        destination_store: Some(StoreId([9; 16])),
        cluster: "main".to_string(),
        epoch: Some(Epoch { number: 3, primary: "a".parse().unwrap() }),
        range: Range { after: Seq(10), to: Seq(200) },
        sent: UnixTime(1_700_000_000_000),
        is_complete: true,
        received: Seq(4),
        peers: vec![PeerPosition {
            peer: "c".parse().unwrap(),
            store: StoreId([5; 16]),
            received: Seq(8),
        }],
        records: (0..records).map(|at| Block(vec![1; at + 1])).collect(),
    }
}

fn open(frame: &Frame) -> Result<Frame, Refusal> {
    open_frame(&seal_frame(frame, &keys()), &keys())
}

#[test]
fn a_frame_and_a_hello_survive_the_wire() {
    let full = frame(RECORDS_MAX);
    assert_eq!(open(&full), Ok(full.clone()));
    assert!(!full.is_hello());
    let hello = Frame {
        range: Range { after: Seq(200), to: Seq(200) },
        destination_store: None,
        epoch: None,
        ..frame(0)
    };
    assert_eq!(open(&hello), Ok(hello.clone()));
    assert!(hello.is_hello());
}

#[test]
fn every_flipped_bit_is_refused() {
    let sealed = seal_frame(&frame(3), &keys());
    for bit in 0..sealed.len() * 8 {
        let mut bytes = sealed.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let expected = if bit < 8 { Refusal::Version } else { Refusal::Auth };
        assert_eq!(open_frame(&bytes, &keys()), Err(expected), "bit {bit}");
    }
}

#[test]
fn every_truncation_and_anything_trailing_is_refused() {
    let sealed = seal_frame(&frame(2), &keys());
    for length in 0..sealed.len() {
        let expected = if length < MAC_BYTES {
            Refusal::Malformed
        } else if length == MAC_BYTES {
            Refusal::Version
        } else {
            Refusal::Auth
        };
        assert_eq!(open_frame(&sealed[..length], &keys()), Err(expected), "{length} bytes");
    }
    let trailing = [sealed.as_slice(), &[0]].concat();
    assert_eq!(open_frame(&trailing, &keys()), Err(Refusal::Auth));
}

/// Even the holder of the secret must not get a frame through that breaks a structural rule.
#[test]
fn an_authentic_frame_that_breaks_a_rule_is_malformed() {
    let range = |after, to| Range { after: Seq(after), to: Seq(to) };
    let broken = [
        frame(RECORDS_MAX + 1),
        Frame { range: range(11, 10), ..frame(0) },
        Frame { range: range(10, 10), ..frame(1) },
        Frame { range: range(10, u64::MAX), ..frame(1) },
        Frame { peers: vec![frame(0).peers[0].clone(); MEMBERS_MAX], ..frame(1) },
    ];
    for frame in broken {
        assert_eq!(open(&frame), Err(Refusal::Malformed), "{:?}", frame.range);
    }
}

#[test]
fn authentic_bytes_that_are_not_exactly_a_frame_are_malformed() {
    let seal = |mut payload: Vec<u8>| {
        let mac = keys().mac(Purpose::Frame, &payload);
        payload.extend_from_slice(&mac);
        payload
    };
    let trailing = [codec::encode(&frame(1)), vec![0]].concat();
    let cut = codec::encode(&frame(1));
    let nine_bytes = [&[codec::VERSION][..], &[0xff; 8]].concat();
    for payload in [trailing, cut[..cut.len() - 1].to_vec(), nine_bytes, vec![codec::VERSION]] {
        assert_eq!(open_frame(&seal(payload), &keys()), Err(Refusal::Malformed));
    }
    assert_eq!(open_frame(&seal(vec![]), &keys()), Err(Refusal::Version));
    assert_eq!(open_frame(&seal(vec![2, 0, 0]), &keys()), Err(Refusal::Version));
}

#[test]
fn an_oversized_frame_is_refused_before_it_is_looked_at() {
    let oversized = vec![0; FRAME_BYTES_MAX + 1];
    assert_eq!(open_frame(&oversized, &keys()), Err(Refusal::TooLarge));
    assert_eq!(open_frame(&oversized[1..], &keys()), Err(Refusal::Version));
}

#[test]
fn a_frame_of_the_largest_record_fits() {
    let mut largest = frame(0);
    largest.records = vec![Block(vec![1; RECORD_BYTES_MAX])];
    assert!(open(&largest).is_ok());
}

#[test]
fn a_frame_under_another_secret_is_refused() {
    let other = Keys::derive(b"another inter-POP secret, longer");
    let sealed = seal_frame(&frame(1), &other);
    assert_eq!(open_frame(&sealed, &keys()), Err(Refusal::Auth));
}

#[test]
fn the_secret_and_its_subkeys_are_not_on_the_wire() {
    let sealed = seal_frame(&frame(1), &keys());
    assert!(!sealed.windows(SECRET.len()).any(|window| window == SECRET));
}

#[test]
fn every_refusal_has_its_own_code_that_reads_back() {
    for (refusal, code, status) in Refusal::ALL {
        assert_eq!((refusal.code(), refusal.status()), (code, status));
        assert_eq!(Refusal::from_code(code), Some(refusal));
    }
    assert_eq!(Refusal::from_code("CV-NOT-FOUND"), None);
}

#[test]
fn only_what_a_person_must_mend_is_permanent() {
    let permanent: Vec<Refusal> = Refusal::ALL
        .into_iter()
        .map(|row| row.0)
        .filter(|refusal| refusal.is_permanent())
        .collect();
    use Refusal::{Auth, Cluster, Destination, Duplicate, Member, Version};
    assert_eq!(permanent, [Version, Auth, Cluster, Member, Destination, Duplicate]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..400),
        is_authentic in any::<bool>(),
        is_versioned in any::<bool>(),
    ) {
        if is_versioned {
            bytes.insert(0, codec::VERSION);
        }
        if is_authentic {
            let mac = keys().mac(Purpose::Frame, &bytes);
            bytes.extend_from_slice(&mac);
        }
        prop_assert!(open_frame(&bytes, &keys()).is_err());
        prop_assert!(open_ack(&bytes, &keys(), &[0; 32], "http://b:1984", 1).is_none());
    }

    #[test]
    fn an_authentic_frame_with_damaged_content_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut payload = codec::encode(&frame(2));
        let at = at.index(payload.len());
        payload[at] = byte;
        let mac = keys().mac(Purpose::Frame, &payload);
        payload.extend_from_slice(&mac);
        if let Ok(read) = open_frame(&payload, &keys()) {
            prop_assert_eq!(seal_frame(&read, &keys()), payload, "one encoding per frame");
        }
    }
}
