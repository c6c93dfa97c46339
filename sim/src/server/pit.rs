//! The tarpit of a running server: its machine, and a model of the sockets that it holds. What
//! scanners cause goes past the mailbox.

use std::collections::BTreeMap;

use clavitor_commercial::tarpit::{self, Effect, Held, Input, Limits, Tarpit};
use clavitor_core::time::Instant;

use super::{Process, Server};
use crate::around::Around;
use crate::canary::Canary;
use crate::event::{Event, Fact, Scanned, ToProcess};
use crate::scanners::{Leaves, Scanner};

/// What a timer of a runtime resolves, in nanoseconds.
const TIMER_NS: u64 = 1_000_000;

/// The tarpit of one process.
///
/// Invariant: a socket is in the table from the order to hold it until it is closed.
#[derive(Debug)]
pub struct Pit {
    machine: Tarpit,
    sockets: BTreeMap<Held, Socket>,
    armed: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Socket {
    /// Names the connection in this world.
    id: u32,
    /// From when on nothing can be written any more.
    reset_at: Option<Instant>,
}

impl Pit {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self { machine: Tarpit::new(limits), sockets: BTreeMap::new(), armed: None }
    }

    /// The machine.
    pub fn machine(&self) -> &Tarpit {
        &self.machine
    }

    /// How many connections are held.
    pub fn held(&self) -> usize {
        self.sockets.len()
    }

    fn handle(&mut self, at: (u8, Instant), input: Input, around: &mut Around) -> Vec<Effect> {
        let mut effects = Vec::new();
        around.trace.input(around.now, at.0, &input);
        self.machine.handle(at.1, input, &mut effects);
        around.trace.effects(around.now, at.0, &effects);
        effects
    }
}

impl Server {
    /// A client asks for what is not there, or for what looks like it.
    pub fn on_scan(&mut self, scanner: &Scanner, around: &mut Around) {
        let pop = self.index;
        let (now, monotonic) = (around.now, self.clocks.monotonic(around.now));
        let Some(pit) = self.process.as_mut().and_then(|process| process.pit.as_mut()) else {
            return;
        };
        around.counts.scanners += 1;
        let id = around.next_connection();
        let mut tell = |what| around.facts.push(Fact::Scanned { pop, id, what });
        let (address, is_welcome) = (scanner.address, scanner.is_welcome);
        tell(Scanned::Asked { address, is_welcome });
        let segments: Vec<Option<&str>> = scanner.path.iter().copied().map(Some).collect();
        if scanner.has_token || tarpit::is_exempt(&segments) {
            return tell(Scanned::Prompt);
        }
        let is_early = around.bugs.is(Canary::CapAfterHolding);
        if is_early {
            around.facts.push(Fact::Scanned { pop, id, what: Scanned::Held });
        }
        let effects = pit.handle((pop, monotonic), Input::Arrived { address }, around);
        let mut tell = |what| around.facts.push(Fact::Scanned { pop, id, what });
        let [effect] = effects.as_slice() else { unreachable!("who arrives is answered once") };
        let Effect::Hold { held } = *effect else {
            let what =
                if is_early { Scanned::Closed { sent_all: false } } else { Scanned::Dropped };
            return tell(what);
        };
        if !is_early {
            tell(Scanned::Held);
        }
        let reset_at = match scanner.leaves {
            Leaves::Resets(ms) => Some(now.plus_ms(ms)),
            _ => None,
        };
        pit.sockets.insert(held, Socket { id, reset_at });
        let life = self.life;
        if let Leaves::Resets(ms) | Leaves::HalfCloses(ms) = scanner.leaves {
            let is_half = matches!(scanner.leaves, Leaves::HalfCloses(_));
            let ms = ms + scanner.late_ms;
            around.later(ms, pop, life, ToProcess::Left { held, is_half });
            if scanner.is_told_twice {
                // Both the socket and what was written to it may tell.
                around.later(ms * 3 / 2 + 1, pop, life, ToProcess::Left { held, is_half });
            }
        }
        self.arm_pit(around);
    }

    /// The carrier hears that a client has left.
    pub fn on_left(&mut self, held: Held, is_half: bool, around: &mut Around) {
        let (pop, monotonic) = (self.index, self.clocks.monotonic(around.now));
        let Some(pit) = self.pit() else { return };
        close(pit, pop, held, false, around);
        let mut held = held;
        if is_half && around.bugs.is(Canary::SlotLeakedOnHalfClose) {
            return;
        }
        if around.bugs.is(Canary::SlotReturnedTwice)
            && let Some((other, _)) = pit.sockets.iter().find(|(it, _)| it.slot == held.slot)
        {
            held = *other;
        }
        pit.handle((pop, monotonic), Input::Left { held }, around);
        self.arm_pit(around);
    }

    /// The tarpit's timer fired; answers whether it was due.
    pub fn on_pit_wake(&mut self, now: Instant) -> bool {
        let monotonic = self.clocks.monotonic(now);
        let Some(pit) = self.pit() else { return false };
        pit.armed = None;
        pit.machine.next_wake().is_some_and(|at| at <= monotonic)
    }

    /// Bytes are due.
    pub fn on_pit_tick(&mut self, around: &mut Around) {
        let (pop, monotonic) = (self.index, self.clocks.monotonic(around.now));
        let Some(pit) = self.pit() else { return };
        for effect in pit.handle((pop, monotonic), Input::Tick, around) {
            let (held, is_last) = match effect {
                Effect::Drip { held, .. } => (held, false),
                Effect::Finish { held } => (held, true),
                Effect::Hold { .. } | Effect::Drop | Effect::Cut => continue,
            };
            let Some(socket) = pit.sockets.get(&held).copied() else { continue };
            if socket.reset_at.is_some_and(|at| at <= around.now) {
                around.facts.push(Fact::Scanned { pop, id: socket.id, what: Scanned::Gone });
                close(pit, pop, held, false, around);
                pit.handle((pop, monotonic), Input::Left { held }, around);
                continue;
            }
            around.facts.push(Fact::Scanned { pop, id: socket.id, what: Scanned::Byte });
            if is_last {
                close(pit, pop, held, true, around);
            }
        }
        self.arm_pit(around);
    }

    /// The server goes away.
    pub(super) fn stop_pit(&self, process: &mut Process, around: &mut Around) {
        let (pop, monotonic) = (self.index, self.clocks.monotonic(around.now));
        let Some(pit) = &mut process.pit else { return };
        if around.bugs.is(Canary::TarpitNotCut) {
            return;
        }
        for effect in pit.handle((pop, monotonic), Input::Stopped, around) {
            if effect == Effect::Cut {
                let all: Vec<Held> = pit.sockets.keys().copied().collect();
                all.into_iter().for_each(|held| close(pit, pop, held, false, around));
            }
        }
    }

    /// Arms the tarpit's timer for when it wants to look.
    pub fn arm_pit(&mut self, around: &mut Around) {
        let (pop, life) = (self.index, self.life);
        let Some(pit) = self.process.as_mut().and_then(|process| process.pit.as_mut()) else {
            return;
        };
        let Some(at) = pit.machine.next_wake() else { return };
        let at = Instant(self.clocks.when(at).0.saturating_add(TIMER_NS)).max(around.now);
        if pit.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        pit.armed = Some(at);
        around.queue.push(at, Event::ToProcess { pop, life, event: ToProcess::PitWake });
    }

    fn pit(&mut self) -> Option<&mut Pit> {
        self.process.as_mut()?.pit.as_mut()
    }
}

fn close(pit: &mut Pit, pop: u8, held: Held, sent_all: bool, around: &mut Around) {
    if let Some(socket) = pit.sockets.remove(&held) {
        let what = Scanned::Closed { sent_all };
        around.facts.push(Fact::Scanned { pop, id: socket.id, what });
    }
}
