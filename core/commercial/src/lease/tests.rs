use alloc::vec;

use super::*;
use crate::renewal::{Answer, RENEW_MS, Wish, with_margin};

mod drafts;
mod leaving;
mod losing;
mod promoting;
mod renewing;
mod switching;
mod total;
mod voting;
mod world;

fn pop(name: &str) -> PopId {
    name.parse().unwrap()
}

fn epoch(number: u64, primary: &str) -> Epoch {
    Epoch { number, primary: pop(primary) }
}

fn start() -> Start {
    Start { pop: pop("a"), has_hq: true, fencing: Fencing::Lease, seed: 7, is_preferred: false }
}

fn grant(term: Epoch, version: u64, members: &[&str]) -> Grant {
    let members = members.iter().map(|name| pop(name)).collect();
    Grant { epoch: term, version, members, lease_ms: LEASE_MS }
}

fn at(ms: u64) -> Instant {
    Instant::from_ms(ms)
}

/// A machine, and what it ordered since it was last asked.
struct Bench {
    lease: Lease,
    now_ms: u64,
    out: Vec<Effect>,
}

impl Bench {
    /// POP a, started at 0, ready, with peers b and c.
    fn new(term: Option<Epoch>) -> Self {
        Self::starting(start(), term)
    }

    fn starting(start: Start, term: Option<Epoch>) -> Self {
        let mut bench = Self { lease: Lease::new(start, term), now_ms: 0, out: vec![] };
        bench.input(Input::PeerKnown { peer: 0, pop: pop("b") });
        bench.input(Input::PeerKnown { peer: 1, pop: pop("c") });
        bench.input(Input::BecameReady);
        bench.input(Input::Started);
        bench
    }

    /// POP a with the lease of its first renewal.
    fn leading(members: &[&str]) -> Self {
        let term = epoch(1, "a");
        let mut bench = Self::new(Some(term));
        bench.lead(1, members);
        // What it says of the members is answered as well.
        bench.until(GAP_MS);
        bench.lead(1, members);
        bench.take();
        bench
    }

    fn input(&mut self, input: Input) {
        self.lease.handle(at(self.now_ms), input, &mut self.out);
    }

    fn take(&mut self) -> Vec<Effect> {
        core::mem::take(&mut self.out)
    }

    /// Lets time pass, waking the machine when it asks for it.
    fn until(&mut self, ms: u64) {
        while let Some((wake, _)) = self.lease.next_wake().filter(|(wake, _)| *wake <= at(ms)) {
            let wake_ms = wake.ms_since(at(0)) + u64::from(wake > at(wake.ms_since(at(0))));
            assert!(wake > at(self.now_ms) || self.now_ms == 0, "woken for nothing");
            self.now_ms = self.now_ms.max(wake_ms);
            self.input(Input::Tick);
        }
        self.now_ms = ms;
    }

    /// The renewal that was ordered last and is not answered yet.
    fn renewal(&self) -> Option<(OpId, Draft)> {
        self.out.iter().rev().find_map(|effect| match effect {
            Effect::Renew { op, draft } => Some((*op, draft.clone())),
            _ => None,
        })
    }

    fn renewed(&mut self, outcome: Renewed) {
        let (op, _) = self.renewal().unwrap();
        self.input(Input::Renewed { op, outcome });
    }

    fn answered(&mut self, answer: Answer) {
        self.renewed(Renewed::Answered(answer));
    }

    fn lead(&mut self, version: u64, members: &[&str]) {
        self.lead_to(version, members, None);
    }

    fn lead_to(&mut self, version: u64, members: &[&str], to: Option<&str>) {
        let term = self.lease.epoch.unwrap();
        let grant = grant(term, version, members);
        self.answered(Answer::Lead { grant, hand_over_to: to.map(pop) });
    }

    /// Until when writes may be taken, as it was last told.
    fn held(&self) -> Instant {
        self.lease.told_until
    }

    fn asks(&self) -> Vec<(OpId, u8, u64)> {
        let ask = |effect: &Effect| match effect {
            Effect::AskVote { op, peer, challenge, .. } => Some((*op, *peer, *challenge)),
            _ => None,
        };
        self.out.iter().filter_map(ask).collect()
    }

    fn vote(&mut self, op: OpId, is_given: bool, challenge: u64) {
        let vote = Vote { is_given, challenge, epoch: self.lease.epoch };
        self.input(Input::VoteAnswered { op, vote: Some(vote) });
    }

    /// Every question so far is answered with a vote.
    fn everybody_votes(&mut self) {
        for (op, _, challenge) in self.asks() {
            self.vote(op, true, challenge + 1);
        }
    }
}
