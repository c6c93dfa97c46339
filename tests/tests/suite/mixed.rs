//! Pairs whose POPs run on different runtimes: a tokio primary with a smol backup, and the reverse.

use crate::flight_recorder::{OPTION, faithful, recording_of};
use clavitor_tests::wait::seconds;
use clavitor_tests::{Cluster, ClusterBuilder, Edition, Runtime, Server, crash, eventually};

const MIXES: [[Runtime; 2]; 2] = [[Runtime::Tokio, Runtime::Smol], [Runtime::Smol, Runtime::Tokio]];

fn pair(runtimes: [Runtime; 2]) -> Cluster {
    let cluster = ClusterBuilder::new(2).runtimes(&runtimes).start();
    for (pop, runtime) in cluster.pops.iter().zip(runtimes) {
        assert_eq!(pop.client().node()["runtime"], runtime.name(), "{}", pop.id);
    }
    cluster
}

#[test]
fn what_one_runtime_writes_the_other_has() {
    for runtimes in MIXES {
        let cluster = pair(runtimes);
        let (primary, backup) = (cluster.primary(), cluster.backup());
        let etag = primary.put("v", "plain", b"replicated").expect(201).etag();
        eventually("the backup has the entry", seconds(2), || backup.blob("v", "plain").is_some());
        let read = backup.get("v", "plain").expect(200);
        assert_eq!((read.text().as_str(), read.etag()), ("replicated", etag));
        let blob = vec![7; 1 << 20];
        primary.put_acked("v", "largest", &blob).expect(201);
        assert!(backup.blob("v", "largest") == Some(blob), "confirmed means there");
        let made = primary.create_token(Some("v"), "read");
        let reader = backup.with_token(made["token"].as_str().expect("its text"));
        eventually("the token works there", seconds(3), || reader.get("v", "plain").status == 200);
        primary.delete("v", "plain").expect(204);
        let path = format!("/v1/tokens/{}", made["id"].as_str().expect("an id"));
        primary.send("DELETE", &path, &[], None).expect(200);
        eventually("both are gone there", seconds(3), || {
            backup.get("v", "plain").status == 404 && reader.get("v", "largest").status == 401
        });
        cluster.settle();
        assert!(primary.conflicts("v").is_empty() && backup.conflicts("v").is_empty());
    }
}

#[test]
fn nothing_acknowledged_is_missing_after_kill_9_of_either() {
    for runtimes in MIXES {
        let seed = u64::from(std::process::id());
        let summary = crash::run_rounds_on(pair(runtimes), 4, seed, |_| {});
        println!("{runtimes:?} with seed {seed}:\n{summary}");
        assert!(summary.missing.is_empty(), "{summary}");
        assert_eq!(summary.rounds, 4);
        assert!(summary.acknowledged > 100, "the writers did write: {summary}");
    }
}

#[test]
fn the_backup_is_promoted_and_the_former_primary_follows_until_it_is_promoted_back() {
    for runtimes in MIXES {
        let mut cluster = pair(runtimes);
        cluster.primary().put_acked("v", "before", b"x").expect(201);
        cluster.pops[0].server.kill9();
        cluster.backup().promote().expect(200);
        cluster.backup().put("v", "meanwhile", b"y").expect(201);
        cluster.pops[0].server.start_again();
        let (calgary, zurich) = (cluster.primary(), cluster.backup());
        eventually("the former primary follows", seconds(15), || {
            calgary.node()["role"] == "backup" && calgary.blob("v", "meanwhile").is_some()
        });
        calgary.put("v", "after", b"z").expect_problem(503, "CV-NOT-PRIMARY");
        calgary.promote().expect(200);
        eventually("the other follows", seconds(15), || zurich.node()["role"] == "backup");
        eventually("it takes writes", seconds(15), || calgary.put("v", "after", b"z").is_done());
        cluster.settle();
        assert_eq!(calgary.node()["epoch"], zurich.node()["epoch"]);
        for (name, blob) in [("before", b"x"), ("meanwhile", b"y"), ("after", b"z")] {
            assert_eq!(calgary.blob("v", name).as_deref(), Some(blob.as_slice()), "{name}");
            assert_eq!(zurich.blob("v", name).as_deref(), Some(blob.as_slice()), "{name}");
        }
        assert!(calgary.conflicts("v").is_empty() && zurich.conflicts("v").is_empty());
    }
}

#[test]
fn a_data_directory_belongs_to_no_runtime() {
    for edition in Edition::ALL {
        let mut server = Server::start(edition);
        for (round, runtime) in [Runtime::Smol, Runtime::Tokio, Runtime::Smol].iter().enumerate() {
            server.kill9();
            server.set_runtime(*runtime);
            server.start_again();
            let client = server.client();
            assert_eq!(client.node()["runtime"], runtime.name());
            client.put("v", &format!("e{round}"), runtime.name().as_bytes()).expect(201);
            let names: Vec<_> =
                client.list("v").iter().map(|entry| entry["name"].clone()).collect();
            assert_eq!(names, ["e0", "e1", "e2"][..=round], "{edition:?} on {runtime:?}");
        }
    }
}

#[test]
fn recordings_of_both_run_again_and_one_goes_on_where_the_other_ended() {
    for runtimes in MIXES {
        let mut cluster = ClusterBuilder::new(2).runtimes(&runtimes).arguments(&OPTION).start();
        for runtime in [runtimes[1], runtimes[0]] {
            let primary = cluster.primary();
            (0..50).for_each(|number| _ = primary.put("v", &format!("e{number}"), b"x"));
            cluster.settle();
            let server = &mut cluster.pops[0].server;
            server.kill9();
            server.set_runtime(runtime);
            server.start_again();
            cluster.settle();
        }
        for pop in &mut cluster.pops {
            pop.server.kill9();
        }
        assert_eq!(faithful(&recording_of(&cluster.pops[0].server)).number("processes"), 3);
        assert_eq!(faithful(&recording_of(&cluster.pops[1].server)).number("processes"), 1);
    }
}
