//! Calls over real sockets, to a server that can fall silent.

mod threads;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_util::future::join_all;
use http::HeaderMap;

use super::*;
use crate::store::block_on;
use threads::Threads;

/// How long a call may take where one is to be answered, and where none is.
const ANSWERED: Duration = Duration::from_secs(10);
const SILENT: Duration = Duration::from_millis(200);

/// How many connections are kept before anything happens.
const KEPT: usize = 4;

#[derive(Clone, Default)]
struct Server {
    url: String,
    accepted: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    silent: Arc<AtomicUsize>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, ..Self::default() };
        let served = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (served, stream) = (served.clone(), stream.unwrap());
                let number = served.accepted.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || served.serve(number, stream));
            }
        });
        server
    }

    fn serve(&self, number: usize, mut stream: TcpStream) {
        let mut piece = [0; 4_096];
        while stream.read(&mut piece).unwrap_or_default() > 0 {
            self.asked.fetch_add(1, Ordering::SeqCst);
            // The first calls are answered together, so that each takes a connection of its own.
            while self.asked.load(Ordering::SeqCst) < KEPT {
                thread::yield_now();
            }
            if number >= self.silent.load(Ordering::SeqCst) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        }
    }

    /// Nothing comes over the connections there are any more, and none of them ends.
    fn forget(&self) {
        self.silent.store(self.accepted(), Ordering::SeqCst);
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn call(&self) -> Call {
        Call {
            url: self.url.clone(),
            path: "/".into(),
            headers: HeaderMap::new(),
            body: None,
            answer_bytes_max: 16,
        }
    }
}

/// What came of a call within that time; `None` if nothing did, and the call is given up.
fn called(outbound: &Outbound, server: &Server, within: Duration) -> Option<u16> {
    block_on(async {
        let call = std::pin::pin!(outbound.call(&Threads, server.call()));
        match select(call, Threads.sleep(within)).await {
            Either::Left((called, _)) => called.ok().map(|called| called.status),
            Either::Right(_) => None,
        }
    })
}

fn with_kept_connections() -> (Outbound, Server) {
    let (outbound, server) = (Outbound::default(), Server::start());
    let calls = (0..KEPT).map(|_| outbound.call(&Threads, server.call()));
    let answers = block_on(join_all(calls));
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((server.accepted(), outbound.lock()[&server.url].len()), (KEPT, KEPT));
    (outbound, server)
}

#[test]
fn after_a_call_in_vain_on_a_kept_connection_the_next_one_takes_a_new_one() {
    let (outbound, server) = with_kept_connections();
    assert_eq!(called(&outbound, &server, ANSWERED), Some(200));
    assert_eq!(server.accepted(), KEPT, "over one of those there were");
    server.forget();
    assert_eq!(called(&outbound, &server, SILENT), None);
    assert_eq!(called(&outbound, &server, ANSWERED), Some(200));
    assert_eq!(server.accepted(), KEPT + 1);
}

#[test]
fn a_connection_that_was_idle_for_too_long_is_not_used() {
    let (outbound, server) = with_kept_connections();
    server.forget();
    for idle in outbound.lock().get_mut(&server.url).unwrap() {
        idle.since = Instant(idle.since.0 - (IDLE_AGE_MAX_MS + 1) * 1_000_000);
    }
    assert_eq!(called(&outbound, &server, ANSWERED), Some(200));
    assert_eq!(server.accepted(), KEPT + 1);
    assert_eq!(outbound.lock()[&server.url].len(), 1);
}
