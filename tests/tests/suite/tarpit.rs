//! The tarpit on the wire: who is held, what a held client gets and when, and who never waits.

use clavitor_tests::raw::{Message, exchange_within};
use clavitor_tests::server::ServerBuilder;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Edition, Server, eventually, metrics};
use serde_json::Value;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub(crate) const SCAN: &str = "GET /wp-login.php HTTP/1.1\r\nHost: a\r\n\r\n";

/// A second is what a prompt answer must not take, and a slow one must.
const PROMPT: Duration = Duration::from_millis(900);

/// How far off its time a byte may be on a busy machine.
const SLACK: Duration = Duration::from_millis(500);

/// What the metrics say of the tarpit: `clavitor_tarpit_` and the name.
#[track_caller]
pub(crate) fn counted(server: &Server, name: &str) -> u64 {
    let name = format!("clavitor_tarpit_{name}");
    let text = server.client().metrics();
    let value = text.lines().find_map(|line| line.strip_prefix(&name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {name}"))
}

#[track_caller]
pub(crate) fn await_held(server: &Server, expected: u64) {
    let what = format!("{expected} connections are held");
    eventually(&what, seconds(10), || counted(server, "held") == expected);
}

/// Sends a request and leaves it at that.
pub(crate) fn send(server: &Server, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.write_all(request.as_bytes()).expect("the server reads");
    stream
}

/// The head of an answer, read byte by byte so that nothing after it is taken; `None` if the
/// connection ends first.
pub(crate) fn head(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(seconds(5))).expect("a time-out above zero");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8(head).expect("a head is text"))
}

/// The lines of a head but for the time.
fn lines(head: &str) -> Vec<String> {
    let lines = head.split("\r\n").filter(|line| !line.starts_with("date: "));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Demands the head of a slow answer, and that no byte follows at once.
#[track_caller]
fn assert_slow(what: &str, mut stream: TcpStream, status: u16) -> String {
    let head = head(&mut stream).unwrap_or_else(|| panic!("{what}: closed without an answer"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {head}");
    assert!(lines(&head).contains(&"content-length: 30".to_owned()), "{what}: {head}");
    assert!(lines(&head).contains(&"connection: close".to_owned()), "{what}: {head}");
    stream.set_read_timeout(Some(PROMPT)).expect("a time-out above zero");
    assert!(stream.read(&mut [0]).is_err(), "{what}: a byte, or the end, came at once");
    head
}

#[track_caller]
fn assert_prompt(what: &str, server: &Server, request: &str, status: u16, code: &str) -> Message {
    let answer = exchange_within(server.address(), request.as_bytes(), PROMPT);
    let answer = answer.unwrap_or_else(|| panic!("{what}: no whole answer within {PROMPT:?}"));
    assert_eq!((answer.status(), answer.code().as_str()), (status, code), "{what}");
    answer
}

/// What a client reads until its connection ends: when each piece came, and how it ended.
fn read_slowly(mut stream: TcpStream, started: Instant) -> (Vec<(Duration, Vec<u8>)>, Duration) {
    stream.set_read_timeout(Some(seconds(5))).expect("a time-out above zero");
    let mut pieces = Vec::new();
    loop {
        let mut piece = [0; 64];
        let read = stream.read(&mut piece).expect("no reset before the end");
        if read == 0 {
            return (pieces, started.elapsed());
        }
        pieces.push((started.elapsed(), piece[..read].to_vec()));
    }
}

#[test]
fn a_scanner_gets_thirty_bytes_one_each_second_and_then_the_end() {
    let server = Server::start(Edition::Commercial);
    // One that only asks, and one whose body nobody reads: it must get all bytes all the same.
    let body = "x".repeat(20_000);
    let upload = format!(
        "DELETE /v1/tokens HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let clients = [(SCAN.to_owned(), 404, "CV-NO-ROUTE"), (upload, 405, "CV-METHOD")];
    let reading = clients.map(|(request, status, code)| {
        let started = Instant::now();
        let mut stream = send(&server, &request);
        let head = head(&mut stream).expect("a head");
        assert!(started.elapsed() < PROMPT, "the head comes at once");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        (code, std::thread::spawn(move || read_slowly(stream, started)))
    });
    for (code, reading) in reading {
        let (pieces, end) = reading.join().expect("the client reads to the end");
        assert_eq!(pieces.len(), 30, "one byte at a time: {pieces:?}");
        let body: Vec<u8> = pieces.iter().flat_map(|(_, piece)| piece.clone()).collect();
        let document: Value = serde_json::from_slice(&body).expect("the body is JSON");
        assert_eq!((body.len(), &document["code"]), (30, &code.into()));
        let first = pieces[0].0;
        assert!(first >= seconds(1) && first < seconds(1) + SLACK, "first byte after {first:?}");
        for (at, (came, _)) in (0..).zip(&pieces) {
            let due = first + seconds(at);
            assert!(came.abs_diff(due) < SLACK, "byte {at} after {came:?} instead of {due:?}");
        }
        assert!(end - pieces[29].0 < SLACK, "closed {:?} after the last byte", end - pieces[29].0);
    }
    await_held(&server, 0);
    assert_eq!((counted(&server, "held_total"), counted(&server, "bytes_total")), (2, 60));
    let wasted = counted(&server, "seconds_total");
    assert!((60..=63).contains(&wasted), "{wasted} s");
}

#[test]
fn the_second_request_of_a_kept_connection_ends_there_too() {
    let server = Server::start(Edition::Commercial);
    let known = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut kept = send(&server, known);
    for _ in 0..3 {
        let answer = Message::read_answer(&mut BufReader::with_capacity(1, &mut kept));
        assert_eq!(answer.expect("an answer").expect("an answer").status(), 200);
        kept.write_all(known.as_bytes()).expect("the server reads");
    }
    let _ = Message::read_answer(&mut BufReader::with_capacity(1, &mut kept));
    kept.write_all(SCAN.as_bytes()).expect("the server reads");
    assert_slow("after other requests", kept, 404);
    let mut pipelined = send(&server, &[known, known, SCAN, known].concat());
    for _ in 0..2 {
        let answer = Message::read_answer(&mut BufReader::with_capacity(1, &mut pipelined));
        assert_eq!(answer.expect("an answer").expect("an answer").status(), 200);
    }
    assert_slow("sent ahead of the answers", pipelined, 404);
    assert_eq!(counted(&server, "held_total"), 2);
}

#[test]
fn head_requests_are_answered_at_once_with_the_same_head() {
    let server = Server::start(Edition::Commercial);
    for (path, method, status) in [("/admin", "GET", 404), ("/v1/tokens/x", "PUT", 405)] {
        let ask = |method: &str| format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let slow = assert_slow(path, send(&server, &ask(method)), status);
        let mut stream = send(&server, &ask("HEAD"));
        let prompt = head(&mut stream).expect("an answer");
        assert_eq!(lines(&prompt), lines(&slow));
        let end = stream.read(&mut [0]);
        assert!(matches!(end, Ok(0)), "closed behind the head: {end:?}");
    }
    assert_eq!(counted(&server, "held_total"), 2);
}

#[test]
fn whoever_has_an_access_token_never_waits() {
    let server = Server::start(Edition::Commercial);
    let made = server.client().create_token(Some("v"), "read");
    let (valid, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    let ask = |token: &str| {
        format!("GET /wp-login.php HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    assert_prompt("a valid token", &server, &ask(valid), 404, "CV-NO-ROUTE");
    let wrong_method = ask(valid).replace("GET /wp-login.php", "POST /v1/node");
    assert_prompt("a valid token", &server, &wrong_method, 405, "CV-METHOD");
    assert_slow("no token", send(&server, &ask("nonsense")), 404);
    server.client().send("DELETE", &format!("/v1/tokens/{id}"), &[], None).expect(200);
    assert_slow("a revoked token", send(&server, &ask(valid)), 404);
}

#[test]
fn health_peers_control_plane_and_provisioning_never_wait() {
    let server = Server::start(Edition::Commercial);
    for path in [
        "/livez/x",
        "/readyz/",
        "/role/none",
        "/v1/replication/none",
        "/v1/pops",
        "/v1/clusters/c/leases",
        "/v1/alerts",
        "/v1/telemetry",
        "/scim/v2/Users",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_prompt(path, &server, &request, 404, "CV-NO-ROUTE");
    }
    for path in ["/livez", "/readyz", "/role/backup", "/v1/replication"] {
        let request = format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_prompt(path, &server, &request, 405, "CV-METHOD");
    }
    // What matches a route is not the tarpit's, and neither is what the parser refuses.
    let entry = "GET /v1/vaults/v/entries/none HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_prompt("a route", &server, entry, 401, "CV-UNAUTHENTICATED");
    assert_prompt("no host", &server, "GET /x HTTP/1.1\r\n\r\n", 400, "CV-BAD-HOST");
    server.client().get("v", "none").expect_problem(404, "CV-NOT-FOUND");
    assert_eq!((counted(&server, "held_total"), counted(&server, "dropped_total")), (0, 0));
}

#[test]
fn without_a_tarpit_the_answer_is_prompt() {
    let community = Server::start(Edition::Community);
    let off = ["--tarpit-connections-max", "0"];
    let commercial = ServerBuilder::new(Edition::Commercial).arguments(off).start();
    for server in [&community, &commercial] {
        assert_prompt("unknown", server, SCAN, 404, "CV-NO-ROUTE");
        let wrong = "DELETE /v1/node HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = assert_prompt("wrong method", server, wrong, 405, "CV-METHOD");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    assert!(!community.client().metrics().contains("tarpit"));
}

#[test]
fn scanners_are_counted_and_logged_once() {
    let server = Server::start(Edition::Commercial);
    let held: Vec<TcpStream> = (0..20).map(|_| send(&server, SCAN)).collect();
    await_held(&server, 20);
    let text = server.client().metrics();
    assert!((metrics::counted_under_code(&text, "CV-NO-ROUTE") - 20.0).abs() < f64::EPSILON);
    assert!(!text.contains("127.0.0.1"), "an address is nobody's business");
    // The minute may change in between.
    let lines = server.lines_with("[CV-NO-ROUTE] from 127.0.0.1");
    assert!((1..=2).contains(&lines.len()), "{lines:?}");
    drop(held);
}
