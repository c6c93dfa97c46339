//! POPs that are nothing but their renewals and watches, on one thread.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use clavitor_tests::Server;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use serde_json::{Value, json};

use crate::load::answer_length;

/// The time between two renewals.
const RENEW: Duration = Duration::from_secs(2);

/// In every cluster: a primary and a backup.
const CLUSTER: usize = 2;

/// All of them.
///
/// Invariant: `due` names every POP once, in the order in which they renew.
pub(crate) struct Crowd {
    pops: Vec<Pop>,
    due: VecDeque<(Instant, usize)>,
    epoll: OwnedFd,
}

/// How HQ answered for a while.
#[derive(Default)]
pub(crate) struct Answered {
    /// From each renewal to its answer.
    pub(crate) times: Vec<Duration>,
    /// How many were answered with a lease.
    pub(crate) led: usize,
    /// How many were answered with something else than a decision.
    pub(crate) refused: usize,
}

struct Pop {
    id: String,
    peer: String,
    cluster: String,
    number: usize,
    token: String,
    renewing: Line,
    watching: Line,
    asked: Option<Instant>,
    changes: u64,
    epoch: Value,
    grant: Value,
    members: usize,
}

impl Crowd {
    /// Registers so many as an operator does, and lets them watch.
    pub(crate) fn register(hq: &Server, count: usize) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let operator = hq.client();
        let pops: Vec<Pop> = (0..count)
            .map(|number| {
                let (id, cluster) = (id(number), format!("cluster-{:03}", number / CLUSTER));
                let wanted = json!({"pop": id, "cluster": cluster});
                let made = operator.post("/v1/pops", &wanted).expect(201).json();
                let token = made["token"].as_str().expect("a POP token").to_owned();
                let [renewing, watching] = [0, 1].map(|line| {
                    let line_number = (2 * number + line) as u64;
                    Line::connect(hq.address(), &epoll, line_number)
                });
                Pop::new((number, id, cluster, token), renewing, watching)
            })
            .collect();
        let begin = Instant::now();
        let step = RENEW / u32::try_from(count).expect("few POPs");
        let mut at = begin;
        let due = (0..count).map(|number| {
            at += step;
            (at, number)
        });
        let due = due.collect();
        let mut crowd = Self { pops, due, epoll };
        crowd.pops.iter_mut().for_each(|pop| pop.watch(0));
        crowd
    }

    /// Goes on for so long.
    pub(crate) fn run(&mut self, duration: Duration) -> Answered {
        let end = Instant::now() + duration;
        let mut answered = Answered::default();
        let mut events = Vec::with_capacity(256);
        while Instant::now() < end {
            self.renew_due();
            let next = self.due.front().map_or(end, |(at, _)| end.min(*at));
            let wait = next.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(wait).expect("at most seconds");
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)).expect("events");
            for event in events.drain(..) {
                let line = usize::try_from(event.data.u64()).expect("an index");
                let pop = &mut self.pops[line / 2];
                match line % 2 {
                    0 => pop.read_renewal(&mut answered),
                    _ => pop.read_watch(),
                }
            }
        }
        answered
    }

    /// Demands that every primary was given a lease the last time, in a grant of the whole cluster.
    pub(crate) fn assert_all_led(&self) {
        for pop in self.pops.iter().filter(|pop| pop.is_primary()) {
            assert_eq!(pop.members, CLUSTER, "{} leads so many", pop.id);
        }
    }

    fn renew_due(&mut self) {
        while let Some((at, number)) = self.due.front().copied() {
            if at > Instant::now() {
                return;
            }
            self.due.pop_front();
            self.due.push_back((at + RENEW, number));
            self.pops[number].renew();
        }
    }
}

fn id(number: usize) -> String {
    format!("pop-{number:04}")
}

fn store(number: usize) -> String {
    format!("{:032x}", number + 1)
}

impl Pop {
    fn new(
        (number, id_here, cluster, token): (usize, String, String, String),
        renewing: Line,
        watching: Line,
    ) -> Self {
        let primary = id(number - number % CLUSTER);
        Self {
            id: id_here,
            peer: id(number ^ 1),
            cluster,
            number,
            token,
            renewing,
            watching,
            asked: None,
            changes: 0,
            epoch: json!({"number": 1, "primary": primary}),
            grant: Value::Null,
            members: 0,
        }
    }

    fn is_primary(&self) -> bool {
        self.number.is_multiple_of(CLUSTER)
    }

    /// Says what a POP of a cluster in use says: something else each time.
    fn renew(&mut self) {
        assert!(self.asked.is_none(), "HQ left a renewal without an answer for {RENEW:?}");
        self.changes += 1;
        let unix = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
        let now = u64::try_from(unix).expect("not so soon");
        let held =
            |number: usize| json!({"pop": id(number), "store": store(number), "seq": self.changes});
        let said = json!({
            "pop": self.id,
            "cluster": self.cluster,
            "renewal": {
                "start": self.number + 1, "store": store(self.number), "epoch": self.epoch,
                "grant": self.grant, "is_released": false, "is_ready": true,
                "is_preferred": self.is_primary(), "refuses_ms": 0, "voted_ms": 0,
                "held": [held(self.number), held(self.number ^ 1)], "floor_ms": now,
                "wish": null, "kept_back": null,
            },
            "about": {
                "url": format!("http://127.0.0.1:{}", 20_000 + self.number),
                "dns_addresses": ["127.0.0.1"], "version": "0.1.0", "edition": "commercial",
                "runtime": "tokio", "region": "", "uptime_s": self.changes * RENEW.as_secs(),
                "entries": self.changes, "tarpit_held": 0, "clock": now,
                "dirty": [{"peer": self.peer, "dirty": 0, "oldest_dirty_ms": null, "state": "idle"}],
            },
        });
        let body = said.to_string();
        let request = format!(
            "POST /v1/pops/lease HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len(),
        );
        self.asked = Some(Instant::now());
        self.renewing.say(&request);
    }

    fn read_renewal(&mut self, answered: &mut Answered) {
        let Some((status, answer)) = self.renewing.hear() else { return };
        let asked = self.asked.take().expect("nobody answers what was not asked");
        answered.times.push(asked.elapsed());
        if status != 200 {
            answered.refused += 1;
            return;
        }
        let answer = &answer["answer"];
        if self.is_primary() {
            let grant = &answer["lead"]["grant"];
            assert!(grant.is_object(), "{} is not given a lease: {answer}", self.id);
            answered.led += 1;
            self.members = grant["members"].as_array().map_or(0, Vec::len);
            self.grant = json!({"epoch": grant["epoch"], "version": grant["version"]});
        } else {
            assert!(answer["follow"].is_object(), "{} is to follow: {answer}", self.id);
        }
    }

    fn watch(&mut self, after: u64) {
        let request = format!(
            "GET /v1/pops/watch?pop={}&cluster={}&after={after} HTTP/1.1\r\nHost: bench\r\n\
             Authorization: Bearer {}\r\n\r\n",
            self.id, self.cluster, self.token,
        );
        self.watching.say(&request);
    }

    fn read_watch(&mut self) {
        let Some((status, news)) = self.watching.hear() else { return };
        assert!(matches!(status, 200 | 204), "a watch was answered with {status}: {news}");
        self.watch(news["generation"].as_u64().unwrap_or(0));
    }
}

/// A kept connection on which one thing is asked at a time.
struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Line {
    fn connect(address: SocketAddr, epoll: &OwnedFd, number: u64) -> Self {
        let stream = TcpStream::connect(address).expect("HQ listens");
        stream.set_nodelay(true).expect("a socket");
        let data = epoll::EventData::new_u64(number);
        epoll::add(epoll, &stream, data, epoll::EventFlags::IN).expect("a socket");
        Self { stream, answer: Vec::new() }
    }

    fn say(&mut self, request: &str) {
        self.stream.write_all(request.as_bytes()).expect("HQ reads");
    }

    /// Reads what is there; the status and the document, once the answer is whole.
    fn hear(&mut self) -> Option<(u16, Value)> {
        let mut part = [0; 16 * 1024];
        let bytes = self.stream.read(&mut part).expect("HQ answers");
        assert!(bytes > 0, "HQ closed a connection");
        self.answer.extend_from_slice(&part[..bytes]);
        let length = answer_length(&self.answer)?;
        if self.answer.len() < length {
            return None;
        }
        let text = String::from_utf8_lossy(&self.answer).into_owned();
        self.answer.clear();
        let status = text.get(9..12)?.parse().ok()?;
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Some((status, serde_json::from_str(body).unwrap_or_default()))
    }
}
