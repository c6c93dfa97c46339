//! Writes a recording: when a segment begins, and what goes out together.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use serde::Serialize;

use super::digest_of_effects;
use super::piece::{self, Found};
use super::reader::Body;
use super::{Checkpoint, Digest, Follows, Layout, RecordingError, Tape, VERSION};
use crate::codec::{self, Block};
use crate::time::{Instant, UnixTime};

/// What is written at once at the latest, in bytes, even if the caller has more to say.
const PENDING_BYTES_MAX: usize = 256 * 1024;

/// How many inputs go unrecorded before a state that was too large is tried again.
const TRY_AGAIN: u32 = 256;

/// Why an existing recording is not continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeError<E> {
    /// It cannot be read or written.
    Tape(E),
    /// It is left alone.
    Refused(RecordingError),
}

/// Records a machine onto a tape.
///
/// Invariant: `pending` is what comes next in the open segment; its first `whole` bytes are whole
/// pieces, the last of which has the digest `chain`. Behind them lies at most one step, whose
/// effects are not known yet; it is one exactly if `is_stepping`.
pub struct Writer<T: Tape> {
    tape: T,
    layout: Layout,
    edition: &'static str,
    began: (Instant, UnixTime),
    number: u64,
    segment: Option<Open>,
    without_segment: Follows,
    pending: Vec<u8>,
    whole: usize,
    is_stepping: bool,
    chain: Digest,
    to_skip: u32,
}

/// Where the open segment goes on, and where it ends.
struct Open {
    at: u64,
    end: u64,
}

impl<T: Tape> Writer<T> {
    /// Begins a new recording on an empty tape, whose bytes are zero.
    pub fn create(mut tape: T, layout: Layout) -> Result<Self, T::Error> {
        tape.write(0, &layout.encode())?;
        Ok(Self::at(tape, layout, 0))
    }

    /// Goes on with the recording on the tape, which has so many bytes.
    pub fn resume(mut tape: T, bytes: u64) -> Result<Self, ResumeError<T::Error>> {
        let mut header =
            alloc::vec![0; usize::try_from(bytes.min(Layout::HEADER_BYTES)).unwrap_or(0)];
        tape.read(0, &mut header).map_err(ResumeError::Tape)?;
        let layout = Layout::decode(&header).map_err(ResumeError::Refused)?;
        let newest = newest(&mut tape, &layout, bytes).map_err(ResumeError::Tape)?;
        Ok(Self::at(tape, layout, newest.map_or(0, |newest| newest.saturating_add(1))))
    }

    fn at(tape: T, layout: Layout, number: u64) -> Self {
        Self {
            tape,
            layout,
            edition: "",
            began: (Instant(0), UnixTime(0)),
            number,
            segment: None,
            without_segment: Follows::Start,
            pending: Vec::new(),
            whole: 0,
            is_stepping: false,
            chain: Digest::default(),
            to_skip: 0,
        }
    }

    /// How the recording is laid out.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Begins with the machine of a process that starts at `now`.
    pub fn start<M: Serialize>(
        &mut self,
        edition: &'static str,
        machine: &M,
        now: Instant,
        wall: UnixTime,
    ) -> Result<(), T::Error> {
        self.edition = edition;
        self.began = (now, wall);
        self.next_segment(machine, now)
    }

    /// Notes what the machine is about to take in. [`Writer::effects`] follows when it has.
    pub fn input<M: Serialize, I: Serialize>(
        &mut self,
        machine: &M,
        now: Instant,
        input: &I,
    ) -> Result<(), T::Error> {
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return Ok(());
        }
        self.append_step(now, input);
        if !self.has_room() {
            // It goes to the next segment, behind the state that it finds.
            let step = self.pending.split_off(self.whole);
            self.flush()?;
            if (step.len() + piece::OVERHEAD) as u64 <= self.layout.segment_bytes() {
                self.next_segment(machine, now)?;
            }
            self.pending.extend_from_slice(&step);
            if !self.has_room() {
                self.leave_gap(self.to_skip);
                return Ok(());
            }
        }
        self.is_stepping = true;
        Ok(())
    }

    /// Notes what came out.
    pub fn effects<E: Serialize>(&mut self, effects: &[E]) -> Result<(), T::Error> {
        if !self.is_stepping {
            return Ok(());
        }
        Body::finish_step(&mut self.pending, self.whole, digest_of_effects(effects));
        self.end_step();
        if self.whole > PENDING_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// Writes what was noted so far, in one write.
    pub fn flush(&mut self) -> Result<(), T::Error> {
        let (Some(open), 1..) = (&mut self.segment, self.whole) else { return Ok(()) };
        let written = self.tape.write(open.at, self.pending.get(..self.whole).unwrap_or_default());
        open.at += self.whole as u64;
        self.pending.drain(..self.whole);
        self.whole = 0;
        written
    }

    fn append_step<I: Serialize>(&mut self, now: Instant, input: &I) {
        self.pending.truncate(self.whole);
        piece::begin(&mut self.pending);
        Body::begin_step(&mut self.pending, now);
        codec::encode_into(input, &mut self.pending);
    }

    fn end_step(&mut self) {
        self.chain = piece::end(&mut self.pending, self.whole, self.chain);
        self.whole = self.pending.len();
        self.is_stepping = false;
    }

    /// Whether what is pending fits into the open segment, the end of the last piece included.
    fn has_room(&self) -> bool {
        let bytes = (self.pending.len() + piece::OVERHEAD - piece::HEAD) as u64;
        self.segment.as_ref().is_some_and(|open| open.at + bytes <= open.end)
    }

    /// Replaces the oldest segment by one that begins with this state.
    fn next_segment<M: Serialize>(&mut self, machine: &M, now: Instant) -> Result<(), T::Error> {
        assert!(self.whole == 0, "what belongs to the segment before is written there");
        let (began_at, began_wall) = self.began;
        let checkpoint = Checkpoint {
            number: self.number,
            follows: match self.segment {
                Some(_) => Follows::Segment(self.chain),
                None => self.without_segment,
            },
            edition: self.edition.to_owned(),
            version: VERSION.to_owned(),
            at: now,
            wall: began_wall.plus_ms(now.ms_since(began_at)),
            state: Block(codec::encode(machine)),
        };
        self.pending.clear();
        piece::begin(&mut self.pending);
        Body::append_checkpoint(&mut self.pending, &checkpoint);
        self.chain = piece::end(&mut self.pending, 0, self.layout.seed());
        let (at, bytes) = (self.layout.segment_at(self.number), self.layout.segment_bytes());
        let first = self.pending.len() as u64;
        if first > bytes {
            self.leave_gap(TRY_AGAIN);
            return Ok(());
        }
        // The checkpoint goes last: until it is whole, there is no such segment.
        self.segment = None;
        self.tape.clear(at, bytes)?;
        self.tape.write(at, &self.pending)?;
        self.pending.clear();
        self.segment = Some(Open { at: at + first, end: at + bytes });
        self.without_segment = Follows::Gap;
        self.number = self.number.saturating_add(1);
        Ok(())
    }

    /// What comes now is not recorded; how many inputs more, says `to_skip`.
    fn leave_gap(&mut self, to_skip: u32) {
        self.segment = None;
        self.pending.clear();
        self.to_skip = to_skip;
    }
}

impl<T: Tape> Drop for Writer<T> {
    /// The input over which a machine broke down is the one to look at.
    fn drop(&mut self) {
        if self.is_stepping {
            self.end_step();
        }
        // Nobody is left to be told.
        let _ = self.flush();
    }
}

/// The number of the newest segment. What is damaged is not refused here: it will be written over.
fn newest<T: Tape>(tape: &mut T, layout: &Layout, bytes: u64) -> Result<Option<u64>, T::Error> {
    let mut newest = None;
    for place in 0..layout.segments() {
        let at = layout.segment_at(place);
        if at + layout.segment_bytes() > bytes {
            break;
        }
        let mut head = [0; piece::HEAD];
        tape.read(at, &mut head)?;
        let length = piece::body_length(&head).map(|length| length.saturating_add(piece::OVERHEAD));
        let Some(length) = length.filter(|length| *length as u64 <= layout.segment_bytes()) else {
            continue;
        };
        let mut first = alloc::vec![0; length];
        tape.read(at, &mut first)?;
        if let Found::Whole { body, .. } = piece::read(&first, layout.seed())
            && let Some(Body::Checkpoint(checkpoint)) = Body::decode(body)
        {
            newest = newest.max(Some(checkpoint.number));
        }
    }
    Ok(newest)
}
