//! One line for each figure: what, figure, rival's figure, ratio, target, verdict.

use std::time::Duration;

/// Prints what the columns are.
pub(crate) fn heading() {
    line("what", "figure", "rival", "ratio", "target", "");
}

/// A figure that must reach a share of the rival's, the median over rounds of (ours, theirs).
pub(crate) fn at_least(what: &str, unit: &str, rounds: &[(f64, f64)], target: f64) {
    let (ours, theirs, ratio) = medians(rounds);
    let rival = format!("{theirs:.0} {unit}");
    let target_text = format!(">= {target:.2}");
    let ratio_text = format!("{ratio:.2}");
    line(
        what,
        &format!("{ours:.0} {unit}"),
        &rival,
        &ratio_text,
        &target_text,
        verdict(ratio >= target),
    );
}

/// A figure that must not exceed a multiple of the rival's.
pub(crate) fn at_most(what: &str, unit: &str, rounds: &[(f64, f64)], target: f64) {
    let (ours, theirs, ratio) = medians(rounds);
    let rival = format!("{theirs:.3} {unit}");
    let target_text = format!("<= {target:.2}");
    let ratio_text = format!("{ratio:.2}");
    line(
        what,
        &format!("{ours:.3} {unit}"),
        &rival,
        &ratio_text,
        &target_text,
        verdict(ratio <= target),
    );
}

/// A time that the rival must take so many times longer for.
pub(crate) fn faster(what: &str, rounds: &[(f64, f64)], target: f64) {
    let inverse: Vec<_> = rounds.iter().map(|(ours, theirs)| (1.0 / ours, 1.0 / theirs)).collect();
    let (ours, theirs, ratio) = medians(&inverse);
    let seconds = |rate: f64| format!("{:.2} s", 1.0 / rate);
    let target_text = format!(">= {target:.2}");
    let ratio_text = format!("{ratio:.2}");
    let verdict = verdict(ratio >= target);
    line(what, &seconds(ours), &seconds(theirs), &ratio_text, &target_text, verdict);
}

/// A figure with a bound of its own and no rival.
pub(crate) fn below(what: &str, unit: &str, figure: f64, bound: f64) {
    let target = format!("< {bound:.0} {unit}");
    line(what, &format!("{figure:.2} {unit}"), "", "", &target, verdict(figure < bound));
}

/// A figure with a bound of its own, the median of `ours`, and the rival's beside it, from rounds of
/// (ours, theirs); `absent` says why there is no rival.
pub(crate) fn below_beside(
    what: &str,
    unit: &str,
    ours: &[f64],
    rounds: &[(f64, f64)],
    absent: &str,
    bound: f64,
) {
    let figure = median(ours.to_vec());
    let (_, theirs, ratio) = medians(rounds);
    let is_beside = !rounds.is_empty();
    let rival = if is_beside { format!("{theirs:.2} {unit}") } else { String::new() };
    let ratio = if is_beside { format!("{ratio:.2}") } else { String::new() };
    let target = format!("< {bound:.0} {unit}");
    line(what, &format!("{figure:.2} {unit}"), &rival, &ratio, &target, verdict(figure < bound));
    if !is_beside {
        skipped("  the rival", absent);
    }
}

/// A figure that is only told.
pub(crate) fn told(what: &str, figure: &str) {
    line(what, figure, "", "", "", "");
}

/// A comparison that cannot be made here.
pub(crate) fn skipped(what: &str, reason: &str) {
    println!("{what:<58} skipped: {reason}");
}

/// The middle one.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The duration below which a share of all lie, in milliseconds.
pub(crate) fn percentile_ms(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

fn medians(rounds: &[(f64, f64)]) -> (f64, f64, f64) {
    let of = |figure: fn(&(f64, f64)) -> f64| median(rounds.iter().map(figure).collect());
    (of(|round| round.0), of(|round| round.1), of(|round| round.0 / round.1))
}

fn verdict(is_reached: bool) -> &'static str {
    if is_reached { "ok" } else { "BELOW" }
}

fn line(what: &str, figure: &str, rival: &str, ratio: &str, target: &str, verdict: &str) {
    println!("{what:<58} {figure:>14} {rival:>14} {ratio:>6} {target:>10} {verdict}");
}
