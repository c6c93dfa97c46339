//! The retry schedule, sampled; what cannot be mended; the ways out.

use clavitor_tests::proxy::Exchange;
use clavitor_tests::raw::Message;
use clavitor_tests::wait::{seconds, throughout};
use clavitor_tests::{Cluster, ClusterBuilder, Fault, cluster, eventually};
use std::sync::Arc;
use std::time::Duration;

const BLOB: [u8; 4096] = [3; 4096];

/// Frames of any kind: a retry begins with a hello, which asks what the peer has before it is sent.
fn tried(cluster: &Cluster) -> Vec<Exchange> {
    let exchanges = cluster.pops[1].proxy().exchanges();
    exchanges.into_iter().filter(Exchange::is_frame).collect()
}

/// Milliseconds between the frames that were tried.
fn gaps_ms(cluster: &Cluster) -> Vec<u128> {
    let tried = tried(cluster);
    tried.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect()
}

#[test]
fn retries_come_after_one_and_five_seconds_whether_idle_or_under_steady_writes() {
    let idle = std::thread::spawn(|| sample_schedule(false));
    sample_schedule(true);
    idle.join().expect("the idle sample holds");
}

fn sample_schedule(is_busy: bool) {
    let cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    cluster.pops[1].proxy().forget();
    cluster.pops[1].proxy().set(Fault::Answer(503));
    primary.put("v", "e", &BLOB).expect(201);
    eventually("the peer waits", seconds(2), || primary.peer("zurich-01")["state"] == "waiting");
    let peer = primary.peer("zurich-01");
    assert_eq!(peer["attempt"], 1, "{peer}");
    assert!(peer["next_retry_ms"].as_u64().is_some_and(|ms| ms <= 1000), "{peer}");
    assert!(peer["last_error"].is_string(), "{peer}");
    let mut number = 0;
    throughout("nothing but the schedule sends", seconds(8), || {
        if is_busy && number < 90 {
            number += 1;
            primary.put("v", &format!("more-{number}"), b"small").expect(201);
        }
        tried(&cluster).len() <= 3
    });
    let gaps = gaps_ms(&cluster);
    assert_eq!(gaps.len(), 2, "tried at once, after 1 s and after 5 s more: {gaps:?}");
    assert!((900..2000).contains(&gaps[0]), "{gaps:?}");
    assert!((4900..6200).contains(&gaps[1]), "{gaps:?}");
    let peer = primary.peer("zurich-01");
    assert_eq!((&peer["state"], &peer["attempt"]), (&"waiting".into(), &3.into()), "{peer}");
    let next = peer["next_retry_ms"].as_u64().expect("a time");
    assert!((15_000..=25_000).contains(&next), "the third comes after 25 s: {peer}");
    assert!(cluster.pops[0].server.lines_with("OPERATOR ALERT").is_empty());
    cluster.pops[1].proxy().set(Fault::None);
    primary.resume().expect(200);
    cluster.settle();
    assert_eq!(cluster.backup().blob("v", "e").as_deref(), Some(BLOB.as_slice()));
}

#[test]
fn a_wrong_secret_alerts_once_suspends_at_once_and_mends_by_restarting_the_peer() {
    let mut cluster = ClusterBuilder::new(2).proxied().prepare();
    let good = cluster.scratch.path().join("secret").to_string_lossy().into_owned();
    let bad = cluster.scratch.file("other", &cluster::new_secret(8)).to_string_lossy().into_owned();
    cluster.pops[1].server.replace_argument(&good, &bad);
    for pop in cluster.pops.iter_mut().rev() {
        pop.server.start_again();
    }
    let primary = cluster.primary();
    primary.put("v", "e", &BLOB).expect_problem(503, "CV-IMPORTED");
    // It is new and cannot hear its backup: it begins on an operator's word.
    primary.promote().expect(200);
    primary.put("v", "e", &BLOB).expect(201);
    eventually("the peer is suspended", seconds(3), || {
        primary.peer("zurich-01")["state"] == "suspended"
    });
    for number in 0..20 {
        primary.put("v", &format!("more-{number}"), b"x").expect(201);
        std::thread::sleep(Duration::from_millis(100));
    }
    let peer = primary.peer("zurich-01");
    assert_eq!((&peer["state"], &peer["dirty"]), (&"suspended".into(), &21.into()), "{peer}");
    let alerts = cluster.pops[0].server.lines_with("OPERATOR ALERT [");
    let about_peer: Vec<_> =
        alerts.iter().filter(|line| line.contains(&cluster.pops[1].url)).collect();
    assert_eq!(about_peer.len(), 1, "{alerts:?}");
    // The first hello or frame is refused, then at most one attempt a minute.
    assert!(cluster.pops[1].proxy().record_frames().len() <= 2);
    assert!(cluster.backup().list("v").is_empty());
    assert!(cluster.backup().metrics().contains("CV-FRAME-AUTH"), "refusals are counted");
    cluster.pops[1].server.kill9();
    cluster.pops[1].server.replace_argument(&bad, &good);
    cluster.pops[1].server.start_again();
    cluster.settle();
    assert_eq!(cluster.backup().list("v").len(), 21);
}

/// What a peer with another secret answers.
fn refuse_authentication(_: &Message, answer: &mut Message) {
    "HTTP/1.1 401 Unauthorized".clone_into(&mut answer.start);
    answer.headers = vec![("content-type".to_owned(), "application/problem+json".to_owned())];
    answer.body = br#"{"type":"about:blank","title":"Unauthorized","status":401,"code":"CV-FRAME-AUTH","detail":""}"#.to_vec();
}

#[test]
fn replication_resume_ends_a_suspension_and_fails_again_if_nothing_was_mended() {
    let cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    let is_suspended = || primary.peer("zurich-01")["state"] == "suspended";
    cluster.pops[1].proxy().set(Fault::Alter(Arc::new(refuse_authentication)));
    primary.put("v", "e", &BLOB).expect(201);
    eventually("the peer is suspended", seconds(3), is_suspended);
    cluster.pops[1].proxy().forget();
    assert_eq!(primary.resume().expect(200).json()["resumed"], 1);
    eventually("it was tried again", seconds(3), || !tried(&cluster).is_empty());
    eventually("and suspended again", seconds(3), is_suspended);
    let alerts = cluster.pops[0].server.lines_with("OPERATOR ALERT [");
    assert_eq!(alerts.len(), 1, "one alert per outage: {alerts:?}");
    cluster.pops[1].proxy().set(Fault::None);
    let words = ["replication", "resume"];
    let resumed =
        crate::commands::at(&cluster.pops[0].server, clavitor_tests::Edition::Commercial, &words);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    cluster.settle();
    assert!(cluster.backup().blob("v", "e").is_some());
}

#[test]
fn a_suspended_primary_tries_again_when_it_starts() {
    let mut cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    cluster.pops[1].proxy().set(Fault::Alter(Arc::new(refuse_authentication)));
    primary.put("v", "e", &BLOB).expect(201);
    eventually("the peer is suspended", seconds(3), || {
        primary.peer("zurich-01")["state"] == "suspended"
    });
    cluster.pops[1].proxy().set(Fault::None);
    cluster.pops[0].server.restart();
    cluster.settle();
    assert!(cluster.backup().blob("v", "e").is_some());
}

#[test]
fn another_cluster_name_is_refused_and_suspends() {
    let mut cluster = ClusterBuilder::new(2).proxied().prepare();
    cluster.pops[1].server.replace_argument("test-cluster", "other-cluster");
    for pop in cluster.pops.iter_mut().rev() {
        pop.server.start_again();
    }
    let primary = cluster.primary();
    primary.promote().expect(200);
    primary.put("v", "e", &BLOB).expect(201);
    eventually("the peer is suspended", seconds(3), || {
        primary.peer("zurich-01")["state"] == "suspended"
    });
    let answers = cluster.pops[1].proxy().exchanges();
    let codes: Vec<String> =
        answers.iter().filter_map(|exchange| exchange.answer.as_ref()).map(Message::code).collect();
    assert!(codes.iter().any(|code| code == "CV-FRAME-CLUSTER"), "{codes:?}");
    assert!(cluster.backup().list("v").is_empty());
}
