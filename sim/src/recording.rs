//! Runs what a server's flight recorder kept again, and compares every step.
//!
//! The machines are deterministic: from the oldest checkpoint on, the same inputs at the same times
//! must order the same effects, and lead to the state of the next checkpoint.

use std::fmt;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use clavitor_commercial::pop::CommercialPop;
use clavitor_core::codec;
use clavitor_core::pop::{CommunityPop, Pop};
use clavitor_core::recording::{
    self, Checkpoint, Follows, RecordingError, Segment, Step, VERSION, digest_of_effects,
};
use clavitor_core::time::UnixTime;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What came of running a recording again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The edition that recorded last.
    pub edition: String,
    /// How many segments were run.
    pub segments: u64,
    /// How many older segments were left out, because another version recorded them.
    pub skipped: u64,
    /// How many processes of a server they are from.
    pub processes: u64,
    /// How many times inputs were left out, because they fit in no segment.
    pub gaps: u64,
    /// How many of those processes were killed in the middle of a write.
    pub torn: u64,
    /// How many steps were run.
    pub steps: u64,
    /// The server's wall clock at the first checkpoint.
    pub began: UnixTime,
    /// The server's wall clock at the last step.
    pub ended: UnixTime,
    /// Where a machine broke down, then and now alike.
    pub breakdown: Option<Moment>,
    /// The first difference. Nothing behind it was run.
    pub difference: Option<Difference>,
}

/// A step of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The number of its segment.
    pub segment: u64,
    /// Its place among all steps that were run, from 1; 0 is before the first.
    pub step: u64,
    /// The server's wall clock.
    pub at: UnixTime,
    /// What went in.
    pub input: String,
}

/// Where a machine decided otherwise than it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub moment: Moment,
    /// How.
    pub what: What,
}

/// How a machine decided otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It orders this now, and ordered something else then.
    Effects(Vec<String>),
    /// After this step it is not what the next checkpoint says.
    State,
    /// It breaks down now, and did not then.
    BreaksDown,
    /// It broke down then, and does not now.
    NoBreakdown,
}

/// Why a recording cannot be run again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// It is not a recording, or not as it was written.
    Recording(RecordingError),
    /// Another version recorded it, whose machines may decide otherwise.
    Version {
        /// That version.
        found: String,
    },
    /// The edition that recorded it is not known here.
    Edition {
        /// Its name.
        found: String,
    },
    /// What it holds is not what this build's machines know, although its version says so.
    Unknown {
        /// The number of the segment.
        segment: u64,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Recording(error) => write!(f, "{error}"),
            ReplayError::Version { found } => write!(
                f,
                "clavitor {found} recorded it; this is {VERSION}: run the clavitor-sim of that version"
            ),
            ReplayError::Edition { found } => {
                write!(f, "the edition \"{found}\" recorded it, which this build does not know")
            }
            ReplayError::Unknown { segment } => write!(
                f,
                "segment {segment} holds what this build's machines do not know, although it says \
                 {VERSION}: another build of that version recorded it"
            ),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Runs a recording again, from its oldest checkpoint to its end or the first difference.
pub fn replay(bytes: &[u8]) -> Result<Replayed, ReplayError> {
    replay_as(VERSION, bytes)
}

fn replay_as(version: &str, bytes: &[u8]) -> Result<Replayed, ReplayError> {
    let segments = recording::read(bytes).map_err(ReplayError::Recording)?.segments;
    let is_other = |segment: &Segment<'_>| segment.checkpoint.version != version;
    let skipped = segments.iter().rposition(is_other).map_or(0, |at| at + 1);
    let (Some(first), Some(last)) = (segments.get(skipped), segments.last()) else {
        let newest = segments.last().map(|segment| segment.checkpoint.version.clone());
        return Err(ReplayError::Version { found: newest.unwrap_or_default() });
    };
    let mut replayed = Replayed::new(&first.checkpoint, &last.checkpoint, skipped as u64);
    let continues = |_: &Segment<'_>, next: &Segment<'_>| {
        matches!(next.checkpoint.follows, Follows::Segment(_))
    };
    for run in segments.split_at(skipped).1.chunk_by(continues) {
        let Some(first) = run.first() else { continue };
        match first.checkpoint.edition.as_str() {
            "community" => replayed.run::<CommunityPop>(run)?,
            "commercial" => replayed.run::<CommercialPop>(run)?,
            found => return Err(ReplayError::Edition { found: found.to_owned() }),
        }
        if replayed.difference.is_some() {
            break;
        }
    }
    Ok(replayed)
}

impl Replayed {
    fn new(first: &Checkpoint, last: &Checkpoint, skipped: u64) -> Self {
        Replayed {
            edition: last.edition.clone(),
            segments: 0,
            skipped,
            processes: 0,
            gaps: 0,
            torn: 0,
            steps: 0,
            began: first.wall,
            ended: first.wall,
            breakdown: None,
            difference: None,
        }
    }

    /// Runs segments that continue each other.
    fn run<P>(&mut self, segments: &[Segment<'_>]) -> Result<(), ReplayError>
    where
        P: Pop + Serialize + DeserializeOwned,
        P::Input: Serialize + DeserializeOwned + Debug,
        P::Effect: Serialize + Debug,
    {
        let mut machine: Option<P> = None;
        let mut newest = String::new();
        for segment in segments {
            let checkpoint = &segment.checkpoint;
            let unknown = |_| ReplayError::Unknown { segment: checkpoint.number };
            let is_other = |machine: &P| codec::encode(machine) != checkpoint.state.0;
            if machine.as_ref().is_some_and(is_other) {
                let moment = self.moment(checkpoint, newest);
                self.difference = Some(Difference { moment, what: What::State });
                return Ok(());
            }
            let machine = match &mut machine {
                Some(machine) => machine,
                None => machine.insert(codec::decode(&checkpoint.state.0).map_err(unknown)?),
            };
            self.note(segment);
            for step in segment.steps() {
                self.steps += 1;
                self.ended = checkpoint.wall.plus_ms(step.at.ms_since(checkpoint.at));
                let input = || codec::decode::<P::Input>(step.input).map_err(unknown);
                let Some(what) = run_step(machine, &step, input()?) else { continue };
                let moment = self.moment(checkpoint, format!("{:?}", input()?));
                match what {
                    Outcome::Breakdown => self.breakdown = Some(moment),
                    Outcome::Difference(what) => {
                        self.difference = Some(Difference { moment, what });
                    }
                }
                return Ok(());
            }
            if let Some(step) = segment.steps().last() {
                let input: P::Input = codec::decode(step.input).map_err(unknown)?;
                newest = format!("{input:?}");
            }
        }
        Ok(())
    }

    fn note(&mut self, segment: &Segment<'_>) {
        self.segments += 1;
        self.torn += u64::from(segment.is_torn);
        self.gaps += u64::from(segment.checkpoint.follows == Follows::Gap);
        let is_start = segment.checkpoint.follows == Follows::Start;
        self.processes += u64::from(is_start || self.segments == 1);
    }

    fn moment(&self, checkpoint: &Checkpoint, input: String) -> Moment {
        Moment { segment: checkpoint.number, step: self.steps, at: self.ended, input }
    }

    /// How much of the server's time was run again, in milliseconds.
    pub fn span_ms(&self) -> u64 {
        self.ended.0.saturating_sub(self.began.0)
    }
}

/// Why a machine is not run any further.
enum Outcome {
    /// It broke down, as it had.
    Breakdown,
    /// It did otherwise than it had.
    Difference(What),
}

/// Runs one step; nothing is to be said of one that went as it had.
fn run_step<P: Pop>(machine: &mut P, step: &Step<'_>, input: P::Input) -> Option<Outcome>
where
    P::Effect: Serialize + Debug,
{
    // A machine that broke down is not used any more.
    let handled = catch_unwind(AssertUnwindSafe(|| {
        let mut effects = Vec::new();
        machine.handle(step.at, input, &mut effects);
        effects
    }));
    let difference = match (step.effects, handled) {
        (Some(then), Ok(now)) if then == digest_of_effects(&now) => return None,
        (Some(_), Ok(now)) => {
            What::Effects(now.iter().map(|effect| format!("{effect:?}")).collect())
        }
        (Some(_), Err(_)) => What::BreaksDown,
        (None, Ok(_)) => What::NoBreakdown,
        (None, Err(_)) => return Some(Outcome::Breakdown),
    };
    Some(Outcome::Difference(difference))
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "edition    {} {VERSION}", self.edition)?;
        writeln!(f, "segments   {}", self.segments)?;
        if self.skipped > 0 {
            writeln!(f, "           and {} older ones of another version, left out", self.skipped)?;
        }
        writeln!(f, "processes  {}", self.processes)?;
        if self.torn > 0 {
            writeln!(f, "           of which {} died in the middle of a write", self.torn)?;
        }
        if self.gaps > 0 {
            writeln!(f, "gaps       {}: inputs too large to be kept", self.gaps)?;
        }
        writeln!(f, "steps      {}", self.steps)?;
        let (seconds, ms) = (self.span_ms() / 1_000, self.span_ms() % 1_000);
        writeln!(f, "span       {seconds}.{ms:03} s, from {} ms after 1970", self.began.0)?;
        if let Some(moment) = &self.breakdown {
            writeln!(f, "breakdown  {moment}")?;
        }
        match &self.difference {
            None => write!(f, "difference none"),
            Some(difference) => write!(f, "difference {difference}"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moment { segment, step, at, input } = self;
        write!(f, "in segment {segment}, at step {step}, {} ms after 1970, over {input}", at.0)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.moment)?;
        match &self.what {
            What::Effects(now) if now.is_empty() => f.write_str("it orders nothing now"),
            What::Effects(now) => write!(f, "it orders {} now", now.join(", ")),
            What::State => f.write_str("its state is not that of the next checkpoint"),
            What::BreaksDown => f.write_str("it breaks down now, and did not then"),
            What::NoBreakdown => f.write_str("it broke down then, and does not now"),
        }
    }
}

#[cfg(test)]
mod tests;
