//! Somebody who goes on writing, whoever is primary: every entry once, under a name of its own.

use crate::client::entry_path;
use crate::{Client, Cluster};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const VAULT: &str = "failover";

/// How long to wait before somebody else is asked.
const PAUSE: Duration = Duration::from_millis(2);

/// A thread that writes.
#[derive(Debug)]
pub struct Writer {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Written>,
    token: String,
}

/// What became of the writes.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Every acknowledged entry, when it was, and by which POP.
    pub acknowledged: Vec<(String, Instant, usize)>,
    /// Every refusal that is not a 503 with the primary's location, or a broken connection.
    pub refusals: Vec<(Instant, String)>,
}

impl Writer {
    /// Starts writing to the POP of this index, with an access token that every POP knows; `pace` is the
    /// time between an acknowledgement and the next write.
    pub fn start(cluster: &Cluster, first: usize, pace: Duration) -> Self {
        let client = cluster.pops[first].client();
        let wanted = json!({"vault": VAULT, "scope": "write", "label": "writer"});
        let created = client.post("/v1/tokens?ack=backup", &wanted).expect(201);
        let token = created.json()["token"].as_str().expect("a token").to_owned();
        let urls: Vec<String> = cluster.pops.iter().map(|pop| pop.server.url()).collect();
        let names: Vec<String> = cluster.pops.iter().map(|pop| pop.url.clone()).collect();
        let clients: Vec<Client> =
            urls.iter().map(|url| Client::new(url, Some(&token)).patience(PATIENCE)).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || write(&clients, &names, (first, pace), &over));
        Self { is_over, thread, token }
    }

    /// The access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Ends it after the request that is under way.
    pub fn end(self) -> Written {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("a writer does not panic")
    }
}

/// A server that stands still must not keep a client from asking another.
const PATIENCE: Duration = Duration::from_secs(1);

fn write(
    clients: &[Client],
    names: &[String],
    (first, pace): (usize, Duration),
    over: &AtomicBool,
) -> Written {
    let (mut written, mut at, mut number) = (Written::default(), first, 0_u64);
    while !over.load(Ordering::Relaxed) {
        let name = format!("e{number}");
        let answer =
            clients[at].request("PUT", &entry_path(VAULT, &name), &[], Some(name.as_bytes()));
        let next = (at + 1) % clients.len();
        match answer {
            Ok(answer) if answer.is_done() => {
                written.acknowledged.push((name, Instant::now(), at));
                number += 1;
                std::thread::sleep(pace);
            }
            Ok(answer) => {
                let location = answer.header("x-primary-location");
                let named = names.iter().position(|url| url == location);
                if answer.status != 503 || named.is_none() {
                    let what = format!("{} {}", answer.status, answer.code());
                    written.refusals.push((Instant::now(), what));
                }
                // Whether it was written is not known, so that it is written again.
                at = named.unwrap_or(next);
                std::thread::sleep(PAUSE);
            }
            Err(error) => {
                written.refusals.push((Instant::now(), error));
                at = next;
                std::thread::sleep(PAUSE);
            }
        }
    }
    written
}

impl Written {
    /// The longest time between two acknowledgements.
    pub fn longest_gap(&self) -> Duration {
        let ends = [self.acknowledged.first(), self.acknowledged.last()];
        let [Some((_, from, _)), Some((_, to, _))] = ends else { return Duration::ZERO };
        self.longest_gap_within(*from, *to)
    }

    /// The longest time without an acknowledgement between two moments.
    pub fn longest_gap_within(&self, from: Instant, to: Instant) -> Duration {
        let times = self.acknowledged.iter().map(|(_, at, _)| *at);
        let within: Vec<_> = times.filter(|at| (from..to).contains(at)).collect();
        let starts = std::iter::once(from).chain(within.iter().copied());
        let ends = within.iter().copied().chain([to]);
        starts.zip(ends).map(|(start, end)| end - start).max().unwrap_or_default()
    }

    /// The acknowledged entries that a POP does not hold.
    pub fn missing(&self, client: &Client) -> Vec<String> {
        let names = self.acknowledged.iter().map(|(name, _, _)| name);
        let is_there =
            |name: &&String| client.blob(VAULT, name).as_deref() == Some(name.as_bytes());
        names.filter(|name| !is_there(name)).cloned().collect()
    }
}
