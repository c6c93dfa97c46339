//! A run whose frames, requests and faults are drawn one by one.

use clavitor_core::time::Instant;

use super::axis::{Axis, stamp};
use super::look;
use super::paper::{Paper, wrapped};
use super::spans::{Doing, Span, doings, rows, spans};
use super::{Subject, at};
use crate::script::Action;
use crate::story;
use crate::trace::{Mark, name};
use crate::verdict::Verdict;

mod flights;

const LEFT: f64 = 104.0;
const BAR: f64 = 14.0;
const CURVE: f64 = 26.0;
const ROW: f64 = 18.0;
const GAP: f64 = 96.0;

/// More than so many things are not numbered and told of below.
const NUMBERED_MAX: usize = 48;

/// The picture of everything from a moment on; so many marks before it are left out.
pub(super) fn draw(subject: &Subject<'_>, from: Instant, left_out: usize) -> String {
    let spans = spans(subject.marks, subject.end);
    let marks: Vec<&Mark> = subject.marks.iter().filter(|mark| at(mark) >= from).collect();
    let axis = Axis::of_moments(LEFT, moments(&marks, &spans, from, subject.end));
    let mut lanes = Vec::new();
    let told = subject.verdict.to_string();
    let told: Vec<String> = told.lines().take(8).flat_map(|line| wrapped(line, 160, 3)).collect();
    let head = 104.0 + 15.0 * told.len() as f64 + if left_out > 0 { 16.0 } else { 0.0 };
    let clients = head + 34.0;
    let mut y = clients + 20.0;
    for pop in 0..subject.pops {
        let spans: Vec<Span> =
            spans.iter().filter(|it| it.pop == pop && it.until >= from).cloned().collect();
        let (places, rows) = rows(&spans.iter().collect::<Vec<_>>(), &axis);
        let doings = doings(subject.marks, pop, subject.end);
        let doings = doings.into_iter().filter(|doing| doing.until >= from).collect();
        let beside = CURVE + 8.0 + ROW * rows as f64;
        let is_first = pop == 0;
        let bar = if is_first { y + beside } else { y };
        lanes.push(Lane { pop, bar, is_first, spans, places, doings, top: y, beside });
        y += beside + BAR + GAP;
    }
    let bottom = y - GAP + 8.0;
    let numbered = numbered(&marks);
    let is_numbered = numbered.len() <= NUMBERED_MAX;
    let lines = if is_numbered { numbered.len().div_ceil(2) } else { 0 };
    let height = bottom + 40.0 + 16.0 * lines as f64;
    let width = (axis.right() + 46.0).max(LEFT + 1_060.0);
    let paper = Paper::new(width, height, subject.title);
    let numbered = if is_numbered { numbered } else { Vec::new() };
    let detail = Detail { subject, axis, marks, lanes, clients, bottom, numbered };
    detail.draw(paper, &told, left_out, width)
}

struct Lane {
    pop: u8,
    /// Where the bar of its role begins.
    bar: f64,
    /// Whether what belongs to it stands above the bar, not below.
    is_first: bool,
    spans: Vec<Span>,
    /// The row of each span.
    places: Vec<usize>,
    doings: Vec<Doing>,
    top: f64,
    beside: f64,
}

impl Lane {
    /// The edge of the bar that faces a lane.
    fn edge(&self, other: u8) -> f64 {
        if other > self.pop { self.bar + BAR } else { self.bar }
    }

    /// Where a row of spans is.
    fn row(&self, row: usize) -> f64 {
        let offset = ROW * row as f64;
        if self.is_first { self.top + offset } else { self.bar + BAR + CURVE + 8.0 + offset }
    }

    /// Where the curve of what is owed stands.
    fn floor(&self) -> f64 {
        if self.is_first { self.bar - 3.0 } else { self.bar + BAR + CURVE + 3.0 }
    }
}

/// Every moment that needs a place of its own.
fn moments(marks: &[&Mark], spans: &[Span], from: Instant, end: Instant) -> Vec<u64> {
    let mut moments = vec![from.0, end.0];
    for mark in marks {
        moments.push(at(mark).0);
        if let Mark::Frame { until, .. } = mark {
            moments.push(until.0);
        }
    }
    moments.extend(spans.iter().flat_map(|span| [span.from.0, span.until.0]));
    moments.retain(|moment| (from.0..=end.0).contains(moment));
    moments
}

/// Everything that happened from outside, in its order, with a number each.
fn numbered<'a>(marks: &[&'a Mark]) -> Vec<&'a Mark> {
    let is_told = |mark: &&&Mark| match mark {
        Mark::Asked { .. } => true,
        Mark::Action { action, .. } => !matches!(action, Action::Ask { .. }),
        _ => false,
    };
    marks.iter().filter(is_told).copied().collect()
}

struct Detail<'a> {
    subject: &'a Subject<'a>,
    axis: Axis,
    marks: Vec<&'a Mark>,
    lanes: Vec<Lane>,
    clients: f64,
    bottom: f64,
    numbered: Vec<&'a Mark>,
}

impl Detail<'_> {
    fn draw(&self, mut paper: Paper, told: &[String], left_out: usize, width: f64) -> String {
        let paper_of = &mut paper;
        paper_of.text("heading", (16.0, 26.0), self.subject.title);
        paper_of.text("faint", (16.0, 42.0), self.subject.about);
        look::legend(paper_of, 16.0, 60.0, true);
        let mut y = 108.0;
        if left_out > 0 {
            let from = self.marks.first().map_or(0, |mark| at(mark).0);
            let text = format!(
                "the end of a longer run: {left_out} frames, commits and requests before {} are left out",
                stamp(from)
            );
            paper_of.text("faint", (16.0, y), &text);
            y += 16.0;
        }
        self.verdict(paper_of, told, y, width);
        self.ticks(paper_of);
        self.lanes.iter().for_each(|lane| self.shades(paper_of, lane));
        self.lanes.iter().for_each(|lane| self.lane(paper_of, lane));
        self.clients_and_frames(paper_of);
        self.lanes.iter().for_each(|lane| self.labels(paper_of, lane));
        self.story(paper_of);
        paper.finish()
    }

    fn verdict(&self, paper: &mut Paper, told: &[String], y: f64, width: f64) {
        let is_bad = *self.subject.verdict != Verdict::Passed;
        let high = 15.0 * told.len() as f64 + 5.0;
        if is_bad {
            let x = self.axis.x(self.subject.end);
            paper.rect("alarm", [10.0, y - 14.0, width - 20.0, high], "");
            paper.line("failed", (x, self.clients - 10.0), (x, self.bottom), "here it failed");
        }
        for (at, line) in told.iter().enumerate() {
            let class = match at {
                _ if !is_bad => "mono",
                0 => "alarm-text",
                _ => "alarm-more",
            };
            paper.text(class, (16.0, y + 15.0 * at as f64), line);
        }
    }

    fn ticks(&self, paper: &mut Paper) {
        let y = self.clients - 14.0;
        for (moment, x) in self.axis.ticks(74.0) {
            paper.line("grid", (x, y), (x, self.bottom), "");
            paper.text("middle", (x, y - 4.0), &stamp(moment));
        }
        for mark in &self.marks {
            if let Mark::Healed { at } = mark {
                let x = self.axis.x(*at);
                paper.line("healed", (x, y), (x, self.bottom), "faults end");
                paper.text("healed-text", (x + 4.0, self.bottom), "faults end");
            }
        }
    }

    fn shades(&self, paper: &mut Paper, lane: &Lane) {
        let high = BAR + lane.beside;
        for span in &lane.spans {
            let (x, right) = (self.axis.x(span.from), self.axis.x(span.until));
            if let Some(class) = span.class {
                paper.rect(&format!("{class} shade"), [x, lane.top, right - x, high], &span.tip);
            }
        }
    }

    fn lane(&self, paper: &mut Paper, lane: &Lane) {
        paper.text("lane-name", (16.0, lane.bar + 13.0), &name(lane.pop));
        let most = self.lanes.iter().flat_map(|lane| &lane.doings).map(|it| it.dirty).max();
        let most = most.unwrap_or(0).max(1);
        let (left, right) = (LEFT, self.axis.x(self.subject.end));
        paper.rect("down", [left, lane.bar, right - left, BAR], "no process");
        let floor = lane.floor();
        let mut curve = String::new();
        for doing in &lane.doings {
            let (x, until) = (self.axis.x(doing.from), self.axis.x(doing.until));
            let role = if doing.is_primary { "primary" } else { "backup" };
            if doing.runs {
                paper.rect(role, [x, lane.bar, until - x, BAR], role);
            }
            let high = floor - CURVE * doing.dirty as f64 / most as f64;
            let letter = if curve.is_empty() { 'M' } else { 'L' };
            curve += &format!("{letter}{x:.1} {high:.1}H{until:.1}");
        }
        if !curve.is_empty() {
            let begin = lane.doings.first().map_or(left, |doing| self.axis.x(doing.from));
            paper.path("owed", &format!("{curve}V{floor:.1}H{begin:.1}z"));
            paper.path("dirty", &curve);
        }
        let owes = lane.doings.iter().map(|doing| doing.dirty).max().unwrap_or(0);
        if owes > 0 {
            let y = floor - CURVE * owes as f64 / most as f64;
            paper.text(
                "owed-text",
                (LEFT - 6.0, y.min(floor - 9.0) + 4.0),
                &format!("owes {owes}"),
            );
        }
        paper.text("owed-text", (LEFT - 6.0, floor + 3.0), "0");
    }

    fn labels(&self, paper: &mut Paper, lane: &Lane) {
        for (span, row) in lane.spans.iter().zip(&lane.places) {
            let (x, right) = (self.axis.x(span.from), self.axis.x(span.until));
            let y = lane.row(*row);
            if let Some(class) = span.class {
                paper.rect(class, [x, y + 1.0, right - x, ROW - 4.0], &span.tip);
            }
            let is_it = |mark: &&Mark| match mark {
                Mark::Action { at, action } => {
                    *at == span.from && story::of_action(action) == span.tip
                }
                _ => false,
            };
            match self.numbered.iter().position(is_it) {
                Some(number) => paper.badge("act", (x, y + 7.5), number + 1, &span.tip),
                None => paper.dot("act", (x, y + 7.5), 3.0, &span.tip),
            }
            paper.text("fault-text", (x + 11.0, y + 11.5), &span.label);
        }
    }

    /// What the numbers stand for.
    fn story(&self, paper: &mut Paper) {
        let half = self.numbered.len().div_ceil(2);
        for (place, mark) in self.numbered.iter().enumerate() {
            let (column, row) = if place < half { (0.0, place) } else { (1.0, place - half) };
            let y = self.bottom + 34.0 + 16.0 * row as f64;
            let (text, class) = match mark {
                Mark::Asked { pop, request, .. } => {
                    let ask = Action::Ask { pop: *pop, request: *request };
                    (story::of_action(&ask), "asked")
                }
                Mark::Action { action, .. } => (story::of_action(action), "act"),
                _ => continue,
            };
            let x = 24.0 + column * 580.0;
            paper.badge(class, (x, y - 3.5), place + 1, "");
            let when = stamp(at(mark).0);
            paper.text("right", (x + 90.0, y), &when);
            paper.text("told", (x + 100.0, y), &text);
        }
    }
}
