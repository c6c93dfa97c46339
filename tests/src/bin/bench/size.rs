//! What the Community edition takes while it does nothing.

use std::time::Duration;

use clavitor_tests::{Edition, Server, binary, process};

use crate::report;

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn measure() {
    let program = binary::binary(Edition::Community);
    let bytes = std::fs::metadata(program).map_or(f64::NAN, |data| data.len() as f64);
    report::below("community release binary", "MiB", bytes / MIB, 4.0);
    let server = Server::start(Edition::Community);
    server.client().put("v", "e", &[7; crate::BLOB_BYTES]).expect(201);
    // What the first request left is given back, or is not.
    std::thread::sleep(Duration::from_secs(2));
    let rss = process::resident_with_files_kib(server.id()) as f64 / 1024.0;
    report::below("community RSS idle", "MiB", rss, 8.0);
}
