//! Settings that cannot be right.

use clavitor_tests::binary::{Finished, command, run, run_with};
use clavitor_tests::{Cluster, ClusterBuilder, Edition, Scratch, Server, cluster, ports};
use std::path::Path;

/// Runs `clavitor serve` with settings that must keep it from starting.
fn refused(edition: Edition, directory: &Path, words: &[&str]) -> Finished {
    let address = ports::free_address().to_string();
    let mut all = vec!["serve", "--listen", &address, "--data-dir", "data"];
    all.extend_from_slice(words);
    let finished = run(edition, directory, &all);
    assert!(finished.code.is_some_and(|code| code != 0), "{words:?}: {finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("listening on"), "{}", finished.stderr);
    finished
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_nearest_known_one() {
    for edition in Edition::ALL {
        let scratch = Scratch::new("keys");
        let content = "# settings\ndata_dir = \"data\"\n  lisen = \"127.0.0.1:1\"\n";
        let file = scratch.file("clavitor.toml", content.as_bytes());
        let file = file.to_str().expect("a plain path");
        for words in [vec!["serve", "--config", file], vec!["config", "check", "--config", file]] {
            let finished = run(edition, scratch.path(), &words);
            assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
            let place = format!("{file}:3:3");
            for expected in [place.as_str(), "lisen", "listen"] {
                let said = &finished.stderr;
                let count = said.matches(expected).count();
                assert!(count > 0, "{words:?}: no `{expected}`: {said}");
            }
            assert!(finished.stderr.contains("did you mean"), "{}", finished.stderr);
        }
        assert!(!scratch.path().join("data").exists(), "refused before anything is written");
    }
}

#[test]
fn a_file_that_is_no_toml_or_has_the_wrong_kind_of_value_is_named_with_its_place() {
    let scratch = Scratch::new("kinds");
    for content in ["listen = \n", "cluster = \"x\"\nlisten = 1984\n", "listen = \"nonsense\"\n"] {
        let file = scratch.file("clavitor.toml", content.as_bytes());
        let file = file.to_str().expect("a plain path");
        let finished = run(Edition::Community, scratch.path(), &["serve", "--config", file]);
        assert!(finished.code.is_some_and(|code| code != 0), "{content}: {finished:?}");
        assert!(finished.stderr.contains(file), "{content}: {}", finished.stderr);
    }
    let missing = run(Edition::Community, scratch.path(), &["serve", "--config", "not-there.toml"]);
    assert!(
        missing.code.is_some_and(|code| code != 0) && missing.stderr.contains("not-there.toml")
    );
}

#[test]
fn an_unknown_flag_command_or_variable_is_answered_with_a_suggestion() {
    let scratch = Scratch::new("flags");
    for edition in Edition::ALL {
        let flag = run(edition, scratch.path(), &["serve", "--lisen", "127.0.0.1:1"]);
        assert_eq!(flag.code, Some(2), "{}", flag.stderr);
        assert!(flag.stderr.contains("--listen"), "{}", flag.stderr);
        let word = run(edition, scratch.path(), &["serv"]);
        assert_eq!(word.code, Some(2), "{}", word.stderr);
        assert!(word.stderr.contains("serve"), "{}", word.stderr);
        // As the original system knew them, but not yet there: unknown, not pretended.
        let later = run(edition, scratch.path(), &["serve", "--scim-listen", "127.0.0.1:1"]);
        assert_eq!(later.code, Some(2), "{}", later.stderr);
    }
    let words = ["serve", "--listen", "127.0.0.1:1", "--data-dir", "data"];
    let finished = run_with(
        command(Edition::Community)
            .current_dir(scratch.path())
            .args(words)
            .env("CLAVITOR_LISEN", "x"),
    );
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stderr.contains("CLAVITOR_LISTEN"), "{}", finished.stderr);
}

#[test]
fn flags_override_the_environment_which_overrides_the_file() {
    let scratch = Scratch::new("order");
    let file = scratch.file("c.toml", b"data_dir = \"from-file\"\nlisten = \"127.0.0.1:1001\"\n");
    let finished = run_with(
        command(Edition::Community)
            .current_dir(scratch.path())
            .args(["config", "check", "--data-dir", "from-flag", "--config"])
            .arg(file)
            .env("CLAVITOR_DATA_DIR", "from-environment")
            .env("CLAVITOR_LISTEN", "127.0.0.1:1002"),
    );
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.contains("from-flag"), "{}", finished.stdout);
    assert!(finished.stdout.contains("127.0.0.1:1002"), "{}", finished.stdout);
    for overridden in ["from-file", "from-environment", "127.0.0.1:1001"] {
        assert!(!finished.stdout.contains(overridden), "{}", finished.stdout);
    }
}

/// The flags of a POP that names its cluster properly but for its secret.
fn pop_flags<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["--pop-id", "calgary-01", "--cluster", "test"];
    words.extend_from_slice(&["--advertise-url", "http://127.0.0.1:4001"]);
    words.extend_from_slice(&["--replication-primary", "http://127.0.0.1:4001"]);
    words.extend_from_slice(&["--replication-backup", "http://127.0.0.1:4002"]);
    words.extend_from_slice(more);
    words
}

#[test]
fn a_weak_or_unreadable_secret_is_refused_and_not_printed() {
    let scratch = Scratch::new("secrets");
    let weak = ["too short to be one", &"abab".repeat(20), &"z".repeat(64), ""];
    for secret in weak {
        let file = scratch.file("secret", format!("{secret}\n").as_bytes());
        let file = file.to_str().expect("a plain path");
        let words = pop_flags(&["--replication-token-file", file]);
        let finished = refused(Edition::Commercial, scratch.path(), &words);
        assert!(finished.stderr.contains("replication-token"), "{}", finished.stderr);
        let is_printed = !secret.is_empty() && finished.stderr.contains(secret);
        assert!(!is_printed, "{}", finished.stderr);
    }
    for file in ["not-there", "."] {
        let words = pop_flags(&["--replication-token-file", file]);
        let finished = refused(Edition::Commercial, scratch.path(), &words);
        assert!(finished.stderr.contains("replication-token-file"), "{}", finished.stderr);
    }
    let words = pop_flags(&[]);
    let finished = refused(Edition::Commercial, scratch.path(), &words);
    assert!(finished.stderr.contains("replication-token-file"), "{}", finished.stderr);
    let secret = "abab".repeat(20);
    let words = pop_flags(&["--replication-token", &secret]);
    let finished = refused(Edition::Commercial, scratch.path(), &words);
    assert!(!finished.stderr.contains("abababab"), "{}", finished.stderr);
}

#[test]
fn a_secret_on_the_command_line_works_and_warns() {
    let mut cluster = ClusterBuilder::new(2).prepare();
    let secret = String::from_utf8(cluster::new_secret(7)).expect("it is text");
    let file = cluster.scratch.path().join("secret");
    let server = &mut cluster.pops[0].server;
    server.replace_argument("--replication-token-file", "--replication-token");
    server.replace_argument(file.to_str().expect("a plain path"), secret.trim());
    server.start_again();
    assert_eq!(server.lines_with("--replication-token-file").len(), 1, "{}", server.log());
    assert!(!server.log().contains(secret.trim()), "a secret went to the log");
    cluster.pops[1].server.start_again();
    cluster.settle();
}

#[test]
fn a_pop_whose_own_url_is_not_in_the_cluster_does_not_start() {
    let scratch = Scratch::new("urls");
    let secret = scratch.file("secret", &cluster::new_secret(7));
    let secret = secret.to_str().expect("a plain path");
    let mut words = pop_flags(&["--replication-token-file", secret]);
    words[5] = "http://127.0.0.1:4999";
    let finished = refused(Edition::Commercial, scratch.path(), &words);
    for url in ["http://127.0.0.1:4999", "http://127.0.0.1:4001", "http://127.0.0.1:4002"] {
        assert!(finished.stderr.contains(url), "no {url}: {}", finished.stderr);
    }
}

#[test]
fn a_pop_without_an_id_or_with_a_bad_url_does_not_start() {
    let scratch = Scratch::new("ids");
    let secret = scratch.file("secret", &cluster::new_secret(7));
    let secret = secret.to_str().expect("a plain path");
    let with_secret = pop_flags(&["--replication-token-file", secret]);
    let finished = refused(Edition::Commercial, scratch.path(), &with_secret[2..]);
    assert!(finished.stderr.contains("pop-id"), "{}", finished.stderr);
    for bad in ["not a url", "ftp://127.0.0.1:4001", "http://", "http://127.0.0.1:99999"] {
        let mut words = with_secret.clone();
        words[7] = bad;
        let finished = refused(Edition::Commercial, scratch.path(), &words);
        assert!(finished.stderr.contains("replication-primary"), "{bad}: {}", finished.stderr);
    }
    let mut words = with_secret.clone();
    words[1] = "Not A Pop";
    let finished = refused(Edition::Commercial, scratch.path(), &words);
    assert!(finished.stderr.contains("pop-id"), "{}", finished.stderr);
}

#[test]
fn another_pop_id_than_the_stored_one_is_refused() {
    let mut cluster = Cluster::pair();
    let pop = &mut cluster.pops[0];
    pop.client().put("v", "e", b"x").expect(201);
    pop.server.kill9();
    pop.server.replace_argument("calgary-01", "denver-01");
    let problem = pop.server.try_start().expect_err("it must not start");
    assert!(problem.contains("ended"), "{problem}");
    let said = pop.server.log();
    assert!(said.contains("denver-01") && said.contains("calgary-01"), "{said}");
    pop.server.replace_argument("denver-01", "calgary-01");
    pop.server.start_again();
    assert_eq!(pop.client().get("v", "e").expect(200).body, b"x");
}

#[test]
fn a_port_or_a_data_directory_in_use_is_refused_and_named() {
    let server = Server::start(Edition::Community);
    server.client().put("v", "e", b"x").expect(201);
    let scratch = Scratch::new("second");
    let address = server.address().to_string();
    let words = ["serve", "--data-dir", "other", "--listen", &address];
    let finished = run(Edition::Community, scratch.path(), &words);
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stderr.contains(&address), "{}", finished.stderr);
    let data = server.data().to_str().expect("a plain path");
    let other = ports::free_address().to_string();
    let words = ["serve", "--data-dir", data, "--listen", &other];
    let finished = run(Edition::Community, scratch.path(), &words);
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stderr.contains(data), "{}", finished.stderr);
    server.client().put("v", "e", b"y").expect(200);
}

#[test]
fn anything_but_loopback_needs_a_word_about_plain_http() {
    let scratch = Scratch::new("plain");
    let words = ["serve", "--listen", "0.0.0.0:0", "--data-dir", "data"];
    let finished = run(Edition::Community, scratch.path(), &words);
    assert!(finished.code.is_some_and(|code| code != 0), "{finished:?}");
    assert!(finished.stderr.contains("--allow-plain-http"), "{}", finished.stderr);
}
