//! Where planted bugs sit: between the world and the machines.

use std::collections::{BTreeMap, BTreeSet};

use clavitor_commercial::alerts::Item;
use clavitor_commercial::frame::RECORDS_MAX;
use clavitor_commercial::lease::{self, Vote};
use clavitor_commercial::pop::{Effect, Input};
use clavitor_commercial::renewal;
use clavitor_commercial::replication::{self, State};
use clavitor_commercial::vote::Ask;
use clavitor_commercial::waiters::Release;
use clavitor_core::alert::AlertType;
use clavitor_core::hlc::{Clock, Floor};
use clavitor_core::id::{Epoch, OpId, PopId, Seq};
use clavitor_core::pop as community;
use clavitor_core::telemetry;
use clavitor_core::time::Instant;

use crate::canary::Canary;
use crate::hq::Note;
use crate::server::Process;

/// The planted bug of a run, and what it remembers.
#[derive(Debug, Default)]
pub struct Bugs {
    canary: Option<Canary>,
    /// Frames of data under way.
    flights: BTreeSet<(u8, OpId)>,
    /// Clients that wait for a backup, and the newest number when they began to.
    waiters: Vec<(u8, OpId, Seq)>,
    /// The newest number of each.
    newest: BTreeMap<u8, Seq>,
    /// Where the order ended that the last frame carried out.
    upto: Seq,
    /// Who is on its way out.
    leaving: BTreeSet<u8>,
    /// Who waits for an answer of HQ.
    asking: BTreeSet<u8>,
    /// How often something was sent to HQ, and what under each key.
    notes: u32,
    offers: BTreeMap<[u8; 16], u32>,
    /// When processes stood still.
    pauses: Vec<(u8, Instant, Instant)>,
}

impl Bugs {
    /// A run with this bug, or none.
    pub fn new(canary: Option<Canary>) -> Self {
        Self { canary, ..Self::default() }
    }

    /// Whether this bug is planted.
    pub fn is(&self, canary: Canary) -> bool {
        self.canary == Some(canary)
    }

    /// What a machine is told in place of an input, if anything.
    pub fn spoil_input(&mut self, pop: u8, input: Input) -> Option<Input> {
        if self.canary.is_none() {
            return Some(input);
        }
        match &input {
            Input::Started => {
                self.flights.retain(|(of, _)| *of != pop);
                self.waiters.retain(|(of, ..)| *of != pop);
                self.asking.remove(&pop);
                self.leaving.remove(&pop);
                let is_silent = self.is(Canary::NoStartupDrain);
                Some(if is_silent { Input::Lease(lease::Input::Started) } else { input })
            }
            Input::Committed { last, waiters, .. } => {
                self.newest.insert(pop, *last);
                self.waiters.extend(waiters.iter().map(|waiter| (pop, waiter.op, *last)));
                let is_marked = self.flights.iter().any(|(of, _)| *of == pop);
                let is_lost = self.is(Canary::BooleanDirtyFlag) && is_marked;
                (!is_lost).then_some(input)
            }
            Input::FrameBuilt { peer, op, to, records, bytes } => {
                if *records == 0 {
                    self.flights.remove(&(pop, *op));
                }
                let is_full = usize::try_from(*records).is_ok_and(|it| it >= RECORDS_MAX);
                let to = if is_full && self.is(Canary::BatchThenSleep) { self.upto } else { *to };
                let (peer, op, records, bytes) = (*peer, *op, *records, *bytes);
                Some(Input::FrameBuilt { peer, op, to, records, bytes })
            }
            Input::Community(community::Input::ShutdownRequested)
                if self.is(Canary::AlertsLeftBehind) =>
            {
                self.leaving.insert(pop);
                Some(input)
            }
            Input::AlertPosted { .. } => {
                self.asking.remove(&pop);
                Some(input)
            }
            Input::FrameAnswered(report) => {
                self.flights.remove(&(pop, report.op));
                Some(input)
            }
            _ => Some(input),
        }
    }

    /// Changes what a machine orders.
    pub fn spoil_effects(&mut self, pop: u8, effects: &mut Vec<Effect>) {
        if self.canary.is_none() {
            return;
        }
        let is_lost =
            |effect: &Effect| matches!(effect, Effect::Community(community::Effect::Exit));
        let is_kept = self.is(Canary::ShutdownWaitsForHq) && self.asking.contains(&pop);
        let has_no_end = self.is(Canary::LostExit) || is_kept;
        effects.retain(|effect| !(has_no_end && is_lost(effect)));
        effects.iter_mut().for_each(|effect| self.spoil_effect(pop, effect));
        if self.is(Canary::NoVotesAsked) {
            effects.retain(|it| !matches!(it, Effect::Lease(lease::Effect::AskVote { .. })));
        }
        let mut more = Vec::new();
        for effect in effects.iter() {
            self.spoil_alerts(pop, effect, &mut more);
            let Effect::Peer { peer, effect } = effect else { continue };
            match effect {
                replication::Effect::SendFrame(order) if !order.is_hello => {
                    self.flights.insert((pop, order.op));
                    self.upto = order.upto;
                    if self.is(Canary::CursorBeforeAck) {
                        let (op, cursor) = (order.op, order.upto);
                        let setbacks = Vec::new();
                        let effect = replication::Effect::AdvanceCursor { op, cursor, setbacks };
                        more.push(Effect::Peer { peer: *peer, effect });
                    }
                }
                replication::Effect::CancelFrame { op } => {
                    self.flights.remove(&(pop, *op));
                }
                replication::Effect::AdvanceCursor { cursor, .. }
                    if self.is(Canary::WaiterByCursor) =>
                {
                    let is_due = |waiter: &(u8, OpId, Seq)| waiter.0 == pop && waiter.2 <= *cursor;
                    let due = self.waiters.iter().filter(|waiter| is_due(waiter));
                    let release = |op| Effect::Release(Release { op, is_on_backup: true });
                    more.extend(due.map(|waiter| release(waiter.1)));
                    self.waiters.retain(|waiter| !is_due(waiter));
                }
                _ => {}
            }
        }
        effects.extend(more);
    }

    /// Orders more about alerts and reports than the machine did.
    fn spoil_alerts(&mut self, pop: u8, effect: &Effect, more: &mut Vec<Effect>) {
        // No order of the machine is called so.
        let op = OpId(u64::MAX);
        match (self.canary, effect) {
            (Some(Canary::AlertBeforeStored), Effect::KeepAlerts { put, .. }) => {
                let first = put.first().cloned();
                more.extend(first.map(|item| Effect::PostAlert { op, item }));
            }
            (Some(Canary::AlertForgottenEarly), Effect::PostAlert { item, .. }) => {
                let (put, remove) = (Vec::new(), vec![item.number]);
                more.push(Effect::KeepAlerts { op, put, remove });
            }
            (Some(Canary::ShutdownWaitsForHq), Effect::PostAlert { .. }) => {
                self.asking.insert(pop);
            }
            (
                Some(Canary::ReportAfterSignal),
                Effect::Community(community::Effect::StopAccepting),
            ) => more.push(report(op)),
            (
                Some(Canary::ReportRepeated),
                Effect::Community(community::Effect::Telemetry(telemetry::Effect::Cancel {
                    ..
                })),
            ) => more.push(report(op)),
            _ => {}
        }
    }

    fn spoil_effect(&self, pop: u8, effect: &mut Effect) {
        match effect {
            Effect::KeepAlerts { put, .. } if self.leaving.contains(&pop) => put.clear(),
            Effect::KeepAlerts { put, .. } if self.is(Canary::StormInFull) => {
                let many: Vec<Item> = put.iter().flat_map(each).collect();
                put.extend(many);
            }
            Effect::Release(release) if self.is(Canary::BackupByTimeout) => {
                release.is_on_backup = true;
            }
            Effect::Peer { effect: replication::Effect::AdvanceCursor { cursor, .. }, .. }
                if self.is(Canary::CursorToNewest) =>
            {
                *cursor = self.newest.get(&pop).copied().unwrap_or_default().max(*cursor);
            }
            _ => {}
        }
    }

    /// Changes what reaches HQ.
    pub fn spoil_note(&mut self, note: &mut Note) {
        let Some(item) = &mut note.alert else { return };
        match self.canary {
            Some(Canary::KeyDrawnAnew) => {
                self.notes += 1;
                item.key[..4].copy_from_slice(&self.notes.to_be_bytes());
            }
            Some(Canary::OfferChanged) => {
                let sent = self.offers.entry(item.key).or_default();
                item.count += *sent;
                *sent += 1;
            }
            // It arrives, and says that nothing was lost.
            Some(Canary::LossUnreported) if item.alert.alert_type == AlertType::AlertsLost => {
                item.count = 0;
            }
            _ => {}
        }
    }

    /// Lets a clock forget what it has issued and seen.
    pub fn spoil_clock(&mut self, clock: &mut Clock, pop: PopId) {
        if self.is(Canary::WallClockTimestamp) {
            *clock = Clock::new(pop, Floor::default());
        }
    }

    /// A process stands still.
    pub fn note_pause(&mut self, pop: u8, from: Instant, until: Instant) {
        if self.is(Canary::SuspendNotCounted) {
            self.pauses.push((pop, from, until));
        }
    }

    /// Until when a POP goes by a lease that was told at `told`; times of the world.
    pub fn spoil_right(&self, pop: u8, told: Instant, until: Instant, now: Instant) -> Instant {
        match self.canary {
            Some(Canary::NoStepDown) if until > Instant(0) => Instant(u64::MAX),
            Some(Canary::SuspendNotCounted) if until > Instant(0) => {
                let of_it = self.pauses.iter().filter(|pause| pause.0 == pop);
                let slept = |(_, from, to): &(u8, Instant, Instant)| {
                    (*to).min(now).0.saturating_sub((*from).max(told).0)
                };
                Instant(until.0.saturating_add(of_it.map(slept).sum()))
            }
            _ => until,
        }
    }

    /// What a question for a vote is answered, without anybody who remembers it.
    pub fn spoil_question(&self, ask: &Ask, epoch: Option<Epoch>) -> Option<Vote> {
        let challenge = ask.challenge;
        self.is(Canary::VoteAndPromotion).then_some(Vote { is_given: true, challenge, epoch })
    }

    /// Changes what HQ answers to a renewal.
    pub fn spoil_answer(&self, answer: &mut renewal::Answer) {
        match answer {
            renewal::Answer::Lead { grant, .. } if self.is(Canary::NonMemberPromoted) => {
                let others = grant.members.iter().filter(|it| **it != grant.epoch.primary);
                let left_out = others.max().copied();
                grant.members.retain(|member| Some(*member) != left_out);
            }
            renewal::Answer::Promote { .. } if self.is(Canary::NobodyPromoted) => {
                *answer = renewal::Answer::Follow { epoch: None };
            }
            _ => {}
        }
    }

    /// Whether HQ takes a start for its first.
    pub fn spoil_first(&self, is_first: bool) -> bool {
        is_first || self.is(Canary::HqDecidesAtOnce)
    }

    /// By how many parts in a million HQ's clock goes wrong.
    pub fn spoil_hq_rate(&self, ppm: i32) -> i32 {
        // As long as the lease with its margin, by this clock, is the lease by a right one.
        if self.is(Canary::NoMargin) { ppm + 62_000 } else { ppm }
    }

    /// Whether a process does not hear its timer.
    pub fn is_deaf(&self, process: &Process) -> bool {
        match self.canary {
            Some(Canary::EndlessGrace) => !process.is_accepting,
            Some(Canary::SuspendedForEver) => {
                process.views.iter().any(|view| view.state == State::Suspended)
            }
            _ => false,
        }
    }
}

/// The alerts that an item stands for, but one, each by itself.
fn each(item: &Item) -> impl Iterator<Item = Item> {
    (1..item.count).map(|nth| {
        let mut one = Item { count: 1, number: item.number | u64::from(nth) << 32, ..item.clone() };
        one.key[..4].copy_from_slice(&nth.to_be_bytes());
        one
    })
}

fn report(op: OpId) -> Effect {
    Effect::Community(community::Effect::Telemetry(telemetry::Effect::Send { op }))
}
