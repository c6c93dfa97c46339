//! Failover rounds: HQ and a pair under load, a resolver that remembers in front of HQ's DNS, a
//! `kill -9` of the primary at a random moment, and the questions how long everybody takes to find
//! the other one and whether anything that was acknowledged is missing.

use crate::random::Random;
use crate::resolver::Asker;
use crate::wait::{eventually, seconds};
use crate::watch::{self, Watch};
use crate::writer::Written;
use crate::{Governed, Writer, foreign};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What is promised from the death of a primary to a resolver's answer with the new one: promise P12.
pub const NAMED_MAX: Duration = Duration::from_secs(60);

/// The addresses of the pair in DNS: of documentation, as nobody has to reach them.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// A primary is killed at some moment within two renewals and two times of a resolver's memory.
const MOMENT_MS: u64 = 10_000;

/// Between two writes, so that all that many rounds write can be read again in the end.
const PACE: Duration = Duration::from_millis(5);

/// What some rounds amounted to; each duration begins with the kill, but for the last.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    /// Rounds done.
    pub rounds: u32,
    /// Until the other POP said that it takes writes.
    pub primary: Vec<Duration>,
    /// Until HQ's DNS named it.
    pub dns: Vec<Duration>,
    /// Until the resolver in front named it; empty if there is none on this machine.
    pub resolver: Vec<Duration>,
    /// Until it acknowledged a write.
    pub first_write: Vec<Duration>,
    /// From the start of the killed one until it was a backup that is ready.
    pub back: Vec<Duration>,
    /// While HQ was away, the longest time without an acknowledged write.
    pub gap_without_hq: Option<Duration>,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Those among them that a POP lacks, described.
    pub missing: Vec<String>,
}

/// Runs so many rounds; before them HQ is killed and stays away for `hq_away`. The seed decides the
/// moments.
pub fn run_rounds(
    rounds: u32,
    hq_away: Duration,
    seed: u64,
    mut progress: impl FnMut(&Summary),
) -> Summary {
    let mut governed = Governed::named_pair(&ADDRESSES.map(|address| vec![address.to_string()]));
    let watch = Watch::new(governed.dns);
    let writer = Writer::start(&governed.cluster, 0, PACE);
    let (mut summary, mut random) = (Summary::default(), Random::new(seed));
    let away = without_hq(&mut governed, hq_away);
    let mut kills = Vec::new();
    while summary.rounds < rounds {
        kills.push(run_round(&mut governed, &watch, &mut random, &mut summary));
        progress(&summary);
    }
    governed.await_members(2);
    let token = writer.token().to_owned();
    let written = writer.end();
    governed.cluster.settle();
    summary.gap_without_hq = away.map(|[from, to]| written.longest_gap_within(from, to));
    summary.first_write = kills.iter().map(|kill| first_write(&written, *kill)).collect();
    summary.acknowledged = written.acknowledged.len();
    for pop in &governed.cluster.pops {
        let missing = written.missing(&pop.client().with_token(&token));
        summary.missing.extend(missing.iter().map(|name| format!("{name} on {}", pop.id)));
    }
    summary
}

/// Kills HQ, starts it again after a while, and waits until it could decide; from when to when it was
/// away.
fn without_hq(governed: &mut Governed, away: Duration) -> Option<[Instant; 2]> {
    if away.is_zero() {
        return None;
    }
    governed.await_members(2);
    governed.hq.kill9();
    let killed = Instant::now();
    std::thread::sleep(away);
    governed.hq.start_again();
    let back = Instant::now();
    eventually("HQ knows the primary again", seconds(20), || {
        governed.shown()["lease_ms_left"].is_u64()
    });
    Some([killed, back])
}

/// One kill: when it was, and who follows.
fn run_round(
    governed: &mut Governed,
    watch: &Watch,
    random: &mut Random,
    summary: &mut Summary,
) -> (Instant, usize) {
    let dying = usize::from(summary.rounds % 2 == 1);
    let following = 1 - dying;
    governed.await_members(2);
    watch.go_on(Duration::from_millis(random.below(MOMENT_MS)));
    let killed = Instant::now();
    governed.cluster.pops[dying].server.kill9();
    let primary = || governed.primary() == Some(following);
    let [dns, resolver, primary] = watch.until(killed, ADDRESSES[following], NAMED_MAX, primary);
    summary.primary.push(primary);
    summary.dns.push(dns);
    if let Some(unbound) = &watch.resolver {
        summary.resolver.push(resolver);
        assert_dig_agrees(unbound.address, ADDRESSES[following]);
    }
    let started = Instant::now();
    governed.cluster.pops[dying].server.start_again();
    let back = governed.cluster.pops[dying].client();
    eventually("the killed one is a backup", NAMED_MAX, || {
        back.node()["role"] == "backup" && back.fetch("/role/backup").status == 200
    });
    summary.back.push(started.elapsed());
    summary.rounds += 1;
    (killed, following)
}

fn assert_dig_agrees(resolver: SocketAddr, expected: Ipv4Addr) {
    if foreign::find(Asker::Dig.name()).is_none() {
        return;
    }
    let said = Asker::Dig.ask(resolver, &[&watch::name(), "A"]);
    let answers = said.sections.get("ANSWER").into_iter().flatten();
    let last = |record: &String| record.rsplit(' ').next().map(str::to_owned);
    let found: Vec<_> = answers.filter_map(last).collect();
    assert_eq!(found, [expected.to_string()], "dig through the resolver");
}

fn first_write(written: &Written, (killed, following): (Instant, usize)) -> Duration {
    let mut after = written.acknowledged.iter().filter(|(_, at, _)| *at > killed);
    let first = after.find(|(_, _, pop)| *pop == following);
    first.map_or(NAMED_MAX, |(_, at, _)| *at - killed)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:>6} {:>6} {:>6} {:>6}", "seconds", "p50", "p90", "p99", "max")?;
        let rows = [
            ("the other one is primary", &self.primary),
            ("HQ's DNS names it", &self.dns),
            ("the resolver names it", &self.resolver),
            ("its first write", &self.first_write),
            ("the killed one is back", &self.back),
        ];
        for (what, times) in rows.iter().filter(|(_, times)| !times.is_empty()) {
            let [p50, p90, p99, max] = [50, 90, 99, 100].map(|percent| percentile(times, percent));
            writeln!(f, "{what:<28} {p50:>6.2} {p90:>6.2} {p99:>6.2} {max:>6.2}")?;
        }
        for (what, times) in &rows[..4] {
            let counts = by_second(times);
            writeln!(f, "{what}, rounds by second: {counts}")?;
        }
        if let Some(gap) = self.gap_without_hq {
            writeln!(f, "without HQ, longest time without a write: {} ms", gap.as_millis())?;
        }
        writeln!(f, "kills                  {}", self.rounds)?;
        writeln!(f, "writes acknowledged    {}", self.acknowledged)?;
        write!(f, "acknowledged, missing  {}", self.missing.len())?;
        self.missing.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// By the nearest rank, in seconds.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1].as_secs_f64()
}

/// `4: 31, 5: 69`: how many lasted four and some seconds, and so on.
fn by_second(times: &[Duration]) -> String {
    let mut counts = std::collections::BTreeMap::<u64, u32>::new();
    times.iter().for_each(|time| *counts.entry(time.as_secs()).or_default() += 1);
    let counts: Vec<_> =
        counts.iter().map(|(second, count)| format!("{second}: {count}")).collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let times: Vec<_> = (1..=100).rev().map(Duration::from_secs).collect();
        assert_eq!(
            [50, 90, 99, 100].map(|percent| percentile(&times, percent)),
            [50., 90., 99., 100.]
        );
        assert_eq!(percentile(&times[..1], 50), 100.);
    }

    #[test]
    fn rounds_are_counted_by_second() {
        let times = [5_900, 4_100, 5_000].map(Duration::from_millis);
        assert_eq!(by_second(&times), "4: 1, 5: 2");
    }
}
