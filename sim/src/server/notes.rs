//! What goes to HQ, alerts and reports, and what waits of it on disk.

use clavitor_commercial::alerts::{Item, Outcome, Sender, Start, outbox};
use clavitor_commercial::pop::Input;
use clavitor_core::id::OpId;
use clavitor_core::pop as community;
use clavitor_core::telemetry;
use clavitor_core::time::UnixTime;

use super::{Failed, Job, Process, Server};
use crate::around::Around;
use crate::event::Fact;
use crate::hq::{Note, Storm};

/// What is to be written to the outbox.
#[derive(Clone, Debug)]
pub struct Keep {
    /// The order.
    pub op: OpId,
    /// What to store.
    pub put: Vec<Item>,
    /// What to forget, by number.
    pub remove: Vec<u64>,
}

impl Server {
    /// What the router of a process begins with.
    pub(super) fn alerts(&self, around: &Around) -> Start {
        if !around.knobs.has_hq {
            return Start::default();
        }
        Start {
            is_routed: true,
            // Never the same twice.
            seed: u64::from(self.life) << 8 | u64::from(self.index),
            now: self.clocks.monotonic(around.now),
            wall: self.clocks.wall(around.now),
            sender: Sender { hostname: self.pop.to_string(), region: String::new() },
            loaded: outbox::load(&self.disk).expect("rows are whole"),
        }
    }

    pub(super) fn keep_alerts(&mut self, process: &mut Process, keep: Keep, around: &mut Around) {
        self.submit(process, Job::Keep(Box::new(keep)), around);
    }

    pub(super) fn on_kept(
        &self,
        process: &mut Process,
        op: OpId,
        kept: Result<UnixTime, Failed>,
        around: &mut Around,
    ) {
        process.tell(match kept {
            Ok(at) => Input::AlertsKept { op, at },
            Err(failed) => {
                around.facts.push(Fact::AlertsUnkept(self.index));
                let is_full = failed == Failed::Full;
                Input::AlertsUnkept { op, at: self.clocks.wall(around.now), is_full }
            }
        });
    }

    pub(super) fn post_alert(&self, op: OpId, item: Item, around: &mut Around) {
        around.facts.push(Fact::AlertPosted { pop: self.index, item: item.clone() });
        around.notify(self.note(op, Some(item)));
    }

    pub(super) fn report(&self, order: telemetry::Effect, around: &mut Around) {
        // Nobody looks at what became of one, and whatever is under way goes on.
        if let telemetry::Effect::Send { op } = order {
            around.facts.push(Fact::Reported(self.index));
            around.notify(self.note(op, None));
        }
    }

    fn note(&self, op: OpId, alert: Option<Item>) -> Note {
        Note { from: self.index, life: self.life, op, alert, back_us: 0, is_answer_lost: false }
    }

    /// HQ answered, or cannot be reached.
    pub fn on_hq(&mut self, op: OpId, status: Option<u16>, is_report: bool) {
        self.tell(if is_report {
            Input::Community(community::Input::ReportAnswered { op, status })
        } else {
            Input::AlertPosted { op, outcome: Outcome::of_status(status) }
        });
    }

    /// Something goes on happening that a person must look at.
    pub fn on_storm(&mut self, storm: Storm, around: &mut Around) {
        let Some(mut process) = self.process.take() else { return };
        for nth in 0..storm.count {
            around.counts.alerts += 1;
            self.alert(&mut process, storm.alert(nth), around);
        }
        self.process = Some(process);
    }
}
