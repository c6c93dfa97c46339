//! Data directories that are not the ones their peers knew.

use crate::commands::at;
use clavitor_tests::binary::run;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Cluster, Edition, Fault, Server, ServerBuilder, eventually};

/// Empties the killed primary's directory, imports the file into it and starts it again.
fn restart_from_export(cluster: &mut Cluster, file: &str) {
    let data = cluster.pops[0].server.data().to_string_lossy().into_owned();
    std::fs::remove_dir_all(&data).expect("it can be emptied");
    let words = ["import", file, "--data-dir", &data, "--pop-id", "calgary-01"];
    let words = [words.as_slice(), &["--cluster", "test-cluster"]].concat();
    let imported = run(Edition::Commercial, cluster.scratch.path(), &words);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    cluster.pops[0].server.start_again();
}

#[test]
fn a_primary_imported_from_an_old_export_takes_no_writes_until_it_heard_its_peers() {
    let mut cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    let made = primary.create_token(Some("v"), "read");
    primary.put_acked("v", "exported", b"x").expect(201);
    let file = cluster.scratch.path().join("old").to_string_lossy().into_owned();
    let exported = at(&cluster.pops[0].server, Edition::Commercial, &["export", &file]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
    primary.send("DELETE", &path, &[], None).expect(200);
    primary.put_acked("v", "exported", b"newer").expect(200);
    primary.put_acked("v", "later", b"y").expect(201);
    cluster.settle();
    cluster.pops.iter().for_each(|pop| pop.proxy().set(Fault::Refuse));
    cluster.pops[0].server.kill9();
    restart_from_export(&mut cluster, &file);
    let primary = cluster.primary();
    primary.put("v", "e", b"z").expect_problem(503, "CV-IMPORTED");
    assert_eq!(primary.get("v", "exported").expect(200).body, b"x");
    cluster.pops.iter().for_each(|pop| pop.proxy().set(Fault::None));
    cluster.pops.iter().for_each(|pop| drop(pop.client().resume()));
    eventually("it takes writes", seconds(20), || primary.put("v", "e", b"z").is_done());
    eventually("it has what the export had not", seconds(10), || {
        primary.blob("v", "later").is_some()
            && primary.blob("v", "exported").as_deref() == Some(b"newer".as_slice())
    });
    let reader = primary.with_token(made["token"].as_str().expect("its text"));
    eventually("the revoked token stays revoked", seconds(5), || {
        reader.get("v", "exported").status == 401
    });
    let backup = cluster.backup();
    let there = backup.with_token(made["token"].as_str().expect("its text"));
    there.get("v", "exported").expect_problem(401, "CV-UNAUTHENTICATED");
    assert_eq!(backup.get("v", "exported").expect(200).body, b"newer");
    assert!(primary.conflicts("v").is_empty() && backup.conflicts("v").is_empty());
}

#[test]
fn an_imported_primary_without_peers_takes_writes_once_it_is_promoted() {
    let mut cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "e", b"x").expect(201);
    let file = cluster.scratch.path().join("copy").to_string_lossy().into_owned();
    assert_eq!(at(&cluster.pops[0].server, Edition::Commercial, &["export", &file]).code, Some(0));
    cluster.pops.iter_mut().for_each(|pop| pop.server.kill9());
    restart_from_export(&mut cluster, &file);
    let primary = cluster.primary();
    primary.put("v", "e", b"y").expect_problem(503, "CV-IMPORTED");
    assert_probes(&cluster.pops[0].server, 503);
    primary.promote().expect(200);
    primary.put("v", "e", b"y").expect(200);
    assert_probes(&cluster.pops[0].server, 200);
    cluster.pops[1].server.start_again();
    let backup = cluster.backup();
    eventually("the backup follows", seconds(20), || {
        backup.blob("v", "e").as_deref() == Some(b"y".as_slice())
    });
}

#[test]
fn a_second_live_data_directory_under_one_pop_id_is_refused_and_alerted() {
    let cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "e", b"x").expect(201);
    cluster.settle();
    let secret = cluster.scratch.path().join("secret");
    let impostor = ServerBuilder::new(Edition::Commercial)
        .arguments(["--pop-id", "zurich-01", "--cluster", "test-cluster"])
        .arguments(["--advertise-url", &cluster.pops[1].url])
        .arguments(["--replication-primary", &cluster.pops[0].url])
        .arguments(["--replication-backup", &cluster.pops[1].url])
        .arguments(["--replication-token-file".as_ref(), secret.as_os_str()])
        .start();
    eventually("somebody alerts", seconds(10), || {
        let alert = "OPERATOR ALERT [duplicate_pop_id]";
        let primary = &cluster.pops[0].server;
        !(primary.lines_with(alert).is_empty() && impostor.lines_with(alert).is_empty())
    });
    let primary = cluster.primary();
    eventually("replication to the genuine one goes on", seconds(10), || {
        primary.put_acked("v", "later", b"y").is_done()
    });
    assert!(cluster.backup().blob("v", "later").is_some());
    assert!(impostor.client().list("v").is_empty(), "the impostor got nothing");
}

/// Whoever sends writes by a probe, and whoever reads `status`, is told the same as who writes.
#[track_caller]
fn assert_probes(primary: &Server, status: u16) {
    for probe in ["/readyz", "/role/primary"] {
        assert_eq!(primary.anonymous().fetch(probe).status, status, "{probe}");
    }
    let shown = at(primary, Edition::Commercial, &["status"]);
    assert_eq!(shown.stdout.contains("ready    yes"), status == 200, "{}", shown.stdout);
}
