//! Who may do what, and for how long.

use clavitor_tests::client::entry_path;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Client, Edition, Server, eventually};
use serde_json::json;

#[test]
fn each_scope_allows_what_it_says_and_no_more() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let admin = server.client();
        admin.put("v", "e", b"x").expect(201);
        admin.put("w", "e", b"x").expect(201);
        let (read, write) = (admin.scoped(Some("v"), "read"), admin.scoped(Some("v"), "write"));
        let vault_admin = admin.scoped(Some("v"), "admin");
        let refused = |answer: clavitor_tests::Answer| answer.expect_problem(403, "CV-FORBIDDEN");
        for client in [&read, &write, &vault_admin] {
            client.get("v", "e").expect(200);
            assert_eq!(client.list("v").len(), 1);
            refused(client.get("w", "e"));
            refused(client.put("w", "e", b"y"));
            refused(client.fetch("/v1/vaults/w/entries"));
            refused(client.fetch("/metrics"));
            refused(client.fetch("/v1/export"));
        }
        refused(read.put("v", "e", b"y"));
        refused(read.delete("v", "e"));
        refused(write.post("/v1/tokens", &json!({"vault": "v", "scope": "read", "label": "l"})));
        refused(write.fetch("/v1/tokens"));
        write.put("v", "e", b"y").expect(200);
        write.delete("v", "e").expect(204);
        let wide = admin.scoped(None, "admin");
        wide.put("any", "e", b"x").expect(201);
        wide.create_token(Some("any"), "read");
    }
}

#[test]
fn a_token_is_shown_once_and_described_ever_after() {
    let server = Server::start(Edition::Community);
    let admin = server.client();
    let document = json!({"vault": "v", "scope": "write", "label": "laptop", "expires_in": 3600});
    let made = admin.post("/v1/tokens", &document).expect(201).json();
    let text = made["token"].as_str().expect("its text");
    assert!(text.starts_with("cvt_") && text.len() >= 36, "{text}");
    assert_eq!((&made["vault"], &made["scope"]), (&"v".into(), &"write".into()));
    assert_eq!(made["label"], "laptop");
    assert!(made["expires_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{made}");
    let list = admin.fetch("/v1/tokens").expect(200);
    assert!(!list.text().contains(text), "a token is shown once");
    let list = list.json();
    let tokens = list["tokens"].as_array().expect("a list");
    assert_eq!(tokens.len(), 2);
    let found = tokens.iter().find(|token| token["id"] == made["id"]).expect("it is listed");
    assert_eq!((&found["label"], &found["local"]), (&"laptop".into(), &false.into()));
    assert!(found["revoked_at"].is_null() && found["created_at"].is_string(), "{found}");
    assert!(tokens.iter().any(|token| token["local"] == true), "the first one is local");
    let other = admin.create_token(Some("v"), "read");
    assert!(other["expires_at"].is_null() && other["id"] != made["id"] && other["token"] != text);
    assert!(!file_contains(server.data(), text.as_bytes()), "stored in clear");
}

fn file_contains(directory: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(directory).expect("a directory").any(|item| {
        let path = item.expect("an item").path();
        if path.is_dir() {
            return file_contains(&path, needle);
        }
        let bytes = std::fs::read(&path).expect("a readable file");
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn an_expired_token_is_refused() {
    let server = Server::start(Edition::Community);
    let admin = server.client();
    admin.put("v", "e", b"x").expect(201);
    let document = json!({"vault": "v", "scope": "read", "label": "short", "expires_in": 2});
    let made = admin.post("/v1/tokens", &document).expect(201).json();
    let short = admin.with_token(made["token"].as_str().expect("its text"));
    short.get("v", "e").expect(200);
    eventually("the token expires", seconds(5), || short.get("v", "e").status == 401);
    short.get("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
}

#[test]
fn a_revoked_token_is_refused_at_once_and_after_a_restart() {
    let mut server = Server::start(Edition::Community);
    let admin = server.client();
    let made = admin.create_token(Some("v"), "write");
    let client = admin.with_token(made["token"].as_str().expect("its text"));
    client.put("v", "e", b"x").expect(201);
    let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
    let answer = admin.send("DELETE", &path, &[], None).expect(200).json();
    assert_eq!(answer, json!({"pending_peers": []}));
    client.get("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
    server.restart();
    client.get("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
    admin.get("v", "e").expect(200);
    let unknown = admin.send("DELETE", "/v1/tokens/00000000-none", &[], None);
    assert!(matches!(unknown.status, 400 | 404), "{}", unknown.text());
}

#[test]
fn the_first_token_cannot_be_revoked() {
    let server = Server::start(Edition::Community);
    let admin = server.client();
    let list = admin.fetch("/v1/tokens").json();
    let local = list["tokens"][0]["id"].as_str().expect("an id").to_owned();
    let answer = admin.send("DELETE", &format!("/v1/tokens/{local}"), &[], None);
    answer.expect_problem(409, "CV-LOCAL-TOKEN");
    admin.node();
}

#[test]
fn without_a_valid_token_nothing_but_health_is_answered() {
    let server = Server::start(Edition::Community);
    server.client().put("v", "e", b"x").expect(201);
    let nobody = server.anonymous();
    let wrong = Client::new(&server.url(), Some("cvt_0123456789abcdef0123456789abcdef01234567"));
    let entry = entry_path("v", "e");
    let paths =
        [&entry, "/v1/vaults/v/entries", "/v1/tokens", "/v1/node", "/metrics", "/v1/export"];
    for client in [&nobody, &wrong] {
        for path in paths {
            let answer = client.fetch(path).expect_problem(401, "CV-UNAUTHENTICATED");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
        }
        client.put("v", "e", b"y").expect_problem(401, "CV-UNAUTHENTICATED");
        client.delete("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
    }
    assert_eq!(server.client().get("v", "e").body, b"x");
}
