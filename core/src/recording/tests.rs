use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::*;

mod cuts;
mod rings;

/// A tape in memory that others may look at.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Held>>);

#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    writes: Vec<(u64, usize)>,
    writes_left: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Full;

impl Memory {
    fn of(bytes: Vec<u8>) -> Self {
        Self(Rc::new(RefCell::new(Held { bytes, ..Held::default() })))
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }

    fn len(&self) -> u64 {
        self.0.borrow().bytes.len() as u64
    }
}

impl Tape for Memory {
    type Error = Full;

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Full> {
        let held = self.0.borrow();
        let part = held.bytes.get(at as usize..at as usize + into.len()).ok_or(Full)?;
        into.copy_from_slice(part);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Full> {
        let mut held = self.0.borrow_mut();
        if let Some(left) = &mut held.writes_left {
            *left = left.checked_sub(1).ok_or(Full)?;
        }
        held.writes.push((at, bytes.len()));
        held.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self, at: u64, bytes: u64) -> Result<(), Full> {
        self.0.borrow_mut().bytes[at as usize..(at + bytes) as usize].fill(0);
        Ok(())
    }
}

/// A machine that adds what it is told; its state may be padded to any size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Adder {
    sum: u64,
    padding: Block,
}

impl Adder {
    fn handle(&mut self, input: &Block) -> Vec<u64> {
        self.sum += input.0.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        vec![self.sum]
    }
}

const ID: [u8; 16] = [7; 16];
const TINY: Layout = Layout::tiny(4, ID);

/// A machine, its recorder and its tape.
struct Rig {
    machine: Adder,
    writer: Writer<Memory>,
    tape: Memory,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let tape = Memory::of(vec![0; TINY.bytes() as usize]);
        let writer = Writer::create(tape.clone(), TINY).unwrap();
        Self::start(writer, tape, Adder::default())
    }

    /// A process that finds these bytes.
    fn resume(bytes: Vec<u8>) -> Self {
        let tape = Memory::of(bytes);
        let writer = Writer::resume(tape.clone(), tape.len()).unwrap();
        Self::start(writer, tape, Adder::default())
    }

    fn start(mut writer: Writer<Memory>, tape: Memory, machine: Adder) -> Self {
        let now = Instant::from_ms(500);
        writer.start("community", &machine, now, UnixTime(1_000_000)).unwrap();
        Self { machine, writer, tape, now }
    }

    fn step(&mut self, input: &[u8]) {
        self.now = self.now.plus_ms(1);
        let input = Block(input.to_vec());
        self.writer.input(&self.machine, self.now, &input).unwrap();
        let effects = self.machine.handle(&input);
        self.writer.effects(&effects).unwrap();
    }

    fn turn(&mut self, inputs: &[&[u8]]) {
        inputs.iter().for_each(|input| self.step(input));
        self.writer.flush().unwrap();
    }

    /// Steps until the segment of this number begins.
    fn fill_until(&mut self, number: u64) {
        let is_there = |bytes: &[u8]| {
            read(bytes).unwrap().segments.iter().any(|it| it.checkpoint.number == number)
        };
        while !is_there(&self.tape.bytes()) {
            self.turn(&[&[1; 300]]);
        }
    }
}

/// Runs everything again; answers how many steps that were, or panics at a difference.
fn rerun(bytes: &[u8]) -> u64 {
    let mut steps = 0;
    let mut machine: Option<Adder> = None;
    for segment in read(bytes).unwrap().segments {
        let state: Adder = codec::decode(&segment.checkpoint.state.0).unwrap();
        if let (Some(machine), Follows::Segment(_)) = (&machine, segment.checkpoint.follows) {
            assert_eq!(*machine, state, "the machine is what the next segment begins with");
        }
        let machine = machine.insert(state);
        for step in segment.steps() {
            let effects = machine.handle(&codec::decode(step.input).unwrap());
            assert_eq!(step.effects, Some(digest_of_effects(&effects)));
            steps += 1;
        }
    }
    steps
}

#[test]
fn what_was_recorded_reads_back() {
    let mut rig = Rig::new();
    rig.turn(&[b"one", b"", b"three"]);
    let bytes = rig.tape.bytes();
    let recording = read(&bytes).unwrap();
    let [segment] = &recording.segments[..] else { panic!("one segment") };
    let checkpoint = Checkpoint {
        number: 0,
        follows: Follows::Start,
        edition: "community".to_string(),
        version: VERSION.to_string(),
        at: Instant::from_ms(500),
        wall: UnixTime(1_000_000),
        state: Block(codec::encode(&Adder::default())),
    };
    assert_eq!(segment.checkpoint, checkpoint);
    assert_eq!((segment.steps, segment.is_torn), (3, false));
    let steps: Vec<_> = segment.steps().collect();
    let times: Vec<_> = steps.iter().map(|step| step.at.ms_since(Instant(0))).collect();
    assert_eq!(times, [501, 502, 503]);
    let inputs: Vec<Block> = steps.iter().map(|it| codec::decode(it.input).unwrap()).collect();
    assert_eq!(inputs, [Block(b"one".to_vec()), Block(vec![]), Block(b"three".to_vec())]);
    assert_eq!(rerun(&bytes), 3);
}

#[test]
fn a_turn_is_one_write() {
    let mut rig = Rig::new();
    let before = rig.tape.0.borrow().writes.len();
    rig.turn(&[b"a", b"b", b"c"]);
    rig.turn(&[]);
    assert_eq!(rig.tape.0.borrow().writes.len(), before + 1);
}

#[test]
fn an_input_over_which_the_machine_broke_down_is_kept_without_effects() {
    let mut rig = Rig::new();
    rig.step(b"fine");
    let input = Block(b"fatal".to_vec());
    rig.writer.input(&rig.machine, rig.now, &input).unwrap();
    drop(rig.writer);
    let bytes = rig.tape.bytes();
    let steps: Vec<_> = read(&bytes).unwrap().segments[0].steps().collect();
    assert_eq!(steps.len(), 2);
    assert!(steps[0].effects.is_some());
    assert_eq!((steps[1].effects, codec::decode(steps[1].input)), (None, Ok(input)));
}

#[test]
fn a_tape_that_fails_says_so_and_what_it_took_still_reads() {
    let mut rig = Rig::new();
    rig.turn(&[b"taken"]);
    rig.tape.0.borrow_mut().writes_left = Some(0);
    rig.step(b"lost");
    assert_eq!(rig.writer.flush(), Err(Full));
    drop(rig.writer);
    assert_eq!(rerun(&rig.tape.bytes()), 1);
}

#[test]
fn what_fits_no_segment_leaves_a_gap_that_a_checkpoint_closes() {
    let mut rig = Rig::new();
    rig.turn(&[b"before", &[1; 5_000], b"after"]);
    let bytes = rig.tape.bytes();
    let segments = read(&bytes).unwrap().segments;
    let follows: Vec<_> = segments.iter().map(|it| it.checkpoint.follows).collect();
    assert_eq!(follows, [Follows::Start, Follows::Gap]);
    assert_eq!(rerun(&bytes), 2, "the state behind the gap has what went in there");
}

#[test]
fn a_state_that_fits_no_segment_is_not_recorded_until_it_does() {
    let mut rig = Rig::new();
    rig.machine.padding = Block(vec![1; 5_000]);
    rig.fill_full();
    rig.machine.padding = Block(vec![]);
    for _ in 0..300 {
        rig.turn(&[b"x"]);
    }
    let bytes = rig.tape.bytes();
    let segments = read(&bytes).unwrap().segments;
    assert_eq!(segments[1].checkpoint.follows, Follows::Gap);
    assert!(rerun(&bytes) > 12);
}

impl Rig {
    /// More steps than a segment takes.
    fn fill_full(&mut self) {
        for _ in 0..20 {
            self.turn(&[&[1; 300]]);
        }
    }
}

#[test]
fn recorded_inputs_of_a_pop_order_the_same_again() {
    use crate::alert::{Alert, AlertType};
    use crate::pop::{CommunityPop, Effect, Input, Pop};
    let tape = Memory::of(vec![0; TINY.bytes() as usize]);
    let mut writer = Writer::create(tape.clone(), TINY).unwrap();
    let mut pop = CommunityPop::default();
    writer.start("community", &pop, Instant(0), UnixTime(0)).unwrap();
    let alert = Alert::new(AlertType::StorageFull, "no room").with("bytes_used", 7);
    let inputs = [
        Input::AlertRaised(alert),
        Input::ShutdownRequested,
        Input::Tick,
        Input::RequestsFinished,
        Input::StoreClosed,
    ];
    for (ms, input) in (1..).zip(inputs) {
        let (now, mut out) = (Instant::from_ms(ms), Vec::new());
        writer.input(&pop, now, &input).unwrap();
        pop.handle(now, input, &mut out);
        writer.effects(&out).unwrap();
    }
    writer.flush().unwrap();
    let bytes = tape.bytes();
    let recording = read(&bytes).unwrap();
    let segment = &recording.segments[0];
    let mut pop: CommunityPop = codec::decode(&segment.checkpoint.state.0).unwrap();
    let mut all = Vec::new();
    for step in segment.steps() {
        let mut out = Vec::new();
        pop.handle(step.at, codec::decode(step.input).unwrap(), &mut out);
        assert_eq!(step.effects, Some(digest_of_effects(&out)));
        all.append(&mut out);
    }
    assert_eq!(all.last(), Some(&Effect::Exit));
}
