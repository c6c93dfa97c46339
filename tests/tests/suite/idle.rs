//! A server with nothing to do does nothing.

use clavitor_tests::process::voluntary_switches;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Cluster, Edition, Governed, Server, sleeper};

#[test]
fn idle_servers_make_no_voluntary_context_switches() {
    let community = Server::start(Edition::Community);
    community.client().put("v", "e", b"x").expect(201);
    let pair = Cluster::pair();
    pair.primary().put_acked("v", "e", b"x").expect(201);
    pair.settle();
    // All clients are gone by now; time-outs of what they left behind pass within the minute.
    std::thread::sleep(seconds(60));
    let servers = [
        ("community", community.id()),
        ("commercial primary", pair.pops[0].server.id()),
        ("commercial backup", pair.pops[1].server.id()),
    ];
    let before = servers.map(|(_, id)| voluntary_switches(id));
    std::thread::sleep(seconds(30));
    let after = servers.map(|(_, id)| voluntary_switches(id));
    for ((name, _), (before, after)) in servers.iter().zip(before.iter().zip(&after)) {
        assert_eq!(before, after, "{name}: (switches, threads) before and after 30 s");
    }
    pair.primary().put_acked("v", "e", b"awake").expect(200);
    community.client().put("v", "e", b"awake").expect(200);
}

#[test]
fn under_hq_an_idle_pop_wakes_for_its_renewals_and_for_nothing_else() {
    let governed = Governed::pair();
    // Time-outs of what clients left behind pass meanwhile.
    std::thread::sleep(seconds(25));
    let ids = [0, 1].map(|at| governed.cluster.pops[at].server.id());
    let seen = sleeper::watch(ids, seconds(20));
    for (role, sleeper) in ["primary", "backup"].into_iter().zip(seen) {
        // Ten renewals, one at the edge, a held request that ends, and a wake-up that the machine drew
        // out beyond what counts as one.
        assert!((9..=13).contains(&sleeper.wakes), "the {role}: {sleeper:?}");
    }
}
