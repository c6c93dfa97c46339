//! Well-formed HTTP that asks for what it should not: methods, access tokens, queries, JSON.

use crate::bad_input::{assert_discreet, assert_refused, headers, request};
use clavitor_tests::client::entry_path;
use clavitor_tests::raw::exchange;
use clavitor_tests::{Edition, Server};
use serde_json::{Value, json};

const METHODS: [&str; 6] = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"];

#[test]
fn a_wrong_method_is_405_and_says_which_are_allowed() {
    let both: [(&str, &[&str]); 10] = [
        ("/v1/vaults/v/entries/e", &["GET", "HEAD", "PUT", "DELETE"]),
        ("/v1/vaults/v/entries", &["GET"]),
        ("/v1/tokens", &["GET", "POST"]),
        ("/v1/tokens/some-id", &["DELETE"]),
        ("/v1/node", &["GET"]),
        ("/v1/export", &["GET"]),
        ("/metrics", &["GET"]),
        ("/livez", &["GET"]),
        ("/readyz", &["GET"]),
        ("/role/primary", &["GET"]),
    ];
    let commercial: [(&str, &[&str]); 6] = [
        ("/v1/replication", &["GET"]),
        ("/v1/replication/resume", &["POST"]),
        ("/v1/replication/frames", &["POST"]),
        ("/v1/node/promote", &["POST"]),
        ("/v1/vaults/v/conflicts", &["GET"]),
        ("/v1/vaults/v/conflicts/some-id/restore", &["POST"]),
    ];
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let more = if edition == Edition::Commercial { commercial.as_slice() } else { &[] };
        for (path, allowed) in both.iter().chain(more) {
            // HEAD where GET is allowed is nobody's mistake.
            let is_wrong = |method: &&str| {
                let asked_as = if *method == "HEAD" { "GET" } else { *method };
                !allowed.contains(&asked_as)
            };
            for method in METHODS.iter().copied().filter(is_wrong) {
                let bytes = request(method, path, &headers(&server, &["Content-Length: 0"]), b"");
                let what = format!("{method} {path}");
                if method == "HEAD" {
                    let answer = server.client().send(method, path, &[], None);
                    assert_eq!(answer.status, 405, "{what}");
                    continue;
                }
                let answer = exchange(server.address(), &bytes);
                let allow = answer.as_ref().and_then(|answer| answer.header("allow"));
                let allow = allow.unwrap_or_default().to_owned();
                assert_refused(&server, &what, answer, &[(405, "CV-METHOD")]);
                for method in *allowed {
                    let listed = allow.split(',').any(|word| word.trim() == *method);
                    assert!(listed, "{what}: Allow: {allow}");
                }
            }
        }
    }
}

#[test]
fn an_unknown_route_is_a_404_with_and_without_a_token() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        for path in ["/", "/v1", "/v2/node", "/v1/vaults", "/v1/vaults/v", "/admin", "/.env"] {
            server.client().fetch(path).expect_problem(404, "CV-NO-ROUTE");
            // Without a token the commercial edition may take its time one day; not asked here.
            if edition == Edition::Community {
                server.anonymous().fetch(path).expect_problem(404, "CV-NO-ROUTE");
            }
        }
    }
}

#[test]
fn a_malformed_access_token_is_401_on_every_route() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let token = server.admin_token();
        let shortened = format!("Bearer {}", &token[..token.len() - 1]);
        let lengthened = format!("Bearer {token}0");
        let upper = format!("Bearer {}", token.to_uppercase());
        let basic = format!("Basic {token}");
        let huge = format!("Bearer cvt_{}", "a".repeat(4000));
        let values = [
            "",
            "Bearer",
            "Bearer ",
            &token,
            &basic,
            &shortened,
            &lengthened,
            &upper,
            &huge,
            "Bearer zebra-marker",
            "Bearer cvt_",
            "Bearer cvt_\u{e4}\u{f6}",
            "Bearer a b",
        ];
        let routes = [
            ("GET", "/v1/vaults/v/entries/e"),
            ("PUT", "/v1/vaults/v/entries/e"),
            ("GET", "/v1/tokens"),
            ("GET", "/v1/node"),
            ("GET", "/metrics"),
        ];
        for value in values {
            for (method, path) in routes {
                let head = vec![
                    format!("Host: {}", server.address()),
                    format!("Authorization: {value}"),
                    "Content-Length: 0".to_owned(),
                ];
                let bytes = request(method, path, &head, b"");
                let what = format!("{method} {path} with `{value:.40}`");
                let answer = exchange(server.address(), &bytes);
                assert_refused(&server, &what, answer, &[(401, "CV-UNAUTHENTICATED")]);
            }
        }
        let doubled = headers(&server, &["Authorization: Bearer zebra-marker"]);
        let answer = exchange(server.address(), &request("GET", "/v1/node", &doubled, b""));
        let expected = [(401, "CV-UNAUTHENTICATED"), (400, "CV-BAD-REQUEST")];
        assert_refused(&server, "two tokens", answer, &expected);
    }
}

#[test]
fn a_bad_query_is_refused_and_nothing_is_truncated() {
    let server = Server::start(Edition::Community);
    let list = "/v1/vaults/v/entries";
    let targets = [
        format!("{list}?limit=0"),
        format!("{list}?limit=1001"),
        format!("{list}?limit=-1"),
        format!("{list}?limit=many"),
        format!("{list}?limit=99999999999999999999"),
        format!("{list}?limit=1&limit=2"),
        format!("{list}?limitt=1"),
        format!("{list}?prefix=%zz"),
        format!("{list}?after=%ff"),
    ];
    for target in targets {
        let bytes = request("GET", &target, &headers(&server, &[]), b"");
        let answer = exchange(server.address(), &bytes);
        let expected = [(400, "CV-BAD-QUERY"), (400, "CV-BAD-NAME")];
        assert_refused(&server, &target, answer, &expected);
    }
    for query in ["ack=both", "ack=", "ack=backup&ack=backup", "acks=backup"] {
        let target = format!("{}?{query}", entry_path("v", "e"));
        let bytes = request("PUT", &target, &headers(&server, &["Content-Length: 1"]), b"x");
        let answer = exchange(server.address(), &bytes);
        assert_refused(&server, &target, answer, &[(400, "CV-BAD-QUERY")]);
    }
    server.client().get("v", "e").expect_problem(404, "CV-NOT-FOUND");
}

#[test]
fn a_bad_precondition_is_refused_and_not_ignored() {
    let server = Server::start(Edition::Community);
    let client = server.client();
    let etag = client.put("v", "e", b"kept").expect(201).etag();
    let both = [("if-match", etag.as_str()), ("if-none-match", "*")];
    let cases: [&[(&str, &str)]; 6] = [
        &[("if-match", "unquoted")],
        &[("if-match", "")],
        &[("if-match", "\"zebra\"")],
        &[("if-match", "\"open")],
        &[("if-none-match", "yes")],
        &both,
    ];
    for case in cases {
        let answer = client.send("PUT", &entry_path("v", "e"), case, Some(b"lost"));
        // A well-formed tag that never was one of ours simply does not match.
        let is_refused = (answer.status == 400 && answer.code() == "CV-BAD-PRECONDITION")
            || (answer.status == 412 && answer.code() == "CV-PRECONDITION");
        assert!(is_refused, "{case:?}: {} {}", answer.status, answer.text());
        assert_discreet(&server, &format!("{case:?}"), &answer.text());
        assert_eq!(client.get("v", "e").body, b"kept");
    }
}

#[test]
fn a_bad_token_document_is_refused() {
    let server = Server::start(Edition::Community);
    let client = server.client();
    let bodies: [&[u8]; 7] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"zebra-marker\"",
        b"{\"scope\":\"read\"}trailing",
        b"\xff\xfe",
    ];
    let json_type = [("content-type", "application/json")];
    for body in bodies {
        let answer = client.send("POST", "/v1/tokens", &json_type, Some(body));
        assert_discreet(&server, "a bad body", &answer.text());
        answer.expect_problem(400, "CV-BAD-JSON");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = client.send("POST", "/v1/tokens", &json_type, Some(deep.as_bytes()));
    assert!(matches!(answer.status, 400 | 413), "{}", answer.text());
    let documents: [Value; 11] = [
        json!({"vault": "v", "label": "l"}),
        json!({"vault": "v", "scope": "owner", "label": "l"}),
        json!({"vault": "v", "scope": "Read", "label": "l"}),
        json!({"vault": "v", "scope": 1, "label": "l"}),
        json!({"vault": "UPPER", "scope": "read", "label": "l"}),
        json!({"vault": "", "scope": "read", "label": "l"}),
        json!({"scope": "read", "label": "l"}),
        json!({"vault": "v", "scope": "read", "label": "l", "expires_in": 0}),
        json!({"vault": "v", "scope": "read", "label": "l", "expires_in": -5}),
        json!({"vault": "v", "scope": "read", "label": "l", "expires_in": "zebra-marker"}),
        json!({"vault": "v", "scope": "read", "label": "x".repeat(100_000)}),
    ];
    for document in documents {
        let answer = client.post("/v1/tokens", &document);
        let code = answer.code();
        let shown = document.to_string().chars().take(100).collect::<String>();
        let fits = matches!(code.as_str(), "CV-BAD-JSON" | "CV-BAD-NAME" | "CV-TOO-LARGE");
        assert!(fits && matches!(answer.status, 400 | 413), "{shown}: {}", answer.text());
        assert_discreet(&server, &shown, &answer.text());
    }
    let tokens = client.fetch("/v1/tokens").json();
    assert_eq!(tokens["tokens"].as_array().map(Vec::len), Some(1), "only the first one");
}

#[test]
fn an_unknown_vault_is_an_empty_one() {
    let server = Server::start(Edition::Community);
    let client = server.client();
    client.get("nowhere", "e").expect_problem(404, "CV-NOT-FOUND");
    client.delete("nowhere", "e").expect_problem(404, "CV-NOT-FOUND");
    assert!(client.list("nowhere").is_empty());
}
