//! What a lane shows over time: how its POP was doing, and what went wrong with it.

use clavitor_core::time::Instant;

use super::axis::Axis;
use super::look::width_of;
use crate::hq::HQ;
use crate::script::{Action, Attack};
use crate::story;
use crate::trace::{Mark, name};

/// How a POP was doing for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doing {
    pub(super) from: Instant,
    pub(super) until: Instant,
    pub(super) runs: bool,
    pub(super) is_primary: bool,
    pub(super) dirty: u64,
}

/// How a POP was doing, stretch by stretch, until the end.
pub(super) fn doings(marks: &[Mark], pop: u8, end: Instant) -> Vec<Doing> {
    let mut doings: Vec<Doing> = Vec::new();
    for mark in marks {
        let Mark::State { at, pop: of, runs, is_primary, dirty } = *mark else { continue };
        if of != pop {
            continue;
        }
        if let Some(last) = doings.last_mut() {
            last.until = at;
        }
        doings.push(Doing { from: at, until: end, runs, is_primary, dirty });
    }
    doings
}

/// Something that was done to a POP, for as long as it lasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) pop: u8,
    pub(super) from: Instant,
    pub(super) until: Instant,
    /// How it looks, if it lasts.
    pub(super) class: Option<&'static str>,
    pub(super) label: String,
    pub(super) tip: String,
}

/// Everything that was done to POPs, in its order.
pub(super) fn spans(marks: &[Mark], end: Instant) -> Vec<Span> {
    let healed = marks.iter().find_map(|mark| match mark {
        Mark::Healed { at } => Some(*at),
        _ => None,
    });
    let faults_end = healed.unwrap_or(end);
    let spans = marks.iter().enumerate().filter_map(|(place, mark)| {
        let Mark::Action { at, action } = mark else { return None };
        let (pop, class, label) = look_of(action)?;
        let lasts = |ms: u32| at.plus_ms(ms.into()).min(faults_end).max(*at);
        let later = marks.get(place..).unwrap_or_default();
        let until = match *action {
            Action::Pause { ms, .. }
            | Action::Cut { ms, .. }
            | Action::Isolate { ms, .. }
            | Action::FillDisk { ms, .. }
            | Action::HangDisk { ms, .. } => lasts(ms),
            Action::SetClock { .. } | Action::Drift { .. } => set_again(later, pop, faults_end),
            Action::Crash { .. }
            | Action::Empty { .. }
            | Action::PutBack { .. }
            | Action::Shutdown { .. } => runs_again(marks, place, pop, end),
            _ => *at,
        };
        let tip = story::of_action(action);
        Some(Span { pop, from: *at, until, class, label, tip })
    });
    spans.collect()
}

/// Whom an action is done to, how it looks while it lasts, and what it is called. HQ has no lane; the
/// first one is as good as any.
fn look_of(action: &Action) -> Option<(u8, Option<&'static str>, String)> {
    let look = look_at_its_own(action);
    look.map(|(pop, class, label)| match pop {
        HQ => (0, class, format!("HQ {label}")),
        pop => (pop, class, label),
    })
}

fn look_at_its_own(action: &Action) -> Option<(u8, Option<&'static str>, String)> {
    let (down, disk, clock) = (Some("fault-down"), Some("fault-disk"), Some("fault-clock"));
    let (pop, class, label) = match *action {
        Action::Ask { .. } | Action::Heal => return None,
        Action::Crash { pop, .. } => (pop, down, "killed"),
        Action::Shutdown { pop, .. } => (pop, down, "asked to end"),
        Action::Empty { pop, .. } => (pop, down, "disk emptied"),
        Action::PutBack { pop, .. } => (pop, down, "disk put back"),
        Action::Pause { pop, .. } => (pop, Some("fault-pause"), "stands still"),
        Action::Cut { from, to, .. } => {
            return Some((from, Some("fault-cut"), format!("cut off from {}", name(to))));
        }
        Action::FillDisk { pop, .. } => (pop, disk, "disk full"),
        Action::HangDisk { pop, .. } => (pop, disk, "disk hangs"),
        Action::SetClock { pop, ahead_ms: 0 } => (pop, None, "clock right"),
        Action::SetClock { pop, ahead_ms } => {
            let way = if ahead_ms < 0 { "−" } else { "+" };
            let label = format!("clock {way}{}", story::span(ahead_ms.unsigned_abs()));
            return Some((pop, clock, label));
        }
        Action::Drift { pop, .. } => (pop, clock, "clock drifts"),
        Action::Promote { pop } => (pop, None, "promoted"),
        Action::Resume { pop } => (pop, None, "resume"),
        Action::Copy { pop } => (pop, None, "disk copied"),
        Action::Scan { pop, burst } => {
            return Some((pop, None, format!("{} scanners", burst.count)));
        }
        Action::Storm { pop, storm } => {
            return Some((pop, None, format!("{} alerts", storm.count)));
        }
        Action::Mood { mood, .. } => return Some((HQ, None, format!("{mood:?}"))),
        Action::Isolate { pop, .. } => (pop, Some("fault-cut"), "cut off from everybody"),
        Action::Switchover { pop, .. } => (pop, None, "switchover"),
        Action::Replace { pop } => (pop, None, "replaced at HQ"),
        Action::Attack { attack, pop, .. } => {
            let label = match attack {
                Attack::Replay => "frame replayed",
                Attack::Misdirect => "frame misdirected",
                Attack::Tamper => "frame tampered",
                Attack::StaleAck => "stale ack",
                Attack::TamperAck => "ack tampered",
            };
            (pop, None, label)
        }
    };
    Some((pop, class, label.to_owned()))
}

fn set_again(later: &[Mark], pop: u8, end: Instant) -> Instant {
    let again = later.iter().skip(1).find_map(|mark| match mark {
        Mark::Action {
            at,
            action: Action::SetClock { pop: of, .. } | Action::Drift { pop: of, .. },
        } if *of == pop => Some(*at),
        _ => None,
    });
    again.unwrap_or(end).min(end)
}

/// When a process runs again that ends because of what happened at this place, or had ended before.
fn runs_again(marks: &[Mark], place: usize, pop: u8, end: Instant) -> Instant {
    let state = |mark: &Mark| match mark {
        Mark::State { at, pop: of, runs, .. } if *of == pop => Some((*at, *runs)),
        _ => None,
    };
    let (before, later) = marks.split_at(place);
    let ran = before.iter().rev().find_map(state).is_some_and(|state| state.1);
    let mut states = later.iter().filter_map(state).skip_while(|state| ran && state.1).peekable();
    if ran && states.peek().is_none() {
        return later.first().map_or(end, super::at);
    }
    states.find(|state| state.1).map_or(end, |state| state.0)
}

/// Puts spans into rows so that neither they nor their labels overlap; answers the row of each, and
/// how many there are.
pub(super) fn rows(spans: &[&Span], axis: &Axis) -> (Vec<usize>, usize) {
    let mut free_from: Vec<f64> = Vec::new();
    let place = |span: &&Span| {
        let (from, until) = (axis.x(span.from), axis.x(span.until));
        let end = until.max(from + 20.0 + width_of(&span.label)) + 4.0;
        let row = free_from.iter().position(|free| *free <= from);
        let row = row.unwrap_or_else(|| {
            free_from.push(0.0);
            free_from.len() - 1
        });
        free_from[row] = end;
        row
    };
    let placed: Vec<usize> = spans.iter().map(place).collect();
    (placed, free_from.len())
}
