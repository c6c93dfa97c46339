//! What is said about leases, on its way: POPs to HQ, HQ back, and POPs among each other.

use clavitor_commercial::lease::{Input, Renewed};
use clavitor_commercial::renewal::Renewal;
use clavitor_core::id::OpId;
use clavitor_core::time::Instant;

use crate::around::{Around, Bytes};
use crate::event::{Event, ToProcess};
use crate::hq::HQ;
use crate::script::{End, Fate};

/// Votes that take longer than this are no help, in microseconds there and back.
const PROMPT_US: u32 = 500_000;

/// Who asked, and how the answer gets back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Back {
    /// Who asked.
    pub to: u8,
    /// Which process of it.
    pub life: u32,
    /// For which order.
    pub op: OpId,
    /// How long the answer takes, in microseconds.
    pub us: u32,
    /// Whether it gets lost.
    pub is_lost: bool,
}

/// A POP asks HQ.
#[derive(Clone, Debug)]
pub struct Call {
    /// The way back.
    pub back: Back,
    /// For what.
    pub asked: Asked,
}

/// What a POP asks HQ for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// To renew its lease.
    Renew(Box<Renewal>),
    /// To say when there is news after what it was last told.
    Watch {
        /// The number of what it was last told.
        after: u64,
    },
}

/// A POP asks another for a lease vote.
#[derive(Clone, Debug)]
pub struct Question {
    /// The way back.
    pub back: Back,
    /// Whom.
    pub to: u8,
    /// The question, sealed.
    pub bytes: Bytes,
}

/// What was last amiss, for those who promise something to a world in which nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mishaps {
    /// When a question for a vote, or its answer, last came to nothing.
    pub votes: Instant,
    /// When something between each POP and HQ last came to nothing.
    pub calls: [Instant; crate::network::POPS_MAX],
}

impl Around {
    /// Lets a POP ask HQ; the network decides what becomes of it.
    pub fn call(&mut self, mut call: Call) {
        let from = call.back.to;
        let fate = self.fate_of((from, HQ), &mut call.back);
        self.counts.calls += 1;
        if is_amiss(fate) || self.network.is_cut(from, HQ, self.now) {
            self.mishaps.calls[usize::from(from)] = self.now;
        }
        let failed = call.asked.failed(call.back.op);
        let event = |call| Event::Call(Box::new(call));
        self.carry((from, HQ), call.back, fate, call, event, failed);
    }

    /// Answers a POP that asked HQ.
    pub fn answer(&mut self, back: Back, told: ToProcess) {
        self.tell_back(HQ, back, told);
        if self.network.is_cut(HQ, back.to, self.now) {
            self.mishaps.calls[usize::from(back.to)] = self.now;
        }
    }

    /// Lets a POP ask another for a vote; the network decides what becomes of it.
    pub fn ask_vote(&mut self, mut question: Question) {
        let link = (question.back.to, question.to);
        let fate = self.fate_of(link, &mut question.back);
        self.counts.votes += 1;
        if is_amiss(fate) || self.network.is_cut(link.0, link.1, self.now) {
            self.mishaps.votes = self.now;
        }
        self.network.overhear_ask(link.0, link.1, &question.bytes);
        let failed = ToProcess::Voted { op: question.back.op, bytes: None };
        let event = |question| Event::Question(Box::new(question));
        self.carry(link, question.back, fate, question, event, failed);
    }

    /// Answers a POP that asked for a vote; `None` is that nobody listens.
    pub fn answer_vote(&mut self, from: u8, back: Back, vote: Option<Bytes>) {
        if vote.is_none() || self.network.is_cut(from, back.to, self.now) {
            self.mishaps.votes = self.now;
        }
        let bytes = vote.map(|vote| self.network.interfere_vote(back.to, vote));
        self.tell_back(from, back, ToProcess::Voted { op: back.op, bytes });
    }

    fn fate_of(&mut self, link: (u8, u8), back: &mut Back) -> Fate {
        let nth = self.network.count(link);
        let fate = self.script.fate(&self.knobs, self.now_ms(), link, nth);
        (back.us, back.is_lost) = (fate.back_us, fate.end == End::AnswerLost);
        fate
    }

    fn carry<T: Clone>(
        &mut self,
        link: (u8, u8),
        back: Back,
        fate: Fate,
        it: T,
        event: impl Fn(T) -> Event,
        failed: ToProcess,
    ) {
        match fate.end {
            _ if self.network.is_cut(link.0, link.1, self.now) => {}
            End::Lost => {}
            End::Reset => {
                let event = Event::ToProcess { pop: back.to, life: back.life, event: failed };
                self.after_us(fate.back_us, event);
            }
            End::Taken | End::AnswerLost | End::Doubled => {
                if fate.end == End::Doubled {
                    self.after_us(fate.there_us.saturating_mul(3), event(it.clone()));
                }
                self.after_us(fate.there_us, event(it));
            }
        }
    }

    fn tell_back(&mut self, from: u8, back: Back, told: ToProcess) {
        if !back.is_lost && !self.network.is_cut(from, back.to, self.now) {
            let event = Event::ToProcess { pop: back.to, life: back.life, event: told };
            self.after_us(back.us, event);
        }
    }
}

impl Asked {
    /// What whoever asked is told if it was not answered.
    pub fn failed(&self, op: OpId) -> ToProcess {
        match self {
            Asked::Renew(_) => renewed(op, Renewed::Unanswered),
            Asked::Watch { .. } => ToProcess::Watched { op, news: None },
        }
    }
}

/// What a POP is told of its renewal.
pub fn renewed(op: OpId, outcome: Renewed) -> ToProcess {
    ToProcess::Lease(Box::new(Input::Renewed { op, outcome }))
}

fn is_amiss(fate: Fate) -> bool {
    let is_taken = matches!(fate.end, End::Taken | End::Doubled);
    !is_taken || fate.there_us.saturating_add(fate.back_us) > PROMPT_US
}
