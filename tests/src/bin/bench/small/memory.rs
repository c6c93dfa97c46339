//! What it takes: on disk, in memory, in threads, and of a core while it does nothing.

use std::io::{Read, Write};
use std::time::Duration;

use clavitor_tests::client::entry_path;
use clavitor_tests::{Edition, Runtime, Server, ServerBuilder, binary, process};

use crate::tarpit::crowd;
use crate::tarpit::memory::{BYTES_MAX, bytes_each};
use crate::tarpit::{HELD_MAX, pit::Pit};
use crate::{BLOB_BYTES, ROUNDS, report};

const MIB: f64 = 1024.0 * 1024.0;

/// How large the binaries may be, in MiB.
const BINARY_MAX: [(Edition, f64); 2] = [(Edition::Community, 2.0), (Edition::Commercial, 3.0)];

/// How many connect at once.
const BURST: usize = 2_000;

/// What may be resident before and after, in MiB.
const BEFORE_MAX: f64 = 5.0;
const AFTER_MAX: f64 = 8.0;

/// How many threads there may not be, afterwards.
const THREADS: f64 = 4.0;

/// The time-outs of what clients left behind pass within this.
const REST: Duration = Duration::from_secs(60);

/// How long nothing may happen.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) fn measure() {
    process::raise_open_files();
    for (edition, max) in BINARY_MAX {
        let program = binary::binary_on(Runtime::Smol, edition);
        let bytes = std::fs::metadata(program).map_or(f64::NAN, |data| data.len() as f64);
        report::below(&format!("{} binary", named(edition)), "MiB", bytes / MIB, max);
    }
    let servers = Edition::ALL.map(|edition| {
        let server = ServerBuilder::new(edition).runtime(Runtime::Smol).start();
        server.client().put("v", "e", &[7; BLOB_BYTES]).expect(201);
        server
    });
    // What the first request left is given back, or is not.
    std::thread::sleep(Duration::from_secs(2));
    each(&servers, "RSS idle", "MiB", BEFORE_MAX, resident_mib);
    let peaks = servers.each_ref().map(burst);
    std::thread::sleep(REST);
    for (edition, peak) in Edition::ALL.iter().zip(peaks) {
        let what = format!("{} RSS with {BURST} connected", named(*edition));
        report::told(&what, &format!("{peak:.2} MiB"));
    }
    each(&servers, "RSS a minute after them", "MiB", AFTER_MAX, resident_mib);
    each(&servers, "threads then", "", THREADS, |id| process::voluntary_switches(id).1 as f64);
    let switches = |id: u32| process::voluntary_switches(id).0;
    let before = servers.each_ref().map(|server| switches(server.id()));
    std::thread::sleep(IDLE);
    let mut before = before.into_iter();
    each(&servers, "context switches in 30 s idle", "", 1.0, |id| {
        (switches(id) - before.next().expect("as many as servers")) as f64
    });
    held();
}

fn named(edition: Edition) -> String {
    format!("smol {}", edition.name())
}

fn each(
    servers: &[Server; 2],
    what: &str,
    unit: &str,
    max: f64,
    mut figure: impl FnMut(u32) -> f64,
) {
    for (edition, server) in Edition::ALL.iter().zip(servers) {
        report::below(&format!("{} {what}", named(*edition)), unit, figure(server.id()), max);
    }
}

fn resident_mib(id: u32) -> f64 {
    process::resident_with_files_kib(id) as f64 / 1024.0
}

/// Everybody reads an entry, and leaves once all were answered; what is resident until then.
fn burst(server: &Server) -> f64 {
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\r\n",
        entry_path("v", "e"),
        server.admin_token()
    );
    let mut streams: Vec<_> =
        (0..BURST).map(|number| crowd::open(server.address(), number)).collect();
    for stream in &mut streams {
        stream.write_all(request.as_bytes()).expect("the server reads");
    }
    for stream in &mut streams {
        let mut answer = [0; 4 * BLOB_BYTES];
        let mut bytes = 0;
        while bytes <= BLOB_BYTES {
            let more = stream.read(&mut answer[bytes..]).expect("the server answers");
            assert!(more > 0, "a connection was closed instead");
            bytes += more;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "));
    }
    resident_mib(server.id())
}

/// The tarpit has a thread of its own on either runtime.
fn held() {
    let bytes_on = |runtime| bytes_each(&Pit::ours_on(runtime, HELD_MAX));
    let rounds: Vec<_> =
        (0..ROUNDS).map(|_| (bytes_on(Runtime::Smol), bytes_on(Runtime::Tokio))).collect();
    let ours: Vec<_> = rounds.iter().map(|round| round.0).collect();
    let what = "memory for each held, 2,000 to 10,000, smol beside tokio";
    report::below_beside(what, "B", &ours, &rounds, "", BYTES_MAX);
}
