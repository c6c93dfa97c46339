//! The flight recorder's file: as bytes of anybody, and as a recorder left it that was killed.

use std::cell::RefCell;
use std::rc::Rc;

use clavitor_core::codec::{self, Block};
use clavitor_core::recording::{
    Layout, Recording, RecordingError, Step, Tape, Writer, digest_of_effects, read,
};
use clavitor_core::time::{Instant, UnixTime};
use sha2::{Digest, Sha256};

use crate::reader::Reader;

const PAGE: usize = 4096;
const SECTOR: usize = 512;
const STEPS_MAX: usize = 256;

/// Reads the bytes as a recording. Then records what they tell, by processes that are killed in
/// the middle of a write: what is left reads and runs again, and a byte that was altered is found.
pub fn flight_recording(bytes: &[u8]) {
    check_reruns(bytes);
    let mut reader = Reader::new(bytes);
    let (place, change, cut) = (reader.u32(), reader.byte().max(1), reader.u16());
    let mut cabin = Cabin::new(&mut reader);
    for _ in 0..STEPS_MAX {
        if reader.is_empty() {
            break;
        }
        cabin.step(&mut reader);
    }
    let written = cabin.crash();
    check_reruns(&written);
    let whole = match read(&written) {
        Ok(recording) => recording,
        Err(error) => return assert_eq!(error, RecordingError::Empty, "a kill is no damage"),
    };
    let is_written = |at: &usize| written.get(*at).is_some_and(|byte| *byte > 0);
    let places: Vec<usize> = (0..written.len()).filter(is_written).collect();
    let place = usize::try_from(place).unwrap_or(0) % places.len().max(1);
    let mut altered = written.clone();
    if let Some(byte) = places.get(place).and_then(|at| altered.get_mut(*at)) {
        *byte ^= change;
    }
    if let Ok(found) = read(&altered) {
        assert_is_shorter(&found, &whole);
    }
    let cut = written.len().saturating_sub(1 + usize::from(cut) % PAGE);
    let cut = written.get(..cut).unwrap_or_default();
    assert!(matches!(read(cut), Err(RecordingError::Size { .. })), "it was cut short");
}

/// What reads runs again: the machine of each segment orders what it ordered then.
fn check_reruns(bytes: &[u8]) {
    let Ok(recording) = read(bytes) else { return };
    assert!(!recording.segments.is_empty());
    for segment in &recording.segments {
        assert_eq!(segment.steps().count() as u64, segment.steps);
        let Ok(mut sum) = codec::decode::<u64>(&segment.checkpoint.state.0) else { continue };
        for Step { input, effects, .. } in segment.steps() {
            let Ok(input) = codec::decode::<Block>(input) else { return };
            let ordered = digest_of_effects(&handle(&mut sum, &input));
            assert!(effects.is_none_or(|effects| effects == ordered), "a step went otherwise");
        }
    }
}

/// No byte of a piece can be altered unseen; without its last byte, a piece was never written.
fn assert_is_shorter(found: &Recording<'_>, whole: &Recording<'_>) {
    for segment in &found.segments {
        let number = segment.checkpoint.number;
        let same = whole.segments.iter().find(|whole| whole.checkpoint.number == number);
        let same = same.expect("an altered recording has no segment of its own");
        assert_eq!(segment.checkpoint, same.checkpoint, "an altered checkpoint was taken");
        let is_part = segment.steps().zip(same.steps()).all(|(found, whole)| found == whole);
        assert!(is_part && segment.steps <= same.steps, "an altered step was taken");
    }
}

/// The machine: it adds what it is told.
fn handle(sum: &mut u64, input: &Block) -> Vec<u64> {
    *sum = input.0.iter().fold(*sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
    vec![*sum]
}

/// A machine, its recorder and its tape.
struct Cabin {
    tape: Memory,
    writer: Option<Writer<Memory>>,
    sum: u64,
    now: Instant,
}

impl Cabin {
    fn new(reader: &mut Reader<'_>) -> Self {
        let segments = 2 + u32::from(reader.byte() % 3);
        let mut bytes = header(segments, reader.array());
        bytes.resize(PAGE * (1 + segments as usize), 0);
        let tape = Memory(Rc::new(RefCell::new(Held { bytes, power: usize::MAX })));
        let mut cabin = Self { tape, writer: None, sum: 0, now: Instant(0) };
        cabin.start(usize::MAX);
        cabin
    }

    fn step(&mut self, reader: &mut Reader<'_>) {
        self.now = self.now.plus_ms(u64::from(reader.byte()));
        let is_alive = match reader.byte() % 16 {
            0 => self.writer.as_mut().is_some_and(|writer| writer.flush().is_ok()),
            1 => {
                // A process that ends in order.
                self.writer = None;
                false
            }
            2 => {
                self.tape.0.borrow_mut().power = usize::from(reader.u16()) % (2 * PAGE);
                true
            }
            kind => {
                let length = if kind == 3 { reader.u16() % 5_000 } else { reader.u16() % 400 };
                self.take_in(Block(vec![reader.byte(); usize::from(length)]))
            }
        };
        if !is_alive {
            self.crash();
            let power = if reader.flag() { usize::MAX } else { usize::from(reader.u16()) };
            self.start(power);
        }
    }

    fn take_in(&mut self, input: Block) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        let is_noted = writer.input(&self.sum, self.now, &input).is_ok();
        let effects = handle(&mut self.sum, &input);
        is_noted && writer.effects(&effects).is_ok()
    }

    /// A process with an empty head that finds the tape.
    fn start(&mut self, power: usize) {
        self.tape.0.borrow_mut().power = power;
        let bytes = self.tape.0.borrow().bytes.len() as u64;
        self.sum = 0;
        let writer = Writer::resume(self.tape.clone(), bytes).ok();
        self.writer = writer.and_then(|mut writer| {
            let started = writer.start("commercial", &self.sum, self.now, UnixTime(1_000_000));
            started.is_ok().then_some(writer)
        });
    }

    /// As after kill -9: nothing is written any more. Answers what lies there.
    fn crash(&mut self) -> Vec<u8> {
        self.tape.0.borrow_mut().power = 0;
        self.writer = None;
        self.tape.0.borrow().bytes.clone()
    }
}

/// The header of a recording with segments of one page, from its description.
fn header(segments: u32, id: [u8; 16]) -> Vec<u8> {
    let page = 4096_u32;
    let numbers = [1, segments, page, 0].map(u32::to_le_bytes).concat();
    let sealed = [b"clavitor-flight\n".as_slice(), &numbers, &id].concat();
    let mut header = [sealed.as_slice(), &Sha256::digest(&sealed)].concat();
    header.resize(PAGE, 0);
    let layout = Layout::decode(&header).expect("the header is as described");
    assert_eq!(layout.encode(), header);
    header
}

/// A tape in memory, whose recorder may be killed in the middle of a write.
#[derive(Clone)]
struct Memory(Rc<RefCell<Held>>);

struct Held {
    bytes: Vec<u8>,
    /// How many bytes more are written.
    power: usize,
}

#[derive(Debug)]
struct Killed;

impl Held {
    fn put(&mut self, at: u64, bytes: impl ExactSizeIterator<Item = u8>) -> Result<(), Killed> {
        let at = usize::try_from(at).expect("an offset into memory");
        let end = at + bytes.len();
        let written = bytes.len().min(self.power);
        self.power -= written;
        let room = self.bytes.get_mut(at..end).expect("a recorder keeps to its segments");
        room.iter_mut().zip(bytes.take(written)).for_each(|(to, from)| *to = from);
        if at + written == end { Ok(()) } else { Err(Killed) }
    }
}

impl Tape for Memory {
    type Error = Killed;

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Killed> {
        let held = self.0.borrow();
        let at = usize::try_from(at).expect("an offset into memory");
        into.copy_from_slice(held.bytes.get(at..at + into.len()).expect("bytes of the tape"));
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Killed> {
        self.0.borrow_mut().put(at, bytes.iter().copied())
    }

    fn clear(&mut self, at: u64, bytes: u64) -> Result<(), Killed> {
        let count = usize::try_from(bytes).expect("a size in memory");
        // Whoever is killed while he clears leaves a sector as it was or empty.
        let mut held = self.0.borrow_mut();
        held.power -= if held.power < count { held.power % SECTOR } else { 0 };
        held.put(at, std::iter::repeat_n(0, count))
    }
}
