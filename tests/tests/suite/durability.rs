//! What `?ack=backup` and `If-Match` promise.

use clavitor_tests::client::entry_path;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Client, Cluster, Fault, Runtime, eventually};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const RACERS: usize = 64;
const VERSIONS: usize = 8;

/// 64 clients try to replace the same version; exactly one of them may.
pub(crate) fn race_if_match(client: &Client, new_client: impl Fn() -> Client) {
    let mut etag = client.put("race", "e", b"start").expect(201).etag();
    let racers: Vec<Client> = (0..RACERS).map(|_| new_client()).collect();
    for version in 0..VERSIONS {
        let barrier = Arc::new(Barrier::new(RACERS));
        let threads: Vec<_> = racers
            .iter()
            .enumerate()
            .map(|(number, racer)| {
                let (racer, etag, barrier) = (racer.clone(), etag.clone(), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    let blob = format!("{version} {number}");
                    barrier.wait();
                    let headers = [("if-match", etag.as_str())];
                    let path = entry_path("race", "e");
                    (blob.clone(), racer.send("PUT", &path, &headers, Some(blob.as_bytes())))
                })
            })
            .collect();
        let answers: Vec<_> =
            threads.into_iter().map(|one| one.join().expect("no panic")).collect();
        let winners: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 200).collect();
        let losers = answers.iter().filter(|(_, answer)| answer.status == 412).count();
        assert_eq!((winners.len(), losers), (1, RACERS - 1), "version {version}");
        let read = client.get("race", "e").expect(200);
        assert_eq!((read.text(), read.etag()), (winners[0].0.clone(), winners[0].1.etag()));
        etag = read.etag();
    }
}

#[test]
fn sixty_four_clients_racing_on_a_primary_have_one_winner_per_version() {
    let cluster = Cluster::pair();
    race_if_match(&cluster.primary(), || cluster.primary());
    cluster.settle();
    let theirs = cluster.backup().blob("race", "e");
    assert_eq!(cluster.primary().blob("race", "e"), theirs);
    assert!(cluster.primary().conflicts("race").is_empty());
}

#[test]
fn a_write_that_a_backup_confirmed_survives_the_backups_kill_9() {
    let mut cluster = Cluster::proxied_pair();
    for round in 0..6 {
        let name = format!("e{round}");
        cluster.primary().put_acked("v", &name, &[round; 1024]).expect(201);
        cluster.pops[1].server.kill9();
        // Nobody may give it back what it had promised to hold.
        cluster.pops.iter().for_each(|pop| pop.proxy().set(Fault::Refuse));
        cluster.pops[1].server.start_again();
        assert_eq!(cluster.backup().get("v", &name).expect(200).body, [round; 1024]);
        cluster.pops.iter().for_each(|pop| pop.proxy().set(Fault::None));
        cluster.pops[1].server.restart();
        cluster.settle();
    }
}

#[test]
fn without_a_backup_the_answer_is_202_after_five_seconds_and_the_write_is_delivered_later() {
    let cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    primary.put_acked("v", "old", b"x").expect(201);
    cluster.settle();
    cluster.pops[1].proxy().set(Fault::Refuse);
    let deleting = {
        let client = cluster.primary();
        std::thread::spawn(move || {
            let path = format!("{}?ack=backup", entry_path("v", "old"));
            client.send("DELETE", &path, &[], None)
        })
    };
    let creating = {
        let client = cluster.primary();
        std::thread::spawn(move || {
            let document = serde_json::json!({"vault": "v", "scope": "read", "label": "late"});
            client.post("/v1/tokens?ack=backup", &document)
        })
    };
    let started = Instant::now();
    let accepted = primary.put_acked("v", "e", b"later").expect(202);
    let waited = started.elapsed();
    assert!((4500..7000).contains(&waited.as_millis()), "{waited:?}");
    let json = accepted.json();
    assert_eq!(json["status"], "accepted");
    let read = primary.get("v", "e").expect(200);
    assert_eq!(
        (read.text().as_str(), Some(read.etag().as_str())),
        ("later", json["etag"].as_str())
    );
    assert_eq!(deleting.join().expect("no panic").status, 202);
    let created = creating.join().expect("no panic").expect(202);
    assert_eq!(primary.dirty(), Some(3));
    cluster.pops[1].proxy().set(Fault::None);
    primary.resume().expect(200);
    cluster.settle();
    let backup = cluster.backup();
    assert_eq!(backup.get("v", "e").expect(200).text(), "later");
    backup.get("v", "old").expect(404);
    let text = created.json()["token"].as_str().expect("it is shown all the same").to_owned();
    backup.with_token(&text).get("v", "e").expect(200);
}

#[test]
fn a_lost_answer_is_not_taken_for_an_ack() {
    let cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    cluster.pops[1].proxy().set(Fault::LoseAnswer);
    primary.put_acked("v", "e", b"x").expect(202);
    assert_eq!(primary.dirty(), Some(1));
    let backup = cluster.backup();
    assert!(backup.blob("v", "e").is_some(), "it had arrived");
    let etag = backup.get("v", "e").etag();
    cluster.pops[1].proxy().set(Fault::None);
    primary.resume().expect(200);
    cluster.settle();
    assert_eq!(backup.get("v", "e").etag(), etag);
    assert!(backup.conflicts("v").is_empty() && primary.conflicts("v").is_empty());
}

#[test]
fn the_ack_of_an_overwritten_version_leaves_the_entry_dirty() {
    let cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    let proxy = cluster.pops[1].proxy();
    proxy.set(Fault::Delay(Duration::from_millis(1500)));
    primary.put("v", "e", b"one").expect(201);
    let backup = cluster.backup();
    eventually("the first version arrives", seconds(3), || backup.blob("v", "e").is_some());
    // The answer to the first version is still under way, and will arrive.
    proxy.set(Fault::BlackHole);
    primary.put("v", "e", b"two").expect(200);
    std::thread::sleep(Duration::from_millis(2200));
    assert_eq!(primary.dirty(), Some(1));
    assert!(primary.list("v")[0]["replicated_at"].is_null());
    proxy.set(Fault::None);
    primary.resume().expect(200);
    cluster.settle();
    assert_eq!(backup.get("v", "e").text(), "two");
}

#[test]
fn a_waiter_is_released_by_its_own_version_only() {
    let cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    let proxy = cluster.pops[1].proxy();
    proxy.set(Fault::Answer(503));
    // Everything below is dirty together, and the rewrite moves `e` behind the first frame.
    primary.put("v", "e", b"one").expect(201);
    for number in 0..149 {
        primary.put("v", &format!("filler-{number}"), b"x").expect(201);
    }
    let waiter = {
        let client = cluster.primary();
        std::thread::spawn(move || client.put_acked("v", "e", b"two"))
    };
    std::thread::sleep(Duration::from_millis(300));
    proxy.set(Fault::None);
    primary.resume().expect(200);
    let answer = waiter.join().expect("no panic").expect(200);
    assert_eq!(cluster.backup().get("v", "e").etag(), answer.etag());
}

#[test]
fn latency_does_not_serialise_the_catch_up() {
    let mut cluster = Cluster::proxied_pair();
    cluster.pops[1].server.kill9();
    let primary = cluster.primary();
    for number in 0..1600 {
        primary.put("v", &format!("e{number}"), b"x").expect(201);
    }
    cluster.pops[1].proxy().set(Fault::Delay(seconds(1)));
    cluster.pops[1].server.start_again();
    let started = Instant::now();
    eventually("sixteen frames are through", seconds(30), || primary.dirty() == Some(0));
    let waited = started.elapsed();
    // A small host has two on their way where others have eight.
    let limit = match Runtime::under_test() {
        Runtime::Tokio => seconds(9),
        Runtime::Smol => seconds(13),
    };
    assert!(waited < limit, "one at a time would take sixteen seconds: {waited:?}");
    assert_eq!(cluster.backup().list("v").len(), 1600);
}
