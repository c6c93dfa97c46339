//! Three POPs: nothing relayed in good health, nothing lost when the source dies halfway.

use clavitor_tests::wait::{seconds, throughout};
use clavitor_tests::{Cluster, ClusterBuilder, Fault, eventually};

const BLOB: [u8; 4096] = [9; 4096];

fn record_frames(cluster: &Cluster) -> Vec<usize> {
    cluster.pops.iter().map(|pop| pop.proxy().record_frames().len()).collect()
}

fn forget(cluster: &Cluster) {
    cluster.pops.iter().for_each(|pop| pop.proxy().forget());
}

#[test]
fn a_healthy_cluster_of_three_sends_two_frames_per_write_and_relays_none() {
    let cluster = ClusterBuilder::new(3).proxied().start();
    forget(&cluster);
    cluster.primary().put("v", "e", &BLOB).expect(201);
    cluster.settle();
    for pop in &cluster.pops {
        assert_eq!(pop.client().blob("v", "e").as_deref(), Some(BLOB.as_slice()), "{}", pop.id);
    }
    throughout("one frame to each backup", seconds(4), || record_frames(&cluster) == [0, 1, 1]);
    let primary = cluster.primary();
    eventually("replicated_at waits for all of them", seconds(3), || {
        primary.list("v")[0]["replicated_at"].is_string()
    });
}

#[test]
fn replicated_at_is_null_while_one_of_two_backups_lacks_the_entry() {
    let cluster = ClusterBuilder::new(3).proxied().start();
    cluster.pops[2].proxy().set(Fault::Refuse);
    let primary = cluster.primary();
    primary.put_acked("v", "e", &BLOB).expect(201);
    let zurich = cluster.backup();
    assert!(zurich.blob("v", "e").is_some(), "one backup is enough for ?ack=backup");
    eventually("zurich is clean", seconds(3), || primary.peer("zurich-01")["dirty"] == 0);
    assert!(primary.list("v")[0]["replicated_at"].is_null());
    assert_eq!(primary.peer("denver-01")["dirty"], 1);
    cluster.pops[2].proxy().set(Fault::None);
    primary.resume().expect(200);
    cluster.settle();
    assert!(cluster.pops[2].client().blob("v", "e").is_some());
    eventually("now all have it", seconds(2), || primary.list("v")[0]["replicated_at"].is_string());
}

#[test]
fn what_a_dead_primary_gave_to_one_backup_only_reaches_the_other_once() {
    let mut cluster = ClusterBuilder::new(3).proxied().start();
    cluster.pops[2].proxy().set(Fault::Refuse);
    cluster.primary().put_acked("v", "e", &BLOB).expect(201);
    cluster.pops[0].server.kill9();
    cluster.pops[2].proxy().set(Fault::None);
    forget(&cluster);
    assert!(cluster.pops[2].client().blob("v", "e").is_none());
    cluster.backup().promote().expect(200);
    let denver = cluster.pops[2].client();
    eventually("denver has it from zurich", seconds(10), || denver.blob("v", "e").is_some());
    throughout("and got it once", seconds(2), || {
        cluster.pops[2].proxy().record_frames().len() == 1
    });
    assert_eq!(denver.node()["epoch"]["primary"], "zurich-01");
    cluster.pops[0].server.start_again();
    let calgary = cluster.primary();
    eventually("the old primary follows", seconds(15), || calgary.node()["role"] == "backup");
    cluster.backup().put("v", "later", &BLOB).expect(201);
    cluster.settle();
    assert!(calgary.blob("v", "later").is_some() && denver.blob("v", "later").is_some());
}
