//! Crash rounds: writers at a pair, a `kill -9` at a random moment, and the question whether
//! anything that was acknowledged is missing on either side.

use crate::client::entry_path;
use crate::random::Random;
use crate::{Client, Cluster, wait};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Concurrent writers in every round.
pub const WRITERS: u64 = 16;

const KEYS_PER_WRITER: u64 = 12;
const VAULT: &str = "crash";
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// What some rounds amounted to.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    /// Rounds done.
    pub rounds: u32,
    /// Rounds in which the primary was killed; in the others it was the backup.
    pub primary_kills: u32,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Those among them that a backup was said to have.
    pub acknowledged_by_backup: u64,
    /// Writes whose answer never came.
    pub unanswered: u64,
    /// What was missing, described.
    pub missing: Vec<String>,
    /// The longest time from restart until both sides were equal.
    pub drain_max: Duration,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rounds                  {}", self.rounds)?;
        writeln!(
            f,
            "primary / backup killed {} / {}",
            self.primary_kills,
            self.rounds - self.primary_kills
        )?;
        writeln!(f, "writes acknowledged     {}", self.acknowledged)?;
        writeln!(f, "  with a backup's ack   {}", self.acknowledged_by_backup)?;
        writeln!(f, "writes unanswered       {}", self.unanswered)?;
        writeln!(f, "slowest catch-up        {} ms", self.drain_max.as_millis())?;
        write!(f, "acknowledged, missing   {}", self.missing.len())?;
        self.missing.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// What is known about one key: the newest acknowledged version, and the newest that was sent.
/// Each key has one writer, which never has two writes under way.
#[derive(Debug, Default, Clone, Copy)]
struct Key {
    acknowledged: u64,
    /// The last version that a backup confirmed.
    confirmed: u64,
    sent: u64,
}

type Keys = BTreeMap<String, Key>;

/// Runs `rounds` rounds on one pair; the seed decides who is killed and when.
pub fn run_rounds(rounds: u32, seed: u64, progress: impl FnMut(&Summary)) -> Summary {
    run_rounds_on(Cluster::pair(), rounds, seed, progress)
}

/// Like [`run_rounds`], on this pair.
pub fn run_rounds_on(
    mut cluster: Cluster,
    rounds: u32,
    seed: u64,
    mut progress: impl FnMut(&Summary),
) -> Summary {
    let mut random = Random::new(seed);
    let mut keys: Vec<Keys> = vec![Keys::new(); usize::try_from(WRITERS).expect("a small number")];
    let mut summary = Summary::default();
    while summary.rounds < rounds && summary.missing.is_empty() {
        let victim = *random.pick(&[0, 1]);
        let moment = Duration::from_millis(20 + random.below(600));
        keys = run_round(&mut cluster, victim, moment, keys, &mut random, &mut summary);
        summary.rounds += 1;
        summary.primary_kills += u32::from(victim == 0);
        progress(&summary);
    }
    summary
}

fn run_round(
    cluster: &mut Cluster,
    victim: usize,
    moment: Duration,
    keys: Vec<Keys>,
    random: &mut Random,
    summary: &mut Summary,
) -> Vec<Keys> {
    let is_over = std::sync::Arc::new(AtomicBool::new(false));
    let writers: Vec<JoinHandle<Written>> = keys
        .into_iter()
        .zip(0..)
        .map(|(keys, number)| {
            let client = cluster.primary();
            let is_over = std::sync::Arc::clone(&is_over);
            let random = Random::new(random.next_u64());
            std::thread::spawn(move || write_until(&is_over, &client, number, keys, random))
        })
        .collect();
    std::thread::sleep(moment);
    cluster.pops[victim].server.kill9();
    if victim == 1 {
        // The primary goes on alone for a moment and must remember what it owes.
        std::thread::sleep(Duration::from_millis(50));
    }
    is_over.store(true, Ordering::SeqCst);
    // Before the writers are waited for: one may be waiting for the backup.
    cluster.pops[victim].server.start_again();
    let written: Vec<Written> =
        writers.into_iter().map(|writer| writer.join().expect("a writer does not panic")).collect();
    for part in &written {
        summary.acknowledged += part.acknowledged;
        summary.acknowledged_by_backup += part.confirmed;
        summary.unanswered += part.unanswered;
    }
    let keys: Vec<Keys> = written.into_iter().map(|part| part.keys).collect();
    verify(cluster, &keys, summary);
    keys
}

struct Written {
    keys: Keys,
    acknowledged: u64,
    confirmed: u64,
    unanswered: u64,
}

fn write_until(
    is_over: &AtomicBool,
    client: &Client,
    number: u64,
    keys: Keys,
    mut random: Random,
) -> Written {
    let mut written = Written { keys, acknowledged: 0, confirmed: 0, unanswered: 0 };
    while !is_over.load(Ordering::SeqCst) {
        let name = format!("w{number}-k{}", random.below(KEYS_PER_WRITER));
        // A write that waits for the backup holds its writer up when the backup is killed.
        let waits = number == 0 && random.below(4) == 0;
        let key = written.keys.entry(name.clone()).or_default();
        key.sent += 1;
        let path = entry_path(VAULT, &name) + if waits { "?ack=backup" } else { "" };
        let blob = blob(&name, key.sent);
        match client.request("PUT", &path, &[], Some(&blob)) {
            Ok(answer) if matches!(answer.status, 200..=202) => {
                key.acknowledged = key.sent;
                written.acknowledged += 1;
                if waits && answer.status != 202 {
                    key.confirmed = key.sent;
                    written.confirmed += 1;
                }
            }
            Ok(answer) => assert!(answer.status >= 500, "{}: {}", answer.status, answer.text()),
            Err(_) => {
                written.unanswered += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    written
}

/// The version stands first so that it can be read back from what is found.
fn blob(name: &str, version: u64) -> Vec<u8> {
    let mut blob = format!("{version} {name} ").into_bytes();
    blob.resize(blob.len() + 700, b'x');
    blob
}

fn version_of(name: &str, found: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(found).ok()?;
    let version = text.split(' ').next()?.parse().ok()?;
    (blob(name, version) == found).then_some(version)
}

fn verify(cluster: &Cluster, keys: &[Keys], summary: &mut Summary) {
    let started = Instant::now();
    let (primary, backup) = (cluster.primary(), cluster.backup());
    let all = || keys.iter().flatten();
    // What a backup confirmed is there from its first answer on, not after a catch-up.
    for (name, key) in all().filter(|(_, key)| key.confirmed > 0) {
        let found = backup.blob(VAULT, name).and_then(|blob| version_of(name, &blob));
        if found.is_none_or(|found| found < key.confirmed) {
            let wanted = key.confirmed;
            summary.missing.push(format!("{name}: backup confirmed {wanted}, has {found:?}"));
        }
    }
    wait::eventually("the primary owes nothing after the restart", DRAIN_MAX, || {
        primary.dirty() == Some(0)
    });
    summary.drain_max = summary.drain_max.max(started.elapsed());
    for (name, key) in all() {
        let on_primary = primary.blob(VAULT, name);
        let on_backup = backup.blob(VAULT, name);
        let version = on_primary.as_deref().and_then(|blob| version_of(name, blob));
        let is_kept = version.unwrap_or(0) >= key.acknowledged && version.unwrap_or(0) <= key.sent;
        if !is_kept {
            let wanted = key.acknowledged;
            summary.missing.push(format!("{name}: acknowledged {wanted}, primary has {version:?}"));
        }
        if on_primary != on_backup {
            let theirs = on_backup.as_deref().and_then(|blob| version_of(name, blob));
            summary.missing.push(format!("{name}: primary {version:?}, backup {theirs:?}"));
        }
    }
}
