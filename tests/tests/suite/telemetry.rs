//! Reports: when they come, what is in them, who sends none, and that nothing suffers from them.

use clavitor_tests::wait::{seconds, throughout};
use clavitor_tests::{
    Edition, Hq, Mood, Scratch, Server, ServerBuilder, cluster, eventually, metrics,
};
use std::time::{Duration, Instant};

mod fields;
mod privacy;

/// Where reports go.
const PATH: &str = "/v1/telemetry";

/// A server that reports to `hq` every second.
fn reporting(edition: Edition, hq: &Hq) -> ServerBuilder {
    let words = ["--telemetry-host", &hq.url(), "--telemetry-freq", "1"];
    ServerBuilder::new(edition).arguments(words)
}

fn counted(server: &Server, name: &str) -> Option<f64> {
    let samples = metrics::parse(&server.client().metrics());
    samples.into_iter().find(|sample| sample.name == name).map(|sample| sample.value)
}

fn taken(server: &Server) -> Option<f64> {
    counted(server, "clavitor_telemetry_reports_total")
}

fn failed(server: &Server) -> Option<f64> {
    counted(server, "clavitor_telemetry_failures_total")
}

#[test]
fn reports_arrive_at_the_frequency() {
    for edition in Edition::ALL {
        let hq = Hq::start();
        let server = reporting(edition, &hq).start();
        eventually("six reports came", seconds(30), || hq.requests(PATH).len() >= 6);
        let posts = hq.requests(PATH);
        let took = posts[5].at - posts[0].at;
        assert!(took > Duration::from_millis(4_500) && took < seconds(10), "{took:?}");
        assert_eq!(posts[0].message.header("content-type"), Some("application/json"));
        assert_eq!(posts[0].message.header("authorization"), None);
        assert_eq!(hq.connections(), 1, "the connection is kept");
        assert!(taken(&server) >= Some(5.0) && failed(&server) == Some(0.0));
        assert!(server.lines_with("does not take reports").is_empty(), "{}", server.log());
    }
}

#[test]
fn the_telemetry_token_proves_who_reports() {
    let scratch = Scratch::new("telemetry");
    let token = scratch.file("token", &cluster::new_secret(23));
    let text = String::from_utf8(cluster::new_secret(23)).expect("it is ASCII");
    for edition in Edition::ALL {
        let hq = Hq::start();
        let server = reporting(edition, &hq)
            .arguments(["--telemetry-token-file".as_ref(), token.as_os_str()])
            .start();
        eventually("a report came", seconds(15), || !hq.requests(PATH).is_empty());
        let bearer = format!("Bearer {}", text.trim());
        assert_eq!(hq.requests(PATH)[0].message.header("authorization"), Some(bearer.as_str()));
        assert!(!server.log().contains(text.trim()));
    }
}

#[test]
fn the_commercial_edition_reports_as_soon_as_a_variable_names_a_host() {
    let hq = Hq::start();
    let server = ServerBuilder::new(Edition::Commercial)
        .variable("TELEMETRY_HOST", hq.url())
        .variable("TELEMETRY_FREQ", "1")
        .variable("POP_REGION", "ca-west")
        .start();
    eventually("a report came", seconds(15), || !hq.requests(PATH).is_empty());
    let report: serde_json::Value =
        serde_json::from_slice(&hq.requests(PATH)[0].message.body).expect("JSON");
    assert_eq!((&report["pop_region"], &report["schema"]), (&"ca-west".into(), &1.into()));
    drop(server);
}

/// Nobody asked on the command line, so nobody is called: whatever the environment and the file say.
#[test]
fn the_community_edition_calls_nobody_because_of_a_variable_or_a_file() {
    let (hq, scratch) = (Hq::start(), Scratch::new("telemetry"));
    let file = format!("telemetry_host = \"{}\"\ntelemetry_freq = 1\n", hq.url());
    let file = scratch.file("clavitor.toml", file.as_bytes());
    let server = ServerBuilder::new(Edition::Community)
        .arguments(["--config".as_ref(), file.as_os_str()])
        .variable("TELEMETRY_HOST", hq.url())
        .variable("TELEMETRY_FREQ", "1")
        .start();
    server.client().put("v", "e", b"x").expect(201);
    throughout("nobody calls", seconds(8), || hq.connections() == 0);
    assert_eq!((taken(&server), failed(&server)), (None, None));
    // The same receiver does hear who was asked to.
    let asked = reporting(Edition::Community, &hq).start();
    eventually("a report came", seconds(15), || !hq.requests(PATH).is_empty());
    assert!(taken(&asked).is_some());
}

#[test]
fn without_a_host_there_is_no_telemetry_in_either_edition() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        assert_eq!((taken(&server), failed(&server)), (None, None));
    }
}

#[test]
fn a_receiver_that_refuses_or_is_gone_is_told_of_once_and_so_is_its_return() {
    for edition in Edition::ALL {
        let mut hq = Hq::start();
        hq.set(Mood::Answers(503));
        let server = reporting(edition, &hq).start();
        eventually("two were refused", seconds(15), || failed(&server) >= Some(2.0));
        hq.set(Mood::LosesAnswers);
        eventually("two were cut off", seconds(15), || failed(&server) >= Some(4.0));
        let before = hq.requests(PATH).len();
        hq.go_down();
        eventually("two met nobody", seconds(15), || failed(&server) >= Some(6.0));
        let failures = server.lines_with("does not take reports");
        assert_eq!(failures.len(), 1, "{}", server.log());
        assert!(failures[0].contains("status 503"), "{}", failures[0]);
        hq.set(Mood::Takes);
        hq.come_up();
        eventually("it is told again", seconds(15), || hq.requests(PATH).len() > before);
        eventually("and counted", seconds(15), || taken(&server) >= Some(2.0));
        assert_eq!(server.lines_with("takes reports again").len(), 1, "{}", server.log());
        assert_eq!(server.lines_with("does not take reports").len(), 1, "{}", server.log());
    }
}

#[test]
fn a_receiver_that_hangs_holds_nothing_up() {
    for edition in Edition::ALL {
        let hq = Hq::start();
        hq.set(Mood::Silent);
        let mut server = reporting(edition, &hq).start();
        let client = server.client();
        eventually("a report hangs", seconds(15), || hq.requests(PATH).len() == 1);
        let hangs = Instant::now();
        while hangs.elapsed() < seconds(8) {
            let started = Instant::now();
            client.put("v", "e", b"x");
            assert!(started.elapsed() < seconds(2), "{:?}", started.elapsed());
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(hq.requests(PATH).len(), 1, "one at a time");
        // It is given up after ten seconds, and another one takes its place.
        eventually("the next one came", seconds(15), || hq.requests(PATH).len() == 2);
        assert_eq!(failed(&server), Some(1.0));
        assert_eq!(server.lines_with("no answer within 10 s").len(), 1, "{}", server.log());
        let started = Instant::now();
        server.terminate();
        assert_eq!(server.await_end(seconds(6)).code(), Some(0), "{}", server.log());
        assert!(started.elapsed() < seconds(2), "{:?}", started.elapsed());
        assert_eq!(hq.requests(PATH).len(), 2, "the end is no reason to report");
    }
}
