//! What becomes of every frame and every answer.

use std::sync::{Arc, Mutex};

use clavitor_commercial::frame::{self, Frame, Keys, Refusal};
use clavitor_core::id::Seq;
use clavitor_node::runtime::{Called, Unreachable};

use super::executor::{Reply, TestRuntime};
use crate::{Commercial, lock};

/// A frame on its way.
pub(crate) struct Letter {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) frame: Frame,
    pub(crate) body: Vec<u8>,
    pub(crate) reply: Reply,
}

impl Letter {
    pub(crate) fn has_records(&self) -> bool {
        !self.frame.records.is_empty()
    }

    pub(crate) fn is_on(&self, link: (usize, usize)) -> bool {
        (self.from, self.to) == link
    }
}

/// What the network does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Deliver,
    /// It never arrives.
    Lose,
    /// It arrives, and nobody hears of it.
    LoseAnswer,
    /// It arrives twice.
    Twice,
    /// It waits until the test lets it go.
    Hold,
    /// It arrives, and its answer waits until the test lets it go.
    HoldAnswer,
    /// One bit of it is another on arrival.
    Flip(usize),
    /// One bit of the answer is another on arrival.
    FlipAnswer(usize),
}

/// An answer that waits.
pub(crate) struct HeldAnswer {
    pub(crate) reply: Reply,
    pub(crate) answer: Result<Called, Unreachable>,
}

pub(crate) type HeldAnswers = Arc<Mutex<Vec<HeldAnswer>>>;

/// What is remembered of a frame that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) records: usize,
    pub(crate) range: (Seq, Seq),
}

/// Hands the bytes to a POP and answers as it does over HTTP.
pub(crate) async fn hand_over(
    commercial: &Commercial<TestRuntime>,
    keys: &Keys,
    body: &[u8],
) -> Called {
    let refuse = |refusal: Refusal| Called {
        status: refusal.status(),
        body: format!("{{\"code\":\"{}\"}}", refusal.code()).into(),
    };
    let frame = match frame::open_frame(body, keys) {
        Ok(frame) => frame,
        Err(refusal) => return refuse(refusal),
    };
    match commercial.apply(frame, frame::digest(body)).await {
        Ok(ack) => Called { status: 200, body: frame::seal_ack(&ack, keys).into() },
        Err(refusal) => refuse(refusal),
    }
}

/// Carries a letter to its receiver and its answer back.
pub(crate) async fn carry(
    commercial: Arc<Commercial<TestRuntime>>,
    keys: Keys,
    letter: Letter,
    fate: Fate,
    held: HeldAnswers,
) {
    let Letter { mut body, reply, .. } = letter;
    if let Fate::Flip(at) = fate {
        flip(&mut body, at);
    }
    let mut posted = hand_over(&commercial, &keys, &body).await;
    if fate == Fate::Twice {
        posted = hand_over(&commercial, &keys, &body).await;
    }
    if let Fate::FlipAnswer(at) = fate {
        let mut bytes = posted.body.to_vec();
        flip(&mut bytes, at);
        posted.body = bytes.into();
    }
    match fate {
        Fate::LoseAnswer => drop(reply.send(Err(Unreachable))),
        Fate::HoldAnswer => lock(&held).push(HeldAnswer { reply, answer: Ok(posted) }),
        _ => drop(reply.send(Ok(posted))),
    }
}

pub(crate) fn flip(bytes: &mut [u8], bit: usize) {
    let bits = bytes.len() * 8;
    bytes[bit % bits / 8] ^= 1 << (bit % 8);
}
