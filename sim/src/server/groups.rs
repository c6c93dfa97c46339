//! The writer: whatever waits is committed as one group, after the time that the disk takes.

use clavitor_commercial::admission::Standing;
use clavitor_commercial::alerts::Item;
use clavitor_core::store::{Basis, Notice, Outcome, RECORDS, Transaction};
use clavitor_core::time::Instant;

use super::run::{Context, Ran};
use super::{Done, Failed, Job, Process, Server};
use crate::around::Around;
use crate::event::{Event, Fact, ToProcess, Wrote};

/// The most operations in a group.
const GROUP_OPS_MAX: usize = 256;

/// How long bookkeeping that nobody waits for may wait for a write to go with, in milliseconds.
const LAZY_MS: u64 = 100;

/// How long until the process that died of its disk is started again, in milliseconds.
const RESTART_MS: u64 = 5_000;

impl Server {
    /// Hands the writer an operation.
    pub(super) fn submit(&mut self, process: &mut Process, job: Job, around: &mut Around) {
        if process.is_closing {
            return self.finish(process, job.failed(Failed::Stopped), around);
        }
        process.writer.queue.push_back(job);
        self.begin_group(process, around);
    }

    /// Hands the writer bookkeeping that nobody waits for.
    pub(super) fn submit_lazily(&mut self, process: &mut Process, job: Job, around: &mut Around) {
        if process.is_closing {
            return self.finish(process, job.failed(Failed::Stopped), around);
        }
        process.writer.lazy.push(job);
        if !std::mem::replace(&mut process.writer.is_lazy_armed, true) {
            around.later(LAZY_MS, self.index, self.life, ToProcess::Lazy);
        }
    }

    /// Bookkeeping has waited long enough.
    pub fn on_lazy(&mut self, around: &mut Around) {
        let Some(mut process) = self.process.take() else { return };
        process.writer.is_lazy_armed = false;
        self.begin_group(&mut process, around);
        self.process = Some(process);
    }

    /// What found no room is tried again.
    pub fn on_again(&mut self, job: Job, around: &mut Around) {
        let Some(mut process) = self.process.take() else { return };
        self.submit(&mut process, job, around);
        self.process = Some(process);
    }

    fn begin_group(&mut self, process: &mut Process, around: &mut Around) {
        let writer = &mut process.writer;
        let has_work = !writer.queue.is_empty() || !writer.lazy.is_empty();
        if has_work && !std::mem::replace(&mut writer.is_busy, true) {
            self.groups += 1;
            let now_ms = around.now_ms();
            writer.sync = around.script.sync(&around.knobs, now_ms, self.index, self.groups);
            let (pop, life, event) = (self.index, self.life, ToProcess::Commit);
            around.after_us(writer.sync.us, Event::ToProcess { pop, life, event });
        }
    }

    /// The time that the disk takes has passed.
    pub fn on_commit(&mut self, around: &mut Around) {
        if around.now < self.hangs_until {
            let (pop, life, event) = (self.index, self.life, ToProcess::Commit);
            return around.queue.push(self.hangs_until, Event::ToProcess { pop, life, event });
        }
        let Some(mut process) = self.process.take() else { return };
        if process.writer.sync.fails {
            // Nobody knows what is on disk: the process ends, and recovery decides.
            around.queue.push(around.now.plus_ms(RESTART_MS), Event::Start(self.index));
            self.kill();
            return around.facts.push(Fact::Ended(self.index));
        }
        self.commit(&mut process, around);
        self.begin_group(&mut process, around);
        self.close_if_done(&mut process, around);
        self.process = Some(process);
    }

    fn commit(&mut self, process: &mut Process, around: &mut Around) {
        let mut jobs = std::mem::take(&mut process.writer.lazy);
        let most = GROUP_OPS_MAX.min(process.writer.queue.len());
        jobs.extend(process.writer.queue.drain(..most));
        process.writer.is_busy = false;
        let answer_us = process.writer.sync.answer_us;
        let mut done = Vec::with_capacity(jobs.len());
        if let Err(jobs) = self.try_group(process, jobs, &mut done, around) {
            // One spoils it for all: each by itself, then.
            for job in jobs {
                if let Err(spoiler) = self.try_group(process, vec![job], &mut done, around) {
                    done.extend(spoiler.into_iter().map(|job| job.failed(Failed::Full)));
                }
            }
        }
        if answer_us == 0 {
            done.into_iter().for_each(|done| self.finish(process, done, around));
        } else {
            let answered_at = around.now.plus_ms(u64::from(answer_us).div_ceil(1_000));
            self.slow_until = self.slow_until.max(answered_at);
            let (pop, life, event) = (self.index, self.life, ToProcess::Answers(done));
            around.after_us(answer_us, Event::ToProcess { pop, life, event });
        }
    }

    /// Answers whoever waits for a group.
    pub fn on_answers(&mut self, done: Vec<Done>, around: &mut Around) {
        let Some(mut process) = self.process.take() else { return };
        done.into_iter().for_each(|done| self.finish(&mut process, done, around));
        self.process = Some(process);
    }

    /// Runs operations in one transaction and commits it; hands them back if one spoils it, or the
    /// disk is too full.
    fn try_group(
        &mut self,
        process: &mut Process,
        jobs: Vec<Job>,
        done: &mut Vec<Done>,
        around: &mut Around,
    ) -> Result<(), Vec<Job>> {
        let is_full = around.now < self.full_until;
        // Some disks still take what is small when they refuse what is large.
        let is_hard_full = is_full && self.full_until.0 / 1_000_000 % 2 == 1;
        let monotonic = self.clocks.monotonic(around.now);
        let context = Context {
            standing: Standing {
                pop: self.pop,
                is_imported: process.is_imported,
                agreed: process.agreed_time(monotonic),
                has_lease: self.holds_lease(process, &around.bugs, around.now),
                handing_to: process.right.handing_to(),
            },
            cluster: &self.cluster,
            is_community: matches!(process.machine, super::Machine::Community(_)),
            bug: around.knobs.canary,
        };
        let writer = &mut process.writer;
        let now = self.clocks.wall(around.now);
        around.bugs.spoil_clock(&mut writer.clock, self.pop);
        let basis = Basis {
            state: writer.state,
            store_id: writer.store_id,
            now,
            quota: self.disk.bytes_max() / 100 * 90,
            disk_left: if is_full { 0 } else { u64::MAX },
            confirmed: writer.confirmed,
            token_changes: writer.token_changes,
        };
        let mut txn = Transaction::begin(self.disk.begin(), &mut writer.clock, basis);
        let mut ran = Vec::with_capacity(jobs.len());
        for job in &jobs {
            txn.start_operation();
            match context.run(&mut txn, job) {
                Ran::Answered(answer) => ran.push(answer),
                Ran::Refused(answer) if !txn.has_written() => ran.push(answer),
                Ran::Refused(_) | Ran::Failed => return Err(jobs),
            }
        }
        let Ok((sheet, outcome)) = txn.finish() else { return Err(jobs) };
        if outcome.has_written {
            if is_hard_full {
                return Err(jobs);
            }
            let keys = sheet.commit(RECORDS);
            let wrote = ran.iter().filter_map(wrote_of).collect();
            around.facts.push(Fact::Committed { pop: self.index, keys, wrote });
            self.publish(process, outcome, around);
        }
        around.facts.extend(ran.iter().filter_map(|done| took_of(self.index, done)));
        around.facts.extend(ran.iter().filter_map(|done| kept_of(self.index, done)));
        done.extend(ran);
        Ok(())
    }

    /// Closes the store once everything that was accepted is on disk.
    pub(super) fn close_if_done(&mut self, process: &mut Process, around: &mut Around) {
        let writer = &mut process.writer;
        if process.is_closing && !writer.is_busy && !std::mem::replace(&mut writer.is_closed, true)
        {
            around.later(0, self.index, self.life, ToProcess::Closed);
        }
    }

    fn publish(&self, process: &mut Process, outcome: Outcome, around: &mut Around) {
        let Outcome { state, notice, store_id, token_changes, .. } = outcome;
        let writer = &mut process.writer;
        let has_news = state.seq > writer.state.seq;
        writer.state = state;
        writer.store_id = store_id;
        writer.token_changes = token_changes;
        let notice_us = writer.sync.notice_us;
        if !has_news {
            return;
        }
        if notice_us == 0 && process.unnoticed == 0 {
            return process.committed(notice);
        }
        // The writer tells of its commits in their order.
        let at = Instant(around.now.0 + u64::from(notice_us) * 1_000).max(process.notice_at);
        process.notice_at = at;
        process.unnoticed += 1;
        let (pop, life, event) = (self.index, self.life, ToProcess::Noticed(notice));
        around.queue.push(at, Event::ToProcess { pop, life, event });
    }

    /// The machine hears of a commit.
    pub fn on_noticed(&mut self, notice: Notice) {
        if let Some(process) = &mut self.process {
            process.unnoticed = process.unnoticed.saturating_sub(1);
            process.committed(notice);
        }
    }
}

fn wrote_of(done: &Done) -> Option<Wrote> {
    match done {
        Done::Ask(_, Ok(wrote)) => wrote.as_deref().cloned(),
        _ => None,
    }
}

fn took_of(pop: u8, done: &Done) -> Option<Fact> {
    let Done::Take(take, Ok(applied)) = done else { return None };
    let (verdicts, changed) = (applied.verdicts.clone(), applied.changed);
    let (frame, attack, received) = (take.frame.clone(), take.back.attack, applied.received);
    Some(Fact::Took { pop, frame, verdicts, received, changed, attack })
}

fn kept_of(pop: u8, done: &Done) -> Option<Fact> {
    let Done::Keep(keep, Ok(at)) = done else { return None };
    let stored = |item: &Item| Item { at: item.at.or(Some(*at)), ..item.clone() };
    let (put, remove) = (keep.put.iter().map(stored).collect(), keep.remove.clone());
    Some(Fact::AlertsKept { pop, put, remove })
}
