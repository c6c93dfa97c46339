//! Reports have the documented fields, and no others.

use super::{PATH, reporting};
use clavitor_tests::cluster::ClusterBuilder;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Edition, Hq, eventually};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::TcpStream;

const PAGE: &str = include_str!("../../../../docs/telemetry.md");

/// Under here are names that the table cannot list, and stands for with this.
const CODES: (&str, &str) = ("totals.refusals", "{code}");

/// The fields of an edition, and the types that the table allows each.
fn documented(edition: Edition) -> BTreeMap<String, BTreeSet<String>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows = rows.filter(|cells| cells.len() == 8);
    let of_edition = rows.filter(|cells| cells[4] == "both" || cells[4] == edition.name());
    let field = |cells: Vec<&str>| {
        assert!(!cells[5].is_empty() && !cells[6].is_empty(), "{cells:?}");
        let types = cells[2].split(" or ").map(str::to_owned).collect();
        (cells[1].trim_matches('`').to_owned(), types)
    };
    of_edition.map(field).collect()
}

/// The fields that a report has, and the type of each.
fn fields_of(report: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    walk("", report, &mut found);
    found
}

fn walk(path: &str, value: &Value, found: &mut BTreeSet<(String, String)>) {
    let kind = match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = if path == CODES.0 { CODES.1 } else { name };
                let dot = if path.is_empty() { "" } else { "." };
                walk(&format!("{path}{dot}{name}"), value, found);
            }
            return;
        }
        Value::Array(items) => {
            items.iter().for_each(|item| walk(&format!("{path}[]"), item, found));
            return;
        }
        Value::Null => "null",
        Value::String(_) => "text",
        Value::Number(number) if number.is_u64() => "number",
        Value::Number(_) => "decimal",
        Value::Bool(_) => "flag",
    };
    found.insert((path.to_owned(), kind.to_owned()));
}

/// What is sent and not documented, or documented and not sent.
fn differences(edition: Edition, report: &Value) -> Vec<String> {
    let (documented, sent) = (documented(edition), fields_of(report));
    let is_listed = |(field, kind): &&(String, String)| {
        documented.get(field).is_some_and(|types| types.contains(kind))
    };
    let unlisted = sent.iter().filter(|it| !is_listed(it));
    let unlisted = unlisted.map(|(field, kind)| format!("not listed: {field} ({kind})"));
    let is_sent = |field: &String| sent.iter().any(|(name, _)| name == field);
    let missing = documented.keys().filter(|field| !is_sent(field));
    unlisted.chain(missing.map(|field| format!("not sent: {field}"))).collect()
}

fn body_of(post: &clavitor_tests::hq::Request) -> Value {
    serde_json::from_slice(&post.message.body).expect("a report is JSON")
}

/// The newest report that says so.
fn await_report(hq: &Hq, what: &str, says: impl Fn(&Value) -> bool) -> Value {
    let mut found = None;
    eventually(what, seconds(20), || {
        found = hq.requests(PATH).iter().map(body_of).rfind(|report| says(report));
        found.is_some()
    });
    found.expect("the loop above ended")
}

fn refused(report: &Value) -> bool {
    report["totals"]["refusals"]["CV-UNAUTHENTICATED"].as_u64() >= Some(1)
}

#[test]
fn a_community_report_has_the_documented_fields() {
    let hq = Hq::start();
    let server = reporting(Edition::Community, &hq).start();
    for number in 0..3 {
        server.client().put("v", &format!("e{number}"), b"x").expect(201);
    }
    server.anonymous().get("v", "e0").expect(401);
    let report = await_report(&hq, "a refusal is reported", refused);
    assert_eq!(differences(Edition::Community, &report), [""; 0], "{report:#}");
    let node = server.client().node();
    for field in ["edition", "runtime", "version", "pop", "cluster"] {
        assert_eq!(report[field], node[field], "{field}");
    }
    assert_eq!(report["counts"]["entries"], 3);
    assert_eq!(report["totals"]["responses"]["2xx"], 3);
    assert!(report["totals"]["writes"].as_u64() >= Some(3));
    let plausible = |field: &Value| field.as_u64().is_some_and(|bytes| bytes > 4_000);
    assert!(plausible(&report["memory"]["resident_bytes"]), "{report:#}");
    assert!(plausible(&report["disk"]["free_bytes"]) && plausible(&report["disk"]["used_bytes"]));
    let first = body_of(&hq.requests(PATH)[0]);
    assert!(first["timestamp"].as_str().is_some_and(|at| at.len() == 24 && at.ends_with('Z')));
    let later = await_report(&hq, "a third report came", |report| report["totals"]["reports"] == 2);
    assert!(later["timestamp"].as_str() > first["timestamp"].as_str());
    let interval_ms = later["rates"]["interval_ms"].as_u64();
    assert!(interval_ms > Some(500) && interval_ms < Some(5_000), "{later:#}");
}

#[test]
fn a_commercial_report_has_the_documented_fields() {
    let hq = Hq::start();
    let words = ["--telemetry-host", &hq.url(), "--telemetry-freq", "1"];
    let mut cluster = ClusterBuilder::new(2).arguments(&words).start();
    cluster.primary().put_acked("v", "e", b"x").expect(201);
    cluster.settle();
    for pop in &cluster.pops {
        pop.server.anonymous().get("v", "e").expect(401);
        let is_its = |report: &Value| report["pop"] == pop.id && refused(report);
        let report = await_report(&hq, "a refusal is reported", is_its);
        assert_eq!(differences(Edition::Commercial, &report), [""; 0], "{report:#}");
        let role = if pop.id == "calgary-01" { "primary" } else { "backup" };
        let replication = &report["replication"];
        assert_eq!((&replication["role"], &replication["epoch"]), (&role.into(), &1.into()));
        assert_eq!(replication["primary"], "calgary-01");
        let peer = &replication["peers"][0];
        assert_eq!(
            (&peer["state"], &peer["dirty"], &peer["lag"]),
            (&"idle".into(), &0.into(), &0.into())
        );
    }
    let mut stranger = TcpStream::connect(cluster.pops[0].server.address()).expect("it listens");
    stranger.write_all(b"GET /wp-login.php HTTP/1.1\r\nHost: a\r\n\r\n").expect("it is read");
    let held =
        |report: &Value| report["tarpit"]["held"] == 1 && report["tarpit"]["bytes_total"] != 0;
    let report = await_report(&hq, "a stranger is reported", held);
    assert_eq!(report["tarpit"]["held_total"], 1, "{report:#}");
    assert_eq!(report["alerts"], serde_json::json!({"waiting": 0, "sent": 0, "lost": 0}));
    cluster.pops[1].server.kill9();
    cluster.primary().put("v", "e2", &[7; 5_000]).expect(201);
    let owed = |report: &Value| report["replication"]["peers"][0]["dirty"] == 1;
    let report = await_report(&hq, "what a peer is owed is reported", owed);
    assert_eq!(differences(Edition::Commercial, &report), [""; 0], "{report:#}");
    let peer = &report["replication"]["peers"][0];
    assert_eq!((&peer["peer"], &peer["lag"]), (&"zurich-01".into(), &1.into()));
    assert!(peer["dirty_bytes"].as_u64() >= Some(5_000) && peer["oldest_dirty_ms"].is_u64());
}

#[test]
fn the_comparison_finds_what_is_too_many_too_few_or_of_another_type() {
    let hq = Hq::start();
    let server = reporting(Edition::Community, &hq).start();
    server.anonymous().get("v", "e").expect(401);
    let mut report = await_report(&hq, "a refusal is reported", refused);
    report["vault"] = "v".into();
    report["counts"]["entries"] = "many".into();
    report["totals"].as_object_mut().expect("an object").remove("writes");
    assert_eq!(
        differences(Edition::Community, &report),
        [
            "not listed: counts.entries (text)",
            "not listed: vault (text)",
            "not sent: totals.writes"
        ]
    );
}
