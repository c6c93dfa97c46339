//! The machine that owes one peer its records.
//!
//! It knows sequence numbers, not records: it orders a frame from a position onwards, is told how
//! far the frame reached, and learns from the ack what the peer has received. Nothing is owed:
//! nothing is armed.

use alloc::string::String;
use alloc::vec::Vec;

use clavitor_core::id::{OpId, PopId, Seq, StoreId};
use clavitor_core::pop::Wake;
use clavitor_core::time::{Instant, UnixTime};
use serde::{Deserialize, Serialize};

use crate::frame::{MEMBERS_MAX, Position};

mod answers;
mod flights;
mod link;
mod messages;

use flights::{Flight, Flights};
use link::Link;
pub use link::{PROBE_MS, WRITE_TRY_MS};
pub use messages::{
    Acked, Answer, Effect, Input, Known, Order, Owed, RecordVerdict, State, View, Window,
};

/// How long a frame may stay unanswered, in milliseconds.
pub const FRAME_TIMEOUT_MS: u64 = 10_000;

/// A frame may take this much longer for every so many bytes in flight: a second for each 64 KiB,
/// so that a slow link is slow and not broken.
pub const FRAME_BYTES_PER_S: u64 = 64 * 1024;

/// How often, at the most, a peer that is heard is answered with a hello, in milliseconds.
pub const ANNOUNCE_MS: u64 = 1_000;

/// How long a record of another source may stay uncovered before it is relayed, in milliseconds.
pub const RELAY_MS: u64 = 30_000;

/// What came in during the last so many milliseconds before a relay is still on its way from its
/// source to everybody else, as long as more keeps coming.
pub const RELAY_FRESH_MS: u64 = 10_000;

/// How long until records that the peer could not take are sent again, in milliseconds.
pub const SETBACK_MS: u64 = 60_000;

/// The most records one peer could not take that are kept for another try.
pub const SETBACKS_MAX: u32 = 1_024;

/// The machine that owes one peer its records.
///
/// Invariant: `cursor ≤ last` and `clean_to ≤ last`; every sequence number
/// above `clean_to` may be owed; every one above `cursor` and at or below `clean_to` is in flight,
/// answered out of order, or not owed. Data flows only after a hello of this process was acked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replication {
    url: String,
    window: Window,
    identity: Option<(PopId, StoreId)>,
    last: Seq,
    owed_to: Seq,
    clean_to: Seq,
    cursor: Seq,
    sent_to: Seq,
    verified: Verification,
    is_synced: bool,
    is_announcing: bool,
    announced_at: Option<Instant>,
    has_recovered: bool,
    announce_at: Option<Instant>,
    relay: Option<Relay>,
    setbacks: u32,
    setback_at: Option<Instant>,
    retried_above: Seq,
    is_refusal_alerted: bool,
    suspect: Option<(StoreId, OpId)>,
    is_renamed: bool,
    is_rolled_back: bool,
    covered: Vec<Position>,
    link: Link,
    flights: Flights,
    next_op: u64,
    last_ack_at: Option<UnixTime>,
    last_error: Option<String>,
}

/// Whether this data directory is known to be no old copy. Until that is stored, data that is sent
/// would look, after a crash, as if a peer had what this server never had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Verification {
    /// The peer was not heard yet.
    Open,
    /// It was, and that is on its way to the disk.
    Ordered,
    /// Data may flow.
    Stored,
}

/// What other sources have yet to bring to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Relay {
    at: Instant,
    to: Seq,
    newest_at: Instant,
}

impl Replication {
    /// The machine for the peer with this index; `last` is the newest sequence number at start-up.
    pub fn new(peer: u8, window: Window, known: Known, last: Seq) -> Self {
        Self {
            url: known.url,
            window,
            identity: known.identity,
            last,
            owed_to: last,
            clean_to: known.clean_to.min(last),
            cursor: known.cursor.min(last),
            sent_to: known.unverified.unwrap_or(last).min(last),
            verified: Verification::Open,
            is_synced: false,
            is_announcing: false,
            announced_at: None,
            has_recovered: false,
            announce_at: None,
            relay: None,
            setbacks: known.setbacks,
            setback_at: None,
            retried_above: Seq(0),
            is_refusal_alerted: false,
            suspect: None,
            is_renamed: false,
            is_rolled_back: false,
            covered: Vec::new(),
            link: Link::default(),
            flights: Flights::default(),
            next_op: u64::from(peer) << 48,
            last_ack_at: None,
            last_error: None,
        }
    }

    /// Takes note of a fact at `now`; orders go to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Started | Input::EpochChanged => self.announce(out),
            Input::Committed { last, owed } => self.on_committed(now, last, owed),
            Input::FrameBuilt { op, to, records, bytes } => {
                self.on_frame_built(now, op, to, records, bytes);
            }
            Input::FrameAnswered { op, answer } => self.on_frame_answered(now, op, answer, out),
            Input::PeerHeard { store, received, is_hello } => {
                self.on_peer_heard(now, store, received, is_hello, out);
            }
            Input::Covered(position) => self.cover(position, false),
            Input::VerificationStored => self.on_verification_stored(),
            Input::Resumed => self.announce(out),
            Input::StoreReplaced { last } => self.on_store_replaced(last, out),
            Input::Tick => {}
        }
        self.on_time(now, out);
        self.pump(now, out);
        assert!(self.cursor <= self.last, "a peer cannot confirm what does not exist");
    }

    /// When the machine wants [`Input::Tick`], and why. `None` while nothing is owed.
    pub fn next_wake(&self) -> Option<(Instant, Wake)> {
        let frame = self.flights.deadline().map(|at| (at, Wake("frame")));
        let link = self.link.next_wake().map(|at| (at, Wake("retry")));
        let relay = self.relay.map(|relay| (relay.at, Wake("relay")));
        let setback = self.setback_at.filter(|_| self.link.is_ready());
        let setback = setback.map(|at| (at, Wake("setback")));
        let hello = self.announce_at.map(|at| (at, Wake("hello")));
        [frame, link, relay, setback, hello].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Whether the peer could take more right now, and is owed it.
    pub fn is_busy(&self) -> bool {
        self.may_send() && (self.is_owed() || !self.flights.is_empty())
    }

    /// Whether the peer can be reached, as far as is known, and nothing is under way to it.
    pub fn is_idle(&self) -> bool {
        self.may_send() && !self.is_busy()
    }

    /// The peer's id and data directory, once known.
    pub fn identity(&self) -> Option<(PopId, StoreId)> {
        self.identity
    }

    /// How many changes the peer has yet to confirm; `None` if it does not answer, or could not take
    /// some of them.
    pub fn behind(&self) -> Option<u64> {
        let is_known = self.may_send() && self.is_synced && self.setbacks == 0;
        let settled_to = self.settled_to();
        is_known.then(|| self.last.0.saturating_sub(settled_to.0))
    }

    /// Up to where the peer confirmed.
    pub fn cursor(&self) -> Seq {
        self.cursor
    }

    /// What operators see.
    pub fn view(&self, now: Instant) -> View {
        let state = match (self.link.is_ready(), self.flights.is_empty(), self.link.next_retry()) {
            (true, true, _) => State::Idle,
            (true, false, _) => State::Sending,
            (false, _, Some(_)) => State::Waiting,
            (false, _, None) => State::Suspended,
        };
        let next = self.link.next_wake().filter(|_| !self.link.is_ready());
        View {
            pop: self.identity.map(|(pop, _)| pop),
            store: self.identity.map(|(_, store)| store),
            state,
            attempt: self.link.attempt(),
            next_retry_ms: next.map(|at| at.ms_since(now)),
            acked: self.cursor,
            settled_to: self.settled_to(),
            last_ack_at: self.last_ack_at,
            last_error: self.last_error.clone(),
        }
    }

    fn settled_to(&self) -> Seq {
        self.flights.first_after().unwrap_or(self.clean_to).min(self.clean_to)
    }

    fn on_committed(&mut self, now: Instant, last: Seq, owed: Owed) {
        let is_caught_up = self.clean_to == self.last;
        self.last = self.last.max(last);
        match owed {
            Owed::Now => {
                self.owed_to = self.last;
                self.link.on_write(now);
            }
            Owed::Later if self.clean_to < self.last => {
                let new = Relay { at: now.plus_ms(RELAY_MS), to: self.last, newest_at: now };
                self.relay.get_or_insert(new).newest_at = now;
            }
            Owed::Not if is_caught_up => self.clean_to = self.last,
            Owed::Later | Owed::Not => {}
        }
    }

    fn on_frame_built(&mut self, now: Instant, op: OpId, to: Seq, records: u32, bytes: u64) {
        let Some(flight) = self.flights.built(now, op, to, bytes) else {
            return;
        };
        if flight.is_hello {
            return;
        }
        self.clean_to = self.clean_to.max(to.min(self.last));
        if self.clean_to == self.last {
            self.relay = None;
        }
        if records == 0 {
            self.flights.remove(op);
        } else {
            self.sent_to = self.sent_to.max(to.min(self.last));
        }
    }

    fn on_peer_heard(
        &mut self,
        now: Instant,
        store: StoreId,
        received: Seq,
        is_hello: bool,
        out: &mut Vec<Effect>,
    ) {
        let is_stranger = self.identity.is_some_and(|(_, known)| known != store);
        if is_stranger {
            self.suspect = Some((store, OpId(self.next_op)));
        }
        // A hello of our own that is under way will tell; answering hello with hello would not end.
        let is_under_way = !self.is_synced && self.link.is_ready() && !self.flights.is_empty();
        if is_under_way {
            return;
        }
        let is_ready = self.link.is_ready();
        let has_lost = received < self.cursor || received > self.sent_to;
        let is_hello_news = is_hello && (has_lost || !is_ready || !self.is_synced);
        if is_hello_news || (is_stranger && is_ready) {
            self.announce_soon(now, out);
        }
    }

    /// What is heard can be heard again and again: one hello a second is answer enough. But a peer that
    /// took something since the last one, failed, and is heard again is back once more.
    fn announce_soon(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let is_back = self.has_recovered && !self.link.is_ready();
        let last = self.announced_at.filter(|_| !is_back);
        let earliest = last.map_or(now, |at| at.plus_ms(ANNOUNCE_MS));
        if earliest <= now {
            self.answer_hello(now, out);
        } else {
            self.announce_at = Some(earliest);
        }
    }

    fn answer_hello(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.announced_at = Some(now);
        self.has_recovered = false;
        self.announce(out);
    }

    fn on_store_replaced(&mut self, last: Seq, out: &mut Vec<Effect>) {
        self.last = last;
        self.sent_to = last;
        self.verified = Verification::Stored;
        self.is_rolled_back = false;
        self.start_over_at(Seq(0), out);
        self.link.wake();
        self.announce(out);
    }

    fn on_time(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Some((op, flight)) = self.flights.expired(now) {
            out.push(Effect::CancelFrame { op });
            self.fail(now, &flight, "no answer in time", out);
        }
        if self.announce_at.is_some_and(|at| at <= now) {
            self.answer_hello(now, out);
        }
        self.link.on_time(now);
        if let Some(relay) = self.relay.filter(|relay| relay.at <= now) {
            self.on_relay_due(now, relay);
        }
        if self.setback_at.is_some_and(|at| at <= now) && self.link.is_ready() {
            self.setback_at = None;
            self.setbacks = 0;
            self.retried_above = self.last;
            out.push(Effect::RetrySetbacks);
        }
    }

    /// What is still uncovered may be covered by now: the hello's ack will tell.
    fn on_relay_due(&mut self, now: Instant, relay: Relay) {
        let is_quiet = now >= relay.newest_at.plus_ms(RELAY_FRESH_MS);
        let to = if is_quiet { self.last } else { relay.to };
        self.owed_to = self.owed_to.max(to);
        if self.clean_to < self.owed_to {
            self.is_synced = false;
        }
        let rest = Relay { at: now.plus_ms(RELAY_MS), to: self.last, newest_at: relay.newest_at };
        self.relay = (to < self.last).then_some(rest);
    }

    fn pump(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.setbacks > 0 && self.setback_at.is_none() {
            self.setback_at = Some(now.plus_ms(SETBACK_MS));
        }
        if !self.may_send() || !self.is_owed() || self.flights.is_building() {
            return;
        }
        if !self.is_synced {
            if self.flights.is_empty() {
                self.order(now, true, out);
            }
        } else if self.may_send_data() && self.flights.has_room(self.window) {
            self.order(now, false, out);
        }
    }

    /// Under the identity of a data directory that was rolled back, nothing may be sent.
    fn may_send(&self) -> bool {
        self.link.is_ready() && !self.is_rolled_back
    }

    fn may_send_data(&self) -> bool {
        self.verified == Verification::Stored && self.clean_to < self.owed_to
    }

    fn on_verification_stored(&mut self) {
        if self.verified == Verification::Ordered {
            self.verified = Verification::Stored;
        }
    }

    fn is_owed(&self) -> bool {
        self.is_announcing || self.clean_to < self.owed_to
    }

    fn order(&mut self, now: Instant, is_hello: bool, out: &mut Vec<Effect>) {
        self.next_op += 1;
        let op = OpId(self.next_op);
        let after = self.flights.last_to().unwrap_or(self.cursor).max(self.cursor);
        let deadline = now.plus_ms(FRAME_TIMEOUT_MS);
        self.flights.add(op, Flight::new(is_hello, after, self.cursor, deadline));
        out.push(Effect::SendFrame(Order {
            op,
            is_hello,
            after: if is_hello { self.last } else { after },
            read_after: self.clean_to.max(after),
            upto: self.owed_to,
            complete_at: if self.setbacks > 0 || (is_hello && self.clean_to < self.owed_to) {
                Seq(u64::MAX)
            } else {
                self.owed_to
            },
            identity: self.identity,
            covered: self.covered.clone(),
        }));
    }

    fn announce(&mut self, out: &mut Vec<Effect>) {
        self.announce_at = None;
        self.is_announcing = true;
        self.owed_to = if self.clean_to < self.last { self.last } else { self.owed_to };
        self.relay = None;
        self.link.wake();
        self.resync(out);
    }

    fn resync(&mut self, out: &mut Vec<Effect>) {
        if let Some(after) = self.flights.first_after() {
            self.clean_to = self.clean_to.min(after);
            self.owed_to = self.last;
        }
        self.drop_flights(out);
        self.is_synced = false;
    }

    fn start_over_at(&mut self, received: Seq, out: &mut Vec<Effect>) {
        self.cursor = self.cursor.min(received);
        self.clean_to = self.cursor;
        self.owed_to = self.last;
        self.flights.forget_confirmed();
        self.covered.clear();
        if let Some((pop, store)) = self.identity {
            out.push(Effect::AdoptPeer { pop, store, cursor: self.cursor });
        }
    }

    /// What was in flight may not have arrived.
    fn rewind(&mut self, failed: &Flight) {
        if !failed.is_hello {
            // What the peer confirmed stays confirmed, whatever an older frame comes to.
            self.clean_to = self.clean_to.min(failed.after.max(self.cursor));
            self.owed_to = self.last;
        }
        if let Some(after) = self.flights.first_after() {
            self.clean_to = self.clean_to.min(after);
            self.owed_to = self.last;
        }
    }

    fn drop_flights(&mut self, out: &mut Vec<Effect>) {
        out.extend(self.flights.drain().map(|op| Effect::CancelFrame { op }));
    }

    /// What the peer says of itself is the newest; what others say of it may be old.
    fn cover(&mut self, position: Position, is_own_word: bool) {
        let is_same = |known: &Position| known.source == position.source;
        let at = self.covered.iter().position(is_same);
        let received = match at.map(|at| self.covered.swap_remove(at)) {
            Some(known) if known.store == position.store && !is_own_word => {
                known.received.max(position.received)
            }
            Some(_) | None => position.received,
        };
        if self.covered.len() < MEMBERS_MAX {
            self.covered.push(Position { received, ..position });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
