use super::*;

const URL: &str = "http://b:1984";

fn ack() -> Ack {
    Ack {
        acker: member("b"),
        frame: digest(b"frame"),
        epoch: None,
        received: Seq(200),
        verdicts: vec![Verdict::Applied, Verdict::Already, Verdict::Deferred, Verdict::Rejected],
        positions: vec![Position {
            source: "c".parse().unwrap(),
            store: StoreId([1; 16]),
            received: Seq(5),
        }],
        is_complete: false,
        wall: UnixTime(1),
    }
}

fn open(ack: &Ack) -> Option<Ack> {
    open_ack(&seal_ack(ack, &keys()), &keys(), &digest(b"frame"), URL, 4)
}

#[test]
fn an_ack_of_this_frame_from_its_destination_is_read() {
    assert_eq!(open(&ack()), Some(ack()));
}

#[test]
fn an_ack_for_another_frame_means_nothing() {
    assert_eq!(open(&Ack { frame: digest(b"frames"), ..ack() }), None);
}

#[test]
fn the_ack_of_one_peer_presented_as_anothers_means_nothing() {
    assert_eq!(open(&Ack { acker: member("c"), ..ack() }), None);
}

#[test]
fn an_ack_without_exactly_one_verdict_per_record_means_nothing() {
    for count in [0, 1, 3, 5, 101] {
        let verdicts = vec![Verdict::Applied; count];
        assert_eq!(open(&Ack { verdicts, ..ack() }), None, "{count}");
    }
}

#[test]
fn an_ack_that_breaks_a_structural_rule_means_nothing() {
    assert_eq!(open(&Ack { received: Seq(u64::MAX), ..ack() }), None);
    let positions = vec![ack().positions[0].clone(); MEMBERS_MAX + 1];
    assert_eq!(open(&Ack { positions, ..ack() }), None);
    let mut oversized = seal_ack(&ack(), &keys());
    oversized.resize(ACK_BYTES_MAX + 1, 0);
    assert_eq!(open_ack(&oversized, &keys(), &digest(b"frame"), URL, 4), None);
}

#[test]
fn every_flipped_bit_and_truncation_of_an_ack_is_refused() {
    let sealed = seal_ack(&ack(), &keys());
    let opened = |bytes: &[u8]| open_ack(bytes, &keys(), &digest(b"frame"), URL, 4);
    for bit in 0..sealed.len() * 8 {
        let mut bytes = sealed.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opened(&bytes), None, "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(opened(&sealed[..length]), None, "{length} bytes");
    }
    assert_eq!(opened(&[sealed.as_slice(), &[0]].concat()), None);
}

#[test]
fn an_ack_under_the_frame_key_or_a_frame_under_the_ack_key_is_refused() {
    let keys = keys();
    let mut forged = codec::encode(&ack());
    let mac = keys.mac(Purpose::Frame, &forged);
    forged.extend_from_slice(&mac);
    assert_eq!(open_ack(&forged, &keys, &digest(b"frame"), URL, 4), None);
    let mut reflected = codec::encode(&frame(1));
    let mac = keys.mac(Purpose::Ack, &reflected);
    reflected.extend_from_slice(&mac);
    assert_eq!(open_frame(&reflected, &keys), Err(Refusal::Auth));
    assert_eq!(open_frame(&seal_ack(&ack(), &keys), &keys), Err(Refusal::Auth));
}

#[test]
fn an_ack_under_another_secret_means_nothing() {
    let other = Keys::derive(b"another inter-POP secret, longer");
    let sealed = seal_ack(&ack(), &other);
    assert_eq!(open_ack(&sealed, &keys(), &digest(b"frame"), URL, 4), None);
}

/// The digest is of the sealed bytes, MAC included: two frames never share one.
#[test]
fn the_digest_tells_frames_apart_that_differ_in_anything() {
    let sealed = seal_frame(&frame(1), &keys());
    let later = seal_frame(&Frame { sent: UnixTime(2), ..frame(1) }, &keys());
    assert_ne!(digest(&sealed), digest(&later));
}
