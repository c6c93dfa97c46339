//! Requests of clients, frames between POPs, and commits.

use clavitor_core::time::Instant;

use super::{BAR, Detail, Lane};
use crate::event::Answer;
use crate::script::Action;
use crate::story;
use crate::timeline::axis::stamp;
use crate::timeline::paper::Paper;
use crate::trace::{Mark, name};

impl Detail<'_> {
    pub(super) fn clients_and_frames(&self, paper: &mut Paper) {
        paper.text("lane-name", (16.0, self.clients + 5.0), "clients");
        for mark in &self.marks {
            match mark {
                Mark::Frame { at, until, from, to, arrives, is_answer } => {
                    let (from, to) = (self.lane_of(*from), self.lane_of(*to));
                    if let (Some(from), Some(to)) = (from, to) {
                        self.frame(paper, (*at, *until), (from, to), *arrives, *is_answer);
                    }
                }
                Mark::Committed { at, pop } => {
                    if let Some(lane) = self.lane_of(*pop) {
                        let place = (self.axis.x(*at), lane.bar + BAR / 2.0);
                        let tip = format!("{} commits, {}", name(*pop), stamp(at.0));
                        paper.dot("commit", place, 3.2, &tip);
                    }
                }
                Mark::Shown { at, pop, alert_type, count } => {
                    if let Some(lane) = self.lane_of(*pop) {
                        let place = (self.axis.x(*at), lane.bar + BAR / 2.0);
                        let tip = format!("HQ shows {alert_type} of {}, {count} times", name(*pop));
                        paper.dot("shown", place, 2.6, &tip);
                    }
                }
                Mark::Advanced { at, pop, peer, cursor } => {
                    if let Some(lane) = self.lane_of(*pop) {
                        self.advanced(paper, *at, lane, *peer, cursor.0);
                    }
                }
                _ => {}
            }
        }
        let mut free_from = 0.0;
        for mark in &self.marks {
            match mark {
                Mark::Asked { at, pop, id, request } => {
                    let ask = Action::Ask { pop: *pop, request: *request };
                    let tip = story::of_action(&ask);
                    // Those who ask at once stand side by side.
                    let x = self.axis.x(*at).max(free_from);
                    free_from = x + if self.numbered.is_empty() { 0.0 } else { 16.0 };
                    self.asked(paper, (*at, x), *pop, *id, &tip);
                }
                Mark::Answered { at, pop, id, answer } => {
                    self.answered(paper, *at, *pop, *id, answer);
                }
                _ => {}
            }
        }
    }

    fn lane_of(&self, pop: u8) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.pop == pop)
    }

    fn number_of(&self, request: u32) -> Option<usize> {
        let is_it = |mark: &&Mark| matches!(mark, Mark::Asked { id, .. } if *id == request);
        self.numbered.iter().position(is_it).map(|place| place + 1)
    }

    fn frame(
        &self,
        paper: &mut Paper,
        (at, until): (Instant, Instant),
        (from, to): (&Lane, &Lane),
        arrives: bool,
        is_answer: bool,
    ) {
        let start = (self.axis.x(at), from.edge(to.pop));
        let end = (self.axis.x(until), to.edge(from.pop));
        let what = if is_answer { "answer" } else { "frame" };
        let fate = if arrives { "" } else { ", lost" };
        let (sender, receiver) = (name(from.pop), name(to.pop));
        let tip = format!("{what} from {sender} to {receiver}, {}{fate}", stamp(at.0));
        if arrives {
            // What is under way when the run ends has come as far as it could.
            let end = match part_done(at, until, self.subject.end) {
                0.0 => (start.0 + 16.0, start.1 + (end.1 - start.1).clamp(-16.0, 16.0)),
                part => (end.0, start.1 + (end.1 - start.1) * part),
            };
            return paper.line(what, start, end, &tip);
        }
        let end = (f64::midpoint(start.0, end.0), f64::midpoint(start.1, end.1));
        let class = if is_answer { "lost-answer" } else { "lost" };
        paper.line(class, start, end, &tip);
        paper.line("cross", (end.0 - 4.0, end.1 - 4.0), (end.0 + 4.0, end.1 + 4.0), &tip);
        paper.line("cross", (end.0 - 4.0, end.1 + 4.0), (end.0 + 4.0, end.1 - 4.0), &tip);
    }

    /// So much of what a POP has is acked by a peer.
    fn advanced(&self, paper: &mut Paper, at: Instant, lane: &Lane, peer: u8, cursor: u64) {
        // Its peers are the others, in their order.
        let to = peer + u8::from(peer >= lane.pop);
        let (x, y) = (self.axis.x(at), lane.edge(to));
        let tip = format!(
            "{} takes all up to {cursor} as acked by {}, {}",
            name(lane.pop),
            name(to),
            stamp(at.0)
        );
        paper.dot("cursor", (x, y), 3.4, &tip);
        if !self.numbered.is_empty() {
            let y = if to > lane.pop { y + 12.0 } else { y - 5.0 };
            paper.text("owed-text", (x - 5.0, y), &format!("{}: {cursor}", name(to)));
        }
    }

    fn asked(&self, paper: &mut Paper, (at, x): (Instant, f64), pop: u8, id: u32, tip: &str) {
        let y = self.clients;
        if let Some(lane) = self.lane_of(pop) {
            paper.line("ask", (x, y), (self.axis.x(at), lane.bar), "");
        }
        match self.number_of(id) {
            Some(number) => paper.badge("asked", (x, y), number, tip),
            None => paper.dot("asked", (x, y), 2.5, tip),
        }
    }

    fn answered(&self, paper: &mut Paper, at: Instant, pop: u8, id: u32, answer: &Answer) {
        let (x, y) = (self.axis.x(at), self.clients + 9.0);
        let (class, sign, told) = match answer {
            Answer::Done { is_on_backup: true } => {
                ("done", "✓", "done, on a backup too".to_owned())
            }
            Answer::Done { is_on_backup: false } => ("done", "✓", "done".to_owned()),
            Answer::Found(Some(version)) => ("done", "✓", format!("found {version}")),
            Answer::Found(None) => ("done", "✓", "found nothing".to_owned()),
            Answer::Refused(code) => ("refused", "✗", format!("refused: {code}")),
            Answer::Unknown => ("refused", "?", "nobody knows".to_owned()),
        };
        if let Some(lane) = self.lane_of(pop) {
            let told = format!("{told}, {}", stamp(at.0));
            paper.line(class, (x, lane.bar), (x, y), &told);
        }
        if let Some(number) = self.number_of(id) {
            paper.text("faint", (x + 3.0, y + 8.0), &format!("{sign}{number}"));
        }
    }
}

fn part_done(at: Instant, until: Instant, end: Instant) -> f64 {
    if until <= end || until <= at {
        return 1.0;
    }
    end.0.saturating_sub(at.0) as f64 / (until.0 - at.0) as f64
}
