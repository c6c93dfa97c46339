//! Failover rounds by hand: `cargo run -p clavitor-tests --bin failover-rounds -- --rounds 100`.

use clavitor_tests::{failovers, rounds};
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: failover-rounds [--rounds N] [--hq-away SECONDS] [--seed N]";

fn main() -> ExitCode {
    let defaults = [("--rounds", 100), ("--hq-away", 0), ("--seed", rounds::new_seed())];
    let [rounds, away, seed] = match rounds::options(USAGE, defaults) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    println!("failover-rounds --rounds {rounds} --hq-away {away} --seed {seed}");
    let summary = failovers::run_rounds(rounds, Duration::from_secs(away), seed, |summary| {
        let last = |times: &[Duration]| times.last().map_or(0.0, Duration::as_secs_f64);
        let [primary, dns, resolver] =
            [&summary.primary, &summary.dns, &summary.resolver].map(|times| last(times));
        let round = summary.rounds;
        eprintln!(
            "{round} of {rounds}: primary {primary:.2} s, DNS {dns:.2} s, resolver {resolver:.2} s"
        );
    });
    println!("{summary}");
    ExitCode::from(u8::from(!summary.missing.is_empty()))
}
