//! What goes wrong around HQ.

use super::{Action, pop};
use crate::entropy::Entropy;
use crate::hq::HQ;
use crate::knobs::Knobs;

/// Something that goes wrong around HQ, if it gives leases.
pub(super) fn fault(entropy: &mut Entropy, knobs: &Knobs) -> Option<Action> {
    let leases = knobs.leases.as_ref()?;
    let ladder = [
        leases.crash,
        leases.pause,
        leases.cut,
        leases.isolate,
        leases.drift,
        leases.disk,
        leases.switchover,
        leases.primary,
    ];
    let mut drawn = u32::try_from(entropy.below(1_000)).unwrap_or_default();
    let rung = ladder.iter().position(|rate| {
        let is_it = drawn < *rate;
        drawn = drawn.saturating_sub(*rate);
        is_it
    })?;
    let pop = pop(entropy, knobs);
    Some(match rung {
        0 => Action::Crash { pop: HQ, down_ms: span(entropy) },
        1 => Action::Pause { pop: HQ, ms: span(entropy) },
        2 if entropy.chance(500) => Action::Cut { from: pop, to: HQ, ms: span(entropy) },
        2 => Action::Cut { from: HQ, to: pop, ms: span(entropy) },
        3 => Action::Isolate { pop, ms: span(entropy) },
        4 => {
            let ppm = i32::try_from(entropy.below(20_001)).unwrap_or_default() - 10_000;
            Action::Drift { pop: HQ, ppm }
        }
        5 if entropy.chance(500) => Action::FillDisk { pop: HQ, ms: span(entropy) },
        5 => Action::HangDisk { pop: HQ, ms: span(entropy) },
        7 => of_primary(entropy),
        _ => {
            let at = if entropy.chance(500) { HQ } else { pop };
            let to = if entropy.chance(500) { Action::ANYBODY } else { super::pop(entropy, knobs) };
            Action::Switchover { pop: at, to }
        }
    })
}

fn of_primary(entropy: &mut Entropy) -> Action {
    let pop = Action::PRIMARY;
    match entropy.below(6) {
        0 => Action::Pause { pop, ms: span(entropy) },
        1 => Action::Isolate { pop, ms: span(entropy) },
        2 => Action::Cut { from: pop, to: HQ, ms: span(entropy) },
        3 => Action::Cut { from: HQ, to: pop, ms: span(entropy) },
        4 => Action::Shutdown { pop, down_ms: span(entropy) },
        _ => Action::Crash { pop, down_ms: span(entropy) },
    }
}

/// How long a fault lasts, in milliseconds: shorter and longer than a lease and all around it.
pub(super) fn span(entropy: &mut Entropy) -> u32 {
    let most = entropy.pick(&[20, 300, 1_500, 3_000, 7_000, 12_000, 40_000]);
    u32::try_from(entropy.between(1, most)).unwrap_or(1)
}
