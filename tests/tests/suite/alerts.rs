//! Alerts on their way to HQ.

use clavitor_tests::hq::ALERTS_PATH;
use clavitor_tests::wait::{eventually, seconds, throughout};
use clavitor_tests::{ClusterBuilder, Edition, Hq, Mood, Scratch, Server, ServerBuilder, cluster};
use serde_json::Value;
use std::io::Write;
use std::time::Instant;

use crate::storage_full::SmallDisk;

const TOKEN: &str = "5tQ9xW2kLr8ZpV4nYc7HsB1mJd6FgTaE";
const OTHER: &str = "Zz0Yy1Xx2Ww3Vv4Uu5Tt6Ss7Rr8Qq9Pp";
const LINE: &str = "OPERATOR ALERT [storage_full]";

/// A server with little room that tells this HQ.
struct Vault {
    server: Server,
    scratch: Scratch,
}

impl Vault {
    fn start(hq: &Hq) -> Self {
        let scratch = Scratch::new("alerts");
        let file = scratch.file("telemetry-token", TOKEN.as_bytes());
        let server = ServerBuilder::new(Edition::Commercial)
            .arguments(["--data-bytes-max", "4MiB"])
            .arguments(["--telemetry-host", &hq.url()])
            .arguments(["--telemetry-token-file".as_ref(), file.as_os_str()])
            .variable("POP_REGION", "ca-west")
            .start();
        let vault = Self { server, scratch };
        let client = vault.server.client();
        let has_filled =
            (0..16).any(|at| client.put("v", &format!("e{at}"), &[7; 400 * 1024]).status == 507);
        assert!(has_filled);
        eventually("its line is there", seconds(5), || vault.lines() == 1);
        vault
    }

    /// Lets it find that it is full, once more; there is room for what is small.
    fn overflow(&self) {
        let (client, before) = (self.server.client(), self.lines());
        assert!(client.put("v", "small", b"x").is_done());
        client.put("v", "large", &[7; 1024 * 1024]).expect_problem(507, "CV-STORAGE-FULL");
        eventually("its line is there", seconds(5), || self.lines() == before + 1);
    }

    fn lines(&self) -> usize {
        self.server.lines_with(LINE).len()
    }

    fn metric(&self, name: &str) -> u64 {
        let text = self.server.client().metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
    }

    fn await_stored(&self) {
        eventually("it waits", seconds(5), || self.metric("clavitor_alerts_waiting") > 0);
        // A metric is seen before the disk is; a write that is answered comes after it.
        assert!(self.server.client().put("v", "small", b"y").is_done());
    }
}

/// How many alerts an alert at HQ stands for.
fn count(alert: &Value) -> u64 {
    alert["details"]["count"].as_str().map_or(1, |count| count.parse().expect("a number"))
}

#[test]
fn an_alert_reaches_hq_with_exactly_these_keys() {
    let hq = Hq::with_token(TOKEN);
    let vault = Vault::start(&hq);
    eventually("HQ has it", seconds(5), || hq.alerts().len() == 1);
    let request = hq.requests(ALERTS_PATH)[0].message.clone();
    assert_eq!(request.start, format!("POST {ALERTS_PATH} HTTP/1.1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    let key = request.header("idempotency-key").expect("a key");
    assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    let alert = hq.alerts().remove(0);
    let keys: Vec<&String> = alert.as_object().expect("an object").keys().collect();
    let expected = ["details", "edition", "hostname", "message", "pop_region", "timestamp", "type"];
    assert_eq!(keys, expected);
    assert_eq!((&alert["edition"], &alert["type"]), (&"commercial".into(), &"storage_full".into()));
    assert_eq!(alert["pop_region"], "ca-west");
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("it is Linux");
    assert_eq!(alert["hostname"], hostname.trim());
    let timestamp = alert["timestamp"].as_str().expect("text");
    assert!(timestamp.len() == 24 && timestamp.ends_with('Z') && timestamp.starts_with("20"));
    assert!(alert["details"]["bytes_quota"].is_string() && alert["details"]["count"].is_null());
    eventually("it is counted", seconds(5), || vault.metric("clavitor_alerts_sent_total") == 1);
    assert_eq!(vault.metric("clavitor_alerts_waiting"), 0);
    assert_eq!(vault.metric("clavitor_alerts_lost_total"), 0);
}

#[test]
fn alerts_survive_an_hq_that_is_away_and_kill_9_and_are_shown_once() {
    let mut hq = Hq::with_token(TOKEN);
    hq.go_down();
    let mut vault = Vault::start(&hq);
    vault.await_stored();
    vault.server.restart();
    vault.overflow();
    vault.await_stored();
    // It takes what it gets, but nobody hears of it.
    hq.set(Mood::LosesAnswers);
    hq.come_up();
    eventually("HQ has one", seconds(10), || !hq.alerts().is_empty());
    vault.server.restart();
    hq.set(Mood::Answers(500));
    eventually("it was tried", seconds(10), || {
        hq.requests(ALERTS_PATH).iter().any(|it| !it.is_taken)
    });
    hq.set(Mood::Takes);
    eventually("nothing waits", seconds(20), || vault.metric("clavitor_alerts_waiting") == 0);
    assert_eq!((vault.lines(), hq.alerts_of("storage_full").len()), (2, 2), "{:?}", hq.alerts());
    assert_eq!(hq.alerts().len(), 2);
    assert!(hq.requests(ALERTS_PATH).iter().filter(|it| it.is_taken).count() > 2, "one came again");
    std::thread::sleep(seconds(2));
    vault.server.restart();
    let requests = hq.requests(ALERTS_PATH).len();
    throughout("what HQ has is forgotten", seconds(2), || {
        hq.requests(ALERTS_PATH).len() == requests
    });
}

#[test]
fn an_answer_whose_body_never_ends_is_an_answer() {
    let hq = Hq::start();
    hq.set(Mood::Rambles);
    let vault = Vault::start(&hq);
    eventually("nothing waits", seconds(10), || vault.metric("clavitor_alerts_sent_total") == 1);
    throughout("it is not told again", seconds(2), || hq.requests(ALERTS_PATH).len() == 1);
}

#[test]
fn a_storm_is_a_few_posts_with_a_count() {
    let hq = Hq::with_token(TOKEN);
    let mut vault = Vault::start(&hq);
    (0..200).for_each(|_| vault.overflow());
    eventually("HQ has the first", seconds(5), || hq.alerts().len() == 1);
    assert_eq!(hq.requests(ALERTS_PATH).len(), 1, "the others are held back");
    // What waited at the last start is sent at once.
    vault.server.terminate();
    assert_eq!(vault.server.await_end(seconds(3)).code(), Some(0), "{}", vault.server.log());
    vault.server.start_again();
    eventually("nothing waits", seconds(10), || vault.metric("clavitor_alerts_waiting") == 0);
    let alerts = hq.alerts();
    assert!(alerts.len() <= 10, "{}", alerts.len());
    assert_eq!(alerts.iter().map(count).sum::<u64>(), 201);
    assert_eq!(vault.lines(), 201, "each has its line");
}

#[test]
fn an_hq_that_never_answers_does_not_hold_up_the_end_and_loses_nothing() {
    let hq = Hq::with_token(TOKEN);
    hq.set(Mood::Silent);
    let mut vault = Vault::start(&hq);
    eventually("it was tried", seconds(5), || !hq.requests(ALERTS_PATH).is_empty());
    let started = Instant::now();
    vault.server.terminate();
    assert_eq!(vault.server.await_end(seconds(6)).code(), Some(0), "{}", vault.server.log());
    assert!(started.elapsed() < seconds(2), "{:?}", started.elapsed());
    hq.set(Mood::Takes);
    vault.server.start_again();
    eventually("HQ has it", seconds(10), || hq.alerts().len() == 1);
}

#[test]
fn that_the_disk_is_full_is_heard_although_nothing_can_be_stored() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: a full disk: mounting a small file system is not permitted here");
        return;
    };
    let hq = Hq::start();
    let mut server = ServerBuilder::new(Edition::Commercial)
        .data(&disk.path().join("data"))
        .arguments(["--telemetry-host", &hq.url()])
        .start();
    let client = server.client();
    client.put("v", "e", b"x").expect(201);
    let mut filler = std::fs::File::create(disk.path().join("filler")).expect("there is room");
    while filler.write_all(&[0; 4096]).is_ok() {}
    client.put("v", "large", &[7; 400 * 1024]).expect_problem(507, "CV-STORAGE-FULL");
    eventually("HQ has it", seconds(10), || hq.alerts_of("storage_full").len() == 1);
    client.get("v", "e").expect(200);
    let started = Instant::now();
    server.terminate();
    assert_eq!(server.await_end(seconds(7)).code(), Some(0), "{}", server.log());
    assert!(started.elapsed() < seconds(2), "{:?}", started.elapsed());
}

#[test]
fn a_wrong_token_keeps_alerts_is_told_once_and_shown_nowhere() {
    let hq = Hq::with_token(OTHER);
    let mut vault = Vault::start(&hq);
    eventually("it was tried again", seconds(10), || hq.requests(ALERTS_PATH).len() >= 2);
    assert_eq!(vault.server.lines_with("OPERATOR ALERT [auth_error]").len(), 1);
    assert_eq!(vault.metric("clavitor_alerts_waiting"), 1, "the line about it is none for HQ");
    assert!(hq.alerts().is_empty());
    vault.server.kill9();
    let _ = vault.scratch.file("telemetry-token", OTHER.as_bytes());
    vault.server.start_again();
    eventually("HQ has it", seconds(10), || hq.alerts().len() == 1);
    let log = vault.server.log();
    assert!(!log.contains(TOKEN) && !log.contains(OTHER), "{log}");
}

#[test]
fn what_the_machines_of_a_pop_find_out_reaches_hq_too() {
    let hq = Hq::start();
    let mut cluster = ClusterBuilder::new(2).arguments(&["--telemetry-host", &hq.url()]).prepare();
    let good = cluster.scratch.path().join("secret").to_string_lossy().into_owned();
    let bad = cluster.scratch.file("other", &cluster::new_secret(8)).to_string_lossy().into_owned();
    cluster.pops[1].server.replace_argument(&good, &bad);
    for pop in cluster.pops.iter_mut().rev() {
        pop.server.start_again();
    }
    eventually("both told of the other", seconds(10), || hq.alerts_of("auth_error").len() == 2);
    for pop in &cluster.pops {
        let lines = || pop.server.lines_with("OPERATOR ALERT [auth_error]").len();
        eventually("its line is there", seconds(5), || lines() == 1);
    }
    assert!(hq.requests(ALERTS_PATH).iter().all(|it| it.message.header("authorization").is_none()));
}

#[test]
fn without_a_host_the_line_is_all() {
    let server =
        ServerBuilder::new(Edition::Commercial).arguments(["--data-bytes-max", "4MiB"]).start();
    let client = server.client();
    let has_filled =
        (0..16).any(|at| client.put("v", &format!("e{at}"), &[7; 400 * 1024]).status == 507);
    assert!(has_filled);
    eventually("its line is there", seconds(5), || server.lines_with(LINE).len() == 1);
    assert!(client.metrics().contains("\nclavitor_alerts_waiting 0\n"));
}
