//! Two POPs in good health.

use crate::commands::at;
use clavitor_tests::wait::{seconds, throughout};
use clavitor_tests::{Client, Cluster, Edition, eventually};
use serde_json::json;

#[test]
fn a_write_on_the_primary_is_readable_on_the_backup_and_then_nothing_is_dirty() {
    let cluster = Cluster::pair();
    let (primary, backup) = (cluster.primary(), cluster.backup());
    let etag = primary.put("v", "e", b"replicated").expect(201).etag();
    eventually("the backup has the entry", seconds(2), || backup.blob("v", "e").is_some());
    let read = backup.get("v", "e").expect(200);
    assert_eq!((read.text().as_str(), read.etag()), ("replicated", etag));
    assert_eq!(read.header("x-clavitor-role"), "backup");
    eventually("the primary knows it", seconds(2), || primary.dirty() == Some(0));
    let peer = primary.peer("zurich-01");
    assert_eq!((&peer["state"], &peer["dirty_bytes"]), (&"idle".into(), &0.into()), "{peer}");
    assert_eq!(peer["url"], cluster.pops[1].url.as_str());
    assert!(peer["last_ack_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{peer}");
    assert!(peer["acked"].as_u64().is_some_and(|acked| acked > 0), "{peer}");
    eventually("replicated_at is set", seconds(2), || {
        primary.list("v")[0]["replicated_at"].is_string()
    });
    assert!(backup.list("v")[0]["replicated_at"].is_null());
    primary.delete("v", "e").expect(204);
    eventually("the backup deletes it", seconds(2), || backup.get("v", "e").status == 404);
    assert_eq!(backup.conflicts("v"), primary.conflicts("v"));
    assert!(primary.conflicts("v").is_empty(), "a plain overwrite is no conflict");
}

#[test]
fn a_rewritten_entry_is_not_replicated_until_its_newest_version_is() {
    let cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    primary.put("v", "e", b"one").expect(201);
    eventually("replicated_at is set", seconds(5), || {
        primary.list("v")[0]["replicated_at"].is_string()
    });
    cluster.pops[1].proxy().set(clavitor_tests::Fault::Refuse);
    primary.put("v", "e", b"two").expect(200);
    assert!(primary.list("v")[0]["replicated_at"].is_null());
    let peer = primary.peer("zurich-01");
    assert_eq!(peer["dirty"], 1, "{peer}");
    cluster.pops[1].proxy().set(clavitor_tests::Fault::None);
    primary.resume().expect(200);
    cluster.settle();
    eventually("replicated_at is set again", seconds(2), || {
        primary.list("v")[0]["replicated_at"].is_string()
    });
}

#[test]
fn an_access_token_works_on_the_backup_and_stops_there_when_revoked() {
    let cluster = Cluster::pair();
    let (primary, backup) = (cluster.primary(), cluster.backup());
    primary.put("v", "e", b"x").expect(201);
    let made = primary.create_token(Some("v"), "read");
    let there = backup.with_token(made["token"].as_str().expect("its text"));
    eventually("the token works on the backup", seconds(3), || there.get("v", "e").status == 200);
    there.get("w", "e").expect_problem(403, "CV-FORBIDDEN");
    let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
    let answer = primary.send("DELETE", &path, &[], None).expect(200).json();
    assert!(answer["pending_peers"].is_array(), "{answer}");
    eventually("it stops on the backup", seconds(3), || there.get("v", "e").status == 401);
    there.get("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
}

#[test]
fn the_first_admin_token_belongs_to_its_server() {
    let cluster = Cluster::pair();
    let (primary, backup) = (cluster.primary(), cluster.backup());
    primary.put_acked("v", "e", b"x").expect(201);
    let text = cluster.pops[0].server.admin_token();
    backup.with_token(&text).get("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
    let other = cluster.pops[1].server.admin_token();
    primary.with_token(&other).get("v", "e").expect_problem(401, "CV-UNAUTHENTICATED");
}

#[test]
fn a_backup_refuses_client_writes_and_says_where_the_primary_is() {
    let cluster = Cluster::pair();
    let backup = cluster.backup();
    let document = json!({"vault": "v", "scope": "read", "label": "l"});
    let answers = [
        backup.put("v", "e", b"x"),
        backup.put_acked("v", "e", b"x"),
        backup.delete("v", "e"),
        backup.post("/v1/tokens", &document),
    ];
    for answer in answers {
        let answer = answer.expect_problem(503, "CV-NOT-PRIMARY");
        let location = answer.header("x-primary-location");
        assert!(location.starts_with(&cluster.pops[0].url), "{location}");
    }
    let node = backup.node();
    assert_eq!((&node["role"], &node["pop"]), (&"backup".into(), &"zurich-01".into()));
    assert_eq!(node["cluster"], "test-cluster");
    assert_eq!(node["epoch"]["primary"], "calgary-01", "{node}");
    assert_eq!(node["epoch"], cluster.primary().node()["epoch"]);
    let anonymous = cluster.pops[1].server.anonymous();
    anonymous.fetch("/role/backup").expect(200);
    anonymous.fetch("/role/primary").expect(503);
    anonymous.fetch("/readyz").expect(200);
}

#[test]
fn the_newest_of_many_versions_ends_up_on_both_sides() {
    let cluster = Cluster::pair();
    let (primary, backup) = (cluster.primary(), cluster.backup());
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let client = cluster.primary();
            std::thread::spawn(move || {
                for number in 0..100 {
                    let blob = format!("{writer} {number}");
                    client.put("v", &format!("e{}", number % 5), blob.as_bytes());
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("a writer does not panic");
    }
    cluster.settle();
    let strip = |client: &Client| {
        let mut list = client.list("v");
        for entry in &mut list {
            entry["replicated_at"] = json!(null);
        }
        list
    };
    assert_eq!(strip(&primary), strip(&backup));
    for number in 0..5 {
        let name = format!("e{number}");
        assert_eq!(primary.blob("v", &name), backup.blob("v", &name));
    }
    assert!(primary.conflicts("v").is_empty() && backup.conflicts("v").is_empty());
}

#[test]
fn status_tells_a_healthy_pair_from_a_degraded_one() {
    let mut cluster = Cluster::pair();
    cluster.primary().put_acked("v", "e", b"x").expect(201);
    cluster.settle();
    let fine = at(&cluster.pops[0].server, Edition::Commercial, &["status", "--json"]);
    assert_eq!(fine.code, Some(0), "{}{}", fine.stdout, fine.stderr);
    cluster.pops[1].server.kill9();
    cluster.primary().put("v", "e", b"y").expect(200);
    let primary = cluster.primary();
    eventually("the peer is waiting", seconds(5), || {
        primary.peer("zurich-01")["state"] == "waiting"
    });
    let degraded = at(&cluster.pops[0].server, Edition::Commercial, &["status", "--json"]);
    assert_eq!(degraded.code, Some(1), "{}{}", degraded.stdout, degraded.stderr);
    assert!(degraded.stdout.contains("zurich-01"), "{}", degraded.stdout);
}

#[test]
fn a_write_is_one_frame_and_is_sent_back_to_nobody() {
    let cluster = Cluster::proxied_pair();
    let proxy = cluster.pops[1].proxy();
    proxy.forget();
    cluster.primary().put_acked("v", "e", &[1; 4096]).expect(201);
    cluster.settle();
    throughout("one frame per write", seconds(3), || proxy.record_frames().len() == 1);
    assert_eq!(cluster.pops[0].proxy().record_frames().len(), 0, "nothing is relayed back");
}
