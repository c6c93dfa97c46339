//! `clavitor demo` shows what it promises, and leaves nothing behind. [P10] [P12]

use clavitor_tests::binary::{self, Finished, run_with};
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Edition, Runtime, Scratch, process};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// Twice what everything takes that the demo waits for at the most.
const WHOLE_MAX: Duration = seconds(180);

fn demo(scratch: &Path, more: &[&str]) -> Command {
    let mut command = binary::command_on(Runtime::Tokio, Edition::Commercial);
    command.arg("demo").args(more).env("TMPDIR", scratch).current_dir(scratch);
    command
}

fn finish(mut child: Child) -> Finished {
    eventually("the demo ends", WHOLE_MAX, || child.try_wait().expect("a child").is_some());
    Finished::from(child.wait_with_output().expect("its output can be read"))
}

/// A demo that is under way, once all of its processes are.
fn begun(scratch: &Path) -> (Child, BufReader<ChildStderr>, Vec<u32>) {
    let mut child = demo(scratch, &[]).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut said = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.starts_with("Kill 1 of 1") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("lines"), 0, "it ended early");
    }
    let children = process::children(child.id());
    (child, said, children)
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a directory").next().is_none()
}

#[test]
fn everything_is_measured_and_nothing_lost() {
    let scratch = Scratch::new("demo");
    let mut command = demo(scratch.path(), &["--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let finished = finish(child.expect("it starts"));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let measured: Value = serde_json::from_str(&finished.stdout).expect("one JSON document");
    assert_eq!(measured["lost"], 0);
    assert!(measured["acknowledged"].as_u64() >= Some(100), "{measured}");
    let failover = &measured["failovers"][0];
    let of = |name: &str| failover[name].as_u64().unwrap_or_else(|| panic!("{name}: {failover}"));
    let moments = ["lease_over_ms", "ordered_ms", "promoted_ms"].map(of);
    assert!(moments.is_sorted(), "{failover}");
    // A lease is not over before a renewal's two seconds less than its six.
    assert!(moments[0] >= 3_900, "{failover}");
    assert!(of("dns_ms") >= of("ordered_ms") && of("first_write_ms") >= of("ordered_ms"));
    assert!(of("dns_ms") < 60_000 && of("rejoined_ms") < 60_000, "{failover}");
    assert_eq!((&failover["lost"], &failover["reads"]["failed"]), (&0.into(), &0.into()));
    assert!(failover["reads"]["answered"].as_u64() >= Some(100), "{failover}");
    assert_ne!(failover["killed"], failover["primary"]);
    let switchover = &measured["switchovers"][0];
    assert_eq!(
        (&switchover["from"], &switchover["to"]),
        (&failover["primary"], &failover["killed"])
    );
    assert_eq!(switchover["errors"], Value::Array(Vec::new()));
    assert!(switchover["pause_ms"].as_u64().is_some_and(|ms| ms < 2_000), "{switchover}");
    assert_eq!(measured["summary"]["dns_ms"]["p99"], failover["dns_ms"]);
    assert!(!finished.stderr.contains('\x1b'), "{}", finished.stderr);
    assert!(is_empty(scratch.path()), "something is left behind");
}

#[test]
fn a_demo_that_is_stopped_or_killed_takes_its_processes_with_it() {
    for (signal, is_tidy) in [(Signal::INT, true), (Signal::KILL, false)] {
        let scratch = Scratch::new("demo");
        let (mut child, mut said, children) = begun(scratch.path());
        assert!(children.len() >= 2, "{children:?}");
        process::signal(child.id(), signal);
        let status = child.wait().expect("a child");
        eventually("its processes are gone", seconds(5), || {
            !children.iter().any(|id| process::is_running(*id))
        });
        let mut rest = String::new();
        said.read_to_string(&mut rest).expect("nobody keeps it open");
        assert_eq!((status.code(), is_empty(scratch.path())), (is_tidy.then_some(1), is_tidy));
    }
}

#[test]
fn a_directory_with_something_in_it_is_refused() {
    let scratch = Scratch::new("demo");
    scratch.file("something", b"of somebody");
    let refused = run_with(&mut demo(scratch.path(), &["--data-dir", "."]));
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("is not empty"), "{}", refused.stderr);
    assert_eq!(fs::read(scratch.path().join("something")).expect("it is there"), b"of somebody");
}
