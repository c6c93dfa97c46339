//! The tarpit's slots: the cap, every way to give one back, and the end of the server.

use crate::tarpit::{SCAN, await_held, counted, head, send};
use clavitor_tests::server::ServerBuilder;
use clavitor_tests::wait::seconds;
use clavitor_tests::{Edition, Server, process};
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Starts a server with these settings, and lets this process have as many sockets as it may.
fn server(arguments: &[&str]) -> Server {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    ServerBuilder::new(Edition::Commercial).arguments(arguments).start()
}

/// Sends a request that nobody should; the connection if it is held.
fn scan(server: &Server) -> Option<TcpStream> {
    let mut stream = send(server, SCAN);
    head(&mut stream).is_some().then_some(stream)
}

fn fill(server: &Server, count: usize) -> Vec<TcpStream> {
    let held: Vec<TcpStream> = (0..count).filter_map(|_| scan(server)).collect();
    assert_eq!(held.len(), count, "there is a slot for each");
    held
}

/// Whether all that is left of a connection is its end.
fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_thousand_are_held_and_the_next_is_dropped_at_once() {
    let server = server(&[]);
    let mut held = fill(&server, 1_000);
    assert_eq!(counted(&server, "held"), 1_000);
    let mut times: Vec<Duration> = (0..21)
        .map(|_| {
            let started = Instant::now();
            assert!(scan(&server).is_none(), "not a byte for one too many");
            started.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[10] < Duration::from_millis(20), "median {:?}", times[10]);
    assert_eq!((counted(&server, "held"), counted(&server, "dropped_total")), (1_000, 21));
    // Nobody else notices.
    server.client().put("v", "e", b"x").expect(201);
    assert_eq!(server.client().blob("v", "e").as_deref(), Some(&b"x"[..]));
    held.truncate(990);
    await_held(&server, 990);
    held.extend(fill(&server, 10));
    assert!(scan(&server).is_none());
}

#[test]
fn a_signal_cuts_a_thousand_at_once() {
    let mut server = server(&[]);
    server.client().put("v", "e", b"x").expect(201);
    let mut held = fill(&server, 1_000);
    let started = Instant::now();
    server.terminate();
    assert_eq!(server.await_end(seconds(7)).code(), Some(0), "{}", server.log());
    let took = started.elapsed();
    eprintln!("gone {took:?} after the signal, with 1,000 held");
    assert!(took < seconds(1), "{took:?}");
    assert!(held.iter_mut().all(is_closed), "every client sees the end");
}

type Leave = fn(TcpStream) -> Option<TcpStream>;

const WAYS_TO_LEAVE: [(&str, Leave); 3] = [
    ("closed", |_| None),
    ("reset", |stream| {
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("a socket option");
        None
    }),
    ("half-closed", |stream| {
        stream.shutdown(Shutdown::Write).expect("it is open");
        Some(stream)
    }),
];

#[test]
fn every_way_to_leave_gives_the_slot_back_once() {
    const SLOTS: u64 = 5;
    let server = server(&["--tarpit-connections-max", "5"]);
    let (mut ever, mut dropped) = (SLOTS, 0);
    let mut held = fill(&server, 5);
    for (how, leave) in WAYS_TO_LEAVE.iter().cycle().take(9) {
        let after_a_byte = ever % 2 == 0;
        let mut stream = held.remove(0);
        if after_a_byte {
            stream.read_exact(&mut [0]).expect("a first byte");
        }
        let mut left = leave(stream);
        await_held(&server, SLOTS - 1);
        if let Some(left) = &mut left {
            assert!(is_closed(left), "{how}");
        }
        held.extend(fill(&server, 1));
        assert!(scan(&server).is_none(), "{how}: one slot came back, not two");
        (ever, dropped) = (ever + 1, dropped + 1);
        let counts = ["held", "held_total", "dropped_total"].map(|name| counted(&server, name));
        assert_eq!(counts, [SLOTS, ever, dropped], "{how}");
    }
    held.clear();
    await_held(&server, 0);
}

#[test]
fn whoever_closes_his_half_before_the_answer_gets_its_head_and_takes_no_slot() {
    let server = server(&["--tarpit-connections-max", "1"]);
    for round in 1..=30 {
        let mut stream = send(&server, SCAN);
        stream.shutdown(Shutdown::Write).expect("it is open");
        assert!(head(&mut stream).is_some(), "round {round}");
        assert!(is_closed(&mut stream), "round {round}");
        await_held(&server, 0);
    }
    assert_eq!((counted(&server, "held_total"), counted(&server, "dropped_total")), (30, 0));
}

#[test]
fn one_address_can_be_given_fewer_slots() {
    let arguments = [
        "--tarpit-connections-max",
        "5",
        "--tarpit-per-address",
        "2",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    let server = server(&arguments);
    let scan_for = |client: &str| {
        let request = SCAN.replace("Host: a", &format!("Host: a\r\nX-Forwarded-For: {client}"));
        let mut stream = send(&server, &request);
        head(&mut stream).is_some().then_some(stream)
    };
    let clients =
        ["192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db8::2"];
    let mut held: Vec<_> = clients.map(scan_for).into_iter().collect();
    let is_held: Vec<bool> = held.iter().map(Option::is_some).collect();
    assert_eq!(is_held, [true, true, false, true, true, true]);
    held.remove(0);
    await_held(&server, 4);
    assert!(scan_for("2001:db8::ffff").is_none(), "one /64 is one client");
    let again = scan_for("192.0.2.7");
    assert!(again.is_some());
    assert_eq!(counted(&server, "held"), 5);
}

#[test]
fn what_is_held_costs_one_thread_and_no_wake_ups_of_others() {
    const HELD: usize = 500;
    let server = server(&[]);
    drop(fill(&server, 1));
    await_held(&server, 0);
    let (_, threads) = process::voluntary_switches(server.id());
    let held = fill(&server, HELD);
    let (before, _) = process::voluntary_switches(server.id());
    std::thread::sleep(seconds(3));
    let (after, threads_now) = process::voluntary_switches(server.id());
    assert!(threads_now <= threads, "{threads_now} threads instead of {threads}");
    // Ten a second at the most, and a few for whatever a server does anyway.
    assert!(after - before < 60, "{} context switches for {HELD} held in 3 s", after - before);
    drop(held);
}

#[test]
fn an_answer_that_came_before_is_whole_although_the_tarpit_is_full() {
    const BLOB_BYTES: usize = 1_000_000;
    let server = server(&["--tarpit-connections-max", "1"]);
    server.client().put("v", "e", &vec![7; BLOB_BYTES]).expect(201);
    let held = fill(&server, 1);
    let mut requests = format!(
        "GET /v1/vaults/v/entries/e HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n\
         GET /wp-login.php HTTP/1.1\r\nHost: x\r\n\r\n\
         POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
        server.admin_token()
    )
    .into_bytes();
    requests.extend(vec![b'x'; 60_000]);
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    let mut sending = stream.try_clone().expect("a descriptor");
    let sender = std::thread::spawn(move || sending.write_all(&requests));
    // By now all is said, and most of the answer waits in the system's buffers.
    std::thread::sleep(Duration::from_millis(500));
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    assert_eq!(answer.len() - head, BLOB_BYTES, "{read:?}");
    let _ = sender.join().expect("no panic");
    drop(held);
}
