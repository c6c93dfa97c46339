//! Replays the committed corpus, and holds it to its rules.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use clavitor_fuzz::TARGETS;

const FILES_MIN: usize = 4;
const FILES_MAX: usize = 40;
const BYTES_MAX: usize = 4 * 1024;

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// What a folder holds, in order.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = read.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths
}

fn stems(folder: &str) -> BTreeSet<String> {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    inside(&here(folder)).iter().filter_map(stem).collect()
}

#[test]
fn every_file_of_the_corpus_passes_its_target() {
    for (name, body) in TARGETS {
        for path in inside(&here("corpus").join(name)) {
            let bytes = fs::read(&path).expect("a file of the corpus");
            let outcome = catch_unwind(AssertUnwindSafe(|| body(&bytes)));
            assert!(outcome.is_ok(), "{} breaks {name}; the panic is above", path.display());
        }
    }
}

#[test]
fn every_target_has_enough_small_files() {
    for (name, _) in TARGETS {
        let files = inside(&here("corpus").join(name));
        let count = files.len();
        assert!((FILES_MIN..=FILES_MAX).contains(&count), "{name} has {count} files");
        for path in files {
            let bytes = fs::metadata(&path).expect("a file of the corpus").len();
            assert!(bytes <= BYTES_MAX as u64, "{} has {bytes} bytes", path.display());
        }
    }
}

#[test]
fn targets_corpus_folders_and_binaries_are_the_same() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "no target is listed twice");
    assert_eq!(stems("corpus"), targets);
    assert_eq!(stems("fuzz_targets"), targets);
    let manifest = fs::read_to_string(here("Cargo.toml")).expect("the manifest");
    for name in &targets {
        let binary = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&binary), "{name} has no binary");
        let source = here("fuzz_targets").join(name).with_extension("rs");
        let source = fs::read_to_string(source).expect("a binary's source");
        assert!(source.contains(&format!("clavitor_fuzz::{name}(bytes)")), "{name} calls another");
    }
}

/// What fuzzing reaches in an hour, a test need not miss in a moment.
#[test]
fn no_target_fails_on_bytes_that_only_look_random() {
    for (name, body) in TARGETS {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for length in 0..400 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[3]
                })
                .collect();
            let outcome = catch_unwind(AssertUnwindSafe(|| body(&bytes)));
            assert!(outcome.is_ok(), "{bytes:?} breaks {name}; the panic is above");
        }
    }
}
