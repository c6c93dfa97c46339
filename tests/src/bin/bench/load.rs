//! Keep-alive clients on one thread, each asking again as soon as it is answered.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use clavitor_tests::random::Random;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::OwnedFd;

use crate::BLOB_BYTES;

const NAME_DIGITS: usize = 8;

/// A request with a place for the number of an entry.
#[derive(Clone)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    digits_at: usize,
}

impl Template {
    /// Writes an entry's blob. `query` begins with a question mark, or is empty.
    pub(crate) fn put(token: &str, query: &str) -> Self {
        let mut template = Self::new("PUT", token, query, BLOB_BYTES);
        template.bytes.extend(Random::new(1).bytes(BLOB_BYTES));
        template
    }

    /// Reads an entry.
    pub(crate) fn get(token: &str) -> Self {
        Self::new("GET", token, "", 0)
    }

    fn new(method: &str, token: &str, query: &str, length: usize) -> Self {
        let start = format!("{method} /v1/vaults/bench/entries/entry-");
        let number = "0".repeat(NAME_DIGITS);
        let length =
            if length == 0 { String::new() } else { format!("Content-Length: {length}\r\n") };
        let head = format!(
            "{start}{number}{query} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n{length}\r\n"
        );
        Self { bytes: head.into_bytes(), digits_at: start.len() }
    }

    fn name(&mut self, number: u64) {
        let digits = format!("{number:0NAME_DIGITS$}");
        self.bytes[self.digits_at..self.digits_at + NAME_DIGITS].copy_from_slice(digits.as_bytes());
    }
}

/// Connected clients.
pub(crate) struct Load {
    clients: Vec<Client>,
    epoll: OwnedFd,
    template: Template,
}

/// What a run of requests took.
pub(crate) struct Measured {
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// From each request to its answer.
    pub(crate) latencies: Vec<Duration>,
}

impl Load {
    /// Connects so many clients.
    pub(crate) fn connect(address: SocketAddr, count: usize, template: Template) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let clients = (0..count).map(|at| {
            let client = Client::connect(address);
            let data = epoll::EventData::new_u64(at as u64);
            epoll::add(&epoll, &client.stream, data, epoll::EventFlags::IN).expect("a socket");
            client
        });
        Self { clients: clients.collect(), epoll, template }
    }

    /// Asks once for every number, in that order, as fast as the answers come.
    pub(crate) fn run(&mut self, mut numbers: impl Iterator<Item = u64>) -> Measured {
        let started = Instant::now();
        let mut latencies = Vec::new();
        let mut waiting = 0;
        for client in &mut self.clients {
            waiting += usize::from(client.ask(&mut self.template, &mut numbers));
        }
        let mut events = Vec::with_capacity(self.clients.len());
        while waiting > 0 {
            epoll::wait(&self.epoll, spare_capacity(&mut events), None).expect("events");
            for event in events.drain(..) {
                let at = usize::try_from(event.data.u64()).expect("an index");
                let client = &mut self.clients[at];
                if client.read_answer() {
                    latencies.push(client.asked.elapsed());
                    waiting -= 1;
                    waiting += usize::from(client.ask(&mut self.template, &mut numbers));
                }
            }
        }
        Measured { elapsed: started.elapsed(), latencies }
    }

    /// Asks for so many entries in a random order, and answers how many a second were answered.
    pub(crate) fn rate(&mut self, requests: u64, entries: u64, seed: u64) -> f64 {
        let mut random = Random::new(seed);
        let measured = self.run((0..requests).map(|_| random.below(entries)));
        requests as f64 / measured.elapsed.as_secs_f64()
    }
}

struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
    asked: Instant,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, answer: Vec::new(), asked: Instant::now() }
    }

    /// Sends the next request, if there is one.
    fn ask(&mut self, template: &mut Template, numbers: &mut impl Iterator<Item = u64>) -> bool {
        let Some(number) = numbers.next() else { return false };
        template.name(number);
        self.asked = Instant::now();
        self.stream.write_all(&template.bytes).expect("the server reads");
        true
    }

    /// Reads what is there; answers whether the answer is whole.
    fn read_answer(&mut self) -> bool {
        let mut part = [0; 16 * 1024];
        let bytes = self.stream.read(&mut part).expect("the server answers");
        assert!(bytes > 0, "the server closed a connection in the middle of a run");
        self.answer.extend_from_slice(&part[..bytes]);
        let Some(length) = answer_length(&self.answer) else { return false };
        let is_whole = self.answer.len() >= length;
        if is_whole {
            let status = String::from_utf8_lossy(&self.answer[9..12]);
            assert!(matches!(&*status, "200" | "201"), "{}", String::from_utf8_lossy(&self.answer));
            self.answer.clear();
        }
        is_whole
    }
}

/// The length of an answer, once its head is there.
pub(crate) fn answer_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).expect("a head in ASCII");
    let length = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
    });
    Some(head + 4 + length.unwrap_or(0))
}
