//! The lease machine under whatever may happen to it.

use std::collections::BTreeSet;

use clavitor_commercial::lease::{
    Draft, Effect, Fencing, Input, Lease, NotSwitched, Renewed, Start, Vote,
};
use clavitor_commercial::renewal::{Answer, Grant, LEASE_MS, LEASE_MS_MAX, with_margin};
use clavitor_core::codec;
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_core::time::Instant;

use crate::reader::Reader;
use crate::values;

const STEPS_MAX: usize = 512;

/// What one input may bring about: a round of votes that takes another one's place, and a few orders.
const EFFECTS_MAX: usize = 48;

/// What was ordered last of each kind: most answers are to that.
#[derive(Default)]
pub(crate) struct Orders {
    renewal: Option<(OpId, Draft)>,
    watch: Option<OpId>,
    ask: Option<(OpId, u64)>,
    accept: Option<(OpId, Epoch)>,
    close: Option<OpId>,
    challenge: u64,
}

impl Orders {
    pub(crate) fn note(&mut self, effect: &Effect) {
        match effect {
            Effect::Renew { op, draft } => self.renewal = Some((*op, draft.clone())),
            Effect::Watch { op } => self.watch = Some(*op),
            Effect::AskVote { op, challenge, .. } => self.ask = Some((*op, *challenge)),
            Effect::Accept { op, epoch, .. } => self.accept = Some((*op, *epoch)),
            Effect::CloseWrites { op, .. } => self.close = Some(*op),
            Effect::AnswerVote { vote, .. } => self.challenge = vote.challenge,
            _ => {}
        }
    }

    /// A fact, a likely one or a lie.
    pub(crate) fn draw(&self, reader: &mut Reader<'_>) -> Input {
        let any = |reader: &mut Reader<'_>| OpId(reader.number());
        match reader.byte() % 16 {
            0 => Input::Started,
            1 => Input::BecameReady,
            2 => Input::PeerKnown { peer: reader.byte() % 20, pop: values::pop(reader) },
            3..=6 => {
                let known = self.renewal.as_ref().map(|(op, _)| *op);
                let op = known.filter(|_| reader.mostly(8)).unwrap_or_else(|| any(reader));
                Input::Renewed { op, outcome: self.outcome(reader) }
            }
            7 => {
                let op = self.watch.filter(|_| reader.mostly(8)).unwrap_or_else(|| any(reader));
                Input::WatchEnded { op, is_news: reader.flag() }
            }
            8 => {
                let known = self.accept.filter(|_| reader.mostly(8));
                let (op, epoch) = known.unwrap_or_else(|| (any(reader), epoch(reader)));
                Input::Accepted { op, epoch: reader.mostly(4).then_some(epoch) }
            }
            9 | 10 => self.asked(reader),
            11 | 12 => {
                let known = self.ask.filter(|_| reader.mostly(8));
                let (op, challenge) = known.unwrap_or_else(|| (any(reader), 0));
                let is_given = reader.mostly(3);
                let challenge = challenge.wrapping_add(reader.number());
                let vote = Vote { is_given, challenge, epoch: values::epoch(reader) };
                Input::VoteAnswered { op, vote: reader.mostly(8).then_some(vote) }
            }
            13 => {
                let op = self.close.filter(|_| reader.mostly(8)).unwrap_or_else(|| any(reader));
                Input::WritesClosed { op, last: values::seq(reader) }
            }
            14 => Input::TargetSeen { behind: reader.mostly(8).then(|| reader.number()) },
            _ => match reader.byte() % 8 {
                0 => Input::Closing,
                1 => Input::Flushed,
                2 | 3 => Input::EpochStored(epoch(reader)),
                _ => {
                    let to = reader.flag().then(|| values::pop(reader));
                    Input::SwitchoverAsked { op: any(reader), to }
                }
            },
        }
    }

    fn asked(&self, reader: &mut Reader<'_>) -> Input {
        let op = OpId(reader.number());
        let epoch = epoch(reader);
        let from = if reader.mostly(8) { epoch.primary } else { values::pop(reader) };
        let lease_ms = if reader.mostly(4) { LEASE_MS } else { reader.number() };
        let challenge = if reader.mostly(4) { self.challenge } else { reader.number() };
        Input::VoteAsked { op, from, epoch, lease_ms, challenge }
    }

    fn outcome(&self, reader: &mut Reader<'_>) -> Renewed {
        let known = self.renewal.as_ref().and_then(|(_, draft)| draft.epoch);
        let known = known.filter(|_| reader.mostly(4));
        let epoch = known.unwrap_or_else(|| epoch(reader));
        Renewed::Answered(match reader.byte() % 8 {
            0 => return Renewed::Denied,
            1 => return Renewed::Unanswered,
            2 => Answer::Follow { epoch: reader.flag().then_some(epoch) },
            3 | 4 => {
                let number = epoch.number.saturating_add(1);
                let primary = if reader.mostly(4) { own() } else { values::pop(reader) };
                Answer::Promote { epoch: Epoch { number, primary }, floor_ms: reader.number() }
            }
            5 if !reader.mostly(4) => Answer::Duplicate,
            _ => {
                let mut members = reader.list(20, values::pop);
                members.extend(reader.mostly(8).then(own));
                let lease_ms = if reader.mostly(4) { LEASE_MS } else { reader.number() };
                let version = u64::from(reader.byte() % 4);
                let grant = Grant { epoch, version, members, lease_ms };
                Answer::Lead { grant, hand_over_to: reader.flag().then(|| values::pop(reader)) }
            }
        })
    }
}

fn own() -> PopId {
    "a".parse().expect("the id of a POP")
}

fn epoch(reader: &mut Reader<'_>) -> Epoch {
    Epoch { number: reader.number(), primary: values::pop(reader) }
}

/// The machine, and what its driver knows.
struct Driver {
    lease: Lease,
    has_hq: bool,
    now: Instant,
    orders: Orders,
    sent: Option<(OpId, Instant)>,
    accepting: Option<OpId>,
    bound_until: Instant,
    allowed_until: Instant,
    used: BTreeSet<u64>,
    asked: BTreeSet<OpId>,
}

/// Starts a machine and tells it facts drawn from the bytes: it never votes and takes over at once,
/// holds no lease for longer than it was given one, gives one vote for a challenge, answers each
/// question once, never asks for a moment that has passed, and is the same when it is read back from
/// its checkpoint.
pub fn lease_machine(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let has_hq = reader.mostly(16);
    let fencing = if reader.mostly(8) { Fencing::Lease } else { Fencing::Merge };
    let start = Start { has_hq, fencing, seed: reader.number(), ..Start::without_hq(own()) };
    let mut driver = Driver {
        lease: Lease::new(start, values::epoch(&mut reader)),
        has_hq,
        now: Instant::from_ms(u64::from(reader.u32())),
        orders: Orders::default(),
        sent: None,
        accepting: None,
        bound_until: Instant(0),
        allowed_until: Instant(0),
        used: BTreeSet::new(),
        asked: BTreeSet::new(),
    };
    for _ in 0..STEPS_MAX {
        if reader.is_empty() {
            break;
        }
        let input = driver.draw(&mut reader);
        driver.handle(input);
    }
    let checkpoint = codec::encode(&driver.lease);
    assert_eq!(codec::decode::<Lease>(&checkpoint).as_ref(), Ok(&driver.lease));
}

impl Driver {
    fn draw(&mut self, reader: &mut Reader<'_>) -> Input {
        match reader.byte() % 4 {
            0 => {
                self.now = self.now.plus_ms(u64::from(reader.u16()));
                Input::Tick
            }
            1 => {
                let wake = self.lease.next_wake().map(|(at, _)| at);
                self.now = self.now.max(wake.unwrap_or(self.now));
                Input::Tick
            }
            _ => self.orders.draw(reader),
        }
    }

    fn handle(&mut self, input: Input) {
        self.note(&input);
        let mut out = Vec::new();
        self.lease.handle(self.now, input.clone(), &mut out);
        assert!(out.len() <= EFFECTS_MAX, "{} effects of {input:?}", out.len());
        let votes = out.iter().filter(|effect| matches!(effect, Effect::AnswerVote { .. }));
        assert_eq!(votes.count(), usize::from(matches!(input, Input::VoteAsked { .. })));
        for effect in out {
            self.orders.note(&effect);
            self.check(&input, effect);
        }
        let wake = self.lease.next_wake();
        assert!(self.has_hq || wake.is_none(), "without HQ it never wakes");
        let is_due = wake.is_some_and(|(at, _)| at <= self.now);
        assert!(!is_due || input != Input::Tick, "{wake:?} is due");
    }

    fn note(&mut self, input: &Input) {
        match input {
            Input::Renewed { op, outcome } => {
                let sent = self.sent.take_if(|(sent, _)| sent == op);
                if let (Some((_, at)), Renewed::Answered(Answer::Lead { grant, .. })) =
                    (sent, outcome)
                {
                    let until = at.plus_ms(grant.lease_ms.min(LEASE_MS_MAX));
                    self.allowed_until = self.allowed_until.max(until);
                }
            }
            Input::Accepted { op, .. } => {
                self.accepting.take_if(|accepting| accepting == op);
            }
            Input::SwitchoverAsked { op, .. } => {
                self.asked.insert(*op);
            }
            _ => {}
        }
    }

    fn check(&mut self, input: &Input, effect: Effect) {
        match effect {
            Effect::HoldLease { until } if until < Instant(u64::MAX) => {
                let carried_until = self.now.plus_ms(LEASE_MS);
                assert!(until <= self.allowed_until.max(carried_until), "nobody gave so much");
            }
            Effect::AnswerVote { vote: Vote { is_given: true, .. }, .. } => {
                let Input::VoteAsked { lease_ms, challenge, .. } = *input else { return };
                assert_eq!(self.accepting, None, "it is taking over");
                assert!(self.used.insert(challenge), "a challenge is good for one vote");
                self.bound_until = self.bound_until.max(self.now.plus_ms(with_margin(lease_ms)));
            }
            Effect::Accept { op, .. } => {
                assert!(self.now >= self.bound_until, "its vote carries somebody");
                assert_eq!(self.accepting.replace(op), None, "one at a time");
            }
            Effect::Renew { op, .. } => self.sent = Some((op, self.now)),
            Effect::Adopt(newer) => assert_ne!(newer.primary, own(), "HQ has to ask"),
            Effect::AnswerSwitchover { op, outcome } => {
                assert!(self.asked.contains(&op), "nobody asked");
                assert!(self.has_hq || outcome == Err(NotSwitched::NoHq));
            }
            _ => {}
        }
    }
}
