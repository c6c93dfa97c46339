//! The client and operator commands.

use clavitor_tests::binary::{self, Finished, command, run, run_with};
use clavitor_tests::{Edition, Runtime, Scratch, Server, ServerBuilder, ports};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs a client command against a server with its admin access token.
pub(crate) fn at(server: &Server, edition: Edition, words: &[&str]) -> Finished {
    let token_file = server.data().join("admin.token");
    run_with(
        command(edition)
            .args(words)
            .arg("--server")
            .arg(server.url())
            .arg("--token-file")
            .arg(token_file),
    )
}

#[test]
fn version_names_the_edition_and_the_runtime() {
    for edition in Edition::ALL {
        let finished = run(edition, Path::new("/"), &["--version"]);
        let runtime = Runtime::under_test().name();
        let expected = format!("clavitor 0.1.0 ({}, {runtime})\n", edition.name());
        assert_eq!((finished.code, finished.stdout), (Some(0), expected));
    }
}

#[test]
fn a_script_can_write_read_list_and_delete_an_entry() {
    let server = Server::start(Edition::Community);
    let scratch = Scratch::new("blob");
    let input = scratch.file("blob", b"blob of a script");
    let token_file = server.data().join("admin.token");
    let put = run_with(
        command(Edition::Community)
            .args(["entry", "put", "v", "e", "--server", &server.url(), "--token-file"])
            .arg(token_file)
            .stdin(fs::File::open(input).expect("it was just written")),
    );
    assert_eq!(put.code, Some(0), "{}", put.stderr);
    let get = at(&server, Edition::Community, &["entry", "get", "v", "e"]);
    assert_eq!((get.code, get.stdout.as_str()), (Some(0), "blob of a script"), "{}", get.stderr);
    let list = at(&server, Edition::Community, &["entry", "list", "v"]);
    assert!(list.code == Some(0) && list.stdout.lines().any(|line| line.contains('e')));
    let delete = at(&server, Edition::Community, &["entry", "delete", "v", "e"]);
    assert_eq!(delete.code, Some(0), "{}", delete.stderr);
    let gone = at(&server, Edition::Community, &["entry", "get", "v", "e"]);
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""));
    assert!(gone.stderr.contains("CV-NOT-FOUND"), "{}", gone.stderr);
}

#[test]
fn a_script_can_make_list_and_revoke_an_access_token() {
    let server = Server::start(Edition::Community);
    let words = ["token", "create", "--vault", "v", "--scope", "write", "--label", "script"];
    let made = at(&server, Edition::Community, &words);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let text = made.stdout.trim();
    assert!(text.starts_with("cvt_") && !text.contains(char::is_whitespace), "{text}");
    let client = server.client().with_token(text);
    client.put("v", "e", b"x").expect(201);
    let list = at(&server, Edition::Community, &["token", "list"]);
    assert!(list.stdout.contains("script") && !list.stdout.contains(text), "{}", list.stdout);
    let tokens = server.client().fetch("/v1/tokens").json();
    let tokens = tokens["tokens"].as_array().expect("a list");
    let found = tokens.iter().find(|token| token["label"] == "script").expect("it is listed");
    let id = found["id"].as_str().expect("an id");
    assert_eq!(at(&server, Edition::Community, &["token", "revoke", id]).code, Some(0));
    client.get("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
}

#[test]
fn status_tells_by_its_exit_code() {
    let mut server = Server::start(Edition::Community);
    let fine = at(&server, Edition::Community, &["status", "--json"]);
    assert_eq!(fine.code, Some(0), "{}", fine.stderr);
    let json: serde_json::Value = serde_json::from_str(&fine.stdout).expect("JSON on stdout");
    assert!(json.to_string().contains("primary"), "{json}");
    server.kill9();
    let gone = at(&server, Edition::Community, &["status"]);
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(2), ""));
    assert!(gone.stderr.contains(&server.url()), "{}", gone.stderr);
}

#[test]
fn an_export_of_a_live_server_imports_as_the_same_entries() {
    for edition in Edition::ALL {
        let server = Server::start(edition);
        let client = server.client();
        for number in 0..300 {
            client.put("v", &format!("e{number}"), format!("blob {number}").as_bytes()).expect(201);
        }
        client.put("w", "large", &vec![9; 1024 * 1024]).expect(201);
        client.delete("v", "e7").expect(204);
        let token = client.create_token(Some("v"), "read");
        let scratch = Scratch::new("export");
        let file = scratch.path().join("copy");
        let file = file.to_str().expect("a plain path");
        let exported = at(&server, edition, &["export", file]);
        assert_eq!(exported.code, Some(0), "{}", exported.stderr);
        let data = scratch.path().join("imported");
        let words = ["import", file, "--data-dir", data.to_str().expect("a plain path")];
        let imported = run(edition, scratch.path(), &words);
        assert_eq!(imported.code, Some(0), "{}", imported.stderr);
        let again = run(edition, scratch.path(), &words);
        assert_eq!(again.code, Some(1), "only into an empty directory: {}", again.stderr);
        let copy = ServerBuilder::new(edition).data(&data).start();
        assert_eq!(copy.client().list("v"), client.list("v"));
        assert_eq!(copy.client().list("w"), client.list("w"));
        assert_eq!(copy.client().blob("v", "e8"), client.blob("v", "e8"));
        assert!(copy.client().blob("w", "large") == client.blob("w", "large"));
        copy.client().get("v", "e7").expect_problem(404, "CV-NOT-FOUND");
        let reader = copy.client().with_token(token["token"].as_str().expect("its text"));
        reader.get("v", "e8").expect(200);
    }
}

#[test]
fn check_passes_sound_data_and_finds_a_damaged_blob() {
    let mut server = Server::start(Edition::Community);
    let blob = b"0123456789 a blob that can be found in the file 9876543210".repeat(20);
    server.client().put("v", "e", &blob).expect(201);
    server.terminate();
    server.await_end(clavitor_tests::wait::seconds(6));
    let data = server.data().to_str().expect("a plain path").to_owned();
    let check = || run(Edition::Community, server.data(), &["check", "--data-dir", &data]);
    let sound = check();
    assert_eq!(sound.code, Some(0), "{}{}", sound.stdout, sound.stderr);
    let file = store_file(server.data());
    let mut bytes = fs::read(&file).expect("the store's file");
    let found: Vec<usize> =
        (0..bytes.len() - blob.len()).filter(|&at| bytes[at..].starts_with(&blob)).collect();
    assert!(!found.is_empty(), "the blob is stored as it came");
    for at in found {
        bytes[at + 600] ^= 0x20;
    }
    fs::write(&file, bytes).expect("it can be overwritten");
    let damaged = check();
    assert_eq!(damaged.code, Some(1), "{}{}", damaged.stdout, damaged.stderr);
    let said = format!("{}{}", damaged.stdout, damaged.stderr);
    assert!(said.contains("import"), "it says what to do: {said}");
}

#[test]
fn check_finds_a_truncated_file() {
    let mut server = Server::start(Edition::Community);
    for number in 0..200 {
        server.client().put("v", &format!("e{number}"), &[5; 3000]).expect(201);
    }
    server.kill9();
    let file = store_file(server.data());
    let length = fs::metadata(&file).expect("the store's file").len();
    let open = fs::OpenOptions::new().write(true).open(&file).expect("it can be opened");
    open.set_len(length / 8192 * 4096).expect("it can be cut");
    let data = server.data().to_str().expect("a plain path");
    let check = run(Edition::Community, server.data(), &["check", "--data-dir", data]);
    assert_eq!(check.code, Some(1), "{}{}", check.stdout, check.stderr);
    assert!(check.stderr.contains("import") || check.stdout.contains("import"), "what to do");
}

#[test]
fn config_check_prints_what_is_in_force_and_where_it_came_from() {
    let scratch = Scratch::new("config");
    let file = scratch.file("clavitor.toml", b"listen = \"127.0.0.1:4711\"\ncluster = \"file\"\n");
    let finished = run_with(
        binary::command(Edition::Commercial)
            .current_dir(scratch.path())
            .args(["config", "check", "--cluster", "flag", "--config"])
            .arg(file)
            .env("CLAVITOR_DATA_DIR", "somewhere"),
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for expected in ["127.0.0.1:4711", "flag", "somewhere"] {
        assert!(finished.stdout.contains(expected), "no {expected}: {}", finished.stdout);
    }
}

#[test]
fn a_client_command_without_a_server_is_unreachable() {
    let scratch = Scratch::new("nowhere");
    let token = scratch.file("token", b"cvt_00000000000000000000000000000000\n");
    let url = format!("http://{}", ports::free_address());
    let words = ["entry", "list", "v", "--server", &url, "--token-file"];
    let finished = run_with(command(Edition::Community).args(words).arg(token));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{}", finished.stderr);
}

fn store_file(data: &Path) -> PathBuf {
    for item in fs::read_dir(data).expect("the data directory") {
        let path = item.expect("an item").path();
        if path.file_name().is_some_and(|name| name == "data.mdb") {
            return path;
        }
        if path.is_dir() && path.join("data.mdb").exists() {
            return path.join("data.mdb");
        }
    }
    panic!("no data.mdb in {}", data.display());
}
