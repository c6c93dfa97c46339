//! A long run that went well: counted in columns of equal time.

use clavitor_core::time::Instant;

use super::Subject;
use super::axis::{Axis, stamp};
use super::look;
use super::paper::Paper;
use super::spans::{doings, spans};
use crate::event::Answer;
use crate::story;
use crate::trace::{Mark, name};

const LEFT: f64 = 104.0;
const COLUMNS: usize = 265;
const HIGH: f64 = 34.0;
const BAR: f64 = 12.0;
const LANE: f64 = 152.0;
/// How high the strip of one kind of fault is.
const STRIP: f64 = 6.0;
const TOP: f64 = 130.0;

/// What happened in one column: of all, and of those that came to nothing or to something.
#[derive(Clone, Copy, Default)]
struct Column {
    all: u64,
    some: u64,
}

/// The picture.
pub(super) fn draw(subject: &Subject<'_>) -> String {
    let axis = Axis::even(LEFT, subject.end.0);
    let height = TOP + 60.0 + LANE * f64::from(subject.pops) + 30.0;
    let mut paper = Paper::new(axis.right() + 40.0, height, subject.title);
    paper.text("heading", (16.0, 26.0), subject.title);
    paper.text("faint", (16.0, 42.0), subject.about);
    look::legend(&mut paper, 16.0, 60.0, false);
    let each = story::span(subject.end.0 / 1_000_000 / COLUMNS as u64);
    let text = format!(
        "{}: too much to draw one by one, so it is counted in columns of {each} each",
        subject.verdict
    );
    paper.text("mono", (16.0, 106.0), &text);
    for part in 0..=8 {
        let moment = subject.end.0 / 8 * part;
        let x = axis.x(Instant(moment));
        paper.line("grid", (x, TOP), (x, height - 20.0), "");
        paper.text("middle", (x, TOP - 4.0), &stamp(moment));
    }
    let clients = counted(subject, |mark| match mark {
        Mark::Asked { .. } => Some((1, 0)),
        Mark::Answered { answer: Answer::Done { .. }, .. } => Some((0, 1)),
        _ => None,
    });
    paper.text("lane-name", (16.0, TOP + 46.0), "clients");
    bars(&mut paper, &axis, &clients, TOP + 48.0, ("bar-ask", "bar-done"), "requests");
    (0..subject.pops).for_each(|pop| lane(&mut paper, subject, &axis, pop));
    paper.finish()
}

fn counted(subject: &Subject<'_>, of: impl Fn(&Mark) -> Option<(u64, u64)>) -> Vec<Column> {
    let mut columns = vec![Column::default(); COLUMNS];
    for mark in subject.marks {
        if let Some((all, some)) = of(mark) {
            let column = &mut columns[column_of(super::at(mark), subject.end)];
            column.all += all;
            column.some += some;
        }
    }
    columns
}

fn column_of(at: Instant, end: Instant) -> usize {
    let column = u128::from(at.0) * COLUMNS as u128 / u128::from(end.0.max(1));
    usize::try_from(column).unwrap_or(COLUMNS).min(COLUMNS - 1)
}

fn bars(
    paper: &mut Paper,
    axis: &Axis,
    columns: &[Column],
    floor: f64,
    (all, some): (&str, &str),
    what: &str,
) {
    let wide = (axis.right() - LEFT) / COLUMNS as f64;
    let most = columns.iter().map(|column| column.all.max(column.some)).max().unwrap_or(0).max(1);
    for (place, column) in columns.iter().enumerate() {
        let x = LEFT + wide * place as f64;
        for (class, count) in [(all, column.all), (some, column.some)] {
            let high = HIGH * count as f64 / most as f64;
            if count > 0 {
                paper.rect(class, [x, floor - high, wide - 0.6, high], &format!("{count}"));
            }
        }
    }
    paper.text("right", (LEFT - 6.0, floor - HIGH + 8.0), &format!("{most} {what}"));
}

fn lane(paper: &mut Paper, subject: &Subject<'_>, axis: &Axis, pop: u8) {
    let top = TOP + 60.0 + LANE * f64::from(pop);
    let (frames, bar) = (top + HIGH + 6.0, top + HIGH + 10.0);
    let curve = bar + BAR + HIGH + 4.0;
    for span in spans(subject.marks, subject.end).iter().filter(|span| span.pop == pop) {
        let (x, right) = (axis.x(span.from), axis.x(span.until));
        let kind = |class| look::FAULTS.iter().position(|fault| fault.0 == class);
        let strip = span.class.and_then(kind).unwrap_or(look::FAULTS.len());
        let y = curve + 6.0 + STRIP * strip as f64;
        let class = span.class.unwrap_or("act");
        paper.rect(class, [x, y, (right - x).max(0.8), STRIP - 1.0], &span.tip);
    }
    let sent = counted(subject, |mark| match mark {
        Mark::Frame { from, is_answer: false, arrives, .. } if *from == pop => {
            Some((1, u64::from(!arrives)))
        }
        _ => None,
    });
    bars(paper, axis, &sent, frames, ("bar-frame", "bar-lost"), "sent");
    paper.text("lane-name", (16.0, bar + 12.0), &name(pop));
    paper.rect("down", [LEFT, bar, axis.right() - LEFT, BAR], "no process");
    let doings = doings(subject.marks, pop, subject.end);
    let mut dirty = vec![0; COLUMNS];
    // Neighbours that look alike are one.
    for alike in
        doings.chunk_by(|one, next| (one.runs, one.is_primary) == (next.runs, next.is_primary))
    {
        let (Some(first), Some(last)) = (alike.first(), alike.last()) else { continue };
        let (x, right) = (axis.x(first.from), axis.x(last.until));
        let role = if first.is_primary { "primary" } else { "backup" };
        if first.runs {
            paper.rect(role, [x, bar, right - x, BAR], role);
        }
    }
    for doing in &doings {
        let through = column_of(doing.from, subject.end)..=column_of(doing.until, subject.end);
        dirty[through].iter_mut().for_each(|most: &mut u64| *most = (*most).max(doing.dirty));
    }
    let owes = dirty.iter().copied().max().unwrap_or(0);
    let most = owes.max(1);
    let wide = (axis.right() - LEFT) / COLUMNS as f64;
    let mut steps = String::new();
    for (place, count) in dirty.iter().enumerate() {
        let (x, y) = (LEFT + wide * place as f64, curve - HIGH * *count as f64 / most as f64);
        let letter = if steps.is_empty() { 'M' } else { 'L' };
        steps += &format!("{letter}{x:.1} {y:.1}H{:.1}", x + wide);
    }
    paper.path("dirty", &steps);
    paper.text("owed-text", (LEFT - 6.0, curve - HIGH + 9.0), &format!("owes {owes}"));
}
