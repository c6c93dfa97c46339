//! A server's own database does what the model of a data directory does: one suite for both.

use std::fs;
use std::path::{Path, PathBuf};

use clavitor_commercial::tables::TABLES;
use clavitor_node::store::bare;
use clavitor_sim::disk::Disk;
use clavitor_sim::disk::conformance::{self, Tables, Transactional};

const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// LMDB in a directory of its own, opened anew for every transaction.
struct Lmdb(PathBuf);

impl Transactional for Lmdb {
    fn transact(&mut self, work: &mut dyn FnMut(&mut dyn Tables) -> bool) {
        let done = bare::transact(&self.0, BYTES_MAX, &TABLES, |rows| work(rows));
        done.expect("a directory of our own");
    }
}

#[test]
fn the_database_conforms() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let _ = fs::remove_dir_all(&dir);
    conformance::suite(&mut Lmdb(dir.clone()));
    fs::remove_dir_all(&dir).expect("it was there");
}

#[test]
fn the_model_conforms() {
    conformance::suite(&mut Disk::default());
}
