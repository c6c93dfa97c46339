//! A data directory is for what it was made for.

use clavitor_tests::governed::start_hq;
use clavitor_tests::{Edition, Runtime, Scratch, ServerBuilder, binary};
use std::collections::BTreeMap;
use std::path::Path;

/// The files of a directory, and what is in them.
fn files_of(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).expect("it is there").flatten();
    let named = entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry));
    // LMDB's table of readers is nobody's data.
    let data = named.filter(|(name, _)| name != "lock.mdb");
    data.map(|(name, entry)| (name, std::fs::read(entry.path()).expect("a file"))).collect()
}

#[track_caller]
fn assert_refused(edition: Edition, runtime: Runtime, words: &[&str], dir: &Path, whose: &str) {
    let before = files_of(dir);
    let mut command = binary::command_on(runtime, edition);
    let ended = binary::run_with(command.args(words).arg("--data-dir").arg(dir));
    let said = &ended.stderr;
    assert_ne!(ended.code, Some(0), "{said}");
    assert!(said.contains(whose) && said.contains("give another --data-dir"), "{said}");
    assert!(files_of(dir) == before, "{words:?} changed something");
}

#[test]
fn a_directory_of_hq_is_no_servers_and_a_servers_is_not_hqs() {
    let (mut hq, _) = start_hq(&[]);
    hq.kill9();
    let at_hq = "belongs to HQ, not to a server of vaults";
    let any = ["--listen", "127.0.0.1:0"];
    let serve = [["serve"].as_slice(), &any].concat();
    let as_pop = [serve.as_slice(), &["--pop-id", "calgary-01"]].concat();
    for (edition, runtime) in [
        (Edition::Community, Runtime::Tokio),
        (Edition::Commercial, Runtime::Tokio),
        (Edition::Commercial, Runtime::Smol),
    ] {
        for words in [serve.as_slice(), &as_pop, &["check"], &["check", "--restamp"]] {
            assert_refused(edition, runtime, words, hq.data(), at_hq);
        }
    }
    let scratch = Scratch::new("directories");
    let vaults = scratch.path().join("vaults");
    drop(ServerBuilder::new(Edition::Commercial).data(&vaults).start());
    let serve_hq = [["hq", "serve", "--dns-listen", "127.0.0.1:0"].as_slice(), &any].concat();
    let at_vaults = "belongs to a server of vaults, not to HQ";
    assert_refused(Edition::Commercial, Runtime::Tokio, &serve_hq, &vaults, at_vaults);
    hq.start_again();
    hq.client().fetch("/v1/pops").expect(200);
}
