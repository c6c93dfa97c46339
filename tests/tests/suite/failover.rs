//! HQ takes over for a primary that is gone, never twice at once, and loses nothing. [P10] [P11]
//! [P12]

use clavitor_tests::governed::ZONE;
use clavitor_tests::resolver::Unbound;
use clavitor_tests::wait::{eventually, seconds, throughout};
use clavitor_tests::{ClusterBuilder, Fault, Governed, Writer, failovers};
use std::time::{Duration, Instant};

/// What is promised from the death of a primary to the first write elsewhere, with room for a busy
/// machine: at the defaults it takes about six and a half seconds.
const FAILOVER_MAX: Duration = Duration::from_secs(30);

/// Demands that every acknowledged entry is on every POP.
#[track_caller]
fn assert_nothing_lost(governed: &Governed, writer: Writer) -> clavitor_tests::writer::Written {
    let token = writer.token().to_owned();
    let written = writer.end();
    governed.cluster.settle();
    assert!(written.acknowledged.len() >= 20, "only {} writes", written.acknowledged.len());
    for pop in &governed.cluster.pops {
        let missing = written.missing(&pop.client().with_token(&token));
        assert!(missing.is_empty(), "{} lacks {missing:?}", pop.id);
    }
    written
}

#[test]
fn a_primary_that_dies_is_replaced_and_comes_back_as_a_backup() {
    let summary = failovers::run_rounds(3, Duration::ZERO, 1, |_| {});
    println!("{summary}");
    if summary.resolver.is_empty() {
        println!("skipped: a resolver in front of HQ's DNS: {} is not installed", Unbound::NAME);
    }
    assert!(summary.missing.is_empty(), "{:?}", summary.missing);
    assert!(summary.acknowledged > 1_000, "only {} writes", summary.acknowledged);
    let times = [&summary.primary, &summary.dns, &summary.resolver, &summary.first_write];
    let slowest = times.into_iter().flatten().max();
    assert!(slowest.is_some_and(|slowest| *slowest < FAILOVER_MAX), "{slowest:?}");
}

#[test]
fn dns_names_who_takes_writes() {
    let addresses = ["10.99.0.1", "10.99.0.2"];
    let mut governed = Governed::prepare(ClusterBuilder::new(2), &[]);
    for (pop, address) in governed.cluster.pops.iter_mut().zip(addresses) {
        pop.server.add_arguments(["--dns-address", address]);
    }
    for pop in governed.cluster.pops.iter_mut().rev() {
        pop.server.start_again();
    }
    let named = |governed: &Governed, index: usize| {
        governed.resolve() == [addresses[index].parse::<std::net::Ipv4Addr>().expect("an address")]
    };
    eventually("DNS names the first", FAILOVER_MAX, || named(&governed, 0));
    governed.await_members(2);
    governed.cluster.pops[0].server.kill9();
    eventually("DNS names the second", FAILOVER_MAX, || named(&governed, 1));
    assert_eq!(governed.primary(), Some(1));
    let unknown = clavitor_tests::governed::addresses(governed.dns, &format!("other.{ZONE}"));
    assert_eq!(unknown, Some(Vec::new()));
}

#[test]
fn a_switchover_under_load_loses_nothing_and_refuses_with_the_new_location_alone() {
    let governed = Governed::pair();
    let writer = Writer::start(&governed.cluster, 0, Duration::ZERO);
    for round in 0..3 {
        let (old, new) = (round % 2, (round + 1) % 2);
        governed.await_members(2);
        std::thread::sleep(Duration::from_millis(300));
        let client = governed.cluster.pops[old].client();
        let answer = client.send("POST", "/v1/node/switchover", &[], Some(b"")).expect(200);
        assert_eq!(answer.json()["epoch"]["primary"], governed.cluster.pops[new].id);
        governed.await_primary(new, seconds(5));
        std::thread::sleep(Duration::from_millis(300));
    }
    let written = assert_nothing_lost(&governed, writer);
    let gap = written.longest_gap();
    println!("the longest time without an accepted write: {gap:?}");
    assert!(gap < seconds(2), "{gap:?} without an accepted write");
    assert!(written.refusals.is_empty(), "{:?}", written.refusals.first());
}

#[test]
fn hq_hands_over_as_an_operator_asks() {
    let governed = Governed::pair();
    let id = governed.cluster.pops[1].id;
    let path = "/v1/clusters/test-cluster/switchover";
    let answer = governed.operator().post(path, &serde_json::json!({ "to": id })).expect(200);
    assert_eq!(answer.json()["epoch"]["primary"], id);
    governed.await_primary(1, seconds(5));
    let unknown = serde_json::json!({ "to": "nobody-01" });
    assert_eq!(governed.operator().post(path, &unknown).status, 409);
    assert_eq!(governed.primary(), Some(1), "what cannot be done changes nothing");
}

#[test]
fn a_primary_that_is_asked_to_end_hands_over_first() {
    let mut governed = Governed::pair();
    let writer = Writer::start(&governed.cluster, 0, Duration::ZERO);
    std::thread::sleep(seconds(1));
    let asked = Instant::now();
    governed.cluster.pops[0].server.terminate();
    let status = governed.cluster.pops[0].server.await_end(seconds(7));
    assert!(status.success(), "{status}");
    governed.await_primary(1, seconds(5));
    println!("asked to end, and replaced after {:?}", asked.elapsed());
    governed.cluster.pops[0].server.start_again();
    governed.cluster.become_ready();
    assert_nothing_lost(&governed, writer);
}

#[test]
fn losing_hq_alone_stops_no_write_and_the_next_failover_is_as_usual() {
    let mut governed = Governed::pair();
    let writer = Writer::start(&governed.cluster, 0, Duration::ZERO);
    governed.hq.kill9();
    // Longer than any lease of HQ.
    throughout("the primary takes writes", seconds(15), || governed.primary() == Some(0));
    governed.hq.start_again();
    eventually("HQ knows it again", FAILOVER_MAX, || governed.shown()["lease_ms_left"].is_u64());
    governed.await_members(2);
    std::thread::sleep(seconds(8));
    governed.cluster.pops[0].server.kill9();
    governed.await_primary(1, FAILOVER_MAX);
    governed.cluster.pops[0].server.start_again();
    governed.cluster.become_ready();
    let written = assert_nothing_lost(&governed, writer);
    let lost_hq = written.acknowledged.iter().filter(|(_, _, pop)| *pop == 0).count();
    assert!(lost_hq > 100, "it took {lost_hq} writes");
}

#[test]
fn without_hq_and_without_every_backup_writes_stop_and_reads_go_on() {
    let mut governed = Governed::start(ClusterBuilder::new(2).proxied());
    let client = governed.cluster.primary();
    client.put("v", "e", b"before").expect(201);
    governed.cluster.settle();
    governed.cluster.pops[1].proxy().set(Fault::Refuse);
    governed.hq.kill9();
    let mut refusals = Vec::new();
    eventually("writes stop", FAILOVER_MAX, || {
        let answer = client.put("v", "e", b"after");
        if answer.status == 503 {
            refusals.push(answer.code());
        }
        answer.code() == "CV-NO-LEASE"
    });
    // One may have been on its way to the disk when the lease ended.
    refusals.pop();
    assert!(
        refusals.len() <= 1 && refusals.iter().all(|code| code == "CV-OUTCOME-UNKNOWN"),
        "{refusals:?}"
    );
    assert_eq!(client.get("v", "e").expect(200).body, b"after");
    let id = governed.cluster.pops[1].id;
    eventually("it says why", seconds(5), || {
        let ready = client.fetch("/readyz").expect(503).text();
        ready.contains("HQ does not answer") && ready.contains(id)
    });
    assert_eq!(client.fetch("/role/primary").status, 503);
    assert!(!governed.cluster.backup().get("v", "e").expect(200).body.is_empty());
    governed.cluster.pops[1].proxy().set(Fault::None);
    eventually("votes carry it on", FAILOVER_MAX, || client.put("v", "e", b"again").is_done());
}
