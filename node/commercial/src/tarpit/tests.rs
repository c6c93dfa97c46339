//! The tarpit over real sockets: what comes at the same time.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::*;

const THREADS: usize = 4;

const PATIENCE: Duration = Duration::from_secs(20);

fn tarpit(held_max: u32) -> Arc<Tarpit> {
    Tarpit::new(Limits { held_max, per_address: None }).unwrap()
}

fn answer() -> SlowAnswer {
    let remote = IpAddr::from([127, 0, 0, 1]);
    SlowAnswer { remote, head: b"head".to_vec(), body: &[b'b'; SLOW_BYTES] }
}

/// A client's end of a connection, and the server's.
fn connection(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    (client, server)
}

/// Runs `each` so often in every thread, with a listener of the thread's own.
fn in_threads(count: usize, each: impl Fn(usize, &TcpListener) + Sync) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                (0..count).for_each(|at| each(at, &listener));
            });
        }
    });
}

fn await_empty(tarpit: &Tarpit) {
    let started = Instant::now();
    while tarpit.totals().held > 0 {
        assert!(started.elapsed() < PATIENCE, "{:?}", tarpit.totals());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn clients_that_leave_while_they_are_taken_in_keep_no_slot() {
    let tarpit = tarpit(20);
    in_threads(300, |at, listener| {
        let (client, server) = connection(listener);
        match at % 3 {
            0 => drop(client),
            1 => {
                // Closed with unread bytes on both ends: a reset.
                (&server).write_all(b"x").unwrap();
                drop(client);
            }
            _ => {
                tarpit.hold(server, &answer());
                return drop(client);
            }
        }
        tarpit.hold(server, &answer());
    });
    await_empty(&tarpit);
    let Totals { held_ever, dropped, .. } = tarpit.totals();
    assert_eq!(held_ever + dropped, 300 * THREADS as u64);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let all: Vec<_> = (0..20).map(|_| connection(&listener)).collect();
    let clients: Vec<TcpStream> = all
        .into_iter()
        .map(|(client, server)| {
            tarpit.hold(server, &answer());
            client
        })
        .collect();
    assert_eq!(tarpit.totals().held, 20, "every slot is there to be used again");
    drop(clients);
    await_empty(&tarpit);
}

#[test]
fn a_stop_among_arrivals_closes_every_connection() {
    let tarpit = tarpit(1_000);
    let clients = Mutex::new(Vec::new());
    in_threads(60, |at, listener| {
        let (client, server) = connection(listener);
        lock(&clients).push(client);
        tarpit.hold(server, &answer());
        if at == 40 {
            tarpit.stop();
        }
    });
    assert_eq!(tarpit.totals().held, 0);
    for mut client in clients.into_inner().unwrap() {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert!(got.is_empty() || got == b"head", "{got:?}");
    }
}

#[test]
fn a_client_that_takes_no_bytes_has_no_slot() {
    let tarpit = tarpit(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_client, server) = connection(&listener);
    while (&server).write(&[0; 65_536]).is_ok() {}
    tarpit.hold(server, &answer());
    let Totals { held, held_ever, .. } = tarpit.totals();
    assert_eq!((held, held_ever), (0, 1));
}

#[test]
fn a_connection_whose_client_left_meanwhile_is_closed() {
    let tarpit = tarpit(1);
    let held = tarpit.arrived(answer().remote).unwrap();
    tarpit.tell(Input::Left { held });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut client, server) = connection(&listener);
    let socket = Socket { socket: server.into(), body: answer().body };
    assert!(tarpit.keep(held, socket).is_ok());
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}
