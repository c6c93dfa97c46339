//! What the community edition does not have, and what it says about it.

use clavitor_tests::{Edition, Scratch, Server, ServerBuilder, cluster};
use std::time::{Duration, Instant};

#[test]
fn replication_routes_are_plain_prompt_404s() {
    let server = Server::start(Edition::Community);
    let routes = [
        ("GET", "/v1/replication"),
        ("POST", "/v1/replication/resume"),
        ("POST", "/v1/replication/frames"),
        ("POST", "/v1/node/promote"),
        ("GET", "/v1/vaults/v/conflicts"),
        ("POST", "/v1/vaults/v/conflicts/1/restore"),
    ];
    for (method, path) in routes {
        for client in [server.client(), server.anonymous()] {
            let body = (method == "POST").then_some(b"".as_slice());
            let started = Instant::now();
            let answer = client.send(method, path, &[], body);
            assert!(started.elapsed() < Duration::from_millis(500), "{path} is not prompt");
            answer.expect_problem(404, "CV-NO-ROUTE");
        }
    }
    server.client().put_acked("v", "e", b"x").expect_problem(400, "CV-NO-BACKUP");
}

#[test]
fn each_commercial_setting_warns_once_and_the_server_serves() {
    let scratch = Scratch::new("settings");
    let secret = scratch.file("secret", &cluster::new_secret(1));
    let server = ServerBuilder::new(Edition::Community)
        .arguments(["--replication-primary", "http://127.0.0.1:1984"])
        .arguments(["--replication-backup", "http://127.0.0.1:1985"])
        .arguments(["--replication-token-file".as_ref(), secret.as_os_str()])
        .variable("TELEMETRY_HOST", "http://127.0.0.1:1")
        .variable("TELEMETRY_TOKEN", "0123456789abcdef0123456789abcdef")
        .variable("TELEMETRY_FREQ", "300")
        .variable("POP_REGION", "ca-west")
        .start();
    server.client().put("v", "e", b"x").expect(201);
    let names = [
        "replication-primary",
        "replication-backup",
        "replication-token-file",
        "telemetry-host",
        "telemetry-token",
        "telemetry-freq",
        "pop-region",
    ];
    let log = server.log().to_lowercase().replace('_', "-");
    for name in names {
        let about: Vec<&str> = log.lines().filter(|line| line.contains(name)).collect();
        assert_eq!(about.len(), 1, "warnings about {name}: {about:?}\n{log}");
        assert!(about[0].contains("commercial"), "{}", about[0]);
    }
    assert!(!log.contains("0123456789abcdef"), "a secret went to the log");
}

#[test]
fn the_binary_contains_none_of_the_commercial_routes() {
    let bytes = std::fs::read(clavitor_tests::binary::binary(Edition::Community)).expect("a file");
    let contains = |needle: &str| bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
    assert!(contains("CV-NO-ROUTE"), "the needle is searched for in the right file");
    for marker in ["replication/frames", "CV-FRAME-AUTH"] {
        assert!(!contains(marker), "{marker} is in the community binary");
    }
}
