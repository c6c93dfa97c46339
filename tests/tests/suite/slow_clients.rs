//! Clients that take their time, by the hundred and by the thousand, beside one that does not.

use clavitor_tests::client::entry_path;
use clavitor_tests::foreign::{self, Run};
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::{
    Client, Connecting, Edition, Scratch, Server, ServerBuilder, Session, metrics, process,
};
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the server allows at once.
const CONNECTIONS_MAX: f64 = 4096.0;

/// How many the Commercial edition may hold here.
const HELD_MAX: f64 = 100.0;

/// Longer than a well-behaved client ever waits, also beside other tests on few cores.
const ANSWER_MAX: Duration = seconds(5);

/// Hundreds of connections of slowhttptest that misbehave in one way, in the mode of that name.
fn attack(mode: &str, connections: usize, url: &str, more: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    let connections = connections.to_string();
    command.args([mode, "-c", &connections, "-r", &connections, "-p", "2", "-u", url]).args(more);
    command
}

const PROGRAM: &str = "slowhttptest";

/// Whether so many connections can be made here; says so if not.
fn is_possible(what: &str, connections: u64) -> bool {
    let files_max = process::raise_open_files();
    if foreign::find(PROGRAM).is_none() {
        println!("skipped: {what}: {PROGRAM} is not installed");
        return false;
    }
    if files_max < connections + 500 {
        println!("skipped: {what}: only {files_max} open files are allowed here");
        return false;
    }
    true
}

/// A header by which slowhttptest, which knows nothing of access tokens, sends one.
fn with_token(server: &Server) -> String {
    format!("a=b\r\nAuthorization: Bearer {}", server.admin_token())
}

fn start(edition: Edition) -> Server {
    let server = ServerBuilder::new(edition);
    match edition {
        Edition::Community => server.start(),
        Edition::Commercial => {
            server.arguments(["--tarpit-connections-max", &HELD_MAX.to_string()]).start()
        }
    }
}

/// The most there were at once, and how long it lasted.
#[derive(Debug, Clone, Copy, Default)]
struct Most {
    connections: f64,
    held: f64,
    lasted: Duration,
}

/// Runs the attacks side by side for so many seconds, beside legitimate sessions. Afterwards all that the attacks held must be free again.
fn withstand(
    server: &Server,
    attacks: impl IntoIterator<Item = Command>,
    for_s: u64,
    connecting: &[Connecting],
) -> Most {
    let client = server.client();
    // Connected before the attack.
    client.metrics();
    let sessions: Vec<_> = connecting.iter().map(|&how| Session::start(server, how)).collect();
    let started = Instant::now();
    let run = |mut attack: Command| {
        Run::start(attack.args(["-l", &for_s.to_string()]), Scratch::new("slow"))
    };
    let mut runs: Vec<Run> = attacks.into_iter().map(run).collect();
    let mut most = Most::default();
    while !runs.iter_mut().all(Run::has_ended) {
        assert!(started.elapsed() < seconds(for_s + 8), "slowhttptest does not end");
        let text = client.metrics();
        let value = |name| metrics::value(&text, name);
        most.connections = most.connections.max(value("clavitor_connections"));
        most.held = most.held.max(value("clavitor_tarpit_held"));
        std::thread::sleep(Duration::from_millis(50));
    }
    most.lasted = started.elapsed();
    for session in sessions {
        session.end().assert_untouched("beside slow clients", ANSWER_MAX);
    }
    assert_all_are_free(server, &client);
    assert!(most.held <= HELD_MAX, "{} were held at once", most.held);
    most
}

#[track_caller]
fn assert_all_are_free(server: &Server, client: &Client) {
    eventually("what the attack held is free again", seconds(3), || {
        let text = client.metrics();
        let value = |name| metrics::value(&text, name);
        value("clavitor_connections") <= 4.0 && value("clavitor_tarpit_held") < 1.0
    });
    Client::new(&server.url(), None).fetch("/livez").expect(200);
}

#[track_caller]
fn assert_was_an_attack(edition: Edition, most: Most, waiting: usize) {
    assert!(most.connections >= waiting as f64, "{most:?}: no attack at all");
    let is_held = most.held >= HELD_MAX;
    assert_eq!(is_held, edition == Edition::Commercial, "{most:?}");
}

/// Both editions at the same time: most of it is waiting.
fn in_both_editions(test: impl Fn(Edition) + Sync) {
    std::thread::scope(|scope| {
        for edition in Edition::ALL {
            let test = &test;
            scope.spawn(move || test(edition));
        }
    });
}

/// Longer than the server lets a head take: slowhttptest ends before, once its last connection was
/// cut.
const HEADS_S: u64 = 25;

#[test]
fn slow_heads_hold_up_nobody_and_are_cut_in_time() {
    const COUNT: usize = 600;
    if !is_possible("slow heads", 2 * COUNT as u64) {
        return;
    }
    in_both_editions(|edition| {
        let server = start(edition);
        let attack = attack("-H", COUNT, &(server.url() + "/livez"), &["-i", "2"]);
        let both = [Connecting::Once, Connecting::Anew];
        let most = withstand(&server, [attack], HEADS_S, &both);
        assert!(most.connections >= COUNT as f64, "{most:?}: no attack at all");
        assert!(most.lasted < seconds(HEADS_S), "a head may take 10 s: {most:?}");
    });
}

#[test]
fn slow_heads_take_no_more_than_the_connection_cap_and_whoever_is_connected_goes_on() {
    const COUNT: usize = 4_400;
    if !is_possible("more slow heads than connections", COUNT as u64) {
        return;
    }
    // In one edition: the tool alone takes most of a core.
    let server = start(Edition::Community);
    let attack = attack("-H", COUNT, &(server.url() + "/livez"), &["-i", "2"]);
    let most = withstand(&server, [attack], HEADS_S, &[Connecting::Once]);
    assert!(most.connections <= CONNECTIONS_MAX, "{most:?}");
    assert!(most.connections >= CONNECTIONS_MAX - 10.0, "{most:?}: no attack at all");
    assert!(most.lasted < seconds(HEADS_S), "a head may take 10 s: {most:?}");
}

#[test]
fn slow_bodies_hold_up_nobody_with_or_without_an_access_token() {
    const EACH: usize = 400;
    if !is_possible("slow bodies", 4 * EACH as u64) {
        return;
    }
    in_both_editions(|edition| {
        let server = start(edition);
        let entry = server.url() + &entry_path("v", "e");
        let token = with_token(&server);
        let slow = ["-i", "1", "-s", "100000", "-t", "PUT"];
        // The first is refused before its body comes, the second is waited for, the third is for no
        // route.
        let attacks = [
            attack("-B", EACH, &entry, &slow),
            attack("-B", EACH, &entry, &[&slow[..], &["-m", &token]].concat()),
            attack("-B", EACH, &(server.url() + "/wp-login.php"), &slow),
        ];
        let most = withstand(&server, attacks, 6, &[Connecting::Once, Connecting::Anew]);
        assert_was_an_attack(edition, most, EACH);
        let stored = server.client().get("v", "e").status;
        assert_eq!(stored, 404, "a body that never came to an end was stored");
    });
}

#[test]
fn slow_readers_hold_up_nobody_with_or_without_an_access_token() {
    const EACH: usize = 200;
    const BLOB_BYTES: usize = 1 << 20;
    if !is_possible("slow readers", 4 * EACH as u64) {
        return;
    }
    in_both_editions(|edition| {
        let server = start(edition);
        server.client().put("v", "e", &vec![7; BLOB_BYTES]).expect(201);
        let entry = server.url() + &entry_path("v", "e");
        let token = with_token(&server);
        // More answers than the system buffers for a client, read by a few bytes a second.
        let slow = ["-n", "1", "-z", "5", "-w", "1", "-y", "64", "-k", "8"];
        let attacks = [
            attack("-X", EACH, &entry, &slow),
            attack("-X", EACH, &entry, &[&slow[..], &["-j", &token]].concat()),
            attack("-X", EACH, &(server.url() + "/.env"), &slow),
        ];
        let most = withstand(&server, attacks, 6, &[Connecting::Once, Connecting::Anew]);
        assert_was_an_attack(edition, most, EACH);
    });
}

#[test]
fn the_memory_that_a_crowd_took_is_given_back() {
    const CROWD: usize = 1_000;
    process::raise_open_files();
    for edition in Edition::ALL {
        let server = start(edition);
        let resident = || process::resident_kib(server.id());
        let before = resident();
        let head = format!("GET /livez HTTP/1.1\r\nHost: a\r\nX-Long: {}", "a".repeat(15 * 1024));
        let crowd: Vec<TcpStream> = (0..CROWD)
            .map(|_| {
                let mut stream = TcpStream::connect(server.address()).expect("it listens");
                stream.write_all(head.as_bytes()).expect("it reads");
                stream
            })
            .collect();
        eventually("the heads are read", seconds(5), || resident() > before + 10 * 1024);
        drop(crowd);
        eventually("it is given back", seconds(10), || resident() < before + 5 * 1024);
    }
}
