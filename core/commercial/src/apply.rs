//! Takes a frame in: checks, merges and books it in one transaction, and says what became of it.

use alloc::vec::Vec;

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::id::{Epoch, Seq};
use clavitor_core::record::{Item, Key, Record};
use clavitor_core::store::{Origin, RowsMut, Stop, StoreError, Transaction};
use clavitor_core::time::UnixTime;

use crate::frame::{Ack, Frame, MEMBERS_MAX, Member, Position, Refusal, Verdict};
use crate::merge::{Merged, merge_entry, merge_loser, merge_token};
use crate::pop::Input;
use crate::received::Received;
use crate::{epoch, journal, skew, tables};

/// What came of a frame that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What the ack says was received.
    pub received: Seq,
    /// One verdict per record, in order.
    pub verdicts: Vec<Verdict>,
    /// How much of every other source was received.
    pub positions: Vec<Position>,
    /// The newest epoch known after it.
    pub epoch: Option<Epoch>,
    /// A newer one that it tells of, in which this POP is primary.
    pub own_epoch: Option<Epoch>,
    /// How many records met another version with their timestamp.
    pub ties: u32,
    /// How many journal items were given up for it.
    pub trimmed: u32,
    /// How many records changed something.
    pub changed: u32,
    /// Who sent it.
    pub source: Source,
}

/// Who a frame is from, as far as its URL tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Who answers at that URL.
    Peer,
    /// Nobody has answered there yet: it may well be the peer, but has no say in whether all peers
    /// were heard.
    Unheard,
    /// Somebody else. Its word is worth a question, and nothing more.
    Stranger,
}

impl Applied {
    /// What others can make the machine of, about `peer` that sent the frame. May be lost.
    pub fn facts(&self, peer: u8, frame: &Frame) -> Vec<Input> {
        let (source, from) = (frame.source.pop, frame.source.store);
        let believed = if self.source == Source::Stranger { &[] } else { frame.peers.as_slice() };
        let covered = believed.iter().map(|other| {
            let position = Position { source, store: from, received: other.received };
            Input::PeerCovered { peer: other.peer, store: other.store, position }
        });
        core::iter::once(heard(peer, frame, frame.is_hello())).chain(covered).collect()
    }

    /// Whether this server holds everything that the frame's source owes it. Must not be lost.
    pub fn is_complete(&self, frame: &Frame) -> bool {
        let is_for_this_store = frame.destination_store.is_some();
        let is_put_off = self.verdicts.contains(&Verdict::Deferred);
        let has_everything = frame.is_hello() || (self.received >= frame.range.to && !is_put_off);
        self.source == Source::Peer && frame.is_complete && is_for_this_store && has_everything
    }

    /// What a person should know.
    pub fn alerts(&self, frame: &Frame) -> Vec<Alert> {
        let ties = (self.ties > 0).then(|| {
            let message = "different versions carried one timestamp; the larger digest won";
            let alert = Alert::new(AlertType::EqualTimestamps, message);
            alert.with("records", self.ties).with("source", frame.source.pop)
        });
        let trimmed = (self.trimmed > 0).then(|| journal::trimmed_alert(self.trimmed));
        ties.into_iter().chain(trimmed).collect()
    }

    /// The ack by `acker` for the frame of this digest. `is_complete` is whether it owes the
    /// frame's source nothing, asked in answer to a hello.
    pub fn into_ack(
        self,
        acker: Member,
        frame: [u8; 32],
        is_complete: bool,
        wall: UnixTime,
    ) -> Ack {
        let Applied { received, verdicts, positions, epoch, .. } = self;
        Ack { acker, frame, epoch, received, verdicts, positions, is_complete, wall }
    }
}

/// The records of a frame; `None` is one that cannot be read.
pub fn decode_records(frame: &Frame) -> Vec<Option<Record>> {
    frame.records.iter().map(|bytes| Record::decode(&bytes.0).ok()).collect()
}

/// What a frame says although it is refused: that the peer is there.
pub fn heard_in_refused(peer: u8, frame: &Frame, refusal: Refusal) -> Option<Input> {
    matches!(refusal, Refusal::Busy | Refusal::Epoch | Refusal::Duplicate)
        .then(|| heard(peer, frame, true))
}

/// What a person should know of a frame for another address than this server's.
pub fn address_alert(frame: &Frame, refusal: Refusal) -> Option<Alert> {
    (refusal == Refusal::Duplicate).then(|| {
        let message = "a peer speaks under this server's own POP id; give one of them another";
        // Its id is this server's own, so its URL is the one name it has.
        Alert::new(AlertType::DuplicatePopId, message).with("peer_url", &frame.source.url)
    })
}

fn heard(peer: u8, frame: &Frame, is_hello: bool) -> Input {
    let (store, received) = (frame.source.store, frame.received);
    Input::PeerHeard { peer, store, received, is_hello }
}

/// The whole of a frame in one transaction: epoch, identity, merge, bookkeeping.
pub fn take<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    frame: &Frame,
    records: &[Option<Record>],
) -> Result<Applied, Stop<Refusal>> {
    // Checked when it came in, too; but a new identity may have been on its way to the disk.
    if frame.destination_store.is_some_and(|store| store != txn.store_id()) {
        return Err(Stop::Refused(Refusal::Store));
    }
    let known = epoch::known(&txn.reader())?;
    // Who knows of no epoch yet is no remnant of an older one. A hello brings nothing, and its
    // answer is how an old primary learns of the newer epoch from a peer whose frames it does not
    // take yet.
    if !frame.is_hello() && frame.epoch.is_some() && frame.epoch < known {
        return Err(Stop::Refused(Refusal::Epoch));
    }
    let source = identify(txn, frame)?;
    let (pop, store) = (frame.source.pop, frame.source.store);
    let received = tables::received(&txn.reader(), pop, store)?;
    let is_replay = !frame.is_hello() && received.covers(frame.range);
    let next = if frame.is_hello() || is_replay {
        received
    } else {
        received.with(frame.range).ok_or(Stop::Refused(Refusal::Busy))?
    };
    let positions = tables::positions(&txn.reader(), pop, MEMBERS_MAX)?;
    let is_trusted = source != Source::Stranger;
    let news = frame.epoch.filter(|told| is_trusted && epoch::is_news(known, *told));
    // That this POP itself is primary is not learnt from a frame: the answer to its own hello tells,
    // and the machine decides whether to go by it.
    let own = match news {
        Some(_) => txn.reader().identity()?.map(|owner| owner.pop),
        None => None,
    };
    let is_own = |told: &Epoch| own == Some(told.primary);
    let mut applied = Applied {
        received: told(frame, &next),
        verdicts: Vec::with_capacity(records.len()),
        positions,
        epoch: news.filter(|told| !is_own(told)).or(known),
        own_epoch: news.filter(is_own),
        ties: 0,
        trimmed: 0,
        changed: 0,
        source,
    };
    if applied.epoch > known {
        epoch::store(txn, applied.epoch)?;
    }
    let origin = Origin { pop, store, seq: frame.range.to };
    for record in records {
        let verdict = take_record(txn, record.as_ref(), origin, is_replay, &mut applied)?;
        applied.verdicts.push(verdict);
    }
    if !frame.is_hello() && !is_replay {
        tables::set_received(txn, pop, store, &next)?;
    }
    Ok(applied)
}

/// What the ack says was received: the contiguous prefix; but a source whose newest number is below
/// what was received beyond a gap must learn that it was rolled back.
fn told(frame: &Frame, received: &Received) -> Seq {
    let highest = received.highest();
    if frame.is_hello() && highest > frame.range.to { highest } else { received.prefix }
}

/// Who sent the frame. A stranger is asked about before it may bring anything; its hello is
/// answered, or two who are strangers to each other would stay so.
fn identify<R: RowsMut>(txn: &Transaction<'_, R>, frame: &Frame) -> Result<Source, Stop<Refusal>> {
    let peer = tables::peer(&txn.reader(), &frame.source.url)?;
    if peer.denied == Some(frame.source.store) {
        return Err(Stop::Refused(Refusal::Duplicate));
    }
    let source = match peer.identity {
        None => Source::Unheard,
        Some(known) if known == (frame.source.pop, frame.source.store) => Source::Peer,
        Some(_) => Source::Stranger,
    };
    if source == Source::Stranger && !frame.is_hello() {
        return Err(Stop::Refused(Refusal::Busy));
    }
    Ok(source)
}

fn take_record<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    record: Option<&Record>,
    origin: Origin,
    is_replay: bool,
    applied: &mut Applied,
) -> Result<Verdict, StoreError> {
    let Some(record) = record else { return Ok(Verdict::Rejected) };
    if skew::is_future(record.head.hlc, txn.now()) {
        return Ok(Verdict::Deferred);
    }
    let merged = match merge(txn, record) {
        // What the disk has damaged here must not keep back the rest of the frame.
        Err(StoreError::Damaged(_)) => return Ok(Verdict::Rejected),
        merged => merged?,
    };
    if merged.is_nothing() {
        return Ok(Verdict::Already);
    }
    if is_replay {
        // A replay changes nothing; if it holds something new after all, its source sends it
        // afresh.
        return Ok(Verdict::Deferred);
    }
    applied.ties += u32::from(merged.is_tie);
    applied.changed += 1;
    applied.trimmed += store_merged(txn, record, &merged, origin)?;
    Ok(Verdict::Applied)
}

fn merge<R: RowsMut>(txn: &Transaction<'_, R>, record: &Record) -> Result<Merged, StoreError> {
    let held = txn.record(&record.head.key())?.map(|stored| stored.record);
    Ok(match &record.head.item {
        Item::Entry { vault, entry, .. } => {
            merge_entry(held.as_ref(), &txn.losers(vault, entry)?, record)
        }
        Item::Loser { vault, entry, .. } => {
            let entry = txn.head(&Key::Entry(vault.clone(), entry.clone()))?;
            merge_loser(held.as_ref(), entry.as_ref().map(|head| &head.context), record)
        }
        Item::Token(_) => merge_token(held.as_ref(), record),
    })
}

fn store_merged<R: RowsMut>(
    txn: &mut Transaction<'_, R>,
    record: &Record,
    merged: &Merged,
    origin: Origin,
) -> Result<u32, StoreError> {
    txn.observe(record.head.hlc);
    let mut trimmed = 0;
    if let Some(hold) = &merged.hold {
        txn.put(hold, merged.is_incoming.then_some(origin))?;
        if matches!(hold.head.item, Item::Loser { .. }) {
            trimmed += journal::list(txn, hold)?;
        }
    }
    if let Some(item) = &merged.journal {
        if let Item::Loser { vault, entry, .. } = &item.head.item {
            txn.note_beaten(Key::Entry(vault.clone(), entry.clone()).id(), item.head.hlc);
        }
        txn.put(item, None)?;
        trimmed += journal::list(txn, item)?;
    }
    if let Item::Entry { vault, entry, .. } = &record.head.item {
        for hlc in &merged.settled {
            journal::settle(txn, vault, entry, *hlc)?;
        }
    }
    Ok(trimmed)
}
