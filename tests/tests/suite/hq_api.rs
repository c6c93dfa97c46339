//! HQ as operators, POPs and strangers see it: its files, its tokens, its endpoints, its pages.

use clavitor_tests::binary::Finished;
use clavitor_tests::governed::{ZONE, register, start_hq};
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{
    Answer, Client, Edition, Runtime, Scratch, Server, ServerBuilder, binary, metrics,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

fn hq() -> Server {
    start_hq(&[]).0
}

/// A POP's client, with the token that HQ gave it.
fn pop(hq: &Server, id: &str, cluster: &str) -> Client {
    let scratch = Scratch::new("hq-api");
    let file = scratch.path().join("pop.token");
    register(hq, id, cluster, &file);
    let token = std::fs::read_to_string(file).expect("the token is there");
    hq.anonymous().with_token(token.trim())
}

/// What a POP of a lone cluster says when it renews.
fn renewal(id: &str, cluster: &str) -> Value {
    let store = "0123456789abcdef0123456789abcdef";
    json!({
        "pop": id,
        "cluster": cluster,
        "renewal": {
            "start": 7, "store": store, "epoch": {"number": 1, "primary": id}, "grant": null,
            "is_released": false, "is_ready": true, "is_preferred": true, "refuses_ms": 0,
            "voted_ms": 0, "held": [{"pop": id, "store": store, "seq": 3}], "floor_ms": 1,
            "wish": null, "kept_back": null,
        },
        "about": {
            "url": "http://127.0.0.1:1984", "dns_addresses": ["127.0.0.1"], "version": "0.1.0",
            "edition": "commercial", "runtime": "tokio", "region": "", "uptime_s": 1, "entries": 3,
            "dirty": [], "tarpit_held": 0, "clock": 1,
        },
    })
}

fn renew(pop: &Client, said: &Value) -> Answer {
    pop.post("/v1/pops/lease", said)
}

fn run(edition: Edition, runtime: Runtime, arguments: &[&str]) -> Finished {
    binary::run_with(binary::command_on(runtime, edition).args(arguments))
}

#[track_caller]
fn assert_refused(ended: &Finished, code: i32, reason: &str) {
    let said = &ended.stderr;
    assert_eq!(ended.code, Some(code), "{said}");
    assert!(said.contains(reason), "{said}");
}

#[test]
fn the_first_start_makes_two_tokens_and_says_what_to_do_with_them() {
    let mut hq = hq();
    for name in ["admin.token", "telemetry.token"] {
        let path = hq.data().join(name);
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        let token = std::fs::read_to_string(path).expect("it can be read");
        assert!(token.trim().len() >= 32 && token.trim().bytes().all(|b| b.is_ascii_graphic()));
    }
    assert_eq!(hq.lines_with(&hq.data().join("admin.token").display().to_string()).len(), 2);
    let before = hq.admin_token();
    hq.restart();
    assert_eq!(hq.admin_token(), before);
    assert_eq!(hq.lines_with("first start").len(), 1);
}

#[test]
fn hq_does_not_start_where_it_cannot_work_and_says_why() {
    let (hq, dns) = start_hq(&[]);
    let scratch = Scratch::new("hq-api");
    let other = scratch.path().join("other").display().to_string();
    let data = hq.data().display().to_string();
    let (listen, dns) = (hq.address().to_string(), dns.to_string());
    let any = "127.0.0.1:0";
    let tokio = |arguments: &[&str]| {
        let line = [&["hq", "serve"], arguments].concat();
        run(Edition::Commercial, Runtime::Tokio, &line)
    };
    let serve = |dir: &str, listen: &str, dns: &str| {
        tokio(&["--data-dir", dir, "--listen", listen, "--dns-listen", dns])
    };
    assert_refused(&serve(&data, any, any), 1, "in use by another process");
    assert_refused(&serve(&other, &listen, any), 1, "Address already in use");
    assert_refused(&serve(&other, any, &dns), 1, "--dns-listen");
    assert!(!scratch.path().join("other/admin.token").exists(), "nobody saw it");
    assert_refused(&tokio(&["--zone", "a..b"]), 2, "--zone");
    assert_refused(&tokio(&["--listen", "0.0.0.0:0"]), 2, "--allow-plain-http");
    let vaults = scratch.path().join("vaults");
    drop(ServerBuilder::new(Edition::Commercial).data(&vaults).start());
    assert_refused(
        &serve(&vaults.display().to_string(), any, any),
        1,
        "belongs to a server of vaults",
    );
    for (edition, runtime) in
        [(Edition::Community, Runtime::Tokio), (Edition::Commercial, Runtime::Smol)]
    {
        assert_refused(&run(edition, runtime, &["hq", "serve"]), 2, "unknown command \"hq\"");
        let help = run(edition, runtime, &["--help"]).stdout;
        assert!(!help.contains("hq serve"));
    }
}

#[test]
fn a_pop_token_is_one_pops_and_ends_when_it_is_replaced_or_removed() {
    let hq = hq();
    let (calgary, zurich) = (pop(&hq, "calgary-01", "main"), pop(&hq, "zurich-01", "main"));
    let said = renewal("calgary-01", "main");
    renew(&calgary, &said).expect(200);
    renew(&zurich, &said).expect_problem(403, "CV-POP-TOKEN");
    renew(&calgary, &renewal("calgary-01", "other")).expect_problem(403, "CV-POP-TOKEN");
    renew(&hq.client(), &said).expect_problem(403, "CV-FORBIDDEN");
    renew(&hq.anonymous(), &said).expect_problem(401, "CV-UNAUTHENTICATED");
    let forged = format!("cvt_{}_{}", "0".repeat(24), "0".repeat(64));
    renew(&hq.anonymous().with_token(&forged), &said).expect_problem(401, "CV-UNAUTHENTICATED");
    calgary.fetch("/v1/pops").expect_problem(403, "CV-FORBIDDEN");

    let again = json!({"pop": "calgary-01", "cluster": "main"});
    hq.client().post("/v1/pops", &again).expect_problem(409, "CV-POP-KNOWN");
    let replaced = json!({"pop": "calgary-01", "cluster": "main", "replace": true});
    let token = hq.client().post("/v1/pops", &replaced).expect(201).json()["token"].clone();
    renew(&calgary, &said).expect_problem(401, "CV-UNAUTHENTICATED");
    let calgary = hq.anonymous().with_token(token.as_str().expect("a token"));
    renew(&calgary, &said).expect(200);
    let path = "/v1/pops/main/calgary-01";
    hq.client().send("DELETE", path, &[], None).expect(204);
    hq.client().send("DELETE", path, &[], None).expect_problem(404, "CV-NOT-FOUND");
    renew(&calgary, &said).expect_problem(401, "CV-UNAUTHENTICATED");
    for (pop, cluster) in [("Calgary", "main"), ("a", "ns1"), ("a", "-a"), ("", "main"), ("a", "")]
    {
        let bad = json!({"pop": pop, "cluster": cluster});
        hq.client().post("/v1/pops", &bad).expect_problem(400, "CV-BAD-NAME");
    }
}

#[test]
fn a_second_process_under_one_id_is_given_nothing_and_shown_nowhere() {
    let hq = hq();
    let calgary = pop(&hq, "calgary-01", "main");
    let first = renewal("calgary-01", "main");
    eventually("the first leads", seconds(20), || {
        renew(&calgary, &first).expect(200).json()["answer"]["lead"].is_object()
    });
    let mut second = first.clone();
    second["renewal"]["start"] = json!(8);
    second["about"]["dns_addresses"] = json!(["192.0.2.66"]);
    renew(&calgary, &second).expect(200);
    eventually("the second is told", seconds(20), || {
        renew(&calgary, &first).expect(200);
        renew(&calgary, &second).status == 409
    });
    renew(&calgary, &second).expect_problem(409, "CV-DUPLICATE");
    let shown = hq.client().fetch("/v1/pops").expect(200).json();
    assert_eq!(shown["clusters"][0]["dns"]["addresses"], json!(["127.0.0.1"]));
    renew(&calgary, &first).expect(200);
    eventually("operators are told", seconds(5), || {
        hq.client().fetch("/v1/alerts").expect(200).text().contains("duplicate_pop_id")
    });
}

#[test]
fn what_is_no_renewal_is_refused_and_changes_nothing() {
    let hq = hq();
    let calgary = pop(&hq, "calgary-01", "main");
    let shown = || hq.client().fetch("/v1/pops").expect(200).json()["clusters"].clone();
    let before = shown();
    let good = renewal("calgary-01", "main");
    let altered = |path: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(path).expect("it is there") = value;
        bad.to_string()
    };
    let held = json!({"pop": "a", "store": "0123456789abcdef0123456789abcdef", "seq": 1});
    let bodies = [
        String::new(),
        "{}".to_owned(),
        "[".repeat(20_000),
        "\u{0}".repeat(64),
        altered("/pop", json!(7)),
        altered("/renewal", json!({})),
        altered("/renewal/start", json!(-1)),
        altered("/renewal/start", json!(1.5)),
        altered("/renewal/store", json!("zebra")),
        altered("/renewal/epoch", json!({"number": 1, "primary": "Not A Pop"})),
        altered("/renewal/held", json!(vec![held; 40])),
        altered("/about", Value::Null),
        altered("/about/url", json!("x".repeat(5_000))),
        altered("/about/dns_addresses", json!(["nowhere"])),
        altered("/about/dns_addresses", json!(vec!["127.0.0.1"; 100])),
        altered("/about/entries", json!("many")),
    ];
    for body in bodies {
        let answer = calgary.send("POST", "/v1/pops/lease", &[], Some(body.as_bytes()));
        assert!(answer.status == 400 && answer.code() == "CV-BAD-RENEWAL", "{body:.200}");
    }
    let huge = "x".repeat(200_000);
    let answer = calgary.request("POST", "/v1/pops/lease", &[], Some(huge.as_bytes()));
    assert!(answer.is_ok_and(|answer| answer.status == 413));
    assert_eq!(shown(), before);
    renew(&calgary, &good).expect(200);
    assert_ne!(shown(), before, "a good one does");
}

#[test]
fn watches_are_held_and_let_go_at_the_end() {
    let mut hq = hq();
    let pops: Vec<Client> = (0..12).map(|at| pop(&hq, &format!("pop-{at}"), "main")).collect();
    let path =
        |at: usize, after: u64| format!("/v1/pops/watch?pop=pop-{at}&cluster=main&after={after}");
    let newest = |at: usize| {
        let news = pops[at].fetch(&path(at, 0)).expect(200).json();
        news["generation"].as_u64().expect("a number")
    };
    pops[0].fetch(&path(1, 0)).expect_problem(403, "CV-POP-TOKEN");
    pops[0]
        .fetch("/v1/pops/watch?pop=pop-0&cluster=main&after=x")
        .expect_problem(400, "CV-BAD-QUERY");
    let held: Vec<_> = (0..12)
        .map(|at| {
            let (client, path) = (pops[at].clone(), path(at, newest(at)));
            std::thread::spawn(move || (client.request("GET", &path, &[], None), Instant::now()))
        })
        .collect();
    std::thread::sleep(seconds(1));
    assert!(held.iter().all(|watch| !watch.is_finished()));
    let asked = Instant::now();
    hq.terminate();
    assert!(hq.await_end(seconds(5)).success());
    assert!(asked.elapsed() < seconds(3), "it took {:?}", asked.elapsed());
    for watch in held {
        let (answer, at) = watch.join().expect("it ends");
        assert!(at > asked && answer.is_ok_and(|answer| answer.status == 204));
    }
}

#[test]
fn an_alert_is_shown_once_however_often_it_comes_and_until_it_is_resolved() {
    let mut hq = hq();
    let calgary = pop(&hq, "calgary-01", "main");
    let alert = json!({
        "edition": "commercial", "type": "clock_skew", "message": "the clock is \u{1b}[31m off",
        "details": {"offset_ms": "61000"}, "hostname": "host", "pop_region": "",
        "timestamp": "2026-01-02T03:04:05.678Z",
    });
    let send = |client: &Client, key: &str, alert: &Value| {
        let headers = [("idempotency-key", key), ("content-type", "application/json")];
        client.send("POST", "/v1/alerts", &headers, Some(alert.to_string().as_bytes()))
    };
    let shown = |hq: &Server, query: &str| {
        let answer = hq.client().fetch(&format!("/v1/alerts?{query}")).expect(200).json();
        answer["incidents"].as_array().expect("a list").clone()
    };
    let (first, second) = ("1".repeat(32), "2".repeat(32));
    send(&calgary, &first, &alert).expect(202);
    hq.restart();
    send(&calgary, &first, &alert).expect(200);
    assert_eq!(shown(&hq, "state=open")[0]["count"], 1);
    send(&calgary, &second, &alert).expect(200);
    let open = shown(&hq, "state=open");
    assert_eq!((open.len(), &open[0]["count"]), (1, &json!(2)));
    assert_eq!((&open[0]["cluster"], &open[0]["pop"]), (&json!("main"), &json!("calgary-01")));
    assert_eq!(hq.lines_with("clock_skew").len(), 1);
    assert!(!hq.log().contains('\u{1b}'), "it cannot steer the terminal");

    let path = format!("/v1/alerts/{}/resolve", open[0]["id"].as_str().expect("an id"));
    hq.client().post(&path, &json!({})).expect(200);
    assert!(shown(&hq, "state=open").is_empty() && shown(&hq, "").len() == 1);
    send(&calgary, &"3".repeat(32), &alert).expect(202);

    send(&hq.anonymous(), &first, &alert).expect_problem(401, "CV-UNAUTHENTICATED");
    send(&hq.client(), &first, &alert).expect_problem(403, "CV-FORBIDDEN");
    send(&calgary, "zebra", &alert).expect_problem(400, "CV-BAD-KEY");
    send(&calgary, &first, &json!({"type": 7})).expect_problem(400, "CV-BAD-ALERT");
    calgary.post("/v1/telemetry", &json!([1])).expect_problem(400, "CV-BAD-REPORT");
    calgary.post("/v1/telemetry", &json!({"pop": "calgary-01", "schema": 1})).expect(204);
    let report = hq.client().fetch("/v1/telemetry?cluster=main&pop=calgary-01").expect(200).json();
    assert_eq!(report["schema"], 1);
    let token = std::fs::read_to_string(hq.data().join("telemetry.token")).expect("it is there");
    let anybody = hq.anonymous().with_token(token.trim());
    anybody.post("/v1/telemetry", &json!({"pop": "local-1", "cluster": null})).expect(204);
    anybody.fetch("/v1/pops").expect_problem(403, "CV-FORBIDDEN");
}

#[test]
fn hq_sees_that_an_incident_is_over_and_misses_nobody_that_never_came() {
    let mut hq = hq();
    let calgary = pop(&hq, "calgary-01", "main");
    pop(&hq, "never-started", "main");
    let open = |hq: &Server| -> Vec<(Value, Value)> {
        let answer = hq.client().fetch("/v1/alerts?state=open").expect(200).json();
        let incidents = answer["incidents"].as_array().expect("a list");
        incidents.iter().map(|one| (one["type"].clone(), one["pop"].clone())).collect()
    };
    let alert = json!({
        "type": "lease_lost", "message": "no lease", "timestamp": "2026-01-02T03:04:05Z",
    });
    let headers = [("idempotency-key", "11111111111111111111111111111111")];
    let sent = calgary.send("POST", "/v1/alerts", &headers, Some(alert.to_string().as_bytes()));
    sent.expect(202);
    assert_eq!(open(&hq).len(), 1);
    let mut said = renewal("calgary-01", "main");
    said["renewal"]["number"] = json!(5);
    renew(&calgary, &said).expect(200);
    eventually("a primary has a lease", seconds(5), || open(&hq).is_empty());

    said["renewal"]["number"] = json!(4);
    renew(&calgary, &said).expect_problem(503, "CV-BUSY");
    said["renewal"]["number"] = json!(6);
    renew(&calgary, &said).expect(200);

    hq.restart();
    let lost = [(json!("no_primary"), json!(null)), (json!("pop_lost"), json!("calgary-01"))];
    eventually("the one that came before is missed", seconds(15), || open(&hq) == lost);
    hq.client().send("DELETE", "/v1/pops/main/calgary-01", &[], None).expect(204);
    assert_eq!(open(&hq), lost[..1]);
}

#[test]
fn the_pages_are_behind_the_login_and_run_nothing_but_what_hq_serves() {
    let hq = hq();
    let anybody = hq.anonymous();
    let log_in = |token: &str| anybody.post("/login", &json!({"token": token}));
    for path in ["/v1/pops", "/v1/alerts", "/v1/events", "/v1/live", "/metrics", "/v1/telemetry"] {
        anybody.fetch(path).expect_problem(401, "CV-UNAUTHENTICATED");
    }
    let page = anybody.fetch("/login").expect(200);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let script = anybody.fetch("/app.js").expect(200);
    let known = [("if-none-match", script.header("etag"))];
    anybody.send("GET", "/app.js", &known, None).expect(304);
    anybody.fetch("/index.html").expect(404);

    let cookie = log_in(&hq.admin_token()).expect(204).header("set-cookie").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let session = cookie.split(';').next().expect("a cookie");
    let with = |more: (&str, &str), method: &str, path: &str, body: Option<&[u8]>| {
        anybody.send(method, path, &[("cookie", session), more], body)
    };
    let none = ("x-nothing", "1");
    assert!(with(none, "GET", "/", None).expect(200).text().contains("Clavitor HQ"));
    with(none, "GET", "/v1/pops", None).expect(200);
    let body = json!({"pop": "a", "cluster": "b"}).to_string();
    let add = |origin: &str| with(("origin", origin), "POST", "/v1/pops", Some(body.as_bytes()));
    add("http://elsewhere.test").expect_problem(403, "CV-ORIGIN");
    add(&hq.url()).expect(201);
    with(none, "POST", "/logout", Some(b"")).expect(204);
    with(none, "GET", "/v1/pops", None).expect(401);

    let forged = format!("cvt_{}_{}", "0".repeat(24), "0".repeat(64));
    let refusals: Vec<u16> = (0..12).map(|_| log_in(&forged).status).collect();
    assert_eq!(refusals, [[401; 10].as_slice(), &[429; 2]].concat());
    log_in(&forged).expect_problem(429, "CV-LOGIN-RATE");
    log_in(&hq.admin_token()).expect(204);
}

#[test]
fn behind_a_proxy_that_is_trusted_wrong_tokens_count_for_whoever_sent_them() {
    let (hq, _) = start_hq(&["--trusted-proxy", "127.0.0.1"]);
    let forged = json!({"token": format!("cvt_{}_{}", "0".repeat(24), "0".repeat(64))}).to_string();
    let log_in = |client: &str| {
        let headers = [("x-forwarded-for", client), ("content-type", "application/json")];
        hq.anonymous().send("POST", "/login", &headers, Some(forged.as_bytes())).status
    };
    let refusals: Vec<u16> = (0..11).map(|_| log_in("192.0.2.1")).collect();
    assert_eq!(refusals, [[401; 10].as_slice(), &[429]].concat());
    assert_eq!(log_in("192.0.2.1, 198.51.100.7"), 401, "whoever the proxy names, and nobody else");
}

#[test]
fn whoever_looks_on_is_told_of_changes_but_not_more_often_than_one_can_look() {
    let hq = hq();
    let calgary = pop(&hq, "calgary-01", "main");
    let crowd: Vec<_> = (0..63).map(|_| listen(hq.address(), &hq.admin_token())).collect();
    let mut stream = listen(hq.address(), &hq.admin_token());
    eventually("64 look on", seconds(5), || {
        let samples = metrics::parse(&hq.client().metrics());
        samples.iter().any(|it| it.name == "clavitor_hq_dashboards" && it.value == 64.0)
    });
    hq.client().fetch("/v1/live").expect_problem(503, "CV-BUSY");
    drop(crowd);
    let mut changes_within = |time: Duration| {
        let until = Instant::now() + time;
        let mut changes = 0;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let _ = stream.get_ref().set_read_timeout(Some(left.max(Duration::from_millis(1))));
            let mut line = String::new();
            changes += usize::from(stream.read_line(&mut line).is_ok() && line.contains("change"));
        }
        changes
    };
    changes_within(seconds(1));
    assert_eq!(changes_within(seconds(1)), 0, "nothing changes");
    for at in 0..40 {
        let key = format!("{at:032x}");
        let alert =
            json!({"type": "storage_full", "message": "full", "timestamp": "2026-01-02T03:04:05Z"});
        let headers = [("idempotency-key", key.as_str())];
        calgary.send("POST", "/v1/alerts", &headers, Some(alert.to_string().as_bytes()));
    }
    let changes = changes_within(seconds(2));
    assert!((1..=9).contains(&changes), "{changes} in two seconds");
}

fn listen(address: SocketAddr, token: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("HQ listens");
    let head =
        format!("GET /v1/live HTTP/1.1\r\nhost: hq\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("HQ reads");
    BufReader::new(stream)
}

#[test]
fn what_happened_is_kept_over_a_restart_and_paged_from_the_newest() {
    let mut hq = hq();
    for at in 0..5 {
        pop(&hq, &format!("pop-{at}"), if at < 3 { "red" } else { "blue" });
    }
    let page = |hq: &Server, query: &str| {
        hq.client().fetch(&format!("/v1/events?{query}")).expect(200).json()
    };
    eventually("all is kept", seconds(5), || {
        page(&hq, "")["events"].as_array().is_some_and(|events| events.len() == 5)
    });
    hq.restart();
    let first = page(&hq, "limit=2");
    let named = |page: &Value| -> Vec<String> {
        let events = page["events"].as_array().expect("a list");
        events.iter().map(|event| event["pop"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(named(&first), ["pop-4", "pop-3"]);
    let next = first["next"].as_str().expect("there are more");
    assert_eq!(named(&page(&hq, &format!("limit=9&after={next}"))), ["pop-2", "pop-1", "pop-0"]);
    assert_eq!(named(&page(&hq, "cluster=blue")), ["pop-4", "pop-3"]);
    assert!(named(&page(&hq, "type=primary_changed")).is_empty());
    hq.client().fetch("/v1/events?limit=0").expect_problem(400, "CV-BAD-QUERY");
    hq.client().fetch("/v1/events?zebra=1").expect_problem(400, "CV-BAD-QUERY");
    let samples = metrics::parse(&hq.client().metrics());
    let pops = samples.iter().find(|sample| sample.name == "clavitor_hq_pops");
    assert_eq!(pops.map(|sample| sample.value), Some(5.0));
    assert!(hq.log().contains(ZONE));
}
