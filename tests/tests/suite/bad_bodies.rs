//! Bodies that are too long, too short, too slow, or never end.

use crate::bad_input::{assert_refused, headers, request};
use clavitor_tests::raw::{exchange, exchange_half_closed, exchange_within};
use clavitor_tests::wait::seconds;
use clavitor_tests::{Edition, Server, eventually, metrics};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn a_body_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let target = "/v1/vaults/v/entries/zebra-marker";
        let limit = 1024 * 1024;
        let announced = format!("Content-Length: {}", limit + 1);
        let bytes = request("PUT", target, &headers(&server, &[&announced]), &[b'x'; 100]);
        let started = Instant::now();
        let answer = exchange(server.address(), &bytes);
        assert!(started.elapsed() < seconds(2), "refused without waiting for the body");
        assert_refused(&server, "announced", answer, &[(413, "CV-TOO-LARGE")]);
        let mut chunks = Vec::new();
        for _ in 0..17 {
            chunks.extend_from_slice(b"10000\r\n");
            chunks.extend_from_slice(&[b'x'; 0x10000]);
            chunks.extend_from_slice(b"\r\n");
        }
        let chunked = headers(&server, &["Transfer-Encoding: chunked"]);
        let answer = exchange(server.address(), &request("PUT", target, &chunked, &chunks));
        assert_refused(&server, "chunked", answer, &[(413, "CV-TOO-LARGE")]);
        server.client().get("v", "zebra-marker").expect_problem(404, "CV-NOT-FOUND");
        server.client().put("v", "zebra-marker", &vec![b'x'; limit]).expect(201);
    }
}

#[test]
fn a_body_that_ends_early_stores_nothing() {
    let server = Server::start(Edition::Community);
    let target = "/v1/vaults/v/entries/zebra-marker";
    let short: [(&str, &[u8]); 3] = [
        ("Content-Length: 100", b"only this"),
        ("Transfer-Encoding: chunked", b"5\r\nonly "),
        ("Transfer-Encoding: chunked", b"zz\r\nonly \r\n0\r\n\r\n"),
    ];
    for (line, body) in short {
        let bytes = request("PUT", target, &headers(&server, &[line]), body);
        let answer = exchange_half_closed(server.address(), &bytes);
        assert_refused(&server, line, answer, &[(400, "CV-BAD-LENGTH")]);
        server.client().get("v", "zebra-marker").expect_problem(404, "CV-NOT-FOUND");
    }
}

#[test]
fn slow_and_silent_clients_are_cut() {
    let server = Server::start(Edition::Community);
    let address = server.address();
    let half_head = std::thread::spawn(move || {
        let started = Instant::now();
        let answer = exchange_within(address, b"GET /livez HTTP/1.1\r\nHost: a\r\n", seconds(20));
        (started.elapsed(), answer.map(|answer| answer.status()))
    });
    let trickled_head = std::thread::spawn(move || trickle(address));
    let length = headers(&server, &["Content-Length: 100"]);
    let silent_body = request("PUT", "/v1/vaults/v/entries/zebra-marker", &length, b"only this");
    let started = Instant::now();
    let answer = exchange_within(address, &silent_body, seconds(45));
    let waited = started.elapsed();
    assert!((25..40).contains(&waited.as_secs()), "a silent body is cut after 30 s: {waited:?}");
    if let Some(answer) = answer {
        assert_refused(&server, "a silent body", Some(answer), &[(408, "CV-BODY-TIMEOUT")]);
    }
    server.client().get("v", "zebra-marker").expect_problem(404, "CV-NOT-FOUND");
    let (waited, status) = half_head.join().expect("no panic");
    assert!((8..15).contains(&waited.as_secs()), "half a head is cut after 10 s: {waited:?}");
    assert!(status.is_none_or(|status| status == 408), "{status:?}");
    let waited = trickled_head.join().expect("no panic");
    assert!((8..15).contains(&waited.as_secs()), "a trickled head is cut after 10 s: {waited:?}");
}

/// Sends one byte of a head every half second until the server ends it.
fn trickle(address: std::net::SocketAddr) -> Duration {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out above zero");
    let started = Instant::now();
    let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nX-Slow: ");
    let mut buffer = [0; 256];
    while started.elapsed() < seconds(30) && stream.write_all(b"s").is_ok() {
        if stream.read(&mut buffer).is_ok() {
            break;
        }
    }
    started.elapsed()
}

#[test]
fn a_client_that_goes_away_halfway_leaves_nothing_behind() {
    let server = Server::start(Edition::Community);
    let length = headers(&server, &["Content-Length: 1000000"]);
    let half = request("PUT", "/v1/vaults/v/entries/zebra-marker", &length, &[b'x'; 1000]);
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.write_all(&half).expect("the server reads");
    }
    eventually("the server takes large bodies again", seconds(10), || {
        (0..8).all(|number| {
            let answer = server.client().put("v", &format!("e{number}"), &vec![1; 1 << 20]);
            answer.is_done()
        })
    });
    server.client().get("v", "zebra-marker").expect_problem(404, "CV-NOT-FOUND");
}

#[test]
fn a_client_that_closes_its_half_behind_a_whole_request_is_answered() {
    const ROUNDS: usize = 30;
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let target = "/v1/vaults/v/entries/e";
        let put = request("PUT", target, &headers(&server, &["Content-Length: 1"]), b"x");
        let get = request("GET", target, &headers(&server, &[]), b"");
        for round in 0..ROUNDS {
            for request in [&put, &get] {
                let answer = exchange_half_closed(server.address(), request);
                let status = answer.map(|answer| answer.status());
                assert!(matches!(status, Some(200 | 201)), "{edition:?}, {round}: {status:?}");
            }
        }
        eventually("nothing is left of them", seconds(3), || {
            metrics::value(&server.client().metrics(), "clavitor_connections") <= 3.0
        });
    }
}
