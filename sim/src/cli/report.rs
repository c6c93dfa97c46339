//! How runs are told of.

use std::fmt::Write as _;

use clavitor_sim::canary::Canary;
use clavitor_sim::run::Outcome;
use clavitor_sim::swarm::Kind;
use clavitor_sim::trace::Level;
use clavitor_sim::verdict::Verdict;

use super::{Stop, say};

/// The command that runs a seed again.
pub(crate) fn command_of_seed(seed: u64, kind: Kind, canary: Option<Canary>) -> String {
    format!("clavitor-sim run --seed {seed}{}{}", option(kind), planted(canary))
}

/// The option that asks for a kind of runs.
pub(crate) fn option(kind: Kind) -> &'static str {
    match kind {
        Kind::Full => "",
        Kind::Lite => " --lite",
        Kind::Led => " --leases",
        Kind::Failover => " --failover",
    }
}

/// The option that plants a bug again.
pub(crate) fn planted(canary: Option<Canary>) -> String {
    canary.map_or(String::new(), |canary| format!(" --canary {canary}"))
}

/// What one run came to.
pub(crate) fn outcome(outcome: &Outcome, verdict: &Verdict) -> String {
    let counts = &outcome.counts;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<10} {value}");
    };
    let (events, frames, wakes) = (counts.events, counts.frames, counts.wakes);
    line("events", format!("{events}, of which {frames} frames and {wakes} wake-ups"));
    line("requests", format!("{}, of which {} acknowledged", counts.requests, counts.acknowledged));
    let (s, ms) = (outcome.simulated_ms / 1_000, outcome.simulated_ms % 1_000);
    line("simulated", format!("{s}.{ms:03} s"));
    if outcome.trace.level() >= Level::Digest {
        line("digest", format!("{:032x}", outcome.trace.digest()));
    }
    line("end", verdict.to_string());
    out
}

/// Prints what a run kept, if that was asked for.
pub(crate) fn trace(outcome: &Outcome, level: Option<Level>) -> Result<(), Stop> {
    if level.is_none() {
        return Ok(());
    }
    outcome.trace.lines().chunks(1_000).try_for_each(|lines| {
        let mut text = lines.join("\n");
        text.push('\n');
        say(&text)
    })
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        let all = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(all, ["0", "999", "1,000", "1,234,567"]);
    }
}
