//! The simulator's command line, over its binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clavitor_sim::canary::Canary;
use clavitor_sim::run::Plan;
use clavitor_sim::runfile::{self, RunFile};
use clavitor_sim::scenarios;
use clavitor_sim::script::{Action, Condition, Record, Request};

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn sim(words: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clavitor-sim"));
    command.args(words).stdin(Stdio::null());
    let output = command.output().expect("the simulator runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    Ended { code: output.status.code(), out, err }
}

fn said(line: &str) -> Ended {
    sim(&line.split_whitespace().collect::<Vec<_>>())
}

#[track_caller]
fn refused(line: &str, code: i32, expected: &str) {
    let ended = said(line);
    assert_eq!(ended.code, Some(code), "{line}: {}{}", ended.out, ended.err);
    assert!(ended.err.contains(expected), "{line}: no `{expected}`: {}", ended.err);
    assert!(!ended.err.contains("panicked"), "{line}: {}", ended.err);
}

/// A directory of one test, empty.
fn scratch(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    drop(fs::remove_dir_all(&path));
    fs::create_dir_all(&path).expect("a directory");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// A run that is sure to fail: a clock forgets what it has issued.
fn failing() -> RunFile {
    let request = Request::Put { key: 0, bytes: 8, condition: Condition::Always, waits: false };
    let put = Action::Ask { pop: 0, request };
    let mut actions: Vec<(u64, Action)> = (0..40).map(|at| (at * 50, put)).collect();
    actions.insert(20, (1_000, Action::SetClock { pop: 0, ahead_ms: -60_000 }));
    let record = Record { actions, ..Record::default() };
    let mut knobs = Plan::lite(1).knobs;
    knobs.canary = Some(Canary::WallClockTimestamp);
    RunFile {
        version: runfile::VERSION.to_owned(),
        origin: "a test".to_owned(),
        knobs,
        record,
        interrupt: None,
        broken: Some("safety [P6]".to_owned()),
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_hint() {
    refused("", 2, "which command?");
    refused("swram", 2, "did you mean \"swarm\"?");
    refused("run --scenario lossy-lnk --seed 1", 2, "did you mean \"lossy-link\"?");
    refused("run --scenario x --seed 1", 2, "there is no scenario \"x\"");
    refused("run --seed 1 --canary wall-clok-timestamp", 2, "\"wall-clock-timestamp\"?");
    refused("canaries helicopter", 2, "there is no canary \"helicopter\"");
    refused("run", 2, "needs --seed N");
    refused("run --seed", 2, "--seed: needs a value");
    refused("run --seed 1 --seed 2", 2, "--seed: given twice");
    refused("run --sed 1", 2, "did you mean \"seed\"?");
    refused("run --seed 1 --lite=yes", 2, "--lite: takes no value");
    refused("run --seed 1 again", 2, "what is \"again\"?");
    refused("run --seed 1 --trace long", 2, "neither short nor full");
    refused("run -x", 2, "unknown option \"-x\"");
    refused("run --scenario lossy-link --seed 1 --lite", 2, "--lite");
    for number in ["-1", "+1", "1.5", "0x10", "one", "18446744073709551616"] {
        refused(&format!("run --seed {number}"), 2, "is not a whole number");
    }
    refused("swarm", 2, "needs --runs N");
    refused("swarm --runs 0", 2, "no run shows nothing");
    refused("canaries --runs 0", 2, "no run shows nothing");
    refused("swarm --runs 1 --jobs 0", 2, "--jobs: ask for 1 to");
    refused("replay", 2, "needs a FILE");
    refused("minimise", 2, "needs --seed N or a FILE");
    refused("minimise --seed 1 file", 2, "not both");
    refused("timeline --seed 1", 2, "needs --output FILE");
}

#[test]
fn help_and_version_end_well() {
    for words in ["--help", "-h", "run --help", "swarm -h", "--version", "-V", "scenarios"] {
        let ended = said(words);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{words}");
        assert!(!ended.out.is_empty(), "{words}");
    }
    assert!(said("--help").out.contains("Exit codes:"));
    let listed = said("scenarios").out;
    assert!(scenarios::ALL.iter().all(|it| listed.contains(it.about)), "{listed}");
    assert_eq!(listed.lines().count(), scenarios::ALL.len());
}

#[test]
fn a_run_begins_and_ends_with_the_command_that_repeats_it() {
    let words =
        ["run --seed 3 --lite", "run --scenario one-way-cut --seed 7", "swarm --runs 3 --seed 1"];
    for words in words {
        let once = said(words);
        assert_eq!(once.code, Some(0), "{words}: {}{}", once.out, once.err);
        let command = format!("clavitor-sim {words}");
        assert_eq!(once.out.lines().next(), Some(command.as_str()));
        assert_eq!(once.out.lines().last(), Some(command.as_str()));
    }
    let once = said("run --seed 3 --lite");
    assert_eq!(once.out, said("run --seed 3 --lite").out);
    assert_ne!(once.out, said("run --seed 4 --lite").out);
    let checked = said("run --seed 3 --lite --check");
    assert!(checked.out.contains("the same when it was run again"), "{}", checked.out);
}

#[test]
fn a_trace_says_more_in_full_and_changes_nothing() {
    let digest = |out: &str| {
        let mut lines = out.lines().filter_map(|line| line.strip_prefix("digest"));
        lines.next_back().map(|digest| digest.trim().to_owned()).expect("a digest")
    };
    let [none, short, full] = ["", "--trace short", "--trace full"]
        .map(|trace| said(&format!("run --scenario one-way-cut --seed 1 {trace}")).out);
    assert!(none.lines().count() < short.lines().count());
    assert!(short.lines().count() < full.lines().count());
    assert_eq!((digest(&none), digest(&none)), (digest(&short), digest(&full)));
}

#[test]
fn a_swarm_is_told_of_in_numbers() {
    let ended = said("swarm --runs 20 --seed 1 --lite --check --jobs 2");
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    for expected in ["runs       20", "failures   0", "coverage ", "simulated ", " times wall time"]
    {
        assert!(ended.out.contains(expected), "no `{expected}`: {}", ended.out);
    }
}

#[test]
fn a_planted_bug_is_told_of_with_its_seed_and_its_promise() {
    let directory = scratch("planted");
    let line = "swarm --runs 200 --seed 1 --lite --canary wall-clock-timestamp --output";
    let mut words: Vec<&str> = line.split(' ').collect();
    words.push(text(&directory));
    let ended = sim(&words);
    assert_eq!(ended.code, Some(4), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("safety [P6]"), "{}", ended.out);
    let again = ended.out.lines().find(|line| line.starts_with("clavitor-sim run --seed"));
    let again = again.and_then(|line| line.strip_prefix("clavitor-sim ")).expect("a command");
    assert_eq!(said(again).code, Some(4), "{again}");
    let written = fs::read_dir(&directory).expect("the directory").next();
    let written = written.expect("a file").expect("a file").path();
    assert_eq!(sim(&["replay", text(&written)]).code, Some(4));

    let caught = said("canaries wall-clock-timestamp --runs 200");
    assert_eq!(caught.code, Some(0), "{}{}", caught.out, caught.err);
    assert!(caught.out.contains("caught in run"), "{}", caught.out);
}

#[test]
fn a_planted_bug_that_nobody_catches_has_an_exit_code_of_its_own() {
    // One run is not enough for this bug, but for a lucky seed.
    let ends =
        (1..20).map(|seed| said(&format!("canaries no-replay-guard --runs 1 --seed {seed}")));
    let uncaught = ends.filter(|ended| ended.code == Some(8)).collect::<Vec<_>>();
    assert!(uncaught.len() > 5, "{} were not caught", uncaught.len());
    for ended in uncaught {
        assert!(ended.err.contains("not caught: no-replay-guard"), "{}", ended.err);
    }
}

#[test]
fn a_failing_run_becomes_a_handful_of_events_and_a_picture() {
    let directory = scratch("minimised");
    let (large, small) = (directory.join("large.run"), directory.join("small.run"));
    fs::write(&large, failing().to_bytes()).expect("written");
    assert_eq!(sim(&["replay", text(&large), "--check"]).code, Some(4));
    let ended = sim(&["minimise", text(&large), "--output", text(&small)]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("the clock of a is set"), "{}", ended.out);
    let read = RunFile::from_bytes(&fs::read(&small).expect("a file")).expect("a run");
    assert!(read.record.actions.len() <= 3, "{:?}", read.record);
    assert_eq!(read.broken.as_deref(), Some("safety [P6]"));
    assert_eq!(sim(&["replay", text(&small)]).code, Some(4));

    let picture = directory.join("picture.svg");
    let ended = sim(&["timeline", text(&small), "--output", text(&picture)]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let picture = fs::read_to_string(picture).expect("a picture");
    assert!(picture.starts_with("<svg") && picture.contains("safety [P6]"));
    assert!(!directory.join("picture.svg.new").exists());
}

#[test]
fn what_does_not_fail_is_not_minimised() {
    refused("minimise --seed 3 --lite", 2, "breaks no promise");
    refused("minimise --scenario one-way-cut --seed 1", 2, "breaks no promise");
}

#[test]
fn files_that_are_not_runs_are_refused_by_name() {
    let directory = scratch("files");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        fs::write(&path, bytes).expect("written");
        text(&path).to_owned()
    };
    let good = failing().to_bytes();
    let mut changed = good.clone();
    changed[60] ^= 1;
    let mut other = failing();
    other.version = "99.0.0".to_owned();
    let mut hostile = failing();
    let request =
        Request::Put { key: 0, bytes: u32::MAX, condition: Condition::Always, waits: false };
    hostile.record.actions.push((u64::MAX, Action::Ask { pop: 0, request }));
    let cases = [
        (file("diary", b"dear diary"), "it is not a recording"),
        (file("empty", b""), "it is not a recording"),
        (file("changed", &changed), "damaged"),
        (file("short", &good[..good.len() / 2]), "damaged"),
        (file("other", &other.to_bytes()), "clavitor-sim 99.0.0 wrote it"),
        (file("hostile", &hostile.to_bytes()), "a world that there cannot be"),
        (text(&directory.join("not-there")).to_owned(), "No such file"),
        (text(&directory).to_owned(), "not a regular file"),
    ];
    for (path, expected) in cases {
        refused(&format!("replay {path}"), 7, expected);
        refused(&format!("replay {path}"), 7, &path);
    }
    let diary = directory.join("diary");
    refused(&format!("minimise {}", text(&diary)), 7, "neither a run of this simulator");
    refused(&format!("timeline {} --output x", text(&diary)), 7, "neither a run");
}

#[test]
fn what_cannot_be_written_is_told_of_by_name() {
    let directory = scratch("unwritable");
    let file = directory.join("file");
    fs::write(&file, "kept").expect("written");
    let below = text(&file).to_owned() + "/below";
    refused(&format!("timeline --seed 3 --lite --output {below}"), 7, &below);
    refused(&format!("timeline --seed 3 --lite --output {}", text(&directory)), 7, "directory");
    refused(&format!("swarm --runs 1 --output {below}"), 7, &below);
    refused("timeline --seed 3 --lite --output /dev/full", 7, "/dev/full");
    assert_eq!(fs::read_to_string(&file).expect("a file"), "kept");
}
