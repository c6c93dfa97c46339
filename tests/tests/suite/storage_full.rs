//! No room, and a disk that fails.

use clavitor_tests::random::Random;
use clavitor_tests::sync_shim::SyncShim;
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{Client, Cluster, Edition, Scratch, ServerBuilder};
use std::path::Path;
use std::process::Command;

const BLOB_BYTES: usize = 200 * 1024;

/// Writes until a write does not fit any more; returns how many did.
fn fill(client: &Client) -> usize {
    for number in 0..200 {
        let answer = client.put("v", &format!("e{number}"), &blob(number));
        if answer.status != 201 {
            answer.expect_problem(507, "CV-STORAGE-FULL");
            return number;
        }
    }
    panic!("200 blobs of {BLOB_BYTES} bytes fit where they should not");
}

fn blob(number: usize) -> Vec<u8> {
    Random::new(number as u64).bytes(BLOB_BYTES)
}

fn assert_reads_go_on(client: &Client, count: usize) {
    assert_eq!(client.list("v").len(), count);
    for number in 0..count {
        assert!(client.get("v", &format!("e{number}")).expect(200).body == blob(number));
    }
}

#[test]
fn a_full_map_refuses_that_write_only_and_deleting_makes_room() {
    let mut server =
        ServerBuilder::new(Edition::Community).arguments(["--data-bytes-max", "4MiB"]).start();
    let client = server.client();
    let count = fill(&client);
    assert!(count >= 8, "{count} blobs of {BLOB_BYTES} bytes fit into 4 MiB");
    assert_reads_go_on(&client, count);
    client.put("v", "small", b"still fits").expect(201);
    client.put("v", "e0", &vec![1; 1 << 20]).expect_problem(507, "CV-STORAGE-FULL");
    assert!(client.get("v", "e0").body == blob(0), "a refused overwrite changes nothing");
    client.delete("v", "small").expect(204);
    for number in 0..count / 2 {
        client.delete("v", &format!("e{number}")).expect(204);
    }
    eventually("there is room again", seconds(5), || {
        client.put("v", "again", &blob(1000)).status == 201
    });
    assert!(client.get("v", "again").body == blob(1000));
    server.restart();
    assert!(client.get("v", "again").body == blob(1000));
    assert!(client.get("v", &format!("e{}", count - 1)).body == blob(count - 1));
}

#[test]
fn in_a_full_map_neighbours_of_a_refused_write_succeed() {
    let server =
        ServerBuilder::new(Edition::Community).arguments(["--data-bytes-max", "4MiB"]).start();
    fill(&server.client());
    let threads: Vec<_> = (0..32)
        .map(|number| {
            let client = server.client();
            std::thread::spawn(move || {
                let is_large = number % 4 == 0;
                let blob = if is_large { vec![2; 900 * 1024] } else { b"small".to_vec() };
                (is_large, client.put("w", &format!("n{number}"), &blob))
            })
        })
        .collect();
    for thread in threads {
        let (is_large, answer) = thread.join().expect("no panic");
        answer.expect(if is_large { 507 } else { 201 });
    }
    assert_eq!(server.client().list("w").len(), 24);
}

#[test]
fn a_full_map_on_the_backup_keeps_the_records_dirty_until_there_is_room() {
    let mut cluster = clavitor_tests::ClusterBuilder::new(2).proxied().prepare();
    cluster.pops[1].server.add_arguments(["--data-bytes-max", "4MiB"]);
    for pop in cluster.pops.iter_mut().rev() {
        pop.server.start_again();
    }
    cluster.become_ready();
    let primary = cluster.primary();
    for number in 0..30 {
        primary.put("v", &format!("e{number}"), &blob(number)).expect(201);
    }
    eventually("the primary knows that the backup is full", seconds(10), || {
        let peer = primary.peer("zurich-01");
        peer["state"] != "sending" && peer["dirty"].as_u64().is_some_and(|dirty| dirty > 0)
    });
    assert_eq!(primary.list("v").len(), 30);
    cluster.backup().fetch("/v1/vaults/v/entries").expect(200);
    let server = &mut cluster.pops[1].server;
    server.kill9();
    server.replace_argument("4MiB", "64MiB");
    server.start_again();
    cluster.settle();
    assert_eq!(cluster.backup().list("v").len(), 30);
}

/// A small file system of its own, gone when dropped.
pub(crate) struct SmallDisk {
    scratch: Scratch,
}

impl SmallDisk {
    /// `None` where mounting is not permitted.
    pub(crate) fn mount() -> Option<Self> {
        let scratch = Scratch::new("disk");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(scratch.path())
            .status();
        status.is_ok_and(|status| status.success()).then_some(Self { scratch })
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.scratch.path()).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_goes_on_reading_and_resumes_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: a full disk: mounting a small file system is not permitted here");
        return;
    };
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![0; 2 << 20]).expect("two of six MiB");
    let data = disk.path().join("data");
    let mut server = ServerBuilder::new(Edition::Community).data(&data).start();
    let client = server.client();
    let count = fill(&client);
    assert!(count >= 5, "{count} blobs of {BLOB_BYTES} bytes fit into 4 MiB");
    assert_reads_go_on(&client, count);
    client.put("v", "e1000", &blob(1000)).expect_problem(507, "CV-STORAGE-FULL");
    std::fs::remove_file(filler).expect("the filler can go");
    client.put("v", "e1000", &blob(1000)).expect(201);
    server.restart();
    assert!(client.get("v", "e1000").expect(200).body == blob(1000));
    client.delete("v", "e1000").expect(204);
    assert_reads_go_on(&client, count);
    drop(server);
}

#[test]
fn a_failed_sync_ends_the_process_with_an_alert_and_loses_nothing_acknowledged() {
    let Some(shim) = SyncShim::build() else {
        println!("skipped: a failed sync: there is no C compiler here");
        return;
    };
    let mut server = ServerBuilder::new(Edition::Community)
        .variable("LD_PRELOAD", shim.library())
        .variable("SYNC_SHIM_TRIGGER", shim.trigger())
        .start();
    let client = server.client();
    for number in 0..50 {
        client.put("v", &format!("e{number}"), format!("blob {number}").as_bytes()).expect(201);
    }
    shim.break_disk();
    if let Ok(answer) = client.request("PUT", "/v1/vaults/v/entries/unsure", &[], Some(b"x")) {
        assert_eq!((answer.status, answer.code().as_str()), (503, "CV-OUTCOME-UNKNOWN"));
    }
    let status = server.await_end(seconds(5));
    assert_ne!(status.code(), Some(0), "it did not end well");
    eventually("it alerts", seconds(1), || {
        server.lines_with("OPERATOR ALERT [storage_failed]").len() == 1
    });
    shim.mend_disk();
    server.start_again();
    for number in 0..50 {
        assert_eq!(client.get("v", &format!("e{number}")).text(), format!("blob {number}"));
    }
    client.put("v", "after", b"x").expect(201);
}

#[test]
fn a_failed_sync_on_the_backup_acknowledges_nothing() {
    let Some(shim) = SyncShim::build() else {
        println!("skipped: a failed sync: there is no C compiler here");
        return;
    };
    let mut cluster = Cluster::pair();
    cluster.pops[1].server.kill9();
    cluster.pops[1].server.set_variable("LD_PRELOAD", shim.library());
    cluster.pops[1].server.set_variable("SYNC_SHIM_TRIGGER", shim.trigger());
    cluster.pops[1].server.start_again();
    cluster.settle();
    shim.break_disk();
    let primary = cluster.primary();
    primary.put_acked("v", "e", b"x").expect(202);
    assert_ne!(cluster.pops[1].server.await_end(seconds(5)).code(), Some(0));
    assert_eq!(primary.dirty(), Some(1));
    shim.mend_disk();
    cluster.pops[1].server.start_again();
    cluster.settle();
    assert_eq!(cluster.backup().get("v", "e").expect(200).body, b"x");
}
