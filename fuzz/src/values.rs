//! Values of the core, drawn from few choices so that they meet again.

use clavitor_commercial::frame::{Member, PeerPosition, Position, Refusal, Verdict};
use clavitor_commercial::replication::{Acked, Answer, Known, RecordVerdict};
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, PopId, Seq, StoreId};
use clavitor_core::record::RecordId;
use clavitor_core::time::UnixTime;

use crate::reader::Reader;

const POPS: [&str; 5] = ["a", "b", "c", "d-4", "a-pop-with-an-id-of-31-bytes-ok"];

pub(crate) fn pop(reader: &mut Reader<'_>) -> PopId {
    let id = reader.pick(&POPS).unwrap_or("a");
    id.parse().expect("the id of a POP")
}

/// One of eight: who is who must come up often enough.
pub(crate) fn store(reader: &mut Reader<'_>) -> StoreId {
    StoreId([reader.byte() % 8; 16])
}

/// No server counts further than this, and no frame is let in that says so.
pub(crate) fn seq(reader: &mut Reader<'_>) -> Seq {
    Seq(reader.number() % (u64::MAX / 2))
}

pub(crate) fn epoch(reader: &mut Reader<'_>) -> Option<Epoch> {
    reader.flag().then(|| Epoch { number: reader.number(), primary: pop(reader) })
}

pub(crate) fn hlc(reader: &mut Reader<'_>) -> Hlc {
    Hlc { ms: reader.number() & Hlc::MS_MAX, counter: u32::from(reader.byte()), pop: pop(reader) }
}

pub(crate) fn member(reader: &mut Reader<'_>) -> Member {
    let pop = pop(reader);
    Member { pop, store: store(reader), url: format!("http://{pop}:1984") }
}

pub(crate) fn position(reader: &mut Reader<'_>) -> Position {
    Position { source: pop(reader), store: store(reader), received: Seq(reader.number()) }
}

pub(crate) fn peer_position(reader: &mut Reader<'_>) -> PeerPosition {
    PeerPosition { peer: pop(reader), store: store(reader), received: Seq(reader.number()) }
}

/// What a store may know of a peer: whatever it confirmed, it is not owed again.
pub(crate) fn known(reader: &mut Reader<'_>) -> Known {
    let cursor = seq(reader);
    Known {
        url: "http://b:1984".to_owned(),
        identity: reader.flag().then(|| (pop(reader), store(reader))),
        cursor,
        clean_to: cursor.max(seq(reader)),
        setbacks: u32::from(reader.u16() % 2_048),
        unverified: reader.flag().then(|| seq(reader)),
    }
}

pub(crate) fn verdict(reader: &mut Reader<'_>) -> Verdict {
    let all = [Verdict::Applied, Verdict::Already, Verdict::Deferred, Verdict::Rejected];
    reader.pick(&all).unwrap_or(Verdict::Applied)
}

pub(crate) fn record_id(reader: &mut Reader<'_>) -> RecordId {
    RecordId([reader.byte() % 16; 16])
}

fn record_verdict(reader: &mut Reader<'_>) -> RecordVerdict {
    RecordVerdict { record: record_id(reader), hlc: hlc(reader), verdict: verdict(reader) }
}

pub(crate) fn acked(reader: &mut Reader<'_>) -> Acked {
    Acked {
        pop: pop(reader),
        store: store(reader),
        received: seq(reader),
        verdicts: reader.list(100, record_verdict),
        positions: reader.list(16, position),
        is_complete: reader.flag(),
        at: UnixTime(reader.number()),
    }
}

/// Any answer but an ack.
pub(crate) fn failure(reader: &mut Reader<'_>) -> Answer {
    match reader.byte() % 4 {
        0 => Answer::Unreachable,
        1 => Answer::Forged,
        _ => Answer::Refused(refusal(reader)),
    }
}

fn refusal(reader: &mut Reader<'_>) -> Refusal {
    reader.pick(&Refusal::ALL).map_or(Refusal::Busy, |row| row.0)
}
