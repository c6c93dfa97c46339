//! A server with nothing to do does nothing.

use clavitor_tests::process::voluntary_switches;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Cluster, Edition, Server};

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
