//! What a server's flight recorder keeps, and what the simulator makes of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clavitor_tests::binary::{Finished, run, run_with, simulator};
use clavitor_tests::wait::seconds;
use clavitor_tests::{
    Client, Cluster, ClusterBuilder, Edition, Scratch, Server, ServerBuilder, eventually, ports,
};

/// Beside the data directory: every server of the harness has a directory of its own for both.
pub(crate) const OPTION: [&str; 2] = ["--flight-recorder", "flight"];
const SMALL: [&str; 2] = ["--flight-recorder-bytes", "1MiB"];

pub(crate) fn recording_of(server: &Server) -> PathBuf {
    server.data().with_file_name("flight")
}

fn replay(file: &Path) -> Finished {
    let mut command = Command::new(simulator());
    command.env_clear().arg("replay").arg(file);
    run_with(&mut command)
}

/// What the simulator reports of a recording that runs again without a difference.
pub(crate) fn faithful(file: &Path) -> Report {
    let finished = replay(file);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let report = Report(finished.stdout);
    assert_eq!(report.field("difference"), "none", "{}", report.0);
    report
}

pub(crate) struct Report(String);

impl Report {
    fn field(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}: {}", self.0)).trim()
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        let text = self.field(name);
        text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
    }
}

/// Writes with four clients at once while `act` runs; answers how many writes succeeded.
fn while_writing(client: &Client, act: impl FnOnce(&AtomicU64)) -> u64 {
    let (is_over, written) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (is_over, written) = (&is_over, &written);
            scope.spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::Acquire) {
                        break;
                    }
                    let path = format!("/v1/vaults/flights/entries/{writer}-{}", number % 50);
                    let answer = client.request("PUT", &path, &[], Some(b"recorded"));
                    let is_written = answer.is_ok_and(|answer| answer.status < 202);
                    written.fetch_add(u64::from(is_written), Ordering::AcqRel);
                }
            });
        }
        act(&written);
        is_over.store(true, Ordering::Release);
    });
    written.into_inner()
}

fn await_writes(written: &AtomicU64, more: u64) {
    let goal = written.load(Ordering::Acquire) + more;
    eventually("writes succeed", seconds(60), || written.load(Ordering::Acquire) >= goal);
}

fn recorded_pair(more: &[&str]) -> Cluster {
    ClusterBuilder::new(2).arguments(&OPTION).arguments(more).start()
}

#[test]
fn a_pair_under_kill_9_runs_again_without_a_difference() {
    let mut cluster = recorded_pair(&[]);
    let client = cluster.primary();
    for victim in [0, 1, 0, 1] {
        while_writing(&client, |written| {
            await_writes(written, 100);
            cluster.pops[victim].server.restart();
            await_writes(written, 50);
        });
    }
    cluster.settle();
    for pop in &mut cluster.pops {
        pop.server.kill9();
        let report = faithful(&recording_of(&pop.server));
        assert!(report.field("edition").starts_with("commercial "), "{}", report.0);
        assert_eq!(report.number("processes"), 3, "{}", report.0);
        assert!(report.number("steps") > 400, "{}", report.0);
    }
}

#[test]
fn a_community_server_runs_again_without_a_difference() {
    let mut server = ServerBuilder::new(Edition::Community).arguments(OPTION).start();
    server.client().put("v", "e", b"x").expect(201);
    server.restart();
    server.terminate();
    server.await_end(seconds(10));
    let report = faithful(&recording_of(&server));
    assert!(report.field("edition").starts_with("community "), "{}", report.0);
    assert_eq!((report.number("processes"), report.number("steps")), (2, 3));
}

#[test]
fn a_small_ring_keeps_the_newest_and_runs_again() {
    let mut cluster = recorded_pair(&SMALL);
    let client = cluster.primary();
    let file = recording_of(&cluster.pops[0].server);
    let beginning = || std::fs::read(&file).expect("the recording is there")[4096..4160].to_vec();
    let first = beginning();
    while_writing(&client, |_| {
        eventually("the ring wraps", seconds(120), || beginning() != first);
        cluster.pops[0].server.kill9();
    });
    let size = std::fs::metadata(&file).expect("the recording is there").len();
    assert!(size <= 1024 * 1024, "{size}");
    let report = faithful(&file);
    assert!(report.number("segments") >= 7, "{}", report.0);
    cluster.pops[1].server.kill9();
    faithful(&recording_of(&cluster.pops[1].server));
}

/// A recording of a pair's primary, which was killed.
fn recording() -> Vec<u8> {
    let mut cluster = recorded_pair(&[]);
    let client = cluster.primary();
    while_writing(&client, |written| {
        await_writes(written, 50);
        cluster.pops[0].server.kill9();
    });
    std::fs::read(recording_of(&cluster.pops[0].server)).expect("the recording is there")
}

#[test]
fn what_is_not_as_it_was_written_is_refused_with_its_place() {
    let bytes = recording();
    let scratch = Scratch::new("altered");
    let refused = |bytes: &[u8], expected: &str| {
        let finished = replay(&scratch.file("flight", bytes));
        assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
        assert!(finished.stderr.contains(expected), "no `{expected}`: {finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    };
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("something was recorded");
    for at in [20, 4_100, 4_200, 5_000, last / 2 + 2_048, last - 30] {
        let mut altered = bytes.clone();
        altered[at] ^= 0x11;
        refused(&altered, "damaged or altered, at byte");
    }
    for length in [100, 4_096, bytes.len() / 2, bytes.len() - 1] {
        let expected = format!("cut short: {length} of");
        refused(&bytes[..length], &expected);
    }
    refused(b"", "not a recording");
    refused(b"a diary", "not a recording");
    refused(&[0; 100_000], "not a recording");
    let mut newer = bytes.clone();
    newer[16] = 2;
    refused(&newer, "format version 2");
    scratch.file("flight", &bytes);
    faithful(&scratch.path().join("flight"));
    let missing = replay(&scratch.path().join("not-there"));
    assert!(missing.code.is_some_and(|code| code != 0), "{missing:?}");
    assert!(missing.stderr.contains("not-there"), "{missing:?}");
}

#[test]
fn no_secret_no_name_and_no_blob_is_in_a_recording() {
    let mut cluster = recorded_pair(&[]);
    let client = cluster.primary();
    client.put_acked("marked-vault", "marked-entry", b"marked-blob").expect(201);
    let mut marks = vec!["marked-".to_owned(), "recorded".to_owned(), "flights".to_owned()];
    let made = client.create_token(Some("marked-vault"), "read");
    marks.push(made["token"].as_str().expect("its text").to_owned());
    client.with_token(&"cvt_0".repeat(10)).get("marked-vault", "marked-entry").expect(401);
    client.delete("marked-vault", "marked-entry").expect(204);
    while_writing(&client, |written| {
        await_writes(written, 50);
        cluster.pops[1].server.restart();
        await_writes(written, 50);
    });
    cluster.settle();
    let secret = std::fs::read(cluster.scratch.path().join("secret")).expect("the secret");
    let secret = String::from_utf8(secret).expect("a secret in ASCII").trim().to_owned();
    marks.push(secret.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect());
    marks.push(secret);
    marks.extend(cluster.pops.iter().map(|pop| pop.server.admin_token()));
    for pop in &cluster.pops {
        let bytes = std::fs::read(recording_of(&pop.server)).expect("the recording is there");
        let holds = |mark: &str| bytes.windows(mark.len()).any(|part| part == mark.as_bytes());
        for mark in &marks {
            let word = mark.strip_prefix("cvt_").unwrap_or(mark);
            assert!(!holds(word), "{} holds {mark}", pop.id);
        }
        // The search finds what is there.
        let is_peer = |other: &&clavitor_tests::cluster::Pop| other.id != pop.id;
        let peer = cluster.pops.iter().find(is_peer).expect("a peer");
        assert!(holds(&peer.url) && holds("commercial"));
    }
}

/// Runs `clavitor serve` with settings that must keep it from starting; answers what it says.
fn refused(directory: &Path, words: &[&str]) -> String {
    let address = ports::free_address().to_string();
    let mut all = vec!["serve", "--listen", &address, "--data-dir", "data"];
    all.extend_from_slice(words);
    let finished = run(Edition::Community, directory, &all);
    assert!(finished.code.is_some_and(|code| code != 0), "{words:?}: {finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("listening on"), "{}", finished.stderr);
    finished.stderr
}

#[test]
fn settings_that_cannot_be_right_keep_the_server_from_starting() {
    let scratch = Scratch::new("recorder");
    let says = |words: &[&str], expected: &str| {
        let said = refused(scratch.path(), words);
        assert!(said.contains(expected), "{words:?}: {said}");
    };
    let sized = |size| [OPTION[0], OPTION[1], SMALL[0], size];
    says(&sized("1023KiB"), "--flight-recorder-bytes: \"1023KiB\" is not between 1MiB and 1GiB");
    says(&sized("2GiB"), "is not between 1MiB and 1GiB");
    says(&sized("much"), "is not a size");
    says(&SMALL, "--flight-recorder-bytes: means nothing without --flight-recorder FILE");
    assert!(!scratch.path().join("data").exists(), "refused before anything is written");
    says(&["--flight-recorder", ""], "is empty");
    says(&["--flight-recorder", "no/such/flight"], "--flight-recorder no/such/flight: it cannot");
    says(&["--flight-recorder", "."], "Is a directory");
    says(&["--flight-recorder", "/dev/null"], "it is not a regular file");
    let diary = scratch.file("diary", b"dear diary");
    says(&["--flight-recorder", "diary"], "diary: it is not a recording of the flight recorder");
    assert_eq!(std::fs::read(diary).expect("it is left alone"), b"dear diary");
}

#[test]
fn a_file_belongs_to_one_server_and_keeps_its_size() {
    let mut server = ServerBuilder::new(Edition::Community).arguments(OPTION).start();
    let file = recording_of(&server);
    let name = file.to_str().expect("a plain path");
    let scratch = Scratch::new("second");
    let said = refused(scratch.path(), &["--flight-recorder", name]);
    assert!(said.contains("another server records into it"), "{said}");
    server.kill9();
    let said = refused(scratch.path(), &["--flight-recorder", name, SMALL[0], SMALL[1]]);
    assert!(said.contains("it was made with --flight-recorder-bytes 16"), "{said}");
    server.start_again();
    server.kill9();
    assert_eq!(faithful(&file).number("processes"), 2);
}

#[test]
fn what_is_in_force_is_shown() {
    let scratch = Scratch::new("shown");
    let config = "flight_recorder = \"black-box\"\nflight_recorder_bytes = 2097152\n";
    let config = scratch.file("clavitor.toml", config.as_bytes());
    let config = config.to_str().expect("a plain path");
    let finished = run(
        Edition::Community,
        scratch.path(),
        &["config", "check", "--config", config, "--flight-recorder-bytes", "4MiB"],
    );
    let line = |name: &str| {
        let mut lines = finished.stdout.lines().map(|line| line.split_whitespace());
        let words = lines.find(|words| words.clone().next() == Some(name));
        words.unwrap_or_else(|| panic!("{finished:?}")).take(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("flight-recorder"), "flight-recorder black-box file");
    assert_eq!(line("flight-recorder-bytes"), "flight-recorder-bytes 4MiB flag");
    assert!(!scratch.path().join("black-box").exists());
}
