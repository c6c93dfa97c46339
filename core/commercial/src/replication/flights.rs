//! The frames under way to one peer, and the answered ones whose turn has not come.

use alloc::collections::BTreeMap;

use clavitor_core::id::{OpId, Seq};
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use super::{FRAME_BYTES_PER_S, FRAME_TIMEOUT_MS, Window};

/// One frame under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flight {
    pub(super) is_hello: bool,
    pub(super) after: Seq,
    to: Option<Seq>,
    bytes: u64,
    pub(super) cursor_at_send: Seq,
    deadline: Instant,
}

impl Flight {
    pub(super) fn new(is_hello: bool, after: Seq, cursor: Seq, deadline: Instant) -> Self {
        Self { is_hello, after, to: None, bytes: 0, cursor_at_send: cursor, deadline }
    }
}

/// Invariant: at most one frame is being built, and it is the newest; ranges under way do not
/// overlap; `confirmed` holds only ranges above the cursor that were answered out of order;
/// `received` is the most that the peer said it has received since the last hello.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Flights {
    under_way: BTreeMap<OpId, Flight>,
    confirmed: BTreeMap<Seq, Seq>,
    received: Seq,
}

impl Flights {
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn is_building(&self) -> bool {
        self.under_way.values().any(|flight| flight.to.is_none())
    }

    pub(super) fn has_room(&self, window: Window) -> bool {
        let frames = u32::try_from(self.under_way.len()).unwrap_or(u32::MAX);
        let bytes: u64 = self.under_way.values().map(|flight| flight.bytes).sum();
        let fits = bytes.saturating_add(window.frame_bytes_max()) <= window.bytes;
        frames == 0 || (frames < window.frames && fits)
    }

    pub(super) fn add(&mut self, op: OpId, flight: Flight) {
        assert!(!self.is_building(), "frames are built one at a time");
        self.under_way.insert(op, flight);
    }

    pub(super) fn built(&mut self, now: Instant, op: OpId, to: Seq, bytes: u64) -> Option<Flight> {
        let others: u64 = self.under_way.values().map(|flight| flight.bytes).sum();
        let slow_ms = others.saturating_add(bytes) / FRAME_BYTES_PER_S * 1_000;
        let flight = self.under_way.get_mut(&op).filter(|flight| flight.to.is_none())?;
        flight.to = Some(to.max(flight.after));
        flight.bytes = bytes;
        flight.deadline = flight.deadline.max(now.plus_ms(FRAME_TIMEOUT_MS + slow_ms));
        Some(*flight)
    }

    pub(super) fn remove(&mut self, op: OpId) -> Option<Flight> {
        self.under_way.remove(&op)
    }

    /// Where the oldest data frame under way, or answered out of order, begins.
    pub(super) fn first_after(&self) -> Option<Seq> {
        let data = self.under_way.values().filter(|flight| !flight.is_hello);
        let data = data.map(|flight| flight.after);
        data.chain(self.confirmed.keys().copied()).min()
    }

    /// Where the newest data frame under way, or answered out of order, ends.
    pub(super) fn last_to(&self) -> Option<Seq> {
        let under_way = self.under_way.values().filter_map(|flight| flight.to);
        under_way.chain(self.confirmed.values().copied()).max()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.values().map(|flight| flight.deadline).min()
    }

    pub(super) fn expired(&mut self, now: Instant) -> Option<(OpId, Flight)> {
        let op = self.under_way.iter().find(|(_, flight)| flight.deadline <= now);
        let op = op.map(|(op, _)| *op)?;
        self.under_way.remove(&op).map(|flight| (op, flight))
    }

    /// The cursor after this frame was answered: it passes answered ranges only, in order, and
    /// never what the peer says it has received. Acks overtake each other: the highest one counts.
    pub(super) fn confirm(&mut self, cursor: Seq, flight: &Flight, received: Seq) -> Seq {
        let Some(to) = flight.to else { return cursor };
        self.confirmed.insert(flight.after, to);
        self.received = self.received.max(received);
        let mut cursor = cursor;
        while let Some((after, to)) = self.confirmed.first_key_value().map(|(a, t)| (*a, *t)) {
            if after > cursor || to > self.received {
                break;
            }
            self.confirmed.remove(&after);
            cursor = cursor.max(to);
        }
        cursor
    }

    /// Whether everything is answered, and yet the peer says that something is missing.
    pub(super) fn is_stuck(&self) -> bool {
        self.under_way.is_empty() && !self.confirmed.is_empty()
    }

    pub(super) fn forget_confirmed(&mut self) {
        self.confirmed.clear();
        self.received = Seq(0);
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = OpId> + use<> {
        self.forget_confirmed();
        core::mem::take(&mut self.under_way).into_keys()
    }
}
