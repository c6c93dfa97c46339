//! What every server of a world shares: time, what is to come, chance, the links, and what is told
//! to checkers and traces.

use std::rc::Rc;
use std::sync::OnceLock;

use clavitor_commercial::frame::Keys;
use clavitor_core::time::Instant;

use crate::bugs::Bugs;
use crate::call::Mishaps;
use crate::event::{Delivery, Event, Fact, Posted, Reply, ToProcess};
use crate::hq::{self, HQ, Hq, Note};
use crate::knobs::Knobs;
use crate::network::Network;
use crate::queue::Queue;
use crate::script::Script;
use crate::trace::Trace;

/// Everything around the servers.
#[derive(Debug)]
pub struct Around {
    /// The world's time.
    pub now: Instant,
    /// What is to happen.
    pub queue: Queue<Event>,
    /// Where chance and faults come from.
    pub script: Script,
    /// What kind of world it is.
    pub knobs: Knobs,
    /// The links.
    pub network: Network,
    /// The control plane.
    pub hq: Hq,
    /// What happened during this event, for the checkers.
    pub facts: Vec<Fact>,
    /// What is kept for people, and the digest of everything.
    pub trace: Trace,
    /// The planted bug, if any.
    pub bugs: Bugs,
    /// What was last amiss between POPs and HQ.
    pub mishaps: Mishaps,
    /// What is counted.
    pub counts: Counts,
}

/// What a run counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events.
    pub events: u64,
    /// Inputs of machines.
    pub inputs: u64,
    /// Frames, hellos included.
    pub frames: u64,
    /// Wake-ups of machines by their own timers.
    pub wakes: u64,
    /// How often the worker of the first POP began to work, after the first request.
    pub awakenings: u64,
    /// Requests of clients.
    pub requests: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Frames and acks that somebody without the secret sent.
    pub attacks: u64,
    /// Scanners that reached a server.
    pub scanners: u64,
    /// Alerts that were raised for no reason.
    pub alerts: u64,
    /// Alerts that were sent to HQ, each as often as it was.
    pub posts: u64,
    /// Alerts that HQ shows.
    pub shown: u64,
    /// Reports that were sent.
    pub reports: u64,
    /// Renewals and watches.
    pub calls: u64,
    /// Questions for lease votes.
    pub votes: u64,
    /// How often another POP became primary.
    pub failovers: u64,
}

impl Around {
    /// The world's time in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now.ms_since(Instant(0))
    }

    /// A name for one more connection of a scanner.
    pub fn next_connection(&self) -> u32 {
        u32::try_from(self.counts.scanners).unwrap_or(u32::MAX)
    }

    /// Lets something happen after so many microseconds.
    pub fn after_us(&mut self, us: u32, event: Event) {
        let at = Instant(self.now.0.saturating_add(u64::from(us) * 1_000));
        self.queue.push(at, event);
    }

    /// Lets something happen to a process after so many milliseconds.
    pub fn later(&mut self, ms: u64, pop: u8, life: u32, event: ToProcess) {
        self.queue.push(self.now.plus_ms(ms), Event::ToProcess { pop, life, event });
    }

    /// Lets a frame set out; the network decides what becomes of it.
    pub fn post(&mut self, mut delivery: Delivery) {
        use crate::script::End;
        let link = (delivery.from, delivery.to);
        let nth = self.network.count(link);
        let fate = self.script.fate(&self.knobs, self.now_ms(), link, nth);
        self.counts.frames += 1;
        self.network.overhear(delivery.from, delivery.to, &delivery.bytes);
        delivery.back_us = fate.back_us;
        delivery.is_answer_lost = fate.end == End::AnswerLost;
        let is_cut = self.network.is_cut(link.0, link.1, self.now);
        self.trace.sent(self.now, &delivery, fate, is_cut);
        if let Some(ack) = self.network.hijack(delivery.from) {
            self.counts.attacks += 1;
            let reply = Reply { op: delivery.op, from: delivery.to, posted: Posted::Ack(ack) };
            let (pop, life) = (delivery.from, delivery.life);
            let event = ToProcess::Reply(Box::new(reply));
            return self.after_us(fate.back_us, Event::ToProcess { pop, life, event });
        }
        match fate.end {
            _ if is_cut => {}
            End::Lost => {}
            End::Reset => self.reply_to(&delivery, Posted::Unreachable),
            End::Taken | End::AnswerLost | End::Doubled => {
                if fate.end == End::Doubled {
                    let again = delivery.clone();
                    self.after_us(fate.there_us.saturating_mul(3), Event::Frame(Box::new(again)));
                }
                self.after_us(fate.there_us, Event::Frame(Box::new(delivery)));
            }
        }
    }

    /// Lets something set out for HQ; the network decides what becomes of it.
    pub fn notify(&mut self, mut note: Note) {
        use crate::script::End;
        let link = (note.from, HQ);
        let nth = self.network.count(link);
        let fate = self.script.fate(&self.knobs, self.now_ms(), link, nth);
        let is_report = note.alert.is_none();
        *(if is_report { &mut self.counts.reports } else { &mut self.counts.posts }) += 1;
        note.back_us = fate.back_us;
        note.is_answer_lost = fate.end == End::AnswerLost;
        self.trace.noted(self.now, &note, fate);
        let is_cut = self.network.is_cut(link.0, link.1, self.now);
        match fate.end {
            _ if is_cut => {}
            End::Lost => {}
            End::Reset => {
                let (op, status) = (note.op, None);
                let (pop, life, event) =
                    (note.from, note.life, ToProcess::Hq { op, status, is_report });
                self.after_us(fate.back_us, Event::ToProcess { pop, life, event });
            }
            End::Taken | End::AnswerLost | End::Doubled => {
                if fate.end == End::Doubled {
                    let again = Event::Note(Box::new(note.clone()));
                    self.after_us(fate.there_us.saturating_mul(3), again);
                }
                self.after_us(fate.there_us, Event::Note(Box::new(note)));
            }
        }
    }

    /// Something arrives at HQ.
    pub fn on_note(&mut self, mut note: Note) {
        self.bugs.spoil_note(&mut note);
        let (reply, is_new) = self.hq.take(self.now, &note);
        self.counts.shown += u64::from(is_new);
        let Note { from: pop, life, op, back_us, is_answer_lost, .. } = note;
        let is_report = note.alert.is_none();
        let is_taken = matches!(reply, hq::Reply::Status(Some(200..=299)));
        if let Some(item) = note.alert.filter(|_| is_taken) {
            self.facts.push(Fact::AlertTaken { pop, item, is_new });
        }
        if let hq::Reply::Status(status) = reply
            && !is_answer_lost
            && !self.network.is_cut(HQ, pop, self.now)
        {
            let event = ToProcess::Hq { op, status, is_report };
            self.after_us(back_us, Event::ToProcess { pop, life, event });
        }
    }

    /// Answers a frame.
    pub fn reply_to(&mut self, delivery: &Delivery, posted: Posted) {
        let back = crate::server::Back::of(delivery);
        self.reply(delivery.to, back, posted);
    }

    /// Answers a frame that `from` had.
    pub fn reply(&mut self, from: u8, back: crate::server::Back, posted: Posted) {
        let is_cut = self.network.is_cut(from, back.to, self.now);
        self.trace.answered(self.now, from, &back, &posted, is_cut);
        if back.is_lost || is_cut || back.attack.is_some() {
            return;
        }
        let posted = self.network.interfere(from, back.to, posted);
        let reply = Reply { op: back.op, from, posted };
        let event = ToProcess::Reply(Box::new(reply));
        self.after_us(back.us, Event::ToProcess { pop: back.to, life: back.life, event });
    }
}

/// The inter-POP keys of every world.
pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::derive(b"the inter-POP secret of every simulated cluster"))
}

/// Bytes that many hold.
pub type Bytes = Rc<[u8]>;
