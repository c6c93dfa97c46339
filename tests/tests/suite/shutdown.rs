//! SIGTERM, at a good moment and at bad ones.

use clavitor_tests::wait::seconds;
use clavitor_tests::{Cluster, Edition, Fault, Server, process};
use rustix::net;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

#[test]
fn an_idle_server_ends_at_once_with_code_0() {
    for edition in Edition::ALL {
        let mut server = Server::start(edition);
        server.client().put("v", "e", b"x").expect(201);
        let started = Instant::now();
        server.terminate();
        assert_eq!(server.await_end(seconds(6)).code(), Some(0), "{}", server.log());
        assert!(started.elapsed() < seconds(2), "{:?}", started.elapsed());
    }
}

#[test]
fn sigint_is_as_good_as_sigterm() {
    let mut server = Server::start(Edition::Community);
    process::signal(server.id(), Signal::INT);
    assert_eq!(server.await_end(seconds(6)).code(), Some(0), "{}", server.log());
}

#[test]
fn connections_that_hang_do_not_hold_the_end_up() {
    let mut server = Server::start(Edition::Community);
    let head = format!(
        "PUT /v1/vaults/v/entries/e HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 100\r\n\r\nhalf",
        server.address(),
        server.admin_token()
    );
    let mut open = Vec::new();
    for number in 0..50 {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        let bytes = if number % 2 == 0 { head.as_bytes() } else { b"GET /livez HT" };
        stream.write_all(bytes).expect("the server reads");
        open.push(stream);
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    let started = Instant::now();
    server.terminate();
    assert_eq!(server.await_end(seconds(7)).code(), Some(0), "{}", server.log());
    assert!(started.elapsed() < seconds(6), "{:?}", started.elapsed());
    drop(open);
}

#[test]
fn a_head_that_is_half_there_is_not_waited_for() {
    let mut server = Server::start(Edition::Community);
    let open: Vec<TcpStream> = (0..10)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).expect("the server listens");
            stream.write_all(b"GET /livez HT").expect("the server reads");
            stream
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let started = Instant::now();
    server.terminate();
    assert_eq!(server.await_end(seconds(7)).code(), Some(0), "{}", server.log());
    assert!(started.elapsed() < seconds(2), "{:?}", started.elapsed());
    drop(open);
}

#[test]
fn an_answer_that_a_slow_client_is_still_reading_arrives_whole() {
    const BLOB_BYTES: usize = 1024 * 1024;
    let mut server = Server::start(Edition::Community);
    server.client().put("v", "e", &vec![7; BLOB_BYTES]).expect(201);
    let stream = slow_connection(server.address());
    let head = format!(
        "GET /v1/vaults/v/entries/e HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        server.admin_token()
    );
    // More answers than the system holds for a client, so that the server is left with half a one.
    (&stream).write_all(head.repeat(16).as_bytes()).expect("the server reads");
    std::thread::sleep(std::time::Duration::from_millis(300));
    server.terminate();
    std::thread::sleep(std::time::Duration::from_millis(700));
    let mut answers = Vec::new();
    let read = (&stream).read_to_end(&mut answers);
    let head_bytes = answers.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    let (whole, rest) =
        (answers.len() / (head_bytes + BLOB_BYTES), answers.len() % (head_bytes + BLOB_BYTES));
    assert!(whole > 0 && rest == 0, "{whole} whole and {rest} bytes, {read:?}");
    assert_eq!(server.await_end(seconds(6)).code(), Some(0), "{}", server.log());
}

/// A connection that takes little at a time, so that the rest waits in the server.
fn slow_connection(address: SocketAddr) -> TcpStream {
    let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None);
    let socket = socket.expect("a socket");
    net::sockopt::set_socket_recv_buffer_size(&socket, 32 * 1024).expect("a small buffer");
    net::connect(&socket, &address).expect("the server listens");
    TcpStream::from(socket)
}

#[test]
fn a_hanging_peer_costs_the_grace_and_no_more_and_nothing_is_lost() {
    let mut cluster = Cluster::proxied_pair();
    cluster.pops[1].proxy().set(Fault::BlackHole);
    for number in 0..150 {
        cluster.primary().put("v", &format!("e{number}"), b"x").expect(201);
    }
    let started = Instant::now();
    cluster.pops[0].server.terminate();
    let status = cluster.pops[0].server.await_end(seconds(7));
    assert_eq!(status.code(), Some(0), "{}", cluster.pops[0].server.log());
    assert!(started.elapsed() < seconds(6), "{:?}", started.elapsed());
    cluster.pops[1].proxy().set(Fault::None);
    cluster.pops[0].server.start_again();
    cluster.settle();
    assert_eq!(cluster.backup().list("v").len(), 150);
}

#[test]
fn what_is_dirty_is_flushed_to_a_peer_that_answers() {
    let mut cluster = Cluster::proxied_pair();
    cluster.pops[1].proxy().set(Fault::Delay(std::time::Duration::from_millis(300)));
    for number in 0..150 {
        cluster.primary().put("v", &format!("e{number}"), b"x").expect(201);
    }
    cluster.pops[0].server.terminate();
    assert_eq!(cluster.pops[0].server.await_end(seconds(6)).code(), Some(0));
    assert_eq!(cluster.backup().list("v").len(), 150);
}

#[test]
fn a_request_in_flight_is_finished() {
    let mut server = Server::start(Edition::Community);
    let client = server.client();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let client = client.clone();
            std::thread::spawn(move || {
                let mut done = Vec::new();
                for number in 0..10_000 {
                    let name = format!("w{writer}-{number}");
                    let path = clavitor_tests::client::entry_path("v", &name);
                    match client.request("PUT", &path, &[], Some(b"x")) {
                        Ok(answer) if answer.is_done() => done.push(name),
                        // Refused or cut off: either way not acknowledged.
                        Ok(_) | Err(_) => break,
                    }
                }
                done
            })
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(400));
    server.terminate();
    assert_eq!(server.await_end(seconds(6)).code(), Some(0), "{}", server.log());
    let done: Vec<String> =
        writers.into_iter().flat_map(|writer| writer.join().expect("no panic")).collect();
    assert!(done.len() > 100, "{}", done.len());
    server.start_again();
    let listed: std::collections::BTreeSet<String> = client
        .list("v")
        .iter()
        .map(|entry| entry["name"].as_str().expect("a name").to_owned())
        .collect();
    let missing: Vec<_> = done.iter().filter(|name| !listed.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut cluster = Cluster::proxied_pair();
    cluster.pops[1].proxy().set(Fault::BlackHole);
    cluster.primary().put("v", "e", b"x").expect(201);
    cluster.pops[0].server.terminate();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let started = Instant::now();
    if cluster.pops[0].server.ended().is_none() {
        cluster.pops[0].server.terminate();
        cluster.pops[0].server.await_end(seconds(2));
    }
    assert!(started.elapsed() < seconds(1), "{:?}", started.elapsed());
    cluster.pops[0].server.start_again();
    assert_eq!(cluster.primary().get("v", "e").expect(200).body, b"x");
}
