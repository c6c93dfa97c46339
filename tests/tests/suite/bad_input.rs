//! Names and heads that no well-behaved client sends.

use clavitor_tests::raw::{Message, exchange, exchange_half_closed};
use clavitor_tests::{Edition, Server};

/// Appears in every name of these tests, and in no answer.
const MARKER: &str = "zebra-marker";

/// A request by hand; `headers` are whole lines.
pub(crate) fn request(method: &str, target: &str, headers: &[String], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// `Host` and the admin access token, and then some.
pub(crate) fn headers(server: &Server, more: &[&str]) -> Vec<String> {
    let mut lines = vec![
        format!("Host: {}", server.address()),
        format!("Authorization: Bearer {}", server.admin_token()),
    ];
    lines.extend(more.iter().map(|&line| line.to_owned()));
    lines
}

/// Demands that an answer gives nothing away.
pub(crate) fn assert_discreet(server: &Server, what: &str, text: &str) {
    let data = server.data().to_string_lossy().into_owned();
    let token = server.admin_token();
    let secrets =
        [&data, &token, MARKER, "admin.token", ".rs:", "src/", "panicked", "MDB_", "heed", "hyper"];
    for secret in secrets {
        assert!(!text.contains(secret), "{what}: the answer contains `{secret}`: {text}");
    }
}

/// Demands a problem document, discretion, and a server that goes on serving.
#[track_caller]
pub(crate) fn assert_refused(
    server: &Server,
    what: &str,
    answer: Option<Message>,
    expected: &[(u16, &str)],
) {
    let answer = answer.unwrap_or_else(|| panic!("{what}: no answer"));
    let got = (answer.status(), answer.code());
    let fits = expected.iter().any(|&(status, code)| (status, code) == (got.0, got.1.as_str()));
    assert!(fits, "{what}: {got:?} instead of {expected:?}: {}", answer.text());
    let kind = answer.header("content-type").unwrap_or_default();
    assert_eq!(kind, "application/problem+json", "{what}");
    assert_discreet(server, what, &answer.text());
    server.client().put("alive", "e", b"x");
    assert_eq!(server.client().get("alive", "e").expect(200).body, b"x", "after {what}");
}

#[test]
fn bad_names_are_refused_with_a_code() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let long_entry = format!("{MARKER}{}", "n".repeat(257 - MARKER.len()));
        let long_encoded = "%6E".repeat(257);
        let long_vault = "v".repeat(65);
        let entries = [
            ("..", "CV-BAD-NAME"),
            (".", "CV-BAD-NAME"),
            ("%2e%2e", "CV-BAD-NAME"),
            ("zebra-marker%00", "CV-BAD-NAME"),
            ("%0a", "CV-BAD-NAME"),
            ("%7F", "CV-BAD-NAME"),
            ("%C2%85", "CV-BAD-NAME"),
            ("zebra-marker%", "CV-BAD-NAME"),
            ("zebra-marker%4", "CV-BAD-NAME"),
            ("zebra-marker%zz", "CV-BAD-NAME"),
            ("%ff%fe", "CV-BAD-NAME"),
            ("%c0%af", "CV-BAD-NAME"),
            ("%ed%a0%80", "CV-BAD-NAME"),
            (&long_entry, "CV-BAD-NAME"),
            (&long_encoded, "CV-BAD-NAME"),
        ];
        let vaults = ["..", "%2e%2e", "UPPER", "a%2Fb", "a%00", "a.b", "%C3%A4", "a%20b", "%"];
        let mut targets: Vec<String> =
            entries.iter().map(|(name, _)| format!("/v1/vaults/v/entries/{name}")).collect();
        targets.extend(vaults.iter().map(|name| format!("/v1/vaults/{name}/entries/e")));
        targets.extend(vaults.iter().map(|name| format!("/v1/vaults/{name}/entries")));
        targets.push(format!("/v1/vaults/{long_vault}/entries/e"));
        for target in &targets {
            let methods: &[&str] =
                if target.ends_with("/entries") { &["GET"] } else { &["PUT", "GET", "DELETE"] };
            for method in methods {
                let length = if *method == "PUT" { "Content-Length: 1" } else { "X-None: 0" };
                let body: &[u8] = if *method == "PUT" { b"x" } else { b"" };
                let bytes = request(method, target, &headers(&server, &[length]), body);
                let what = format!("{method} {target}");
                let answer = exchange(server.address(), &bytes);
                assert_refused(&server, &what, answer, &[(400, "CV-BAD-NAME")]);
            }
        }
        assert_eq!(server.client().node()["entries"], 1, "only the sign of life is stored");
    }
}

#[test]
fn paths_with_empty_parts_or_raw_slashes_name_nothing() {
    let server = Server::start(Edition::Community);
    let targets = [
        "/v1/vaults/v/entries/",
        "/v1/vaults//entries/e",
        "/v1/vaults/v/entries/a/b",
        "/v1/vaults/v/entries/../entries/e",
        "//v1/vaults/v/entries/e",
        "/v1/vaults/v/entries/a/../../../../admin.token",
    ];
    for target in targets {
        let bytes = request("GET", target, &headers(&server, &[]), b"");
        let answer = exchange(server.address(), &bytes);
        assert_refused(&server, target, answer, &[(404, "CV-NO-ROUTE"), (400, "CV-BAD-NAME")]);
    }
}

#[test]
fn a_missing_or_doubled_host_is_a_bad_request() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let authorization = format!("Authorization: Bearer {}", server.admin_token());
        let host = format!("Host: {}", server.address());
        let heads = [
            vec![authorization.clone()],
            vec![host.clone(), authorization.clone(), host.clone()],
            vec![host.clone(), authorization, "Host: other.example".to_owned()],
        ];
        for head in heads {
            let bytes = request("GET", "/v1/node", &head, b"");
            let answer = exchange(server.address(), &bytes);
            assert_refused(&server, &format!("{head:?}"), answer, &[(400, "CV-BAD-HOST")]);
            let health = request("GET", "/livez", &head, b"");
            let answer = exchange(server.address(), &health);
            assert_refused(&server, &format!("health {head:?}"), answer, &[(400, "CV-BAD-HOST")]);
        }
    }
}

#[test]
fn a_doubled_or_malformed_content_length_stores_nothing() {
    let server = Server::start(Edition::Community);
    let target = "/v1/vaults/v/entries/zebra-marker";
    let lines: [&[&str]; 5] = [
        &["Content-Length: 1", "Content-Length: 2"],
        &["Content-Length: 1, 2"],
        &["Content-Length: -1"],
        &["Content-Length: zebra"],
        &["Content-Length: 99999999999999999999999"],
    ];
    for more in lines {
        let bytes = request("PUT", target, &headers(&server, more), b"xy");
        let answer = exchange(server.address(), &bytes);
        assert_refused(&server, &format!("{more:?}"), answer, &[(400, "CV-BAD-LENGTH")]);
        server.client().get("v", "zebra-marker").expect(404);
    }
}

#[test]
fn a_content_length_given_twice_is_refused_even_if_both_agree() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        for method in ["PUT", "GET", "DELETE", "POST"] {
            let target = "/v1/vaults/v/entries/zebra-marker";
            let twice = ["Content-Length: 2", "content-length: 2"];
            let bytes = request(method, target, &headers(&server, &twice), b"xy");
            let answer = exchange(server.address(), &bytes);
            assert_refused(&server, method, answer, &[(400, "CV-BAD-LENGTH")]);
        }
        server.client().get("v", "zebra-marker").expect(404);
    }
}

#[test]
fn an_oversized_or_garbled_head_is_refused() {
    let server = Server::start(Edition::Community);
    let long = format!("X-Long: {}", "h".repeat(20 * 1024));
    let bytes = request("GET", "/v1/node", &headers(&server, &[&long]), b"");
    let too_large = [(431, "CV-HEAD-TOO-LARGE")];
    assert_refused(&server, "long", exchange(server.address(), &bytes), &too_large);
    let many: Vec<String> = (0..500).map(|number| format!("X-{number}: {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let bytes = request("GET", "/v1/node", &headers(&server, &many), b"");
    assert_refused(&server, "many", exchange(server.address(), &bytes), &too_large);
    let endless = format!("GET /v1/vaults/v/entries/{} HTTP/1.1\r\n", "n".repeat(64 * 1024));
    let answer = exchange(server.address(), endless.as_bytes());
    assert!(answer.is_none_or(|answer| matches!(answer.status(), 400 | 414 | 431)));
    let garbage: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"zebra-marker\r\n\r\n",
        b"GET /v1/node HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /v1/node HTTP/1.1\r\nHo st: a\r\n\r\n",
        b"GET /v1/\0node HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    for bytes in garbage {
        let answer = exchange_half_closed(server.address(), bytes);
        assert_refused(&server, "garbage", answer, &[(400, "CV-BAD-REQUEST")]);
        server.client().node();
    }
}
