//! The benchmarks: the figures the project holds itself to, each beside a rival measured in the
//! same run, over the release binaries and loopback.
//!
//! `cargo run --release -p clavitor-tests --bin bench -- [put|recorder|get|replicate|catch-up|size|all]`
//! builds what it needs (into `target/community` and `target/commercial`), unless
//! `CLAVITOR_COMMUNITY_BIN` and `CLAVITOR_COMMERCIAL_BIN` name binaries. `TMPDIR` says on which
//! disk. Ratios travel from machine to machine, absolute figures do not.

mod build;
mod catch_up;
mod get;
mod load;
mod pair;
mod postgres;
mod put;
mod recorder;
mod replicate;
mod report;
mod size;
mod slow;

use std::process::ExitCode;

/// How many rounds; the median counts.
const ROUNDS: usize = 5;

/// How many keep-alive clients there are, where there are many.
const CLIENTS: usize = 64;

/// How many entries the clients write and read.
const ENTRIES: u64 = 10_000;

/// The size of a blob.
const BLOB_BYTES: usize = 1024;

const USAGE: &str = "usage: bench [put|recorder|get|replicate|catch-up|size|all]";

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_else(|| "all".to_owned());
    let parts: &[(&str, fn())] = &[
        ("size", size::measure),
        ("get", get::measure),
        ("put", put::measure),
        ("recorder", recorder::measure),
        ("replicate", replicate::measure),
        ("catch-up", catch_up::measure),
    ];
    let chosen: Vec<_> = parts.iter().filter(|(name, _)| word == *name || word == "all").collect();
    if chosen.is_empty() {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    if let Err(error) = build::settle_binaries() {
        eprintln!("the binaries cannot be built: {error}");
        return ExitCode::FAILURE;
    }
    report::heading();
    for (_, measure) in chosen {
        measure();
    }
    ExitCode::SUCCESS
}
