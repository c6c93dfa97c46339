//! Two POPs that both took writes while they could not hear each other.

use clavitor_tests::wait::seconds;
use clavitor_tests::{Client, Cluster, Fault, eventually};
use serde_json::Value;

/// Cuts the pair, and makes both sides take writes.
fn split() -> Cluster {
    let cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "common", b"from before").expect(201);
    cluster.settle();
    for pop in &cluster.pops {
        pop.proxy().set(Fault::Refuse);
    }
    let answer = cluster.backup().promote().expect(200).json();
    assert_eq!(answer["role"], "primary", "{answer}");
    assert_eq!(answer["epoch"]["primary"], "zurich-01", "{answer}");
    cluster.primary().promote().expect(200);
    cluster
}

fn heal(cluster: &Cluster) {
    for pop in &cluster.pops {
        pop.proxy().set(Fault::None);
    }
    for pop in &cluster.pops {
        pop.client().resume().expect(200);
    }
}

/// Waits until one epoch is left, and returns the client of its primary and of the other.
fn roles(cluster: &Cluster) -> (Client, Client) {
    let (first, second) = (cluster.primary(), cluster.backup());
    eventually("both sides agree on the epoch", seconds(15), || {
        let (first, second) = (first.node(), second.node());
        first["epoch"] == second["epoch"] && first["role"] != second["role"]
    });
    if first.node()["role"] == "primary" { (first, second) } else { (second, first) }
}

#[test]
fn of_two_concurrent_writes_one_wins_and_the_other_can_be_restored_everywhere() {
    let cluster = split();
    cluster.primary().put("v", "both", b"written in calgary").expect(201);
    cluster.primary().put("v", "calgary", b"only here").expect(201);
    cluster.backup().put("v", "both", b"written in zurich").expect(201);
    cluster.backup().put("v", "zurich", b"only there").expect(201);
    cluster.backup().put("v", "common", b"overwritten in zurich").expect(200);
    heal(&cluster);
    let (leader, follower) = roles(&cluster);
    eventually("both sides have the same entries", seconds(15), || {
        let names = ["both", "calgary", "zurich", "common"];
        names.iter().all(|name| {
            let blob = leader.blob("v", name);
            blob.is_some() && blob == follower.blob("v", name)
        })
    });
    assert_eq!(leader.get("v", "common").text(), "overwritten in zurich");
    eventually("both sides have journalled the loser", seconds(15), || {
        leader.conflicts("v").len() == 1 && leader.conflicts("v") == follower.conflicts("v")
    });
    let winner = leader.get("v", "both").text();
    assert_eq!(winner, "written in zurich", "the later write wins");
    let conflict = leader.conflicts("v")[0].clone();
    assert_eq!((&conflict["entry"], &conflict["deleted"]), (&"both".into(), &false.into()));
    assert_eq!(conflict["size"], "written in calgary".len());
    restore(&leader, &follower, &conflict);
    cluster.settle();
}

fn restore(leader: &Client, follower: &Client, conflict: &Value) {
    let id = conflict["id"].as_str().expect("an id");
    let path = format!("/v1/vaults/v/conflicts/{id}/restore");
    follower.send("POST", &path, &[], Some(b"")).expect_problem(503, "CV-NOT-PRIMARY");
    let restored = leader.send("POST", &path, &[], Some(b"")).expect(200).json();
    assert_eq!(restored["entry"], "both", "{restored}");
    let read = leader.get("v", "both").expect(200);
    assert_eq!(restored["etag"].as_str(), Some(read.etag().as_str()));
    eventually("the restored version is on both sides", seconds(5), || {
        [leader, follower].iter().all(|client| {
            client.blob("v", "both").as_deref() == Some(b"written in calgary".as_slice())
        })
    });
    let unknown = leader.send("POST", "/v1/vaults/v/conflicts/unknown/restore", &[], Some(b""));
    assert!(matches!(unknown.status, 400 | 404), "{}", unknown.text());
}

#[test]
fn a_delete_and_a_concurrent_write_lose_nothing() {
    let cluster = split();
    cluster.primary().put("v", "common", b"kept by hand").expect(200);
    cluster.backup().delete("v", "common").expect(204);
    heal(&cluster);
    let (leader, follower) = roles(&cluster);
    eventually("the deletion wins and the write is journalled on both sides", seconds(15), || {
        [&leader, &follower].iter().all(|client| {
            client.get("v", "common").status == 404 && client.conflicts("v").len() == 1
        })
    });
    let id = leader.conflicts("v")[0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/vaults/v/conflicts/{id}/restore");
    leader.send("POST", &path, &[], Some(b"")).expect(200);
    assert_eq!(leader.get("v", "common").expect(200).text(), "kept by hand");
}

#[test]
fn a_revocation_wins_whichever_side_it_was_made_on() {
    let cluster = Cluster::proxied_pair();
    let made = cluster.primary().create_token(Some("v"), "read");
    cluster.primary().put_acked("v", "e", b"x").expect(201);
    cluster.settle();
    for pop in &cluster.pops {
        pop.proxy().set(Fault::Refuse);
    }
    cluster.backup().promote().expect(200);
    let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
    let answer = cluster.backup().send("DELETE", &path, &[], None).expect(200).json();
    assert_eq!(answer["pending_peers"], serde_json::json!(["calgary-01"]));
    let reader = cluster.primary().with_token(made["token"].as_str().expect("its text"));
    reader.get("v", "e").expect(200);
    heal(&cluster);
    eventually("the revocation arrives", seconds(15), || reader.get("v", "e").status == 401);
}

#[test]
fn an_old_primary_becomes_backup_and_ships_what_it_had_not_shipped() {
    let mut cluster = Cluster::proxied_pair();
    for pop in &cluster.pops {
        pop.proxy().set(Fault::Refuse);
    }
    cluster.primary().put("v", "unshipped", b"x").expect(201);
    cluster.pops[0].server.kill9();
    let words = ["promote"];
    let promoted =
        crate::commands::at(&cluster.pops[1].server, clavitor_tests::Edition::Commercial, &words);
    assert_eq!(promoted.code, Some(0), "{}", promoted.stderr);
    cluster.backup().put("v", "meanwhile", b"y").expect(201);
    for pop in &cluster.pops {
        pop.proxy().set(Fault::None);
    }
    cluster.pops[0].server.start_again();
    let (old, new) = (cluster.primary(), cluster.backup());
    eventually("the old primary steps down", seconds(15), || old.node()["role"] == "backup");
    eventually("both have everything", seconds(15), || {
        [&old, &new].iter().all(|client| client.list("v").len() == 2)
    });
    let refused = old.put("v", "e", b"z").expect_problem(503, "CV-NOT-PRIMARY");
    assert!(refused.header("x-primary-location").starts_with(&cluster.pops[1].url));
    cluster.pops[1].server.restart();
    assert_eq!(new.node()["role"], "primary", "a promotion is durable");
    new.put("v", "e", b"z").expect(201);
    cluster.settle();
    assert!(cluster.primary().blob("v", "e").is_some());
}
