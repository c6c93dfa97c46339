//! What every server does, whatever its edition.

use clavitor_tests::client::entry_path;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Edition, Runtime, Server, ServerBuilder, eventually, ports};
use std::os::unix::fs::PermissionsExt;

#[test]
fn first_start_writes_a_private_admin_token_and_a_how_to_and_the_second_neither() {
    for edition in Edition::ALL {
        let mut server = Server::start(edition);
        let path = server.data().join("admin.token");
        let mode = std::fs::metadata(&path).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{mode:o}");
        let text = std::fs::read_to_string(&path).expect("it is text");
        assert!(text.starts_with("cvt_") && text.ends_with('\n') && text.lines().count() == 1);
        server.client().node();
        let how_to = server.lines_with("admin.token").len();
        assert!(how_to > 0, "the how-to names the file:\n{}", server.log());
        assert!(!server.log().contains(text.trim()), "a secret went to the log");
        server.restart();
        assert_eq!(std::fs::read_to_string(&path).expect("it is still there"), text);
        assert_eq!(server.lines_with("admin.token").len(), how_to, "{}", server.log());
        let runtime = Runtime::under_test().name();
        let listening = format!("clavitor 0.1.0 ({}, {runtime}) listening on", edition.name());
        assert_eq!(server.lines_with(&listening).len(), 2, "{}", server.log());
    }
}

#[test]
fn an_entry_is_written_read_described_overwritten_and_deleted() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let client = server.client();
        client.get("v", "e").expect_problem(404, "CV-NOT-FOUND");
        let first = client.put("v", "e", b"one").expect(201);
        assert!(first.body.is_empty(), "{}", first.text());
        let second = client.put("v", "e", b"two!").expect(200);
        assert_ne!(first.etag(), second.etag());
        let read = client.get("v", "e").expect(200);
        assert_eq!((read.body.as_slice(), read.etag()), (b"two!".as_slice(), second.etag()));
        let head = client.send("HEAD", &entry_path("v", "e"), &[], None).expect(200);
        assert_eq!((head.header("content-length"), head.etag()), ("4", second.etag()));
        assert!(head.body.is_empty());
        assert!(client.delete("v", "e").expect(204).body.is_empty());
        client.get("v", "e").expect_problem(404, "CV-NOT-FOUND");
        client.delete("v", "e").expect_problem(404, "CV-NOT-FOUND");
        assert_eq!(client.list("v").len(), 0);
        client.put("v", "e", b"").expect(201);
        assert_eq!(client.get("v", "e").expect(200).body, b"");
    }
}

#[test]
fn preconditions_guard_a_write() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let client = server.client();
        let path = entry_path("v", "e");
        let put = |headers: &[(&str, &str)]| client.send("PUT", &path, headers, Some(b"x"));
        put(&[("if-match", "*")]).expect_problem(412, "CV-PRECONDITION");
        let first = put(&[("if-none-match", "*")]).expect(201).etag();
        put(&[("if-none-match", "*")]).expect_problem(412, "CV-PRECONDITION");
        let second = put(&[("if-match", &first)]).expect(200).etag();
        put(&[("if-match", &first)]).expect_problem(412, "CV-PRECONDITION");
        let delete = |etag: &str| client.send("DELETE", &path, &[("if-match", etag)], None);
        delete(&first).expect_problem(412, "CV-PRECONDITION");
        assert_eq!(client.get("v", "e").etag(), second);
        delete(&second).expect(204);
        put(&[("if-match", &second)]).expect_problem(412, "CV-PRECONDITION");
        put(&[("if-none-match", "*")]).expect(201);
    }
}

#[test]
fn a_listing_comes_in_order_in_pages_and_by_prefix() {
    let server = Server::start(Edition::Community);
    let client = server.client();
    for number in 0..25 {
        client.put("v", &format!("a{number:02}"), &vec![b'x'; number]).expect(201);
        client.put("v", &format!("b{number:02}"), b"y").expect(201);
    }
    client.put("w", "elsewhere", b"z").expect(201);
    client.delete("v", "a03").expect(204);
    let names = |path: &str| {
        let page = client.fetch(path).expect(200).json();
        let entries = page["entries"].as_array().expect("a list").clone();
        let names: Vec<String> =
            entries.iter().map(|entry| entry["name"].as_str().expect("a name").into()).collect();
        (names, page["next"].as_str().map(str::to_owned))
    };
    let (first, next) = names("/v1/vaults/v/entries?limit=10&prefix=a");
    assert_eq!((first.len(), first[0].as_str(), first[3].as_str()), (10, "a00", "a04"));
    assert_eq!(next.as_deref(), Some("a10"));
    let (second, _) = names("/v1/vaults/v/entries?limit=10&prefix=a&after=a10");
    assert_eq!(second[0], "a11");
    let (last, next) = names("/v1/vaults/v/entries?limit=10&prefix=a&after=a20");
    assert_eq!((last.len(), next), (4, None));
    assert_eq!(names("/v1/vaults/v/entries").0.len(), 49);
    assert_eq!(names("/v1/vaults/unknown/entries"), (Vec::new(), None));
    let all = client.list("v");
    let entry = all.iter().find(|entry| entry["name"] == "a07").expect("it is listed");
    assert_eq!(entry["size"], 7);
    assert_eq!(entry["etag"].as_str(), Some(client.get("v", "a07").etag().as_str()));
    let modified = entry["modified"].as_str().expect("a time");
    assert!(modified.starts_with("20") && modified.ends_with('Z'), "{modified}");
    assert!(entry["replicated_at"].is_null());
}

#[test]
fn any_name_of_utf8_without_control_characters_comes_back_as_it_was() {
    let server = Server::start(Edition::Community);
    let client = server.client();
    let long = "n".repeat(256);
    let names = ["a/b", "ä ö 漢字", "50%", "a?b#c&d=e", "quote\"back\\slash", "...", "+", &long];
    for name in names {
        client.put("v", name, name.as_bytes()).expect(201);
    }
    for name in names {
        assert_eq!(client.get("v", name).expect(200).text(), name);
    }
    let listed = client.list("v");
    let mut listed: Vec<&str> = listed.iter().filter_map(|entry| entry["name"].as_str()).collect();
    let mut expected = names.to_vec();
    expected.sort_unstable();
    listed.sort_unstable();
    assert_eq!(listed, expected);
    // Encoding what need not be encoded names the same entry.
    assert_eq!(client.fetch("/v1/vaults/v/entries/%2B").expect(200).text(), "+");
    client.put(&"v".repeat(64), "e", b"x").expect(201);
}

#[test]
fn acknowledged_entries_survive_kill_9_and_sigterm() {
    for edition in Edition::ALL {
        let mut server = Server::start(edition);
        let client = server.client();
        let blob = vec![7; 1024 * 1024];
        let etag = client.put("v", "largest", &blob).expect(201).etag();
        client.put("v", "gone", b"x").expect(201);
        client.delete("v", "gone").expect(204);
        let token = client.scoped(Some("v"), "read");
        server.restart();
        let read = client.get("v", "largest").expect(200);
        assert!(read.body == blob && read.etag() == etag);
        client.get("v", "gone").expect_problem(404, "CV-NOT-FOUND");
        token.get("v", "largest").expect(200);
        client.put("v", "later", b"y").expect(201);
        server.terminate();
        assert_eq!(server.await_end(seconds(6)).code(), Some(0));
        server.start_again();
        assert_eq!(client.get("v", "later").expect(200).body, b"y");
        assert!(client.get("v", "largest").body == blob);
    }
}

#[test]
fn node_and_health_tell_what_runs() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        server.client().put("v", "e", b"x").expect(201);
        let node = server.client().node();
        assert_eq!(node["edition"], edition.name());
        assert_eq!(node["runtime"], Runtime::under_test().name());
        assert_eq!(node["version"], "0.1.0");
        assert_eq!((&node["role"], &node["entries"]), (&"primary".into(), &1.into()));
        assert!(node["uptime_s"].is_u64(), "{node}");
        for key in ["pop", "cluster", "epoch", "lease_ms_left"] {
            assert!(node.get(key).is_some(), "no {key}: {node}");
        }
        if edition == Edition::Community {
            assert!(node["epoch"].is_null(), "{node}");
        }
        let anonymous = server.anonymous();
        for path in ["/livez", "/readyz", "/role/primary"] {
            assert_eq!(anonymous.fetch(path).expect(200).json()["status"], "ok", "{path}");
        }
        let backup = anonymous.fetch("/role/backup").expect(503).json();
        assert_eq!(backup["status"], "unavailable");
        assert!(backup["reason"].is_string(), "{backup}");
    }
}

#[test]
fn metrics_are_for_admins_or_open_on_a_port_of_their_own() {
    let address = ports::free_address();
    let server = ServerBuilder::new(Edition::Community)
        .arguments(["--metrics-listen", &address.to_string()])
        .start();
    server.client().put("v", "e", b"x").expect(201);
    let samples = clavitor_tests::metrics::parse(&server.client().metrics());
    assert!(samples.iter().any(|sample| sample.name.starts_with("clavitor_")), "{samples:?}");
    server.anonymous().fetch("/metrics").expect_problem(401, "CV-UNAUTHENTICATED");
    let open = clavitor_tests::Client::new(&format!("http://{address}"), None);
    eventually("metrics are open on their own port", seconds(5), || {
        open.request("GET", "/metrics", &[], None).is_ok_and(|answer| answer.status == 200)
    });
    assert!(!clavitor_tests::metrics::parse(&open.metrics()).is_empty());
    let write = open.request("GET", "/v1/node", &[], None).expect("it answers");
    assert_ne!(write.status, 200, "nothing but metrics is open there");
}

#[test]
fn sixty_four_racing_clients_have_one_winner_per_version() {
    let server = Server::start(Edition::Community);
    crate::durability::race_if_match(&server.client(), || server.client());
}
