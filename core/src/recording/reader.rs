//! Reads a recording: checks every byte of it before anything is run.

use alloc::vec::Vec;

use super::piece::{self, Found};
use super::{Checkpoint, Digest, Follows, Layout, RecordingError, Step};
use crate::codec;
use crate::time::Instant;

const CHECKPOINT: u8 = 0;
const STEP: u8 = 1;
const BROKEN_STEP: u8 = 2;

/// What a piece says.
pub(super) enum Body<'a> {
    Checkpoint(Checkpoint),
    Step(Step<'a>),
}

impl<'a> Body<'a> {
    pub(super) fn append_checkpoint(out: &mut Vec<u8>, checkpoint: &Checkpoint) {
        out.push(CHECKPOINT);
        codec::encode_into(checkpoint, out);
    }

    /// The input is to be appended. Until the effects are known, the machine broke down over it.
    pub(super) fn begin_step(out: &mut Vec<u8>, at: Instant) {
        out.push(BROKEN_STEP);
        out.extend_from_slice(&at.0.to_le_bytes());
        out.extend_from_slice(&Digest::default());
    }

    /// Completes the step whose piece began at `start`.
    pub(super) fn finish_step(out: &mut [u8], start: usize, effects: Digest) {
        let mut body = out.iter_mut().skip(start + piece::HEAD);
        body.by_ref().take(1).for_each(|kind| *kind = STEP);
        body.skip(size_of::<u64>()).zip(effects).for_each(|(to, from)| *to = from);
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        if *kind == CHECKPOINT {
            return codec::decode(rest).ok().map(Body::Checkpoint);
        }
        let (at, rest) = rest.split_first_chunk()?;
        let (effects, input) = rest.split_first_chunk::<16>()?;
        let effects = match *kind {
            STEP => Some(*effects),
            BROKEN_STEP => None,
            _ => return None,
        };
        Some(Body::Step(Step { at: Instant(u64::from_le_bytes(*at)), input, effects }))
    }
}

/// A recording that is as it was written.
#[derive(Debug)]
pub struct Recording<'a> {
    /// Its segments, oldest first; at least one.
    pub segments: Vec<Segment<'a>>,
}

/// A segment of it.
#[derive(Debug)]
pub struct Segment<'a> {
    /// What the machine was when it began.
    pub checkpoint: Checkpoint,
    /// How many steps follow.
    pub steps: u64,
    /// Whether the process was killed while it wrote the next step.
    pub is_torn: bool,
    pieces: &'a [u8],
    last: Digest,
}

impl<'a> Segment<'a> {
    /// Its steps, oldest first.
    pub fn steps(&self) -> Steps<'a> {
        Steps { pieces: self.pieces }
    }
}

/// The steps of a segment.
#[derive(Clone, Debug)]
pub struct Steps<'a> {
    pieces: &'a [u8],
}

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        // All was checked before: what is read here is whole.
        let length = piece::body_length(self.pieces)?;
        let body = self.pieces.get(piece::HEAD..piece::HEAD + length)?;
        self.pieces = self.pieces.get(piece::OVERHEAD + length..).unwrap_or_default();
        match Body::decode(body)? {
            Body::Step(step) => Some(step),
            Body::Checkpoint(_) => None,
        }
    }
}

/// What lies in a place of the ring.
enum Place<'a> {
    /// Nothing yet.
    Unused,
    /// What was there is being replaced.
    InTheMaking,
    Segment(Segment<'a>),
}

/// Checks a whole file, and tells what is in it.
pub fn read(bytes: &[u8]) -> Result<Recording<'_>, RecordingError> {
    let layout = Layout::decode(bytes)?;
    let (found, expected) = (bytes.len() as u64, layout.bytes());
    if found != expected {
        return Err(RecordingError::Size { found, expected });
    }
    let places = (0..layout.segments()).map(|place| look(bytes, &layout, place));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let numbers = places.iter().filter_map(|place| match place {
        Place::Segment(segment) => Some(segment.checkpoint.number),
        Place::Unused | Place::InTheMaking => None,
    });
    let newest = numbers.max().ok_or(RecordingError::Empty)?;
    let segments = in_order(places, &layout, newest)?;
    check_order(&segments, &layout)?;
    Ok(Recording { segments })
}

fn look<'a>(bytes: &'a [u8], layout: &Layout, place: u64) -> Result<Place<'a>, RecordingError> {
    let at = layout.segment_at(place);
    let whole = part(bytes, at, layout.segment_bytes());
    let (checkpoint, mut last, mut end) = match piece::read(whole, layout.seed()) {
        Found::Nothing => return Ok(Place::Unused),
        Found::Torn => return Ok(Place::InTheMaking),
        Found::Damaged(_) if whole.iter().take(piece::HEAD).all(|byte| *byte == 0) => {
            return Ok(Place::InTheMaking);
        }
        Found::Damaged(what) => return Err(RecordingError::Damaged { at, what }),
        Found::Whole { body, digest, end } => match Body::decode(body) {
            Some(Body::Checkpoint(checkpoint)) => (checkpoint, digest, end),
            Some(Body::Step(_)) | None => {
                let what = "a segment does not begin with a checkpoint";
                return Err(RecordingError::Damaged { at, what });
            }
        },
    };
    if layout.segment_at(checkpoint.number) != at {
        let what = "a segment lies in another's place";
        return Err(RecordingError::Damaged { at, what });
    }
    let (first, mut steps) = (end, 0);
    let is_torn = loop {
        let damaged = |what| RecordingError::Damaged { at: at + end as u64, what };
        match piece::read(whole.get(end..).unwrap_or_default(), last) {
            Found::Nothing => break false,
            Found::Torn => break true,
            Found::Damaged(what) => return Err(damaged(what)),
            Found::Whole { body, digest, end: length } => {
                if !matches!(Body::decode(body), Some(Body::Step(_))) {
                    return Err(damaged("a piece says nothing that this build knows"));
                }
                (steps, last, end) = (steps + 1, digest, end + length);
            }
        }
    };
    let pieces = whole.get(first..end).unwrap_or_default();
    Ok(Place::Segment(Segment { checkpoint, steps, is_torn, pieces, last }))
}

fn part(bytes: &[u8], at: u64, length: u64) -> &[u8] {
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    bytes.get(index(at)..index(at + length)).unwrap_or_default()
}

/// The segments in the order of their numbers. Only the place that comes after the newest may be
/// in the making; the others hold what their turn was.
fn in_order<'a>(
    places: Vec<Place<'a>>,
    layout: &Layout,
    newest: u64,
) -> Result<Vec<Segment<'a>>, RecordingError> {
    let mut segments = Vec::new();
    for (index, place) in (0..).zip(places) {
        let at = layout.segment_at(index);
        let behind = (newest % layout.segments() + layout.segments() - index) % layout.segments();
        let expected = newest.checked_sub(behind);
        let is_next = behind == layout.segments() - 1;
        let damaged = |what| Err(RecordingError::Damaged { at, what });
        match place {
            Place::Segment(segment) if Some(segment.checkpoint.number) == expected => {
                segments.push(segment);
            }
            Place::Segment(_) => return damaged("a segment is not of its turn"),
            Place::Unused | Place::InTheMaking if is_next => {}
            Place::Unused if expected.is_none() => {}
            Place::Unused | Place::InTheMaking => return damaged("a segment is missing"),
        }
    }
    segments.sort_by_key(|segment| segment.checkpoint.number);
    Ok(segments)
}

/// What was cut off can only be the end of a process; whatever continues begins where it ended.
fn check_order(segments: &[Segment<'_>], layout: &Layout) -> Result<(), RecordingError> {
    for (before, after) in segments.iter().zip(segments.iter().skip(1)) {
        let at = layout.segment_at(after.checkpoint.number);
        let damaged = |what| Err(RecordingError::Damaged { at, what });
        match after.checkpoint.follows {
            Follows::Start => {}
            _ if before.is_torn => return damaged("the segment before it is cut off"),
            Follows::Segment(last) if last != before.last => {
                return damaged("it does not continue the segment before it");
            }
            Follows::Segment(_) | Follows::Gap => {}
        }
    }
    Ok(())
}
