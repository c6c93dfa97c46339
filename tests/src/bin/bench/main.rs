//! The benchmarks: the figures the project holds itself to, each beside a rival measured in the
//! same run, over the release binaries and loopback.
//!
//! `cargo run --release -p clavitor-tests --bin bench -- [WORD]` with one of [`PARTS`] or `all`
//! builds what it needs (into `target/community` and `target/commercial`), unless
//! `CLAVITOR_COMMUNITY_BIN`, `CLAVITOR_COMMERCIAL_BIN` and, for the words that begin with `smol`,
//! `CLAVITOR_SMOL_COMMUNITY_BIN` and `CLAVITOR_SMOL_COMMERCIAL_BIN` name binaries. `TMPDIR` says on which
//! disk. Ratios travel from machine to machine, absolute figures do not.

mod build;
mod catch_up;
mod get;
mod hq;
mod load;
mod pair;
mod postgres;
mod put;
mod recorder;
mod replicate;
mod report;
mod scanners;
mod size;
mod slow;
mod small;
mod tarpit;

use std::process::ExitCode;

use clavitor_tests::Runtime;

/// How many rounds; the median counts.
const ROUNDS: usize = 5;

/// How many keep-alive clients there are, where there are many.
const CLIENTS: usize = 64;

/// How many entries the clients write and read.
const ENTRIES: u64 = 10_000;

/// The size of a blob.
const BLOB_BYTES: usize = 1024;

/// What can be asked for by name.
const PARTS: [(&str, fn()); 19] = [
    ("size", size::measure),
    ("get", get::measure),
    ("put", put::measure),
    ("recorder", recorder::measure),
    ("replicate", replicate::measure),
    ("catch-up", catch_up::measure),
    ("tarpit-memory", tarpit::memory::measure),
    ("tarpit-cpu", tarpit::cpu::measure),
    ("tarpit-drop", tarpit::drop::measure),
    ("tarpit-sigterm", tarpit::sigterm::measure),
    ("tarpit-p99", tarpit::p99::measure),
    ("scanners", scanners::measure),
    ("hq-cost", hq::cost::measure),
    ("hq-idle", hq::idle::measure),
    ("failover-rival", hq::rival::measure),
    ("smol-put", small::rates::put),
    ("smol-get", small::rates::get),
    ("smol-memory", small::memory::measure),
    ("smol-cgroup", small::cgroup::measure),
];

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_else(|| "all".to_owned());
    let chosen: Vec<_> = PARTS.iter().filter(|(name, _)| word == *name || word == "all").collect();
    if chosen.is_empty() {
        let names = PARTS.map(|(name, _)| name).join("|");
        eprintln!("usage: bench [{names}|all]");
        return ExitCode::from(2);
    }
    let is_smol = chosen.iter().any(|(name, _)| name.starts_with("smol"));
    let runtimes = if is_smol { Runtime::ALL.to_vec() } else { vec![Runtime::under_test()] };
    if let Err(error) = build::settle_binaries(&runtimes) {
        eprintln!("the binaries cannot be built: {error}");
        return ExitCode::FAILURE;
    }
    report::heading();
    for (_, measure) in chosen {
        measure();
    }
    ExitCode::SUCCESS
}
