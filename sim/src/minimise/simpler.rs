//! What is simpler than what: shorter times, plainer requests, fewer POPs.

use super::{Case, Search};
use crate::hq::HQ;
use crate::knobs::{Knobs, Leases, Rates};
use crate::script::{Action, Condition, Fate, Request, Sync};

impl Search<'_> {
    pub(super) fn simplify(&mut self) {
        self.attempt(lower_knobs);
        self.attempt(|case| case.knobs.rates.attack = 0);
        self.attempt(|case| case.knobs.report_s = 0);
        self.attempt(|case| case.knobs.has_hq = false);
        self.attempt(|case| case.knobs.per_address = 0);
        for pop in (0..self.best.knobs.pops).rev() {
            let others = (0..pop).map(Some);
            for other in [None].into_iter().chain(others) {
                let is_one_of_several = pop < self.best.knobs.pops && self.best.knobs.pops > 1;
                if is_one_of_several && self.attempt(|case| remove_pop(case, pop, other)) {
                    break;
                }
            }
        }
        self.attempt(|case| keys(case, |_| 0));
        for at in 0..self.best.record.actions.len() {
            self.simplify_action(at);
            self.simplify_time(at);
        }
        for at in 0..self.best.record.frames.len() {
            self.earlier_frame(at);
            let plain = Fate::default();
            self.attempt(|case| case.record.frames[at].3.there_us = plain.there_us);
            self.attempt(|case| case.record.frames[at].3.back_us = plain.back_us);
            self.attempt(|case| case.record.frames[at].3.end = plain.end);
        }
        for at in 0..self.best.record.syncs.len() {
            let plain = Sync::default();
            self.attempt(|case| case.record.syncs[at].2.us = plain.us);
            self.attempt(|case| case.record.syncs[at].2.answer_us = plain.answer_us);
        }
    }

    /// The same happens to an earlier frame of the same link.
    fn earlier_frame(&mut self, at: usize) {
        const LOOKED_AT: u32 = 24;
        for nth in 0..self.best.record.frames[at].2.min(LOOKED_AT) {
            let (from, to, ..) = self.best.record.frames[at];
            let is_taken =
                self.best.record.frames.iter().any(|it| (it.0, it.1, it.2) == (from, to, nth));
            if !is_taken && self.attempt(|case| case.record.frames[at].2 = nth) {
                break;
            }
        }
    }

    fn simplify_action(&mut self, at: usize) {
        for simpler in SIMPLER {
            self.attempt(|case| simpler(&mut case.record.actions[at].1));
        }
        for least in [1, 10, 100, 1_000, 10_000, 100_000] {
            let is_shorter = self.attempt(|case| shorten(&mut case.record.actions[at].1, least));
            if is_shorter {
                break;
            }
        }
    }

    /// Everything from an action on happens earlier.
    fn simplify_time(&mut self, at: usize) {
        let time = |case: &Case, at: usize| case.record.actions[at].0;
        let begins = at.checked_sub(1).map_or(0, |before| time(&self.best, before));
        let gap = time(&self.best, at).saturating_sub(begins);
        for gap in [0, 1, 10, 100, 1_000, 10_000, gap / 2].into_iter().filter(|it| *it < gap) {
            let earlier = time(&self.best, at).saturating_sub(begins + gap);
            let is_earlier = self.attempt(|case| {
                let later = case.record.actions.iter_mut().skip(at);
                later.for_each(|(at_ms, _)| *at_ms = at_ms.saturating_sub(earlier));
            });
            if is_earlier {
                break;
            }
        }
    }
}

/// Once everything is written down, most knobs decide nothing.
fn lower_knobs(case: &mut Case) {
    let Knobs { pops, is_community, canary, tarpit, per_address, has_hq, report_s, leases, .. } =
        case.knobs;
    let leases = leases.map(|Leases { failback_s, .. }| Leases { failback_s, ..Leases::default() });
    let rates = Rates { attack: case.knobs.rates.attack.min(1), ..Rates::default() };
    case.knobs = Knobs {
        pops,
        is_community,
        canary,
        tarpit,
        per_address,
        has_hq,
        report_s,
        leases,
        rates,
        ..Knobs::default()
    };
}

/// Leaves one POP out; those behind it move up. What happens to it happens to another one, or not.
fn remove_pop(case: &mut Case, gone: u8, other: Option<u8>) {
    let moved = |pop: &mut u8| {
        match *pop {
            Action::PRIMARY | HQ => {}
            it if it == gone => *pop = other?,
            it => *pop = it - u8::from(it > gone),
        }
        Some(())
    };
    case.knobs.pops -= 1;
    let record = &mut case.record;
    record.actions.retain_mut(|(_, action)| {
        let is_kept = action.pops_mut().into_iter().flatten().all(|pop| moved(pop).is_some());
        is_kept && !matches!(action, Action::Cut { from, to, .. } if from == to)
    });
    record.frames.retain_mut(|(from, to, ..)| {
        [&mut *from, &mut *to].into_iter().all(|pop| moved(pop).is_some()) && from != to
    });
    record.syncs.retain_mut(|(pop, ..)| moved(pop).is_some());
    let interrupt = case.interrupt.as_mut();
    let pops = interrupt.into_iter().flat_map(|it| it.action.pops_mut()).flatten();
    pops.for_each(|pop| moved(pop).unwrap_or_else(|| *pop = 0));
}

fn keys(case: &mut Case, renamed: impl Fn(u8) -> u8) {
    for (_, action) in &mut case.record.actions {
        let Action::Ask { request, .. } = action else { continue };
        match request {
            Request::Put { key, .. }
            | Request::Delete { key, .. }
            | Request::Get { key }
            | Request::RestoreLoser { key } => *key = renamed(*key),
            Request::CreateToken { .. } | Request::RevokeToken { .. } => {}
        }
    }
}

const SIMPLER: &[fn(&mut Action)] = &[plain_write, without_condition, without_waiting, crash];

fn plain_write(action: &mut Action) {
    if let Action::Ask { request, .. } = action
        && let Request::Delete { key, .. } | Request::RestoreLoser { key } = *request
    {
        let condition = Condition::Always;
        *request = Request::Put { key, bytes: 8, condition, waits: false };
    }
}

fn without_condition(action: &mut Action) {
    if let Action::Ask { request: Request::Put { condition, bytes, .. }, .. } = action {
        *condition = Condition::Always;
        *bytes = (*bytes).min(8);
    }
}

fn without_waiting(action: &mut Action) {
    if let Action::Ask { request, .. } = action {
        match request {
            Request::Put { waits, .. }
            | Request::Delete { waits, .. }
            | Request::CreateToken { waits, .. }
            | Request::RevokeToken { waits, .. } => *waits = false,
            Request::Get { .. } | Request::RestoreLoser { .. } => {}
        }
    }
}

/// Being killed is the plainest way to be gone.
fn crash(action: &mut Action) {
    if let Action::Shutdown { pop, down_ms } | Action::Pause { pop, ms: down_ms } = *action {
        *action = Action::Crash { pop, down_ms };
    }
}

fn shorten(action: &mut Action, least: u32) {
    match action {
        Action::Crash { down_ms: ms, .. }
        | Action::Pause { ms, .. }
        | Action::Shutdown { down_ms: ms, .. }
        | Action::Cut { ms, .. }
        | Action::Isolate { ms, .. }
        | Action::FillDisk { ms, .. }
        | Action::HangDisk { ms, .. }
        | Action::Empty { down_ms: ms, .. }
        | Action::PutBack { down_ms: ms, .. } => *ms = (*ms).min(least),
        Action::SetClock { ahead_ms, .. } => {
            *ahead_ms = (*ahead_ms).clamp(-i64::from(least), i64::from(least));
        }
        Action::Drift { ppm, .. } => {
            let least = i32::try_from(least).unwrap_or(i32::MAX);
            *ppm = (*ppm).clamp(-least, least);
        }
        Action::Scan { burst, .. } => {
            burst.count = burst.count.min(u16::try_from(least).unwrap_or(u16::MAX));
            burst.over_ms = burst.over_ms.min(least);
        }
        Action::Storm { storm, .. } => {
            let least = u16::try_from(least).unwrap_or(u16::MAX);
            storm.count = storm.count.min(least);
            storm.kinds = u8::try_from(least).map_or(storm.kinds, |least| storm.kinds.min(least));
        }
        Action::Mood { ms, .. } => *ms = (*ms).min(least),
        // Frames are numbered round and round.
        Action::Attack { nth, .. } => *nth = (*nth).min(least),
        _ => {}
    }
}
