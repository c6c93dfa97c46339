//! The primary is killed under load, and what follows is measured.

use std::time::{Duration, Instant};

use clavitor_node::cli::client::{Ask, Failure};
use clavitor_node::{entropy, wall};
use http::StatusCode;
use serde::Serialize;

use super::losses;
use super::reader::{Reader, Reads};
use super::screen::{Look, grouped, measured};
use super::world::World;
use super::writer::Writer;

/// How long everything is left alone before it is disturbed, and how much longer at most: a moment
/// of no particular distance from a POP's last renewal.
const QUIET: Duration = Duration::from_secs(1);
const QUIET_MORE_MS: u16 = 2_000;

/// What became of one kill. Times are counted from it, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failover {
    /// Who was killed.
    pub(super) killed: &'static str,
    /// Who took over.
    pub(super) primary: &'static str,
    /// In which term.
    pub(super) epoch: u64,
    /// HQ saw that the lease is over.
    pub(super) lease_over_ms: u64,
    /// HQ ordered the other one to take over.
    pub(super) ordered_ms: u64,
    /// It was given the lease.
    pub(super) promoted_ms: u64,
    /// DNS named it.
    pub(super) dns_ms: u64,
    /// It acknowledged a write.
    pub(super) first_write_ms: u64,
    /// Reads that it was asked for until then.
    pub(super) reads: Reads,
    /// Acknowledged writes that it did not have when it took over: on the dead one's disk alone.
    pub(super) left_behind: usize,
    /// From the restart of the one that was killed until it was a backup.
    pub(super) rejoined_ms: u64,
    /// From then on until both had every acknowledged write.
    pub(super) settled_ms: u64,
    /// Writes acknowledged from the end of the round before until then.
    pub(super) acknowledged: usize,
    /// Those that one of the two lacks.
    pub(super) lost: usize,
}

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
struct Moments {
    newest: u64,
    epoch: u64,
    lease_over: Option<u64>,
    ordered: Option<u64>,
    promoted: Option<u64>,
    dns: Option<u64>,
    first_write: Option<u64>,
}

/// One kill.
#[derive(Clone, Copy, Debug)]
struct Death {
    following: usize,
    at: Instant,
    at_unix_ms: u64,
}

/// Waits until anybody could follow, DNS is right and writes are acknowledged, then a little longer;
/// tells who is primary.
pub(super) fn settle(world: &mut World, writer: &Writer) -> Result<usize, Failure> {
    let since = Instant::now();
    let primary = world.until("until either could follow the other", |world| {
        let Ok(seen) = world.seen() else { return Ok(None) };
        let primary = seen.primary.and_then(|id| world.index(&id));
        let primary = primary.filter(|_| seen.is_steady);
        let is_all_well = |primary: &usize| {
            world.named() == Some(*primary) && writer.first_after(*primary, since).is_some()
        };
        Ok(primary.filter(is_all_well))
    })?;
    let more = u16::from_be_bytes(entropy::bytes()) % QUIET_MORE_MS;
    world.pass("under load", QUIET + Duration::from_millis(more.into()))?;
    Ok(primary)
}

/// Kills whoever is primary, waits for the other one, and brings the first one back. `known` writes
/// were looked at before.
pub(super) fn run(
    world: &mut World,
    writer: &Writer,
    known: usize,
    title: &str,
) -> Result<Failover, Failure> {
    let dying = settle(world, writer)?;
    let following = usize::from(dying == 0);
    let newest = world.news(0)?.last().map_or(0, |event| event.number);
    let epoch = world.seen()?.epoch;
    let (killed, primary) = (world.pop(dying)?.id, world.pop(following)?.id);
    let pid = world.pop(dying)?.process.id();
    let count = grouped(writer.count());
    let heading = format!("{title}: kill -9 {pid}, {killed}, after {count} acknowledged writes");
    world.screen.say(&format!("\n{}", world.screen.paint(Look::Bold, &heading)));
    let reader = Reader::start(world.route(following)?.connection)?;
    let death = Death { following, at: Instant::now(), at_unix_ms: wall::unix_time().0 };
    if let Some(pop) = world.pops.get_mut(dying) {
        pop.process.kill();
    }
    let mut moments = Moments { newest, epoch, ..Moments::default() };
    let what = format!("nobody takes writes; {primary} answers reads");
    let times = world.until(&what, |world| moments.look(world, writer, death))?;
    let [lease_over_ms, ordered_ms, promoted_ms, dns_ms, first_write_ms] = times;
    let reads = reader.reads();
    drop(reader);
    let all = grouped(usize::try_from(reads.answered + reads.failed).unwrap_or(usize::MAX));
    let answered = grouped(usize::try_from(reads.answered).unwrap_or(usize::MAX));
    world.screen.say(&format!("  meanwhile {primary} answered {answered} of {all} reads"));
    let left_behind =
        losses::missing(&world.route(following)?.connection, &writer.since(known))?.len();
    if left_behind > 0 {
        let line = format!("  {left_behind} acknowledged writes are on the disk of {killed} alone");
        world.screen.say(&line);
    }
    let (rejoined_ms, settled_ms, acknowledged, lost) = bring_back(world, writer, known, dying)?;
    Ok(Failover {
        killed,
        primary,
        epoch: moments.epoch,
        lease_over_ms,
        ordered_ms,
        promoted_ms,
        dns_ms,
        first_write_ms,
        reads,
        left_behind,
        rejoined_ms,
        settled_ms,
        acknowledged,
        lost,
    })
}

impl Moments {
    /// Takes note of what is new, tells it, and is done once all is known.
    fn look(
        &mut self,
        world: &World,
        writer: &Writer,
        death: Death,
    ) -> Result<Option<[u64; 5]>, Failure> {
        let mut told: Vec<(u64, String)> = Vec::new();
        let id = world.pop(death.following)?.id;
        if self.dns.is_none() && world.named() == Some(death.following) {
            let (ms, name) = (since(death.at), world.resolver.name());
            let address = world.pop(death.following)?.address.ip();
            self.dns = Some(ms);
            told.push((ms, format!("DNS: {name} is {address}, {id}")));
        }
        if self.first_write.is_none()
            && let Some(at) = writer.first_after(death.following, death.at)
        {
            let ms = between(death.at, at);
            self.first_write = Some(ms);
            told.push((ms, format!("{id} acknowledges a write")));
        }
        for event in world.news(self.newest)? {
            self.newest = event.number;
            let ms = event.at_ms.saturating_sub(death.at_unix_ms);
            let (pop, epoch) = (event.pop, event.epoch);
            let (moment, line) = match event.kind.as_str() {
                "lease_expired" => {
                    (&mut self.lease_over, format!("HQ: the lease of {pop} is over"))
                }
                "promotion_ordered" => {
                    (&mut self.ordered, format!("HQ: {pop} is to take over, epoch {epoch}"))
                }
                "primary_changed" if epoch > self.epoch => {
                    self.epoch = epoch;
                    (&mut self.promoted, format!("HQ: {pop} is primary, epoch {epoch}"))
                }
                _ => continue,
            };
            moment.get_or_insert(ms);
            told.push((ms, line));
        }
        told.sort();
        for (ms, line) in told {
            let seconds = format!("+{}.{:03} s", ms / 1_000, ms % 1_000);
            world
                .screen
                .say(&format!("  {:>10}  {line}", world.screen.paint(Look::Good, &seconds)));
        }
        let all = [self.lease_over, self.ordered, self.promoted, self.dns, self.first_write];
        let all: Vec<u64> = all.into_iter().flatten().collect();
        Ok(all.try_into().ok())
    }
}

/// Starts the one that was killed again, and counts what is missing once both had the time to tell
/// each other.
fn bring_back(
    world: &mut World,
    writer: &Writer,
    known: usize,
    dying: usize,
) -> Result<(u64, u64, usize, usize), Failure> {
    let id = world.pop(dying)?.id;
    let restarted = Instant::now();
    if let Some(pop) = world.pops.get_mut(dying) {
        pop.process.start()?;
    }
    let client = world.route(dying)?.connection;
    world.until(&format!("{id} starts again"), |_| {
        let is_well =
            |path| client.send(Ask::get(path)).is_ok_and(|it| it.status == StatusCode::OK);
        Ok((is_well("/role/backup") && is_well("/readyz")).then_some(()))
    })?;
    let (rejoined_ms, settling) = (since(restarted), Instant::now());
    let written = writer.since(known);
    let what = format!("{id} is a backup, and tells and hears what each lacks");
    let lost = losses::count(world, &written, &what)?;
    let settled_ms = since(settling);
    let look = if lost == 0 { Look::Good } else { Look::Bad };
    let of = grouped(written.len());
    let verdict = world.screen.paint(look, &format!("{lost} of {of} acknowledged writes lost"));
    let (back, settled) = (measured(rejoined_ms), measured(settled_ms));
    world.screen.say(&format!(
        "  {id}, started again, was a backup in {back}, level in another {settled}: {verdict}"
    ));
    Ok((rejoined_ms, settled_ms, written.len(), lost))
}

fn since(at: Instant) -> u64 {
    between(at, Instant::now())
}

fn between(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(u64::MAX)
}
