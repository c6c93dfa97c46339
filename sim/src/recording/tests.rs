use std::convert::Infallible;

use clavitor_commercial::lease;
use clavitor_commercial::pop::{Boot, Input, PeerReport};
use clavitor_commercial::replication::{Answer, Known, Window};
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::id::{Epoch, OpId, Seq};
use clavitor_core::pop::{self as community, Wake};
use clavitor_core::recording::{BYTES_MIN, Layout, Tape, Writer};
use clavitor_core::time::Instant;
use serde::Deserialize;

use super::*;

/// A tape in memory, which outlives its writer.
struct Memory<'a>(&'a mut Vec<u8>);

impl Memory<'_> {
    fn part(&mut self, at: u64, bytes: usize) -> &mut [u8] {
        let at = usize::try_from(at).expect("a small recording");
        &mut self.0[at..at + bytes]
    }
}

impl Tape for Memory<'_> {
    type Error = Infallible;

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Infallible> {
        into.copy_from_slice(self.part(at, into.len()));
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Infallible> {
        self.part(at, bytes.len()).copy_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self, at: u64, bytes: u64) -> Result<(), Infallible> {
        self.part(at, usize::try_from(bytes).expect("a small recording")).fill(0);
        Ok(())
    }
}

/// A recorder and the machine that it records.
struct Rig<'a, P: Pop> {
    writer: Writer<Memory<'a>>,
    machine: P,
    now: Instant,
}

impl<'a, P: Pop + Serialize> Rig<'a, P>
where
    P::Input: Serialize,
    P::Effect: Serialize,
{
    fn new(bytes: &'a mut Vec<u8>, edition: &'static str, machine: P) -> Self {
        let layout = Layout::within(BYTES_MIN, [7; 16]);
        if bytes.is_empty() {
            bytes.resize(usize::try_from(layout.bytes()).expect("a small recording"), 0);
            Writer::create(Memory(bytes), layout).expect("memory takes all");
        }
        let length = bytes.len() as u64;
        let writer = Writer::resume(Memory(bytes), length);
        let mut writer = writer.unwrap_or_else(|_| panic!("it is a recording"));
        writer.start(edition, &machine, Instant(0), NOON).expect("memory takes all");
        Self { writer, machine, now: Instant(0) }
    }

    fn step(&mut self, input: P::Input) {
        let mut effects = Vec::new();
        self.note(&input);
        self.machine.handle(self.now, input, &mut effects);
        self.writer.effects(&effects).expect("memory takes all");
    }

    fn note(&mut self, input: &P::Input) {
        self.now = self.now.plus_ms(250);
        self.writer.input(&self.machine, self.now, input).expect("memory takes all");
    }
}

const NOON: UnixTime = UnixTime(43_200_000);

fn primary() -> CommercialPop {
    CommercialPop::new(boot())
}

fn boot() -> Boot {
    let known = |port| Known { url: format!("http://127.0.0.1:{port}"), ..Known::default() };
    let pop = "calgary-01".parse().expect("an id");
    Boot {
        pop,
        epoch: Some(Epoch { number: 1, primary: pop }),
        last: Seq(0),
        peers: vec![known(1), known(2)],
        window: Window::STANDARD,
        is_imported: false,
        alerts: Default::default(),
        lease: lease::Start::without_hq(pop),
    }
}

fn written(last: u64) -> Input {
    Input::Committed { last: Seq(last), own: true, from: vec![], waiters: vec![], beaten: vec![] }
}

/// Writes, ticks, and peers that cannot be reached.
fn record_writes(rig: &mut Rig<'_, CommercialPop>, rounds: u64) {
    rig.step(Input::Started);
    for round in 1..=rounds {
        rig.step(written(round));
        rig.step(community::Input::Tick.into());
        for peer in [0, 1] {
            let op = OpId((u64::from(peer) << 48) + round);
            let answer = Answer::Unreachable;
            let report = PeerReport { peer, op, answer, clock: None, epoch: None };
            rig.step(Input::FrameAnswered(report));
        }
    }
}

fn alert() -> community::Input {
    community::Input::AlertRaised(Alert::new(AlertType::StorageFull, "no room"))
}

#[test]
fn both_editions_run_again_without_a_difference() {
    let mut bytes = Vec::new();
    record_writes(&mut Rig::new(&mut bytes, "commercial", primary()), 10);
    let replayed = replay(&bytes).expect("it is whole");
    assert_eq!((replayed.difference, replayed.steps), (None, 41));
    assert_eq!((replayed.segments, replayed.processes, replayed.torn), (1, 1, 0));
    assert_eq!((replayed.began, replayed.ended), (NOON, NOON.plus_ms(41 * 250)));
    let mut bytes = Vec::new();
    let mut rig = Rig::new(&mut bytes, "community", CommunityPop::default());
    rig.step(alert());
    rig.step(community::Input::ShutdownRequested);
    drop(rig);
    let replayed = replay(&bytes).expect("it is whole");
    assert_eq!((replayed.edition.as_str(), replayed.difference), ("community", None));
    assert_eq!(replayed.steps, 2);
}

#[test]
fn a_ring_that_wrapped_runs_again_from_its_oldest_checkpoint() {
    let mut bytes = Vec::new();
    record_writes(&mut Rig::new(&mut bytes, "commercial", primary()), 5_000);
    let replayed = replay(&bytes).expect("it is whole");
    assert_eq!(replayed.difference, None);
    assert!(replayed.steps < 20_001 && replayed.steps > 8_000, "{}", replayed.steps);
    assert!(replayed.began > NOON && replayed.segments == 8);
    assert_eq!(replayed.ended, NOON.plus_ms(20_001 * 250));
}

#[test]
fn processes_and_editions_may_follow_each_other() {
    let mut bytes = Vec::new();
    Rig::new(&mut bytes, "community", CommunityPop::default()).step(alert());
    record_writes(&mut Rig::new(&mut bytes, "commercial", primary()), 3);
    let replayed = replay(&bytes).expect("it is whole");
    assert_eq!((replayed.difference, replayed.steps, replayed.processes), (None, 14, 2));
}

#[test]
fn another_order_than_the_recorded_one_is_the_first_difference() {
    let mut bytes = Vec::new();
    let mut rig = Rig::new(&mut bytes, "community", CommunityPop::default());
    rig.step(community::Input::Tick);
    rig.note(&community::Input::ShutdownRequested);
    rig.writer.effects(&[community::Effect::Exit]).expect("memory takes all");
    rig.step(alert());
    drop(rig);
    let difference = replay(&bytes).expect("it is whole").difference.expect("one");
    assert_eq!((difference.moment.segment, difference.moment.step), (0, 2));
    assert_eq!(difference.moment.at, NOON.plus_ms(500));
    assert!(difference.moment.input.contains("ShutdownRequested"), "{difference}");
    assert!(matches!(&difference.what, What::Effects(now) if now[0].contains("StopAccepting")));
}

#[test]
fn a_state_that_the_steps_do_not_lead_to_is_a_difference() {
    let mut bytes = Vec::new();
    let alone = CommercialPop::new(Boot { peers: vec![], ..boot() });
    let mut rig = Rig::new(&mut bytes, "commercial", alone);
    rig.step(Input::Started);
    // Behind the recorder's back, and without an effect.
    let epoch = Epoch { number: 2, primary: boot().pop };
    rig.machine.handle(rig.now, Input::EpochChanged(epoch), &mut Vec::new());
    for _ in 0..3_000 {
        rig.step(community::Input::Tick.into());
    }
    drop(rig);
    let difference = replay(&bytes).expect("it is whole").difference.expect("one");
    assert_eq!(difference.what, What::State);
    assert_eq!(difference.moment.segment, 1);
    assert!(difference.moment.input.contains("Tick"), "{difference}");
}

#[test]
fn a_breakdown_that_does_not_come_again_is_a_difference() {
    let mut bytes = Vec::new();
    let mut rig = Rig::new(&mut bytes, "community", CommunityPop::default());
    rig.note(&alert());
    drop(rig);
    let replayed = replay(&bytes).expect("it is whole");
    assert_eq!(replayed.breakdown, None);
    assert_eq!(replayed.difference.map(|it| it.what), Some(What::NoBreakdown));
}

/// A machine that takes nothing but ticks.
#[derive(Debug, Serialize, Deserialize)]
struct Fragile;

impl Pop for Fragile {
    type Input = community::Input;
    type Effect = community::Effect;

    fn handle(&mut self, _: Instant, input: community::Input, _: &mut Vec<community::Effect>) {
        assert_eq!(input, community::Input::Tick, "this machine is fragile");
    }

    fn next_wake(&self) -> Option<(Instant, Wake)> {
        None
    }
}

#[test]
fn a_machine_breaks_down_again_over_the_same_input() {
    let mut bytes = Vec::new();
    let mut rig = Rig::new(&mut bytes, "fragile", Fragile);
    rig.step(community::Input::Tick);
    let broke_down = catch_unwind(AssertUnwindSafe(|| rig.step(alert())));
    assert!(broke_down.is_err());
    drop(rig);
    let segments = recording::read(&bytes).expect("it is whole").segments;
    let checkpoint = &segments[0].checkpoint;
    let mut replayed = Replayed::new(checkpoint, checkpoint, 0);
    replayed.run::<Fragile>(&segments).expect("all of it is known");
    assert_eq!(replayed.difference, None);
    let breakdown = replayed.breakdown.expect("it broke down again");
    assert!(breakdown.step == 2 && breakdown.input.contains("no room"), "{breakdown}");
}

#[test]
fn other_versions_and_editions_are_named() {
    let mut bytes = Vec::new();
    Rig::new(&mut bytes, "community", CommunityPop::default()).step(alert());
    let error = replay_as("99.0.0", &bytes).expect_err("another version");
    assert_eq!(error, ReplayError::Version { found: VERSION.to_owned() });
    let mut bytes = Vec::new();
    Rig::new(&mut bytes, "enterprise", CommunityPop::default()).step(alert());
    let error = replay(&bytes).expect_err("no such edition");
    assert_eq!(error, ReplayError::Edition { found: "enterprise".to_owned() });
    let mut bytes = Vec::new();
    Rig::new(&mut bytes, "commercial", CommunityPop::default()).step(alert());
    assert_eq!(replay(&bytes), Err(ReplayError::Unknown { segment: 0 }));
}

#[test]
fn what_is_damaged_is_not_run() {
    let mut bytes = Vec::new();
    record_writes(&mut Rig::new(&mut bytes, "commercial", primary()), 10);
    bytes[5_000] ^= 1;
    let error = replay(&bytes).expect_err("a byte was flipped");
    assert!(matches!(error, ReplayError::Recording(RecordingError::Damaged { .. })), "{error}");
}
