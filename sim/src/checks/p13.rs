//! [P13] The tarpit's cap is never exceeded, and every slot is returned exactly once, however the
//! client leaves: judged by the sockets, which this counts for itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use clavitor_commercial::tarpit::Totals;
use clavitor_core::time::Instant;

use super::{Held, Sight, broken};
use crate::event::{Fact, Scanned};

/// The bytes of an answer's body.
const BODY_BYTES: u8 = 30;

/// From one byte to the next, in milliseconds.
const APART_MS: u64 = 1_000;

/// Those that are due at about the same time go together: the first byte comes a second after the
/// head, and up to so much later, in milliseconds.
const TOGETHER_MS: u64 = 100;

/// What timers resolve, in milliseconds.
const SLACK_MS: u64 = 2;

/// What a clock that began to run otherwise in between may be off by, in milliseconds.
const DRIFT_MS: u64 = 30;

/// What each tarpit holds.
#[derive(Debug)]
pub(super) struct Pits {
    pits: Vec<Pit>,
}

#[derive(Debug, Default)]
struct Pit {
    asked: Option<(IpAddr, bool)>,
    held: BTreeMap<u32, Holding>,
    totals: Totals,
}

#[derive(Debug)]
struct Holding {
    client: IpAddr,
    sent: u8,
    /// When the next byte is due, by the server's clock.
    due: Instant,
    /// When the head or the newest byte was sent, in the world.
    since: Instant,
}

impl Pits {
    pub(super) fn new(pops: usize) -> Self {
        Self { pits: (0..pops).map(|_| Pit::default()).collect() }
    }

    /// How many connections a POP holds.
    pub(super) fn held(&self, pop: u8) -> usize {
        self.pits[usize::from(pop)].held.len()
    }

    pub(super) fn see(&mut self, fact: &Fact, sight: Sight<'_>) -> Held {
        match fact {
            Fact::Scanned { pop, id, what } => {
                self.pits[usize::from(*pop)].see(*pop, *id, *what, sight)
            }
            // Whatever a process held is closed with it.
            Fact::Started(pop) | Fact::Ended(pop) => {
                self.pits[usize::from(*pop)] = Pit::default();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What the machine counts is what the sockets show, and it sleeps where nothing is held.
    pub(super) fn check(&self, pop: u8, sight: Sight<'_>) -> Held {
        let server = sight.server(pop);
        let Some(pit) = server.process.as_ref().and_then(|process| process.pit.as_ref()) else {
            return Ok(());
        };
        let seen = &self.pits[usize::from(pop)];
        let (machine, pop) = (pit.machine(), server.pop);
        let counted = Totals { wasted_ms: 0, ..machine.totals() };
        let held = u32::try_from(seen.held.len()).unwrap_or(u32::MAX);
        let expected = Totals { held, ..seen.totals };
        if counted != expected {
            return broken(
                "P13",
                format!("{pop} counts {counted:?}; its sockets say {expected:?}"),
            );
        }
        if held == 0 && machine.next_wake().is_some() {
            return broken("P3", format!("{pop} wakes for a tarpit that holds nobody"));
        }
        Ok(())
    }
}

impl Pit {
    fn see(&mut self, pop: u8, id: u32, what: Scanned, sight: Sight<'_>) -> Held {
        let name = sight.server(pop).pop;
        match what {
            Scanned::Asked { address, is_welcome } => {
                self.asked = Some((client(address), is_welcome));
                Ok(())
            }
            Scanned::Prompt => match self.asked.take() {
                Some((_, true)) => Ok(()),
                _ => broken("P13", format!("{name} did not hold a scanner")),
            },
            Scanned::Held => self.held(pop, id, sight),
            Scanned::Dropped => self.dropped(pop, sight),
            Scanned::Byte => {
                self.totals.bytes += 1;
                match self.held.get_mut(&id) {
                    Some(holding) => holding.byte(pop, sight),
                    None => broken("P13", format!("{name} writes to whom it let go")),
                }
            }
            Scanned::Gone => {
                self.totals.bytes += 1;
                Ok(())
            }
            Scanned::Closed { sent_all } => match self.held.remove(&id) {
                Some(holding) if !sent_all || holding.sent == BODY_BYTES => Ok(()),
                Some(holding) => {
                    broken("P13", format!("{name} ended an answer of {} bytes", holding.sent))
                }
                None => broken("P13", format!("{name} lets somebody go twice")),
            },
        }
    }

    fn held(&mut self, pop: u8, id: u32, sight: Sight<'_>) -> Held {
        let (server, now) = (sight.server(pop), sight.around.now);
        let Some((client, false)) = self.asked.take() else {
            return broken("P13", format!("{} holds who is to be answered", server.pop));
        };
        if !self.has_room(client, sight) {
            let (held, cap) = (self.held.len(), sight.around.knobs.tarpit);
            let what = format!("{} holds one more, and held {held} of {cap} already", server.pop);
            return broken("P13", what);
        }
        self.totals.held_ever += 1;
        let due = together(server.clocks.monotonic(now).plus_ms(APART_MS));
        self.held.insert(id, Holding { client, sent: 0, due, since: now });
        Ok(())
    }

    fn dropped(&mut self, pop: u8, sight: Sight<'_>) -> Held {
        let server = sight.server(pop);
        let Some((client, false)) = self.asked.take() else {
            return broken("P13", format!("{} drops who is to be answered", server.pop));
        };
        self.totals.dropped += 1;
        let is_accepting = server.process.as_ref().is_some_and(|it| it.is_accepting);
        if is_accepting && self.has_room(client, sight) {
            let (held, cap) = (self.held.len(), sight.around.knobs.tarpit);
            let what = format!("{} drops a scanner, and holds {held} of {cap}", server.pop);
            return broken("P13", what);
        }
        Ok(())
    }

    fn has_room(&self, client: IpAddr, sight: Sight<'_>) -> bool {
        let knobs = &sight.around.knobs;
        let of_client = || self.held.values().filter(|it| it.client == client).count();
        self.held.len() < usize::from(knobs.tarpit)
            && (knobs.per_address == 0 || of_client() < usize::from(knobs.per_address))
    }
}

impl Holding {
    fn byte(&mut self, pop: u8, sight: Sight<'_>) -> Held {
        let server = sight.server(pop);
        let now = sight.around.now;
        let shown = server.clocks.monotonic(now);
        let stood_still = server.paused_until > self.since;
        // A timer may have been armed before the clock began to run otherwise.
        let has_drifted = now.ms_since(server.clocks.changed_at()) <= APART_MS + TOGETHER_MS;
        let slack_ms = if has_drifted { DRIFT_MS } else { SLACK_MS };
        let is_early = shown < self.due;
        let is_late = shown > self.due.plus_ms(slack_ms) && !stood_still;
        if is_early || is_late || self.sent >= BODY_BYTES {
            let (at, pop) = (self.sent, server.pop);
            let (after, before) = (shown.ms_since(self.due), self.due.ms_since(shown));
            let what = format!("{pop} sent byte {at} {after} ms late, or {before} ms early");
            return broken("P13", what);
        }
        let next = self.due.plus_ms(APART_MS);
        self.due = if next > shown { next } else { together(shown.plus_ms(APART_MS)) };
        (self.sent, self.since) = (self.sent + 1, now);
        Ok(())
    }
}

/// When those are due that are due from this moment on, and go together.
fn together(from: Instant) -> Instant {
    let apart = Instant::from_ms(TOGETHER_MS).0;
    Instant(from.0.div_ceil(apart) * apart)
}

/// Who counts as one client.
fn client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let mut octets = v6.octets();
                octets[8..].fill(0);
                IpAddr::V6(octets.into())
            }
        },
    }
}
