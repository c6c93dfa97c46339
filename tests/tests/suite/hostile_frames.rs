//! Frames that are not what they claim. They are made from genuine ones, recorded between two
//! POPs: the tests hold no code that could sign one.

use clavitor_tests::metrics::counted_under_code;
use clavitor_tests::process::resident_kib;
use clavitor_tests::proxy::FRAMES_PATH;
use clavitor_tests::random::Random;
use clavitor_tests::raw::{Message, exchange};
use clavitor_tests::{Client, Cluster, ClusterBuilder, Server};
use serde_json::Value;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

const BLOB: [u8; 4096] = [4; 4096];

/// The last frame with records that POP number `pop` was sent.
fn recorded(cluster: &Cluster, pop: usize) -> Message {
    let frames = cluster.pops[pop].proxy().record_frames();
    frames.last().expect("a frame with records was recorded").request.clone()
}

fn post(server: &Server, frame: &Message) -> Message {
    exchange(server.address(), &frame.bytes()).expect("frames are answered")
}

/// Everything a client can see of a vault.
fn view(client: &Client) -> (Vec<Value>, Vec<Value>, Value) {
    (client.list("v"), client.conflicts("v"), client.node()["entries"].clone())
}

fn with_body(frame: &Message, body: Vec<u8>) -> Message {
    Message { body, ..frame.clone() }
}

#[test]
fn a_changed_frame_is_refused_and_counted_and_changes_nothing() {
    let cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "e", &BLOB).expect(201);
    cluster.settle();
    let genuine = recorded(&cluster, 1);
    let server = &cluster.pops[1].server;
    let before = view(&server.client());
    let mut random = Random::new(5);
    let mut codes = std::collections::BTreeMap::<String, u32>::new();
    let mut refuse = |what: &str, body: Vec<u8>| {
        let answer = post(server, &with_body(&genuine, body));
        let code = answer.code();
        let fits = matches!(
            (answer.status(), code.as_str()),
            (400, "CV-FRAME-MALFORMED" | "CV-FRAME-VERSION") | (401, "CV-FRAME-AUTH")
        );
        assert!(fits, "{what}: {} {}", answer.start, answer.text());
        assert!(answer.text().len() < 400, "a refusal tells a code and nothing else");
        *codes.entry(code).or_default() += 1;
    };
    let body = &genuine.body;
    let everywhere = (0..40).map(|step| 200 + step * (body.len() - 200) / 40);
    for position in (0..200).chain(everywhere) {
        let mut flipped = body.clone();
        flipped[position] ^= 1 << random.below(8);
        refuse(&format!("bit flipped at {position}"), flipped);
    }
    for length in [0, 1, 16, 32, body.len() / 2, body.len() - 1] {
        refuse(&format!("cut to {length}"), body[..length].to_vec());
    }
    refuse("one trailing byte", [body.as_slice(), b"\0"].concat());
    refuse("a second frame behind it", [body.as_slice(), body].concat());
    refuse("garbage", random.bytes(5000));
    refuse("zeros", vec![0; 5000]);
    refuse("ones", vec![0xFF; 5000]);
    refuse("JSON", b"{\"records\":[]}".to_vec());
    assert_eq!(view(&server.client()), before);
    assert!(codes.contains_key("CV-FRAME-AUTH"), "{codes:?}");
    let metrics = server.client().metrics();
    for (code, count) in codes {
        let counted = counted_under_code(&metrics, &code);
        assert!(counted >= f64::from(count), "{code}: {counted} of {count} counted");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    cluster.primary().put_acked("v", "later", &BLOB).expect(201);
}

#[test]
fn a_frame_needs_no_access_token_and_an_access_token_makes_no_frame() {
    let cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "e", &BLOB).expect(201);
    let frame = recorded(&cluster, 1);
    assert!(frame.header("authorization").is_none(), "the frame's MAC is its proof");
    let secret = std::fs::read_to_string(cluster.scratch.path().join("secret")).expect("a file");
    for passed in cluster.pops.iter().flat_map(|pop| pop.proxy().exchanges()) {
        let bytes = passed.request.bytes();
        let secret = secret.trim().as_bytes();
        let is_there = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!is_there, "the inter-POP secret crossed the wire");
    }
    let type_header = [("content-type", "application/octet-stream")];
    let admin = cluster.backup();
    let answer = admin.send("POST", FRAMES_PATH, &type_header, Some(b"not a frame"));
    assert!(matches!(answer.status, 400 | 401), "{}", answer.text());
}

#[test]
fn a_replayed_frame_is_answered_and_changes_nothing() {
    let cluster = Cluster::proxied_pair();
    let (primary, backup) = (cluster.primary(), cluster.backup());
    primary.put_acked("v", "rewritten", &BLOB).expect(201);
    let first = recorded(&cluster, 1);
    primary.put_acked("v", "rewritten", &[5; 4096]).expect(200);
    primary.put_acked("v", "deleted", &BLOB).expect(201);
    let second = recorded(&cluster, 1);
    primary.delete("v", "deleted").expect(204);
    cluster.settle();
    let before = view(&backup);
    for frame in [&first, &second, &second, &first] {
        let answer = post(&cluster.pops[1].server, frame);
        assert_eq!(answer.status(), 200, "{}", answer.text());
        assert_eq!(view(&backup), before);
    }
    assert_eq!(backup.get("v", "rewritten").body, [5; 4096]);
    assert_eq!(backup.get("v", "deleted").status, 404);
    assert_eq!(primary.dirty(), Some(0));
    primary.put_acked("v", "later", &BLOB).expect(201);
}

#[test]
fn a_replay_after_the_receivers_restart_changes_nothing_either() {
    let mut cluster = Cluster::proxied_pair();
    let primary = cluster.primary();
    primary.put_acked("v", "e", &BLOB).expect(201);
    let frame = recorded(&cluster, 1);
    primary.delete("v", "e").expect(204);
    cluster.settle();
    cluster.pops[1].server.restart();
    cluster.settle();
    let before = view(&cluster.backup());
    assert_eq!(post(&cluster.pops[1].server, &frame).status(), 200);
    assert_eq!(view(&cluster.backup()), before);
}

#[test]
fn a_frame_is_for_its_destination_only() {
    let cluster = ClusterBuilder::new(3).proxied().start();
    // Denver must not have it yet, or "changes nothing" would prove nothing.
    cluster.pops[2].proxy().set(clavitor_tests::Fault::Refuse);
    cluster.primary().put_acked("v", "e", &BLOB).expect(201);
    let frame = recorded(&cluster, 1);
    let denver = &cluster.pops[2].server;
    let answer = post(denver, &frame);
    let got = (answer.status(), answer.code());
    assert_eq!(got, (421, "CV-FRAME-DESTINATION".to_owned()), "{}", answer.text());
    assert!(denver.client().list("v").is_empty());
    assert!(counted_under_code(&denver.client().metrics(), "CV-FRAME-DESTINATION") >= 1.0);
    // Back to where it came from.
    let answer = post(&cluster.pops[0].server, &frame);
    assert!((400..500).contains(&answer.status()), "{} {}", answer.start, answer.text());
    assert_eq!(cluster.primary().peer("denver-01")["dirty"], 1);
}

#[test]
fn a_frame_of_another_cluster_with_the_same_secret_is_refused() {
    let one = Cluster::proxied_pair();
    let other = ClusterBuilder::new(2).name("other-cluster").proxied().start();
    one.primary().put_acked("v", "e", &BLOB).expect(201);
    let server = &other.pops[1].server;
    let answer = post(server, &recorded(&one, 1));
    let got = (answer.status(), answer.code());
    assert_eq!(got, (403, "CV-FRAME-CLUSTER".to_owned()), "{}", answer.text());
    assert!(server.client().list("v").is_empty());
    assert!(counted_under_code(&server.client().metrics(), "CV-FRAME-CLUSTER") >= 1.0);
}

#[test]
fn a_frame_for_the_emptied_directory_of_the_same_pop_is_refused() {
    let mut cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "e", &BLOB).expect(201);
    cluster.primary().delete("v", "e").expect(204);
    cluster.settle();
    let frame = recorded(&cluster, 1);
    cluster.pops[1].server.kill9();
    cluster.pops[0].server.kill9();
    std::fs::remove_dir_all(cluster.pops[1].server.data()).expect("it can be emptied");
    cluster.pops[1].server.start_again();
    let answer = post(&cluster.pops[1].server, &frame);
    let got = (answer.status(), answer.code());
    assert_eq!(got, (409, "CV-FRAME-STORE".to_owned()), "{}", answer.text());
    assert!(cluster.backup().list("v").is_empty());
}

#[test]
fn a_frame_of_an_older_epoch_changes_nothing() {
    let mut cluster = Cluster::proxied_pair();
    cluster.pops[1].proxy().set(clavitor_tests::Fault::Answer(503));
    cluster.primary().put("v", "e", &BLOB).expect(201);
    let never_arrived = {
        clavitor_tests::eventually("a frame is tried", Duration::from_secs(3), || {
            !cluster.pops[1].proxy().record_frames().is_empty()
        });
        recorded(&cluster, 1)
    };
    cluster.pops[0].server.kill9();
    cluster.backup().promote().expect(200);
    let before = view(&cluster.backup());
    let answer = post(&cluster.pops[1].server, &never_arrived);
    let got = (answer.status(), answer.code());
    assert_eq!(got, (409, "CV-FRAME-EPOCH".to_owned()), "{}", answer.text());
    assert_eq!(view(&cluster.backup()), before);
    assert_eq!(cluster.backup().node()["role"], "primary");
}

#[test]
fn a_body_of_a_hundred_mebibytes_is_refused_in_bounded_memory() {
    let cluster = Cluster::pair();
    let server = &cluster.pops[1].server;
    let before = resident_kib(server.id());
    let head = |line: &str| {
        format!(
            "POST {FRAMES_PATH} HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: application/octet-stream\r\n{line}\r\n\r\n",
            server.address()
        )
    };
    let announced = exchange(server.address(), head("Content-Length: 104857600").as_bytes());
    let announced = announced.expect("it is refused without reading the body");
    assert_eq!((announced.status(), announced.code().as_str()), (413, "CV-TOO-LARGE"));
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let (address, head) = (server.address(), head("Transfer-Encoding: chunked"));
            std::thread::spawn(move || send_chunks(address, &head))
        })
        .collect();
    for sender in senders {
        let (sent, answer) = sender.join().expect("no panic");
        assert!(sent < 100 << 20, "{sent} bytes were taken");
        // Whoever is still sending may lose the answer to the reset.
        if let Some(answer) = answer {
            assert!(
                matches!(answer.code().as_str(), "CV-TOO-LARGE" | "CV-BUSY"),
                "{}",
                answer.start
            );
        }
    }
    let grown = resident_kib(server.id()).saturating_sub(before);
    assert!(grown < 80 * 1024, "the process grew by {grown} KiB");
    cluster.primary().put_acked("v", "e", &BLOB).expect(201);
}

/// Sends 100 MiB in chunks for as long as the server takes them.
fn send_chunks(address: std::net::SocketAddr, head: &str) -> (usize, Option<Message>) {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_write_timeout(Some(Duration::from_secs(5))).expect("above zero");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("above zero");
    stream.write_all(head.as_bytes()).expect("the head is taken");
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend_from_slice(&[0x5A; 0x10000]);
    chunk.extend_from_slice(b"\r\n");
    let mut sent = 0;
    while sent < 100 << 20 && stream.write_all(&chunk).is_ok() {
        sent += 0x10000;
    }
    (sent, Message::read_answer(&mut BufReader::new(stream)).ok().flatten())
}
