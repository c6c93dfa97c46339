//! A backup that was away, a primary that crashed: what is sent afterwards, and what is not.

use clavitor_tests::proxy::Exchange;
use clavitor_tests::random::Random;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Client, Cluster, eventually};

/// Writes `count` entries of 2 KiB; each blob begins with `<prefix><number>;`, which can be
/// found in a frame.
fn write(client: &Client, prefix: &str, count: usize) {
    let mut random = Random::new(count as u64);
    for number in 0..count {
        let mut blob = format!("{prefix}{number};").into_bytes();
        blob.extend(random.bytes(2048));
        client.put("v", &format!("{prefix}-{number}"), &blob).expect(201);
    }
}

/// The numbers of the blobs that travel in a frame.
fn numbers_in(frame: &Exchange, prefix: &str) -> Vec<usize> {
    let body = &frame.request.body;
    let prefix = prefix.as_bytes();
    let first = prefix[0];
    let starts = (0..body.len()).filter(|&at| body[at] == first && body[at..].starts_with(prefix));
    let number = |at: usize| {
        let digits = body[at + prefix.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let text = String::from_utf8(digits.copied().collect()).ok()?;
        let is_ended = body.get(at + prefix.len() + text.len()) == Some(&b';');
        is_ended.then(|| text.parse().ok()).flatten()
    };
    starts.filter_map(number).collect()
}

/// The numbers of the blobs that travel in all of the frames.
fn all_numbers_in(frames: &[Exchange], prefix: &str) -> Vec<usize> {
    let mut numbers: Vec<usize> =
        frames.iter().flat_map(|frame| numbers_in(frame, prefix)).collect();
    numbers.sort_unstable();
    numbers
}

/// Frames with records that reached the server behind the proxy.
fn arrived(cluster: &Cluster, pop: usize) -> Vec<Exchange> {
    let frames = cluster.pops[pop].proxy().record_frames();
    frames.into_iter().filter(|frame| frame.answer.is_some()).collect()
}

#[test]
fn two_hundred_and_fifty_dirty_entries_make_exactly_three_frames() {
    let mut cluster = Cluster::proxied_pair();
    cluster.pops[1].server.kill9();
    let primary = cluster.primary();
    write(&primary, "blob", 250);
    let peer = primary.peer("zurich-01");
    assert_eq!(peer["dirty"], 250, "{peer}");
    assert!(peer["dirty_bytes"].as_u64().is_some_and(|bytes| bytes > 250 * 2048), "{peer}");
    assert!(peer["oldest_dirty_ms"].is_u64(), "{peer}");
    cluster.pops[1].proxy().forget();
    cluster.pops[1].server.start_again();
    cluster.settle();
    let frames = arrived(&cluster, 1);
    let mut sizes: Vec<usize> =
        frames.iter().map(|frame| numbers_in(frame, "blob").len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
    assert_eq!(all_numbers_in(&frames, "blob"), (0..250).collect::<Vec<_>>());
    assert_eq!(cluster.backup().list("v").len(), 250);
}

#[test]
fn a_backup_that_missed_a_thousand_writes_catches_up_on_its_hello_and_gets_nothing_twice() {
    let mut cluster = Cluster::proxied_pair();
    write(&cluster.primary(), "before", 60);
    cluster.settle();
    cluster.pops[1].server.kill9();
    write(&cluster.primary(), "missed", 1000);
    cluster.pops[1].proxy().forget();
    let restarted = std::time::Instant::now();
    cluster.pops[1].server.start_again();
    cluster.settle();
    assert!(restarted.elapsed() < seconds(5), "its hello woke the primary, not a timer");
    let frames = arrived(&cluster, 1);
    assert_eq!(frames.len(), 10);
    assert!(all_numbers_in(&frames, "before").is_empty(), "it had these");
    assert_eq!(all_numbers_in(&frames, "missed"), (0..1000).collect::<Vec<_>>());
    assert_eq!(cluster.backup().list("v").len(), 1060);
}

#[test]
fn what_a_crash_of_the_primary_left_dirty_drains_at_its_start() {
    let mut cluster = Cluster::proxied_pair();
    cluster.pops[1].server.kill9();
    write(&cluster.primary(), "dirty", 120);
    cluster.pops[0].server.kill9();
    // The backup's hello finds nobody; the primary must start on its own.
    cluster.pops[1].server.start_again();
    assert!(cluster.backup().list("v").is_empty());
    cluster.pops[1].proxy().forget();
    cluster.pops[0].server.start_again();
    cluster.settle();
    assert_eq!(arrived(&cluster, 1).len(), 2);
    assert_eq!(cluster.backup().list("v").len(), 120);
    let (primary, backup) = (cluster.primary(), cluster.backup());
    assert_eq!(primary.blob("v", "dirty-119"), backup.blob("v", "dirty-119"));
}

#[test]
fn a_clean_restart_of_either_side_sends_nothing_again() {
    let mut cluster = Cluster::proxied_pair();
    write(&cluster.primary(), "kept", 30);
    cluster.settle();
    for pop in [1, 0] {
        cluster.pops[1].proxy().forget();
        cluster.pops[pop].server.restart();
        cluster.settle();
        std::thread::sleep(seconds(1));
        // A cursor is written without a sync of its own: a crash may cost one frame, which the
        // receiver knows, but never more than what the last sync had not seen.
        assert!(arrived(&cluster, 1).len() <= 1, "after killing {}", cluster.pops[pop].id);
    }
    cluster.pops[1].proxy().forget();
    cluster.pops[0].server.terminate();
    assert_eq!(cluster.pops[0].server.await_end(seconds(6)).code(), Some(0));
    cluster.pops[0].server.start_again();
    cluster.settle();
    std::thread::sleep(seconds(1));
    assert_eq!(arrived(&cluster, 1).len(), 0, "after an orderly end");
}

#[test]
fn an_emptied_backup_gets_everything_again() {
    let mut cluster = Cluster::proxied_pair();
    write(&cluster.primary(), "all", 150);
    let token = cluster.primary().create_token(Some("v"), "read");
    cluster.settle();
    cluster.pops[1].server.kill9();
    std::fs::remove_dir_all(cluster.pops[1].server.data()).expect("it can be emptied");
    cluster.pops[1].server.start_again();
    let backup = cluster.backup();
    eventually("the emptied backup has all entries", seconds(20), || backup.list("v").len() == 150);
    let reader = backup.with_token(token["token"].as_str().expect("its text"));
    eventually("and the access token", seconds(5), || reader.get("v", "all-0").status == 200);
    cluster.settle();
}

#[test]
fn a_rolled_back_backup_is_brought_up_to_date() {
    let mut cluster = Cluster::proxied_pair();
    write(&cluster.primary(), "early", 20);
    cluster.settle();
    cluster.pops[1].server.terminate();
    cluster.pops[1].server.await_end(seconds(6));
    let data = cluster.pops[1].server.data().to_owned();
    let copy = cluster.scratch.path().join("copy");
    copy_directory(&data, &copy);
    cluster.pops[1].server.start_again();
    write(&cluster.primary(), "late", 20);
    cluster.settle();
    cluster.pops[1].server.kill9();
    std::fs::remove_dir_all(&data).expect("it can be emptied");
    copy_directory(&copy, &data);
    cluster.pops[1].server.start_again();
    let backup = cluster.backup();
    eventually("the rolled-back backup has all entries", seconds(20), || {
        backup.list("v").len() == 40
    });
    cluster.settle();
}

#[test]
fn a_rolled_back_primary_notices_and_its_new_writes_arrive() {
    let mut cluster = Cluster::proxied_pair();
    write(&cluster.primary(), "early", 20);
    cluster.settle();
    cluster.pops[0].server.terminate();
    cluster.pops[0].server.await_end(seconds(6));
    let data = cluster.pops[0].server.data().to_owned();
    let copy = cluster.scratch.path().join("copy");
    copy_directory(&data, &copy);
    cluster.pops[0].server.start_again();
    write(&cluster.primary(), "late", 20);
    cluster.settle();
    cluster.pops[0].server.kill9();
    std::fs::remove_dir_all(&data).expect("it can be emptied");
    copy_directory(&copy, &data);
    cluster.pops[0].server.start_again();
    write(&cluster.primary(), "after", 20);
    let backup = cluster.backup();
    eventually("numbers used before are not taken for known frames", seconds(20), || {
        (0..20).all(|number| backup.blob("v", &format!("after-{number}")).is_some())
    });
    assert!(!cluster.pops[0].server.lines_with("OPERATOR ALERT [").is_empty(), "it is alerted");
    assert!(backup.blob("v", "late-0").is_some(), "and nothing is lost on the backup");
}

fn copy_directory(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a directory of the test's own");
    for item in std::fs::read_dir(from).expect("a directory") {
        let item = item.expect("an item");
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy_directory(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).expect("it can be copied");
        }
    }
}
