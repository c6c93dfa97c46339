//! Facts in, effects out: the loop of a server's driver, without sleeping.

use std::collections::VecDeque;

use clavitor_commercial::pop::Input;
use clavitor_commercial::replication::{State, View};
use clavitor_core::pop as community;
use clavitor_core::store::Notice;
use clavitor_core::time::Instant;

use super::{Process, Server};
use crate::around::Around;
use crate::bugs::Bugs;
use crate::event::{Fact, ToProcess};

/// What a timer of a runtime resolves, in nanoseconds.
const TIMER_NS: u64 = 1_000_000;

/// More inputs than this in one go is a hot loop.
const INPUTS_MAX: u32 = 10_000;

impl Server {
    /// Lets the machine take note of everything it was told, and arms its timer.
    ///
    /// # Panics
    /// If the machine keeps itself busy for ever.
    pub fn drive(&mut self, around: &mut Around) {
        let mut inputs = 0;
        while let Some(mut process) = self.process.take() {
            let mut facts = self.take_facts(&mut process, around.now, &around.bugs);
            if facts.is_empty() {
                self.arm(&mut process, around);
                self.process = Some(process);
                return;
            }
            while let Some(fact) = facts.pop_front() {
                inputs += 1;
                assert!(inputs < INPUTS_MAX, "a hot loop in the machine of {}", self.pop);
                self.step(&mut process, fact, &mut facts, around);
                if process.is_ended {
                    self.life += 1;
                    around.facts.push(Fact::Ended(self.index));
                    return;
                }
            }
            let is_idle = |view: &View| view.state == State::Idle;
            let was_idle = process.views.iter().all(is_idle);
            process.views = process.machine.views(self.clocks.monotonic(around.now));
            let begins = was_idle && !process.views.iter().all(is_idle);
            if begins && self.index == 0 && around.counts.requests > 0 {
                around.counts.awakenings += 1;
            }
            self.process = Some(process);
        }
    }

    fn take_facts(&self, process: &mut Process, now: Instant, bugs: &Bugs) -> VecDeque<Input> {
        let mut facts = std::mem::take(&mut process.mailbox);
        if let Some(notice) = process.notice.take() {
            facts.push_front(Input::from(notice));
        }
        let monotonic = self.clocks.monotonic(now);
        let is_due = process.machine.next_wake().is_some_and(|(at, _)| at <= monotonic);
        if is_due && !bugs.is_deaf(process) {
            facts.push_back(Input::Community(community::Input::Tick));
        }
        if process.awaits_quiet && process.requests == 0 {
            process.awaits_quiet = false;
            facts.push_back(Input::Community(community::Input::RequestsFinished));
        }
        facts
    }

    fn step(
        &mut self,
        process: &mut Process,
        fact: Input,
        facts: &mut VecDeque<Input>,
        around: &mut Around,
    ) {
        let Some(fact) = around.bugs.spoil_input(self.index, fact) else { return };
        let monotonic = self.clocks.monotonic(around.now);
        let mut effects = Vec::new();
        around.counts.inputs += 1;
        around.trace.input(around.now, self.index, &fact);
        process.machine.handle(monotonic, fact, &mut effects);
        around.bugs.spoil_effects(self.index, &mut effects);
        around.trace.effects(around.now, self.index, &effects);
        let mut known_at_once = Vec::new();
        for effect in effects {
            self.perform(process, effect, &mut known_at_once, around);
            if process.is_ended {
                return;
            }
        }
        known_at_once.into_iter().rev().for_each(|fact| facts.push_front(fact));
    }

    fn arm(&self, process: &mut Process, around: &mut Around) {
        let Some((at, _)) = process.machine.next_wake() else { return };
        if around.bugs.is_deaf(process) {
            return;
        }
        let at = Instant(self.clocks.when(at).0.saturating_add(TIMER_NS)).max(around.now);
        // A timer that is armed for earlier looks again.
        if process.armed.first().is_some_and(|armed| *armed <= at) {
            return;
        }
        process.armed.insert(at);
        let (pop, life, event) = (self.index, self.life, ToProcess::Wake);
        around.queue.push(at, crate::event::Event::ToProcess { pop, life, event });
    }

    /// A timer fired; answers whether the machine is due, or the timer was for what is over.
    pub fn on_wake(&mut self, now: Instant) -> bool {
        let monotonic = self.clocks.monotonic(now);
        let Some(process) = &mut self.process else { return false };
        process.armed.retain(|at| *at > now);
        process.machine.next_wake().is_some_and(|(at, _)| at <= monotonic)
    }
}

impl Process {
    pub(super) fn tell(&mut self, fact: Input) {
        self.mailbox.push_back(fact);
    }

    /// Keeps word of a commit for when the machine looks next.
    pub(super) fn committed(&mut self, newer: Notice) {
        match &mut self.notice {
            Some(known) => known.merge(newer),
            None => self.notice = Some(newer),
        }
    }
}
