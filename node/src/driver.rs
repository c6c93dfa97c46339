//! Drives a POP's machine: facts in, effects out, asleep until the next wake-up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::pop::{self, Pop};
use futures_util::future::select;

use crate::alarm::Alarm;
use crate::plumbing::Plumbing;
use crate::recorder::Recorder;
use crate::runtime::Runtime;
use crate::store::Notice;
use crate::wall;

/// The most facts that may wait for the machine before what peers and clients cause is dropped. A
/// peer's word that is lost here is said again; what this server caused itself is few and kept.
pub const MAILBOX_MAX: usize = 16_384;

/// Facts on their way to the machine. Commits are merged into one, so they can never fill it.
pub struct Mailbox<P: Plumbing> {
    waiting: Mutex<Waiting<P::Input>>,
    bell: async_channel::Sender<()>,
    rung: async_channel::Receiver<()>,
}

struct Waiting<I> {
    facts: VecDeque<I>,
    notice: Option<Notice>,
}

impl<P: Plumbing> Default for Mailbox<P> {
    fn default() -> Self {
        let (bell, rung) = async_channel::bounded(1);
        let waiting = Waiting { facts: VecDeque::new(), notice: None };
        Self { waiting: Mutex::new(waiting), bell, rung }
    }
}

impl<P: Plumbing> Mailbox<P> {
    /// Hands the machine a fact of this server's own making; never blocks.
    pub fn push(&self, fact: P::Input) {
        self.lock().facts.push_back(fact);
        let _ = self.bell.try_send(());
    }

    /// Hands the machine a fact that others can cause in any number; `false` if it is dropped
    /// because too many wait.
    pub fn offer(&self, fact: P::Input) -> bool {
        let mut waiting = self.lock();
        let fits = waiting.facts.len() < MAILBOX_MAX;
        if fits {
            waiting.facts.push_back(fact);
        }
        drop(waiting);
        let _ = self.bell.try_send(());
        fits
    }

    /// Keeps word of a commit for when the machine looks next; never blocks, and coalesces.
    pub fn committed(&self, notice: Notice) {
        let mut waiting = self.lock();
        match &mut waiting.notice {
            None => waiting.notice = Some(notice),
            Some(known) => known.merge(notice),
        }
    }

    /// Makes the machine look.
    pub fn ring(&self) {
        let _ = self.bell.try_send(());
    }

    fn take(&self) -> (Option<Notice>, VecDeque<P::Input>) {
        let mut waiting = self.lock();
        (waiting.notice.take(), std::mem::take(&mut waiting.facts))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<P::Input>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The driver of one server's machine.
pub struct Driver<P: Plumbing> {
    pop: P::Pop,
    plumbing: Arc<P>,
    mailbox: Arc<Mailbox<P>>,
    alarm: <P::Runtime as Runtime>::Alarm,
    recorder: Recorder,
}

impl<P: Plumbing> Driver<P> {
    /// A driver that has yet to run.
    pub fn new(
        pop: P::Pop,
        plumbing: Arc<P>,
        mailbox: Arc<Mailbox<P>>,
        alarm: <P::Runtime as Runtime>::Alarm,
    ) -> Self {
        Self { pop, plumbing, mailbox, alarm, recorder: Recorder::default() }
    }

    /// The driver with a recorder of everything its machine takes in from now on.
    #[must_use]
    pub fn recorded_by(mut self, mut recorder: Recorder) -> Self {
        recorder.start(P::NAME, &self.pop);
        self.recorder = recorder;
        self
    }

    /// Runs until the machine orders the end. `perform` carries out what every edition has, and
    /// answers whether to go on.
    pub async fn run(mut self, mut perform: impl FnMut(pop::Effect) -> bool + Send) {
        self.write_recording();
        loop {
            let (notice, facts) = self.mailbox.take();
            let mut facts: VecDeque<P::Input> = facts;
            if let Some(fact) = notice.and_then(|notice| self.plumbing.committed(notice)) {
                facts.push_front(fact);
            }
            facts.extend(self.plumbing.overflowed());
            let is_due = self.pop.next_wake().is_some_and(|(at, _)| at <= wall::instant());
            if is_due {
                facts.push_back(P::Input::from(pop::Input::Tick));
            }
            if facts.is_empty() {
                self.rest().await;
                continue;
            }
            while let Some(fact) = facts.pop_front() {
                if !self.step(fact, &mut facts, &mut perform) {
                    return;
                }
            }
            self.write_recording();
            self.plumbing.observe(&self.pop);
        }
    }

    fn step(
        &mut self,
        fact: P::Input,
        facts: &mut VecDeque<P::Input>,
        perform: &mut impl FnMut(pop::Effect) -> bool,
    ) -> bool {
        let (now, mut effects) = (wall::instant(), Vec::new());
        self.recorder.input(&self.pop, now, &fact);
        self.pop.handle(now, fact, &mut effects);
        self.recorder.effects(&effects);
        let mut known_at_once = Vec::new();
        for effect in effects {
            if let Err(effect) = self.plumbing.perform(effect, &mut known_at_once)
                && !perform(effect)
            {
                return false;
            }
        }
        // What is known at once goes first, as if the machine had been told while it asked.
        known_at_once.into_iter().rev().for_each(|fact| facts.push_front(fact));
        true
    }

    fn write_recording(&mut self) {
        if let Some(error) = self.recorder.flush() {
            let message = "the flight recorder cannot write; it is off until the next start";
            let alert = Alert::new(AlertType::FlightRecorderFailed, message);
            self.plumbing.alert_operator(alert.with("error", error));
        }
    }

    async fn rest(&mut self) {
        let rung = self.mailbox.rung.recv();
        let due = self.alarm.wait(self.pop.next_wake().map(|(at, _)| at));
        select(std::pin::pin!(rung), std::pin::pin!(due)).await;
    }
}
