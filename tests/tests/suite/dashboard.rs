//! HQ's dashboard in a real browser, while a primary dies.

use clavitor_tests::{ClusterBuilder, Governed};
use std::path::Path;
use std::process::Command;

const CLUSTER: &str = "main";

/// What the script ends with where there is no browser.
const NO_BROWSER: i32 = 77;

#[test]
fn a_failover_is_seen_as_it_happens_in_a_browser() {
    let governed = Governed::start(ClusterBuilder::new(3).name(CLUSTER));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/dashboard");
    let primary = &governed.cluster.pops[governed.primary().expect("somebody leads")].server;
    let status = Command::new("bash")
        .arg(script)
        .arg(governed.hq.url())
        .arg(governed.hq.data().join("admin.token"))
        .args([CLUSTER, "kill", "-KILL", &primary.id().to_string()])
        .status()
        .expect("bash can be started");
    assert!(matches!(status.code(), Some(0 | NO_BROWSER)), "{status}");
}
