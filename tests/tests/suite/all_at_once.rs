//! SIGTERM while everything hangs that can: held scanners, a peer, HQ, and writes under way.

use crate::tarpit::{SCAN, counted, send};
use clavitor_tests::client::entry_path;
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Client, ClusterBuilder, Fault, Hq, Mood, process};
use std::time::{Duration, Instant};

const HELD: usize = 1_000;
const WRITERS: u64 = 8;
const TELEMETRY_PATH: &str = "/v1/telemetry";

/// Writes ever larger numbers into one entry until it is refused or cut off; the last that was
/// acknowledged.
fn write_until_the_end(client: &Client, entry: &str) -> u64 {
    let (path, mut acknowledged) = (entry_path("v", entry), 0);
    for number in 1u64.. {
        match client.request("PUT", &path, &[], Some(number.to_string().as_bytes())) {
            Ok(answer) if answer.is_done() => acknowledged = number,
            Ok(_) | Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn a_signal_ends_a_server_around_which_everything_hangs_and_nothing_is_lost() {
    process::raise_open_files();
    let mut hq = Hq::start();
    let words = ["--telemetry-host", &hq.url(), "--telemetry-freq", "1"];
    let room = ["--data-bytes-max", "8MiB"];
    let mut cluster = ClusterBuilder::new(2).proxied().arguments(&words).arguments(&room).start();
    let client = cluster.primary();

    hq.set(Mood::Silent);
    let reports = hq.requests(TELEMETRY_PATH).len();
    eventually("a report hangs", seconds(15), || hq.requests(TELEMETRY_PATH).len() > reports + 1);
    let has_filled =
        (0..32).any(|at| client.put("v", &format!("large{at}"), &[7; 512 * 1024]).status == 507);
    assert!(has_filled, "there is an alert to tell");
    client.delete("v", "large0").expect(204);
    cluster.settle();
    let held: Vec<_> = (0..HELD).map(|_| send(&cluster.pops[0].server, SCAN)).collect();
    eventually("all are held", seconds(10), || {
        counted(&cluster.pops[0].server, "held") == HELD as u64
    });
    cluster.pops[1].proxy().set(Fault::BlackHole);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let client = client.clone();
            std::thread::spawn(move || write_until_the_end(&client, &format!("w{writer}")))
        })
        .collect();
    std::thread::sleep(Duration::from_millis(400));

    let started = Instant::now();
    cluster.pops[0].server.terminate();
    let status = cluster.pops[0].server.await_end(seconds(7));
    let took = started.elapsed();
    assert_eq!(status.code(), Some(0), "{}", cluster.pops[0].server.log());
    assert!(took < seconds(6), "{took:?}");
    drop(held);
    let acknowledged: Vec<u64> =
        writers.into_iter().map(|writer| writer.join().expect("no panic")).collect();
    assert!(acknowledged.iter().all(|last| *last > 0), "{acknowledged:?}");

    hq.go_down();
    hq.set(Mood::Takes);
    hq.come_up();
    cluster.pops[1].proxy().set(Fault::None);
    cluster.pops[0].server.start_again();
    cluster.settle();
    for (writer, acknowledged) in acknowledged.iter().enumerate() {
        let name = format!("w{writer}");
        for client in [cluster.primary(), cluster.backup()] {
            let stored = client.blob("v", &name).expect("it was acknowledged");
            let stored: u64 = String::from_utf8_lossy(&stored).parse().expect("a number");
            assert!(stored >= *acknowledged, "{name}: {stored} of {acknowledged}");
        }
    }
    eventually("the alert arrives after all", seconds(20), || {
        !hq.alerts_of("storage_full").is_empty()
    });
}
