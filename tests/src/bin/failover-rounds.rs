//! Failover rounds by hand: `cargo run -p clavitor-tests --bin failover-rounds -- --rounds 100`.

use clavitor_tests::failovers;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const USAGE: &str = "usage: failover-rounds [--rounds N] [--hq-away SECONDS] [--seed N]";

fn main() -> ExitCode {
    let (mut rounds, mut away) = (100, 0);
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().and_then(|value| value.parse::<u64>().ok());
        match (word.as_str(), value) {
            ("--rounds", Some(value)) => rounds = u32::try_from(value).unwrap_or(u32::MAX),
            ("--hq-away", Some(value)) => away = value,
            ("--seed", Some(value)) => seed = value,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
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
