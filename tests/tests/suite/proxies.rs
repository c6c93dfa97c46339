//! Whose address the log of refusals names behind a proxy.

use clavitor_tests::raw::exchange;
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Edition, Server, ServerBuilder};

const PROXY: &str = "127.0.0.1";

/// The refusal's line, once there are so many.
fn refused(server: &Server, forwarded: &str, count: usize) -> String {
    let request =
        format!("GET /v1/node HTTP/1.1\r\nHost: a\r\n{forwarded}Connection: close\r\n\r\n");
    let answer = exchange(server.address(), request.as_bytes()).expect("an answer");
    assert_eq!((answer.status(), answer.code().as_str()), (401, "CV-UNAUTHENTICATED"));
    let lines = || server.lines_with("refused [CV-UNAUTHENTICATED]");
    eventually("a line for each refusal", seconds(5), || lines().len() == count);
    lines().pop().expect("a line")
}

#[test]
fn a_trusted_proxys_word_names_the_client_and_a_strangers_does_not() {
    let forged = "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.9, 10.1.2.3\r\n";
    for edition in Edition::ALL {
        let proxies = ["--trusted-proxy", PROXY, "--trusted-proxy", "10.0.0.0/8"];
        let server = ServerBuilder::new(edition).arguments(proxies).start();
        let line = refused(&server, forged, 1);
        assert!(line.contains("from 203.0.113.9;"), "{line}");
        let line = refused(&server, "", 2);
        assert!(line.contains(&format!("from {PROXY};")), "{line}");

        let proxies = ["--trusted-proxy", "10.0.0.0/8"];
        let server = ServerBuilder::new(edition).arguments(proxies).start();
        let line = refused(&server, forged, 1);
        assert!(line.contains(&format!("from {PROXY};")), "{line}");
    }
}
