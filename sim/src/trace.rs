//! What is kept of a run: the digest of everything the machines were told and ordered, and, if
//! somebody wants to read or see it, what happened.

use std::fmt::{Debug, Write as _};

use clavitor_core::alert::AlertType;
use clavitor_core::codec;
use clavitor_core::id::Seq;
use clavitor_core::time::Instant;
use serde::Serialize;

use crate::digest::Digest;
use crate::event::{Answer, Delivery, Fact, Posted};
use crate::hq::{HQ, Note};
use crate::script::{Action, End, Fate, Request};
use crate::server::{Back, Server};

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    #[default]
    Off,
    /// The digest.
    Digest,
    /// Actions, frames, and what machines order.
    Short,
    /// Everything.
    Full,
}

/// The most lines that are kept; of more, the last ones are.
pub const LINES_MAX: usize = 200_000;

/// What is kept of a run.
///
/// Invariant: the digest is a function of the inputs and effects of the machines and their times
/// alone: what else is kept does not change it.
#[derive(Debug, Default)]
pub struct Trace {
    level: Level,
    digest: Digest,
    bytes: Vec<u8>,
    lines: Vec<String>,
    marks: Vec<Mark>,
    states: Vec<Option<(bool, bool, u64)>>,
}

/// Something to draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A frame from one POP to another: when it was sent, when it arrives, how it ends.
    Frame {
        /// When it was sent.
        at: Instant,
        /// When it arrives, would have arrived, or is lost.
        until: Instant,
        /// The sender.
        from: u8,
        /// The receiver.
        to: u8,
        /// Whether it arrives.
        arrives: bool,
        /// Whether it is an answer.
        is_answer: bool,
    },
    /// Something happened from outside.
    Action {
        /// When.
        at: Instant,
        /// What.
        action: Action,
    },
    /// How a POP was doing from then on.
    State {
        /// When.
        at: Instant,
        /// Which.
        pop: u8,
        /// Whether its process runs.
        runs: bool,
        /// Whether it takes writes.
        is_primary: bool,
        /// How many records it owes, to all peers together.
        dirty: u64,
    },
    /// A group of writes is on disk.
    Committed {
        /// When.
        at: Instant,
        /// Where.
        pop: u8,
    },
    /// A client asked.
    Asked {
        /// When.
        at: Instant,
        /// Whom.
        pop: u8,
        /// Which request it is.
        id: u32,
        /// For what.
        request: Request,
    },
    /// A client was answered.
    Answered {
        /// When.
        at: Instant,
        /// By whom.
        pop: u8,
        /// Which request it was.
        id: u32,
        /// What.
        answer: Answer,
    },
    /// A cursor moved: so much of what a POP sends is acked.
    Advanced {
        /// When.
        at: Instant,
        /// Whose.
        pop: u8,
        /// For which of its peers.
        peer: u8,
        /// To where.
        cursor: Seq,
    },
    /// HQ shows an alert.
    Shown {
        /// When.
        at: Instant,
        /// Whose.
        pop: u8,
        /// What it is about.
        alert_type: AlertType,
        /// How many alerts it stands for.
        count: u32,
    },
    /// Faults ended.
    Healed {
        /// When.
        at: Instant,
    },
}

impl Trace {
    /// Keeps so much.
    pub fn new(level: Level) -> Self {
        Self { level, ..Self::default() }
    }

    /// The digest so far.
    pub fn digest(&self) -> u128 {
        self.digest.value()
    }

    /// How much is kept.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What to draw.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Keeps a line, if anybody wants to read it.
    pub fn line(&mut self, level: Level, now: Instant, text: impl FnOnce() -> String) {
        if self.level >= level {
            let mut line = String::new();
            let (ms, us) = (now.0 / 1_000_000, now.0 / 1_000 % 1_000);
            let _ = write!(line, "{ms:>9}.{us:03} {}", text());
            if self.lines.len() >= LINES_MAX {
                self.lines.drain(..LINES_MAX / 2);
            }
            self.lines.push(line);
        }
    }

    /// Keeps something to draw.
    pub fn mark(&mut self, mark: impl FnOnce() -> Mark) {
        if self.level >= Level::Short {
            if self.marks.len() >= LINES_MAX {
                self.marks.drain(..LINES_MAX / 2);
            }
            self.marks.push(mark());
        }
    }

    pub(crate) fn input<I: Serialize + Debug>(&mut self, now: Instant, pop: u8, input: &I) {
        if self.level >= Level::Digest {
            self.digest.add(&now.0.to_le_bytes());
            self.digest.add(&[pop]);
            self.bytes.clear();
            codec::encode_into(input, &mut self.bytes);
            self.digest.add(&self.bytes);
            self.line(Level::Full, now, || format!("{} <- {input:?}", name(pop)));
        }
    }

    pub(crate) fn effects<E: Serialize + Debug>(&mut self, now: Instant, pop: u8, effects: &[E]) {
        if self.level >= Level::Digest {
            for effect in effects {
                self.bytes.clear();
                codec::encode_into(effect, &mut self.bytes);
                self.digest.add(&self.bytes);
                self.line(Level::Short, now, || format!("{} -> {effect:?}", name(pop)));
            }
        }
    }

    pub(crate) fn fact(&mut self, at: Instant, fact: &Fact) {
        match fact {
            Fact::Committed { pop, .. } => self.mark(|| Mark::Committed { at, pop: *pop }),
            Fact::Asked { id, pop, request } => {
                self.mark(|| Mark::Asked { at, pop: *pop, id: *id, request: *request });
            }
            Fact::Answered { id, pop, answer } => {
                self.mark(|| Mark::Answered { at, pop: *pop, id: *id, answer: answer.clone() });
            }
            Fact::Advanced { pop, peer, cursor, .. } => {
                let (pop, peer, cursor) = (*pop, *peer, *cursor);
                self.mark(|| Mark::Advanced { at, pop, peer, cursor });
            }
            Fact::AlertTaken { pop, item, is_new: true } => {
                let (pop, alert_type, count) = (*pop, item.alert.alert_type, item.count);
                self.mark(|| Mark::Shown { at, pop, alert_type, count });
            }
            Fact::Healed => self.mark(|| Mark::Healed { at }),
            _ => {}
        }
        self.fact_line(at, fact);
    }

    fn fact_line(&mut self, now: Instant, fact: &Fact) {
        // Frames and orders have lines of their own.
        match fact {
            Fact::Took { pop, frame, changed, verdicts, .. } => self.line(Level::Short, now, || {
                let (range, records) = (frame.range, verdicts.len());
                let (pop, source) = (name(*pop), frame.source.pop);
                let (after, to) = (range.after, range.to);
                format!("{pop} took ({after}, {to}] of {source}: {records} records, {changed} changed")
            }),
            Fact::Sent { .. } | Fact::Advanced { .. } | Fact::Adopted { .. } => {}
            Fact::Committed { pop, keys, wrote } => self.line(Level::Short, now, || {
                let wrote: Vec<String> =
                    wrote.iter().map(|it| format!("{:?} {}", it.key, it.hlc)).collect();
                format!("{} committed {} rows {wrote:?}", name(*pop), keys.len())
            }),
            fact => self.line(Level::Short, now, || format!("-- {fact:?}")),
        }
    }

    /// Takes note of how every POP is doing, where that has changed.
    pub(crate) fn states(&mut self, now: Instant, servers: &[Server]) {
        self.states.resize(servers.len(), None);
        for server in servers {
            let (runs, is_primary) = (server.process.is_some(), server.is_primary());
            let state = (runs, is_primary, server.dirty());
            let known = &mut self.states[usize::from(server.index)];
            if known.replace(state) != Some(state) {
                let (pop, dirty) = (server.index, state.2);
                self.mark(|| Mark::State { at: now, pop, runs, is_primary, dirty });
            }
        }
    }

    pub(crate) fn sent(&mut self, now: Instant, delivery: &Delivery, fate: Fate, is_cut: bool) {
        let arrives = !is_cut && !matches!(fate.end, End::Lost | End::Reset);
        let (from, to) = (delivery.from, delivery.to);
        self.line(Level::Short, now, || {
            let end = if is_cut { "cut off".to_owned() } else { format!("{:?}", fate.end) };
            let op = delivery.op.0 & 0xFFFF_FFFF;
            let bytes = delivery.bytes.len();
            format!("{} => {} frame {op}, {bytes} bytes: {end}", name(from), name(to))
        });
        let until = Instant(now.0 + u64::from(fate.there_us) * 1_000);
        self.mark(|| Mark::Frame { at: now, until, from, to, arrives, is_answer: false });
    }

    pub(crate) fn noted(&mut self, now: Instant, note: &Note, fate: Fate) {
        self.line(Level::Short, now, || {
            let what = note.alert.as_ref().map_or("a report".to_owned(), |item| {
                format!("{} of {} times {}", item.number, item.count, item.alert.alert_type)
            });
            format!("{} => HQ {what}: {:?}", name(note.from), fate.end)
        });
    }

    pub(crate) fn answered(
        &mut self,
        now: Instant,
        from: u8,
        back: &Back,
        posted: &Posted,
        is_cut: bool,
    ) {
        let arrives = !(is_cut || back.is_lost || back.attack.is_some());
        self.line(Level::Short, now, || {
            let what = match posted {
                Posted::Ack(bytes) => format!("ack, {} bytes", bytes.len()),
                Posted::Refused(refusal) => refusal.code().to_owned(),
                Posted::Unreachable => "unreachable".to_owned(),
            };
            let (op, end) = (back.op.0 & 0xFFFF_FFFF, if arrives { "" } else { ", lost" });
            format!("{} => {} answer to {op}: {what}{end}", name(from), name(back.to))
        });
        let (until, to) = (Instant(now.0 + u64::from(back.us) * 1_000), back.to);
        self.mark(|| Mark::Frame { at: now, until, from, to, arrives, is_answer: true });
    }
}

/// What a POP, or HQ, is called in traces.
pub fn name(pop: u8) -> String {
    if pop == HQ {
        return "HQ".to_owned();
    }
    char::from(b'a'.saturating_add(pop)).to_string()
}
