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

/// Those that are due at about the same time may go together: so much later than the head and a
/// second may the first byte be, in milliseconds.
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
    /// When the head or the newest byte was sent: in the world, and by the server's clock.
    last: (Instant, Instant),
    was_late: bool,
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
        let last = (now, server.clocks.monotonic(now));
        self.held.insert(id, Holding { client, sent: 0, last, was_late: false });
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
        let ns = shown.0.saturating_sub(self.last.1.0);
        let stood_still = server.paused_until > self.last.0;
        let drift_ms = if server.clocks.changed_at() >= self.last.0 { DRIFT_MS } else { 0 };
        let slack_ms = SLACK_MS + drift_ms;
        let (least_ms, most_ms) = match self.sent {
            0 => (APART_MS, APART_MS + TOGETHER_MS + slack_ms),
            _ if self.was_late => (0, APART_MS + TOGETHER_MS + slack_ms),
            _ => (APART_MS - slack_ms, APART_MS + slack_ms),
        };
        let is_early = ns < Instant::from_ms(least_ms).0 || ns == 0;
        let is_late = ns > Instant::from_ms(most_ms).0;
        let at = self.sent;
        (self.sent, self.last, self.was_late) = (at + 1, (now, shown), stood_still || drift_ms > 0);
        if is_early || (is_late && !stood_still) || at >= BODY_BYTES {
            let (ms, pop) = (ns / 1_000_000, server.pop);
            return broken("P13", format!("{pop} sent byte {at} {ms} ms after the one before it"));
        }
        Ok(())
    }
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
