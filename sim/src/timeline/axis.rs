//! Where a moment is in the picture.

use clavitor_core::time::Instant;

/// The narrowest and the widest that a picture's time is drawn.
const WIDTH: (f64, f64) = (1_060.0, 4_200.0);

/// Moments by their place.
///
/// Invariant: both grow along the list, which is not empty.
pub(super) struct Axis {
    moments: Vec<(u64, f64)>,
}

impl Axis {
    /// An axis on which everything that happened has room, and what passes between is short: a
    /// stretch is as long as the logarithm of its time.
    pub(super) fn of_moments(left: f64, mut moments: Vec<u64>) -> Self {
        moments.sort_unstable();
        moments.dedup();
        let mut x = 0.0;
        let mut placed = Vec::with_capacity(moments.len());
        let mut before = None;
        for moment in moments {
            if let Some(before) = before {
                x += gap(moment - before);
            }
            before = Some(moment);
            placed.push((moment, x));
        }
        let natural = x.max(1.0);
        let scale = natural.clamp(WIDTH.0, WIDTH.1) / natural;
        placed.iter_mut().for_each(|(_, x)| *x = left + *x * scale);
        if placed.is_empty() {
            placed.push((0, left));
        }
        Self { moments: placed }
    }

    /// An axis on which all times are as long as they were.
    pub(super) fn even(left: f64, end: u64) -> Self {
        Self { moments: vec![(0, left), (end.max(1), left + WIDTH.0)] }
    }

    /// The place of a moment; what is before or behind the picture is at its edge.
    pub(super) fn x(&self, at: Instant) -> f64 {
        let next = self.moments.partition_point(|moment| moment.0 < at.0);
        let (Some(next), before) = (self.moments.get(next), next.checked_sub(1)) else {
            return self.right();
        };
        let Some(before) = before.and_then(|before| self.moments.get(before)) else {
            return next.1;
        };
        let part = (at.0 - before.0) as f64 / (next.0 - before.0) as f64;
        before.1 + (next.1 - before.1) * part
    }

    /// The right edge.
    pub(super) fn right(&self) -> f64 {
        self.moments.last().map_or(0.0, |moment| moment.1)
    }

    /// Moments to name, at least so far apart.
    pub(super) fn ticks(&self, apart: f64) -> Vec<(u64, f64)> {
        let mut ticks: Vec<(u64, f64)> = Vec::new();
        for moment in &self.moments {
            if ticks.last().is_none_or(|last| moment.1 - last.1 >= apart) {
                ticks.push(*moment);
            }
        }
        ticks
    }
}

fn gap(ns: u64) -> f64 {
    7.0 + 8.0 * (1.0 + ns as f64 / 20_000.0).log10()
}

/// A moment in words, as exact as it needs to be.
pub(super) fn stamp(ns: u64) -> String {
    let (us, ms, s) = (ns / 1_000, ns / 1_000_000, ns / 1_000_000_000);
    match s {
        0 => format!("{ms}.{:02} ms", us % 1_000 / 10),
        1..60 => format!("{s}.{:03} s", ms % 1_000),
        60..3_600 => format!("{}:{:02}.{:03}", s / 60, s % 60, ms % 1_000),
        3_600..172_800 => format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60),
        _ => format!("day {}, {}:{:02}", s / 86_400, s / 3_600 % 24, s / 60 % 60),
    }
}
