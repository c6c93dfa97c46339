//! The right to take writes: what the machine orders about it, and what others ask and answer.

use std::collections::BTreeMap;

use clavitor_commercial::lease::{Effect, Input as Fact};
use clavitor_commercial::pop::Input;
use clavitor_commercial::renewal::LEASE_MS;
use clavitor_commercial::vote::Ask;
use clavitor_core::id::{OpId, PopId};
use clavitor_core::store::Reader;
use clavitor_core::time::Instant;

use super::effects::note_epoch;
use super::job::Accept;
use super::{Failed, Job, Machine, Process, Server};
use crate::around::{Around, Bytes};
use crate::bugs::Bugs;
use crate::call::{Asked, Back, Call, Question};
use crate::canary::Canary;
use crate::event;

/// The right to take clients' writes, as the machine last said.
///
/// Invariant: `under_way` counts the clients' writes that were let in and not answered yet.
#[derive(Debug, Default)]
pub struct Right {
    /// Until when, by the monotonic clock.
    pub until: Instant,
    /// When it was told, in the world's time.
    told: Instant,
    /// When it was last told of more than there was, in the world's time.
    grown: Instant,
    handing_to: Option<PopId>,
    closing: Option<OpId>,
    under_way: u32,
    news: u64,
    /// Questions of this POP that wait for their answers.
    pub(super) asks: BTreeMap<OpId, (Bytes, Ask)>,
    /// Questions of others that wait for the machine.
    pub(super) questions: BTreeMap<OpId, Question>,
    pub(super) next_question: u64,
}

impl Right {
    /// Who is going to take writes, which are refused until then.
    pub fn handing_to(&self) -> Option<PopId> {
        self.handing_to
    }

    pub(super) fn begin_write(&mut self) {
        self.under_way += 1;
    }
}

impl Server {
    /// Whether this server would acknowledge a write that is on disk. A process that stands still may go
    /// on with just that.
    pub fn may_acknowledge(&self, bugs: &Bugs, now: Instant) -> bool {
        let process = self.process.as_deref();
        process.is_some_and(|process| self.holds_lease(process, bugs, now))
    }

    /// Whether it would, or would have at some point during this event.
    pub fn held_lease(&self, bugs: &Bugs, now: Instant) -> bool {
        let has_grown = self.process.as_deref().is_some_and(|process| process.right.grown == now);
        has_grown || self.may_acknowledge(bugs, now)
    }

    /// Until when it would, by its monotonic clock.
    pub fn lease_until(&self, bugs: &Bugs, now: Instant) -> Instant {
        self.process.as_deref().map_or(Instant(0), |process| self.until(process, bugs, now))
    }

    pub(super) fn holds_lease(&self, process: &Process, bugs: &Bugs, now: Instant) -> bool {
        self.until(process, bugs, now) > self.clocks.monotonic(now)
    }

    fn until(&self, process: &Process, bugs: &Bugs, now: Instant) -> Instant {
        match process.machine {
            Machine::Community(_) => Instant(u64::MAX),
            Machine::Commercial(_) => {
                let Right { told, until, .. } = process.right;
                bugs.spoil_right(self.index, told, until, now)
            }
        }
    }

    /// Where it sends clients that want to write.
    pub fn location(&self) -> Option<PopId> {
        let process = self.process.as_ref()?;
        let elsewhere = process.epoch.map(|epoch| epoch.primary).filter(|it| *it != self.pop);
        process.right.handing_to.or(elsewhere)
    }

    pub(super) fn perform_lease(
        &mut self,
        process: &mut Process,
        effect: Effect,
        around: &mut Around,
    ) {
        match effect {
            Effect::Renew { op, draft } => {
                let renewal = draft.complete(op, &Reader::new(&self.disk)).expect("rows are whole");
                let asked = Asked::Renew(Box::new(renewal));
                around.call(Call { back: self.back(op), asked });
            }
            Effect::Watch { op } => {
                let asked = Asked::Watch { after: process.right.news };
                around.call(Call { back: self.back(op), asked });
            }
            // The machine does not hear an answer that it does not wait for.
            Effect::Cancel { .. } => {}
            Effect::HoldLease { until } => {
                let monotonic = self.clocks.monotonic(around.now);
                let is_late = around.bugs.is(Canary::LeaseFromAnswer) && until > monotonic;
                let until = if is_late { monotonic.plus_ms(LEASE_MS) } else { until };
                let right = &mut process.right;
                right.told = around.now;
                right.grown = if until > right.until { around.now } else { right.grown };
                right.until = until;
            }
            Effect::Accept { op, epoch, floor_ms } => {
                self.submit(process, Job::Accept(Accept { op, epoch, floor_ms }), around);
            }
            Effect::AskVote { op, peer, voter, epoch, lease_ms, challenge } => {
                let what = (epoch, lease_ms, challenge);
                self.ask_vote(process, op, (peer, voter), what, around);
            }
            Effect::AnswerVote { op, vote } => self.answer_vote(process, op, vote, around),
            Effect::CloseWrites { op, to } => {
                process.right.handing_to = Some(to);
                process.right.closing = Some(op);
                self.tell_if_closed(process);
            }
            Effect::OpenWrites => {
                process.right.handing_to = None;
                process.right.closing = None;
            }
            Effect::AnswerSwitchover { outcome, .. } => {
                let epoch = outcome.ok();
                around.facts.push(event::Fact::Switched { pop: self.index, epoch });
            }
            Effect::Adopt(_) | Effect::RaiseAlert(_) => {
                unreachable!("the POP's machine translates it")
            }
        }
    }

    pub(super) fn back(&self, op: OpId) -> Back {
        Back { to: self.index, life: self.life, op, us: 0, is_lost: false }
    }

    /// A client's write was answered, or came to nothing.
    pub(super) fn end_write(&self, process: &mut Process) {
        process.right.under_way = process.right.under_way.saturating_sub(1);
        self.tell_if_closed(process);
    }

    fn tell_if_closed(&self, process: &mut Process) {
        if process.right.under_way == 0
            && let Some(op) = process.right.closing.take()
        {
            let last = process.writer.state.seq;
            process.tell(Input::Lease(Fact::WritesClosed { op, last }));
        }
    }

    /// A promotion by HQ is on disk, or is not.
    pub(super) fn on_accepted(
        &self,
        process: &mut Process,
        it: Accept,
        accepted: Result<clavitor_core::id::Epoch, Failed>,
    ) {
        if let Ok(epoch) = accepted {
            note_epoch(process, epoch);
        }
        let (op, epoch) = (it.op, accepted.ok());
        process.tell(Input::Lease(Fact::Accepted { op, epoch }));
    }

    /// HQ says that there is news, or nothing.
    pub fn on_watched(&mut self, op: OpId, news: Option<u64>) {
        let Some(process) = &mut self.process else { return };
        if let Some(news) = news {
            process.right.news = news;
        }
        process.tell(Input::Lease(Fact::WatchEnded { op, is_news: news.is_some() }));
    }

    /// An operator wants another primary.
    pub fn on_switchover(&mut self, to: Option<PopId>) {
        let Some(process) = &mut self.process else { return };
        process.right.next_question += 1;
        let op = OpId(process.right.next_question);
        process.tell(Input::Lease(Fact::SwitchoverAsked { op, to }));
    }
}
