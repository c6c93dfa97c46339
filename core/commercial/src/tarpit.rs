//! The tarpit: which scanners are held, when each gets its next byte, and when its slot is free.

mod queue;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use clavitor_core::source::network_of;
use clavitor_core::time::Instant;
use serde::{Deserialize, Serialize};

use queue::{Queue, Slot};

/// The bytes of a held answer's body.
pub const BODY_BYTES: u8 = 30;

/// The time from one byte to the next, in milliseconds.
pub const INTERVAL_MS: u64 = 1_000;

/// Bytes are due at multiples of this, in milliseconds, so that however many connections are held,
/// there are at most ten wake-ups a second for them.
pub const GRID_MS: u64 = 100;

/// How many connections are held at the most, unless something else is set.
pub const HELD_MAX: u32 = 1_000;

const _: () = assert!(INTERVAL_MS.is_multiple_of(GRID_MS) && BODY_BYTES > 0);

/// How many connections are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// At the most, all together.
    pub held_max: u32,
    /// At the most of one address; an IPv6 client counts by its /64.
    pub per_address: Option<u32>,
}

impl Limits {
    /// As many as wanted, as far as a process with so many file descriptors can afford them beside
    /// those that are kept for all else; a quarter of the descriptors if those leave less.
    #[must_use]
    pub fn affordable(self, descriptors: u64, kept: u64) -> Self {
        let left = descriptors.saturating_sub(kept).max(descriptors / 4);
        Self { held_max: self.held_max.min(u32::try_from(left).unwrap_or(u32::MAX)), ..self }
    }
}

/// One holding of a slot. A slot is used again, a holding never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Held {
    /// The slot, below [`Limits::held_max`].
    pub slot: u32,
    /// How often the slot was freed before, as far as 32 bits tell.
    pub generation: u32,
}

/// A fact the tarpit takes note of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A request that nobody should send came from this address. Answered by one effect at once.
    Arrived {
        /// The client.
        address: IpAddr,
    },
    /// A held client went away, or takes no more bytes. Late and repeated ones change nothing.
    Left {
        /// The holding.
        held: Held,
    },
    /// Time has passed.
    Tick,
    /// The server goes away.
    Stopped,
}

/// What the tarpit orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Send the head, and keep the connection under this name.
    Hold {
        /// The holding.
        held: Held,
    },
    /// Close the connection without a byte.
    Drop,
    /// Send one byte of the body.
    Drip {
        /// The holding.
        held: Held,
        /// Which byte, from 0.
        at: u8,
    },
    /// Send the last byte, and close. The slot is free.
    Finish {
        /// The holding that ends.
        held: Held,
    },
    /// Close every connection that is held; nothing is ordered afterwards but [`Effect::Drop`].
    Cut,
}

/// What the tarpit did since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Connections that are held.
    pub held: u32,
    /// Connections that ever were.
    pub held_ever: u64,
    /// Connections that were closed without an answer.
    pub dropped: u64,
    /// Bytes of bodies that were ordered.
    pub bytes: u64,
    /// The time that connections were held that are gone, in milliseconds.
    pub wasted_ms: u64,
}

/// The tarpit.
///
/// Invariant: at most `limits.held_max` slots exist, `totals.held` of them are in the queue, each
/// once and in the order in which their bytes are due, and all others are free, each once;
/// `by_address` counts the held ones and has no zeros; once stopped, nothing is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tarpit {
    limits: Limits,
    is_stopped: bool,
    queue: Queue,
    by_address: BTreeMap<IpAddr, u32>,
    totals: Totals,
}

impl Tarpit {
    /// An empty tarpit.
    pub fn new(limits: Limits) -> Self {
        let (queue, by_address, totals) = (Queue::default(), BTreeMap::new(), Totals::default());
        Self { limits, is_stopped: false, queue, by_address, totals }
    }

    /// Takes note of a fact at `now`; orders go to `out`.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Arrived { address } => out.push(self.on_arrived(now, address)),
            Input::Left { held } if self.queue.holds(held) => self.release(now, held),
            Input::Left { .. } => {}
            Input::Tick => self.on_tick(now, out),
            Input::Stopped if self.is_stopped => {}
            Input::Stopped => self.on_stopped(now, out),
        }
        assert!(self.totals.held == self.queue.len(), "every holding is in the queue, once");
        assert!(self.totals.held <= self.limits.held_max, "never more than the limit");
    }

    /// When the machine wants [`Input::Tick`].
    pub fn next_wake(&self) -> Option<Instant> {
        self.queue.first().map(|(_, slot)| slot.due)
    }

    /// Whether a holding still has its slot.
    pub fn holds(&self, held: Held) -> bool {
        self.queue.holds(held)
    }

    /// What was done so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    fn on_arrived(&mut self, now: Instant, address: IpAddr) -> Effect {
        let client = self.limits.per_address.map(|max| (network_of(address), max));
        let is_one_too_many = client.is_some_and(|(client, max)| {
            self.by_address.get(&client).is_some_and(|held| *held >= max) || max == 0
        });
        if self.is_stopped || self.totals.held >= self.limits.held_max || is_one_too_many {
            self.totals.dropped += 1;
            return Effect::Drop;
        }
        let client = client.map(|(client, _)| client);
        if let Some(client) = client {
            *self.by_address.entry(client).or_default() += 1;
        }
        self.totals.held += 1;
        self.totals.held_ever += 1;
        Effect::Hold { held: self.queue.add(now, first_due(now), client) }
    }

    fn on_tick(&mut self, now: Instant, out: &mut Vec<Effect>) {
        // What is served goes behind what was served before it, so that the place is found at once.
        let mut behind = None;
        while let Some((held, slot)) = self.queue.first().filter(|(_, slot)| slot.due <= now) {
            self.totals.bytes += 1;
            if slot.sent + 1 == BODY_BYTES {
                out.push(Effect::Finish { held });
                self.release(now, held);
                continue;
            }
            out.push(Effect::Drip { held, at: slot.sent });
            let next = slot.due.plus_ms(INTERVAL_MS);
            // Whoever was not served for so long gets one byte, not all that it missed.
            let due = if next > now { next } else { first_due(now) };
            self.queue.sent(held, due, behind);
            behind = Some(held.slot);
        }
    }

    fn on_stopped(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some((held, _)) = self.queue.first() {
            self.release(now, held);
        }
        self.is_stopped = true;
        out.push(Effect::Cut);
    }

    fn release(&mut self, now: Instant, held: Held) {
        let Slot { since, client, .. } = self.queue.remove(held);
        self.totals.held -= 1;
        self.totals.wasted_ms += now.ms_since(since);
        let Some(client) = client else { return };
        let count = self.by_address.get_mut(&client).expect("whoever is held is counted");
        *count -= 1;
        if *count == 0 {
            self.by_address.remove(&client);
        }
    }
}

/// When a client that came at `now` gets its first byte.
fn first_due(now: Instant) -> Instant {
    let grid = Instant::from_ms(GRID_MS).0;
    let due = now.plus_ms(INTERVAL_MS).0;
    Instant(due.checked_next_multiple_of(grid).unwrap_or(u64::MAX))
}

/// Whether a path that matches no route is answered promptly all the same, by its segments: what
/// health checks, peers, the control plane and provisioning ask must never be slow.
pub fn is_exempt(segments: &[Option<&str>]) -> bool {
    match segments {
        [Some("livez" | "readyz" | "role" | "scim"), ..] => true,
        [Some("v1"), Some(part), ..] => {
            matches!(*part, "replication" | "pops" | "clusters" | "alerts" | "telemetry")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
