//! Crash rounds by hand: `cargo run -p clavitor-tests --bin crash-rounds -- --rounds 1000`.

use clavitor_tests::{crash, rounds};
use std::process::ExitCode;

const USAGE: &str = "usage: crash-rounds [--rounds N] [--seed N]";

fn main() -> ExitCode {
    let defaults = [("--rounds", 100), ("--seed", rounds::new_seed())];
    let [rounds, seed] = match rounds::options(USAGE, defaults) {
        Ok(options) => options,
        Err(code) => return code,
    };
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    println!("crash-rounds --rounds {rounds} --seed {seed}");
    let summary = crash::run_rounds(rounds, seed, |summary| {
        if summary.rounds % 50 == 0 {
            eprintln!("{} rounds, {} acknowledged", summary.rounds, summary.acknowledged);
        }
    });
    println!("{summary}");
    ExitCode::from(u8::from(!summary.missing.is_empty()))
}
