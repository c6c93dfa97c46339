//! Frames and acks: hostile bytes, hostile content under a MAC that is right, and round trips.

use clavitor_commercial::frame::{
    ACK_BYTES_MAX, Ack, FRAME_BYTES_MAX, Frame, Keys, MEMBERS_MAX, RECORDS_MAX, Range, Refusal,
    digest, open_ack, open_frame, seal_ack, seal_frame,
};
use clavitor_core::codec::{self, Block};
use clavitor_core::id::Seq;
use clavitor_core::record::Record;
use clavitor_core::time::UnixTime;

use crate::reader::Reader;
use crate::values;

pub(crate) mod seal;

use seal::{Purpose, sealed};

/// The inter-POP secret of every target and every corpus.
pub(crate) const SECRET: &[u8] = b"an inter-POP secret of 32 bytes!";

/// Opens the bytes as a frame as they are, and as the content of a frame with a MAC that is right:
/// what opens keeps every rule of a frame, and is the one encoding of what it says.
pub fn frame_decoding(bytes: &[u8]) {
    let keys = Keys::derive(SECRET);
    let raw = open_frame(bytes, &keys);
    assert!(raw.is_err(), "nobody makes up a MAC");
    let authentic = sealed(SECRET, Purpose::Frame, bytes);
    if let Ok(frame) = open_frame(&authentic, &keys) {
        assert!(frame.records.len() <= RECORDS_MAX && frame.peers.len() < MEMBERS_MAX);
        assert!(frame.range.after <= frame.range.to && frame.range.to.0 < u64::MAX / 2);
        assert!(frame.records.is_empty() || frame.range.after < frame.range.to);
        assert_eq!(seal_frame(&frame, &keys), authentic, "one encoding per frame");
        assert_eq!(open_frame(&authentic, &keys).as_ref(), Ok(&frame), "one reading per frame");
        frame.records.iter().for_each(|record| drop(Record::decode(&record.0)));
    }
    let reflected = sealed(SECRET, Purpose::Ack, bytes);
    assert!(open_frame(&reflected, &keys).is_err(), "an ack's MAC opens no frame");
}

/// Opens the bytes as an ack as they are, and under a MAC that is right: it opens as the answer to
/// the one frame it names, from the one URL it names, and as nothing else.
pub fn ack_decoding(bytes: &[u8]) {
    let keys = Keys::derive(SECRET);
    let frame = digest(b"a frame");
    assert_eq!(open_ack(bytes, &keys, &frame, "http://b:1984", 1), None, "nobody makes up a MAC");
    let authentic = sealed(SECRET, Purpose::Ack, bytes);
    let Ok(ack) = codec::decode::<Ack>(bytes) else {
        assert_eq!(open_ack(&authentic, &keys, &frame, "http://b:1984", 1), None);
        return;
    };
    let count = ack.verdicts.len();
    let opened = open_ack(&authentic, &keys, &ack.frame, &ack.acker.url, count);
    let is_sound = authentic.len() <= ACK_BYTES_MAX
        && ack.positions.len() <= MEMBERS_MAX
        && ack.received.0 < u64::MAX / 2;
    assert_eq!(opened.is_some(), is_sound, "an ack keeps the rules, or means nothing");
    if opened.is_some() {
        assert_eq!(opened.as_ref(), Some(&ack));
        assert_eq!(seal_ack(&ack, &keys), authentic, "one encoding per ack");
    }
    let mut other = ack.frame;
    other[31] ^= 1;
    assert_eq!(open_ack(&authentic, &keys, &other, &ack.acker.url, count), None);
    assert_eq!(open_ack(&authentic, &keys, &ack.frame, "", count).is_some(), {
        is_sound && ack.acker.url.is_empty()
    });
    assert_eq!(open_ack(&authentic, &keys, &ack.frame, &ack.acker.url, count + 1), None);
    let reflected = sealed(SECRET, Purpose::Frame, bytes);
    assert_eq!(open_ack(&reflected, &keys, &ack.frame, &ack.acker.url, count), None);
}

/// Seals a frame drawn from the bytes: it opens as itself exactly if it keeps the rules, and one
/// flipped bit makes it nobody's.
pub fn frame_round_trip(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let keys = Keys::derive(SECRET);
    let flipped = reader.u32();
    let frame = frame(&mut reader);
    let plain = codec::encode(&frame);
    assert_eq!(codec::decode::<Frame>(&plain).as_ref(), Ok(&frame));
    let mut wire = seal_frame(&frame, &keys);
    assert_eq!(wire, sealed(SECRET, Purpose::Frame, &plain), "the wire format is the one in use");
    let range = frame.range;
    let is_sound = frame.records.len() <= RECORDS_MAX
        && frame.peers.len() < MEMBERS_MAX
        && range.after <= range.to
        && range.to.0 < u64::MAX / 2
        && (frame.records.is_empty() || range.after < range.to);
    let expected = if wire.len() > FRAME_BYTES_MAX {
        Err(Refusal::TooLarge)
    } else if is_sound {
        Ok(frame)
    } else {
        Err(Refusal::Malformed)
    };
    assert_eq!(open_frame(&wire, &keys), expected);
    let at = usize::try_from(flipped / 8).map_or(0, |at| at % wire.len());
    if let Some(byte) = wire.get_mut(at) {
        *byte ^= 1 << (flipped % 8);
    }
    let refusal = if at == 0 { Refusal::Version } else { Refusal::Auth };
    assert_eq!(open_frame(&wire, &keys), Err(refusal), "a flipped bit at byte {at}");
}

fn frame(reader: &mut Reader<'_>) -> Frame {
    let after = Seq(reader.number());
    Frame {
        source: values::member(reader),
        destination: String::from_utf8_lossy(reader.list(40, Reader::byte).as_slice()).into(),
        destination_store: reader.flag().then(|| values::store(reader)),
        cluster: "main".to_owned(),
        epoch: values::epoch(reader),
        range: Range { after, to: Seq(after.0.wrapping_add(reader.number())) },
        sent: UnixTime(reader.number()),
        is_complete: reader.flag(),
        received: Seq(reader.number()),
        peers: reader.list(17, values::peer_position),
        records: records(reader),
    }
}

fn records(reader: &mut Reader<'_>) -> Vec<Block> {
    reader.list(103, |reader| {
        let bytes = usize::from(reader.byte());
        Block(reader.bytes(bytes).to_vec())
    })
}
