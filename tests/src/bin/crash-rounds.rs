//! Crash rounds by hand: `cargo run -p clavitor-tests --bin crash-rounds -- --rounds 1000`.

use clavitor_tests::crash;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

const USAGE: &str = "usage: crash-rounds [--rounds N] [--seed N]";

fn main() -> ExitCode {
    let mut rounds = 100;
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().and_then(|value| value.parse::<u64>().ok());
        match (word.as_str(), value) {
            ("--rounds", Some(value)) => rounds = u32::try_from(value).unwrap_or(u32::MAX),
            ("--seed", Some(value)) => seed = value,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    println!("crash-rounds --rounds {rounds} --seed {seed}");
    let summary = crash::run_rounds(rounds, seed, |summary| {
        if summary.rounds % 50 == 0 {
            eprintln!("{} rounds, {} acknowledged", summary.rounds, summary.acknowledged);
        }
    });
    println!("{summary}");
    ExitCode::from(u8::from(!summary.missing.is_empty()))
}
