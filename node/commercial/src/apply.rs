//! Takes frames in: checks, merges and books them in one transaction, and answers with an ack.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_commercial::frame::{
    self, Ack, FRAME_BYTES_MAX, Frame, MEMBERS_MAX, Position, Refusal, Verdict,
};
use clavitor_commercial::merge::{Merged, merge_entry, merge_loser, merge_token};
use clavitor_commercial::pop::Input;
use clavitor_commercial::skew;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::edition::Edition;
use clavitor_core::id::{Epoch, Seq};
use clavitor_core::record::{Item, Key, Record};
use clavitor_node::http::{Problem, Response, ResponseBody};
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{Origin, Reader, Stop, StoreError, Transaction, WriteError};
use clavitor_node::wall;
use futures_channel::oneshot;
use http::{HeaderValue, StatusCode, header};

use crate::Commercial;
use crate::journal;
use crate::plumbing::EPOCH;
use crate::tables::{Received, Tables};

/// What came of a frame that was taken.
struct Applied {
    received: Seq,
    verdicts: Vec<Verdict>,
    positions: Vec<Position>,
    epoch: Option<Epoch>,
    ties: u32,
    trimmed: u32,
    changed: u32,
}

impl<R: Runtime> Commercial<R> {
    /// Answers a frame.
    pub(crate) async fn take_frame(
        self: &Arc<Self>,
        request: clavitor_node::http::Request<R::Timer>,
    ) -> Result<Response, Problem> {
        request.query(&[])?;
        let keys = self.keys.as_ref().ok_or_else(|| problem(Refusal::Auth))?;
        let body = request.body_within(FRAME_BYTES_MAX, &self.frame_budget).await?;
        let frame = frame::open_frame(&body, keys).map_err(problem)?;
        let digest = frame::digest(&body);
        drop(body);
        let ack = self.apply_to_the_end(frame, digest).await.map_err(problem)?;
        let sealed = frame::seal_ack(&ack, keys);
        let mut response = Response::new(ResponseBody::from(sealed));
        let content_type = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }

    /// Applies a frame in a task of its own: a sender that goes away must not keep this server from
    /// hearing what it has stored.
    async fn apply_to_the_end(
        self: &Arc<Self>,
        frame: Frame,
        digest: [u8; 32],
    ) -> Result<Ack, Refusal> {
        let (done, answer) = oneshot::channel();
        let edition = self.clone();
        self.runtime.spawn(async move {
            // Nobody listens when the sender has gone.
            let _ = done.send(edition.apply(frame, digest).await);
        });
        answer.await.unwrap_or(Err(Refusal::Busy))
    }

    async fn apply(&self, frame: Frame, digest: [u8; 32]) -> Result<Ack, Refusal> {
        let peer = self.check_address(&frame)?;
        self.counters.frames_received.fetch_add(1, Ordering::Relaxed);
        let frame = Arc::new(frame);
        let records: Arc<Vec<Option<Record>>> =
            Arc::new(frame.records.iter().map(|bytes| Record::decode(&bytes.0).ok()).collect());
        let bytes = frame.records.iter().map(|bytes| bytes.0.len()).sum();
        let (tables, taken) = (self.tables, frame.clone());
        let applied = self.store.write(bytes, move |txn| take(&tables, txn, &taken, &records));
        let applied = match applied.await {
            Ok(applied) => applied,
            Err(error) => return Err(self.refuse(peer, &frame, error)),
        };
        self.tell(peer, &frame, &applied);
        let acker = self.member();
        let Applied { received, verdicts, positions, epoch, .. } = applied;
        let is_complete = frame.is_hello() && self.owes_nothing(peer, &frame);
        let wall = wall::unix_time();
        Ok(Ack { acker, frame: digest, epoch, received, verdicts, positions, is_complete, wall })
    }

    /// Whether the frame is from a peer and for this POP; the peer's index.
    fn check_address(&self, frame: &Frame) -> Result<u8, Refusal> {
        if frame.cluster != self.cluster.name {
            return Err(Refusal::Cluster);
        }
        if frame.destination != self.cluster.own_url {
            return Err(Refusal::Destination);
        }
        if frame.destination_store.is_some_and(|store| store != self.store.store_id()) {
            return Err(Refusal::Store);
        }
        if frame.source.pop == self.store.pop() {
            let message = "a peer speaks under this server's own POP id; give one of them another";
            let alert = Alert::new(AlertType::DuplicatePopId, message);
            self.alert_operator(alert.with("url", &frame.source.url));
            return Err(Refusal::Duplicate);
        }
        let at = self.cluster.peer_urls.iter().position(|url| *url == frame.source.url);
        at.and_then(|at| u8::try_from(at).ok()).ok_or(Refusal::Member)
    }

    /// A frame that was not taken may still say something: that the peer is there.
    fn refuse(&self, peer: u8, frame: &Frame, error: WriteError<Refusal>) -> Refusal {
        let refusal = match error {
            WriteError::Refused(refusal) => refusal,
            WriteError::Full => Refusal::StorageFull,
            WriteError::Busy | WriteError::Stopped | WriteError::Damaged | WriteError::Unknown => {
                Refusal::Busy
            }
        };
        if matches!(refusal, Refusal::Busy | Refusal::Epoch | Refusal::Duplicate) {
            self.mailbox.offer(heard(peer, frame, true));
        }
        if refusal == Refusal::StorageFull && !self.is_full.swap(true, Ordering::AcqRel) {
            let message = "there is no room for records of peers; raise --data-bytes-max";
            self.alert_operator(Alert::new(AlertType::StorageFull, message));
        }
        refusal
    }

    /// Whether the peer has everything this server owes it; only asked in answer to a hello.
    fn owes_nothing(&self, peer: u8, frame: &Frame) -> bool {
        let (_, views) = self.views();
        let Some(view) = views.get(usize::from(peer)) else { return false };
        let identity = (frame.source.pop, frame.source.store);
        let is_known = |reader: &Reader<'_>| {
            let row = self.tables.peer(reader, &frame.source.url)?;
            let debt = self.debt(reader, peer, view)?;
            Ok(row.identity == Some(identity) && debt.records == 0)
        };
        self.store.read(is_known).unwrap_or(false)
    }

    fn tell(&self, peer: u8, frame: &Frame, applied: &Applied) {
        if applied.changed > 0 {
            self.is_full.store(false, Ordering::Release);
        }
        self.counters.records_applied.fetch_add(u64::from(applied.changed), Ordering::Relaxed);
        if let Some(epoch) = applied.epoch {
            self.note_epoch(epoch);
        }
        self.mailbox.offer(heard(peer, frame, frame.is_hello()));
        for other in &frame.peers {
            let (source, store) = (frame.source.pop, frame.source.store);
            let position = Position { source, store, received: other.received };
            let (peer, store) = (other.peer, other.store);
            self.mailbox.offer(Input::PeerCovered { peer, store, position });
        }
        let is_for_this_store = frame.destination_store.is_some();
        let has_everything = frame.is_hello() || applied.received >= frame.range.to;
        if frame.is_complete && is_for_this_store && has_everything {
            self.mailbox.push(Input::PeerComplete { peer });
        }
        if applied.ties > 0 {
            let message = "different versions carried one timestamp; the larger digest won";
            let alert = Alert::new(AlertType::EqualTimestamps, message);
            self.alert_operator(
                alert.with("records", applied.ties).with("source", frame.source.pop),
            );
        }
        if applied.trimmed > 0 {
            self.alert_operator(journal::trimmed_alert(applied.trimmed));
        }
    }
}

fn heard(peer: u8, frame: &Frame, is_hello: bool) -> Input {
    let (store, received) = (frame.source.store, frame.received);
    Input::PeerHeard { peer, store, received, is_hello }
}

/// The whole of a frame in one transaction: epoch, identity, merge, bookkeeping.
fn take(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    frame: &Frame,
    records: &[Option<Record>],
) -> Result<Applied, Stop<Refusal>> {
    let known: Option<Epoch> = txn.fact::<Option<Epoch>>(EPOCH)?.flatten();
    // Who knows of no epoch yet is no remnant of an older one. A hello brings nothing, and its answer
    // is how an old primary learns of the newer epoch from a peer whose frames it does not take yet.
    if !frame.is_hello() && frame.epoch.is_some() && frame.epoch < known {
        return Err(Stop::Refused(Refusal::Epoch));
    }
    check_identity(tables, txn, frame)?;
    let (pop, store) = (frame.source.pop, frame.source.store);
    let received = tables.received(&txn.reader(), pop, store)?;
    let is_replay = !frame.is_hello() && received.covers(frame.range);
    let next = if frame.is_hello() || is_replay {
        received
    } else {
        received.with(frame.range).ok_or(Stop::Refused(Refusal::Busy))?
    };
    let positions = tables.positions(&txn.reader(), pop, MEMBERS_MAX)?;
    let mut applied = Applied {
        received: told(frame, &next),
        verdicts: Vec::with_capacity(records.len()),
        positions,
        epoch: frame.epoch.max(known),
        ties: 0,
        trimmed: 0,
        changed: 0,
    };
    if frame.epoch > known {
        txn.set_fact(EPOCH, &applied.epoch)?;
    }
    let origin = Origin { pop, store, seq: frame.range.to };
    for record in records {
        let verdict = take_record(tables, txn, record.as_ref(), origin, is_replay, &mut applied)?;
        applied.verdicts.push(verdict);
    }
    if !frame.is_hello() && !is_replay {
        tables.set_received(txn, pop, store, &next)?;
    }
    Ok(applied)
}

/// What the ack says was received: the contiguous prefix; but a source whose newest number is below
/// what was received beyond a gap must learn that it was rolled back.
fn told(frame: &Frame, received: &Received) -> Seq {
    let highest = received.highest();
    if frame.is_hello() && highest > frame.range.to { highest } else { received.prefix }
}

/// Whether the frame's source is who answers at its URL. A stranger is asked about first.
fn check_identity(
    tables: &Tables,
    txn: &Transaction<'_>,
    frame: &Frame,
) -> Result<(), Stop<Refusal>> {
    let peer = tables.peer(&txn.reader(), &frame.source.url)?;
    if peer.denied == Some(frame.source.store) {
        return Err(Stop::Refused(Refusal::Duplicate));
    }
    let is_known =
        peer.identity.is_none_or(|known| known == (frame.source.pop, frame.source.store));
    if is_known { Ok(()) } else { Err(Stop::Refused(Refusal::Busy)) }
}

fn take_record(
    tables: &Tables,
    txn: &mut Transaction<'_>,
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
        // A replay changes nothing; if it holds something new after all, its source sends it afresh.
        return Ok(Verdict::Deferred);
    }
    applied.ties += u32::from(merged.is_tie);
    applied.changed += 1;
    applied.trimmed += store_merged(tables, txn, record, &merged, origin)?;
    Ok(Verdict::Applied)
}

fn merge(txn: &Transaction<'_>, record: &Record) -> Result<Merged, StoreError> {
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

fn store_merged(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    record: &Record,
    merged: &Merged,
    origin: Origin,
) -> Result<u32, StoreError> {
    txn.observe(record.head.hlc);
    let mut trimmed = 0;
    if let Some(hold) = &merged.hold {
        txn.put(hold, merged.is_incoming.then_some(origin))?;
        if matches!(hold.head.item, Item::Loser { .. }) {
            trimmed += journal::list(tables, txn, hold)?;
        }
    }
    if let Some(item) = &merged.journal {
        txn.put(item, None)?;
        trimmed += journal::list(tables, txn, item)?;
    }
    if let Item::Entry { vault, entry, .. } = &record.head.item {
        for hlc in &merged.settled {
            journal::settle(tables, txn, vault, entry, *hlc)?;
        }
    }
    Ok(trimmed)
}

/// A refusal as an HTTP answer: a code, and nothing else.
pub(crate) fn problem(refusal: Refusal) -> Problem {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(refusal.code(), status, "the frame is refused")
}

#[cfg(test)]
pub(crate) mod tests;
