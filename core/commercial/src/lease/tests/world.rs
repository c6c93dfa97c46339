//! Three POPs, an HQ, and a network and clocks that do what they like: whatever happens, no two of
//! them hold the right to take writes at the same time.

use alloc::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::renewal::GrantId;
use clavitor_core::id::Seq;

mod hq;

use hq::Hq;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// What is on its way, and of which process; what goes to a disk is on its way, too.
#[derive(Clone, Debug)]
enum Message {
    Renewal { of: (usize, u64), op: OpId, draft: Draft },
    Answer { of: (usize, u64), op: OpId, answer: Answer },
    Ask { of: (usize, u64), op: OpId, to: usize, term: Epoch, lease_ms: u64, challenge: u64 },
    Vote { of: (usize, u64), op: OpId, vote: Vote },
    Accept { of: (usize, u64), op: OpId, term: Epoch },
    Adopt { of: (usize, u64), term: Epoch },
    Closed { of: (usize, u64), op: OpId },
    Watch { of: (usize, u64), op: OpId },
}

struct Server {
    lease: Lease,
    process: u64,
    stored: Epoch,
    until: Instant,
    is_paused: bool,
    /// How fast its clock runs, in hundredths.
    rate: u64,
    asked: BTreeMap<OpId, ((usize, u64), OpId)>,
}

struct World {
    now_ms: u64,
    hq_rate: u64,
    hq: Hq,
    servers: Vec<Server>,
    /// With the time when each set out.
    messages: Vec<(u64, Message)>,
    writers: Vec<usize>,
}

fn clock(now_ms: u64, rate: u64) -> Instant {
    // The clocks of different machines have nothing to do with each other but their rates.
    Instant::from_ms(1_000_000 * (rate - 98) + now_ms * rate / 100)
}

fn machine(at: usize, process: u64, stored: Epoch) -> Lease {
    let seed = process * 3 + at as u64;
    let start = Start { pop: pop(NAMES[at]), seed, ..start() };
    Lease::new(start, Some(stored))
}

/// What becomes of messages for a while.
#[derive(Clone, Copy, Debug, Default)]
struct Weather {
    /// Who is cut off, by bits; the fourth is HQ.
    cut: usize,
    /// Whether HQ hears everybody, and nobody hears HQ.
    is_one_way: bool,
    answer_ms: u64,
    vote_ms: u64,
    /// Whether HQ has somebody else follow as soon as it may, and who that is.
    ordering: Option<usize>,
}

impl Weather {
    fn drawn(choice: usize) -> Self {
        let bit = |place: usize| choice >> place & 1 == 1;
        Self {
            cut: choice & 15,
            is_one_way: bit(4) && bit(5),
            answer_ms: if bit(6) { 900 } else { 0 },
            vote_ms: if bit(7) { 900 } else { 0 },
            ordering: bit(8).then_some(choice >> 9),
        }
    }

    fn is_cut(&self, at: usize) -> bool {
        self.cut >> at & 1 == 1
    }

    fn is_lost(&self, message: &Message) -> bool {
        match message {
            Message::Renewal { of, .. } => self.is_cut(of.0) || self.is_cut(3),
            Message::Answer { of, .. } => self.is_one_way || self.is_cut(of.0) || self.is_cut(3),
            Message::Ask { of, to, .. } => self.is_cut(of.0) || self.is_cut(*to),
            Message::Vote { of, .. } => self.is_cut(of.0),
            Message::Watch { .. } => true,
            _ => false,
        }
    }

    fn delay_ms(&self, message: &Message) -> u64 {
        match message {
            Message::Answer { .. } => self.answer_ms,
            Message::Vote { .. } => self.vote_ms,
            _ => 0,
        }
    }
}

impl World {
    fn new(rates: [u64; 4]) -> Self {
        let term = epoch(1, "a");
        let server = |at: usize| Server {
            lease: machine(at, 1, term),
            process: 1,
            stored: term,
            until: Instant(0),
            is_paused: false,
            rate: rates[at],
            asked: BTreeMap::new(),
        };
        let mut world = Self {
            now_ms: 0,
            hq_rate: rates[3],
            hq: Hq::new(),
            servers: (0..3).map(server).collect(),
            messages: vec![],
            writers: vec![],
        };
        (0..3).for_each(|at| world.begin(at));
        world
    }

    fn begin(&mut self, at: usize) {
        for other in (0..3u8).filter(|other| usize::from(*other) != at) {
            let pop = pop(NAMES[usize::from(other)]);
            self.input(at, Input::PeerKnown { peer: other, pop });
        }
        self.input(at, Input::BecameReady);
        self.input(at, Input::Started);
    }

    fn crash(&mut self, at: usize) {
        let server = &mut self.servers[at];
        server.process += 1;
        server.lease = machine(at, server.process, server.stored);
        server.until = Instant(0);
        server.is_paused = false;
        server.asked.clear();
        self.begin(at);
    }

    fn input(&mut self, at: usize, input: Input) {
        let now_ms = self.now_ms;
        let server = &mut self.servers[at];
        let mut out = vec![];
        server.lease.handle(clock(now_ms, server.rate), input, &mut out);
        assert!(out.len() < 40, "a hot loop: {out:?}");
        for effect in out {
            self.perform(at, effect);
            self.check();
        }
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        let server = &mut self.servers[at];
        let of = (at, server.process);
        let message = match effect {
            Effect::HoldLease { until } => {
                server.until = until;
                return;
            }
            Effect::AnswerVote { op, vote } => match server.asked.remove(&op) {
                Some((of, op)) => Message::Vote { of, op, vote },
                None => return,
            },
            Effect::Renew { op, draft } => Message::Renewal { of, op, draft },
            Effect::AskVote { op, peer, epoch, lease_ms, challenge, .. } => {
                Message::Ask { of, op, to: usize::from(peer), term: epoch, lease_ms, challenge }
            }
            Effect::Accept { op, epoch, .. } => Message::Accept { of, op, term: epoch },
            Effect::Adopt(term) => Message::Adopt { of, term },
            Effect::CloseWrites { op, .. } => Message::Closed { of, op },
            Effect::Watch { op } => Message::Watch { of, op },
            Effect::Cancel { .. }
            | Effect::OpenWrites
            | Effect::AnswerSwitchover { .. }
            | Effect::RaiseAlert(_) => return,
        };
        if self.messages.len() < 200 {
            self.messages.push((self.now_ms, message));
        }
    }

    /// Whoever would acknowledge a write now.
    fn check(&mut self) {
        let holds = |(at, server): &(usize, &Server)| {
            let now = clock(self.now_ms, server.rate);
            server.stored.primary == pop(NAMES[*at]) && now < server.until
        };
        let writers = self.servers.iter().enumerate().filter(holds);
        self.writers = writers.map(|(at, _)| at).collect();
        assert!(self.writers.len() <= 1, "two writers at {} ms", self.now_ms);
    }

    /// Something arrives. What is for a process that is gone, arrives nowhere.
    fn deliver(&mut self, message: Message) {
        let (Message::Renewal { of, .. }
        | Message::Answer { of, .. }
        | Message::Ask { of, .. }
        | Message::Vote { of, .. }
        | Message::Accept { of, .. }
        | Message::Adopt { of, .. }
        | Message::Closed { of, .. }
        | Message::Watch { of, .. }) = &message;
        let of = *of;
        let is_there = self.servers[of.0].process == of.1;
        let hq_now = clock(self.now_ms, self.hq_rate);
        match message {
            Message::Renewal { of, op, draft } => {
                let answer = self.hq.answer(hq_now, pop(NAMES[of.0]), &draft);
                self.messages.push((self.now_ms, Message::Answer { of, op, answer }));
            }
            Message::Ask { of, op, to, term, lease_ms, challenge } => {
                let known = OpId(self.now_ms * 1_000 + self.servers[to].asked.len() as u64);
                self.servers[to].asked.insert(known, (of, op));
                let from = pop(NAMES[of.0]);
                let asked = Input::VoteAsked { op: known, from, epoch: term, lease_ms, challenge };
                self.input(to, asked);
            }
            Message::Answer { op, answer, .. } if is_there => {
                self.input(of.0, Input::Renewed { op, outcome: Renewed::Answered(answer) });
            }
            Message::Vote { op, vote, .. } if is_there => {
                self.input(of.0, Input::VoteAnswered { op, vote: Some(vote) });
            }
            Message::Accept { op, term, .. } if is_there => {
                self.servers[of.0].stored = self.servers[of.0].stored.max(term);
                let epoch = Some(self.servers[of.0].stored);
                self.input(of.0, Input::Accepted { op, epoch });
            }
            Message::Adopt { term, .. } if is_there => {
                self.servers[of.0].stored = self.servers[of.0].stored.max(term);
                let stored = self.servers[of.0].stored;
                self.input(of.0, Input::EpochStored(stored));
            }
            Message::Closed { op, .. } if is_there => {
                self.input(of.0, Input::WritesClosed { op, last: Seq(0) });
                self.input(of.0, Input::TargetSeen { behind: Some(0) });
            }
            Message::Watch { op, .. } if is_there => {
                self.input(of.0, Input::WatchEnded { op, is_news: true });
            }
            _ => {}
        }
    }

    /// Time passes; whoever is not paused wakes when it wants to.
    fn pass(&mut self, ms: u64) {
        let end_ms = self.now_ms + ms;
        loop {
            let due = |server: &Server| {
                let (wake, _) = server.lease.next_wake().filter(|_| !server.is_paused)?;
                let ahead_ms = wake.ms_since(clock(self.now_ms, server.rate));
                Some(self.now_ms + ahead_ms * 100 / server.rate + 1)
            };
            let wakes = self.servers.iter().enumerate();
            let next = wakes.filter_map(|(at, server)| Some((due(server)?, at))).min();
            let Some((wake_ms, at)) = next.filter(|(wake_ms, _)| *wake_ms <= end_ms) else { break };
            self.now_ms = wake_ms;
            self.check();
            self.input(at, Input::Tick);
        }
        self.now_ms = end_ms;
        self.check();
    }

    /// For a while all goes by some rule.
    fn run(&mut self, ms: u64, weather: Weather) {
        for _ in 0..ms / 10 {
            for (born_ms, message) in core::mem::take(&mut self.messages) {
                if weather.is_lost(&message) {
                    continue;
                }
                if born_ms + weather.delay_ms(&message) > self.now_ms {
                    self.messages.push((born_ms, message));
                } else {
                    self.deliver(message);
                }
            }
            if let Some(choice) = weather.ordering {
                self.hq.order_another(clock(self.now_ms, self.hq_rate), choice);
            }
            self.pass(10);
        }
    }

    /// A frame, or its answer, tells of an epoch.
    fn gossip(&mut self, from: usize, to: usize) {
        let told = self.servers[from].stored;
        if self.servers[to].lease.may_adopt(told) {
            let of = (to, self.servers[to].process);
            self.messages.push((self.now_ms, Message::Adopt { of, term: told }));
        }
    }

    fn step(&mut self, (kind, choice): (u8, usize)) {
        let at = choice % 3;
        let message = choice.checked_rem(self.messages.len());
        match kind {
            0 => self.pass((choice % 3_000) as u64),
            1..=4 => {
                if let Some(place) = message {
                    let (_, message) = self.messages.swap_remove(place);
                    self.deliver(message);
                }
            }
            // It arrives, and will arrive again.
            5 => {
                let message = message.map(|place| self.messages[place].1.clone());
                message.into_iter().for_each(|message| self.deliver(message));
            }
            6 => drop(message.map(|place| self.messages.swap_remove(place))),
            7 => self.crash(at),
            8 => self.servers[at].is_paused ^= true,
            9 | 10 => self.hq.order(clock(self.now_ms, self.hq_rate), choice),
            11 => self.hq.offer(choice),
            12 => self.hq.restart(clock(self.now_ms, self.hq_rate)),
            13 => {
                self.hq.hand_over_to = Some(pop(NAMES[at]));
                (0..3).for_each(|at| self.input(at, Input::TargetSeen { behind: Some(0) }));
            }
            14 => self.gossip(at, choice / 3 % 3),
            _ => self.run(500 * (1 + (choice % 16) as u64), Weather::drawn(choice / 16)),
        }
    }
}

fn rates() -> impl Strategy<Value = [u64; 4]> {
    prop::array::uniform4(99..=101u64)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        // Each is a long story.
        cases: ProptestConfig::default().cases / 4,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_two_pops_hold_the_right_to_take_writes(
        rates in rates(),
        steps in prop::collection::vec((0..19u8, 0..1usize << 20), 1..200),
    ) {
        let mut world = World::new(rates);
        world.run(1_000, Weather::default());
        steps.into_iter().for_each(|step| world.step(step));
    }
}

#[test]
fn a_cluster_whose_primary_dies_goes_on_and_one_whose_hq_dies_goes_on_too() {
    let mut world = World::new([100; 4]);
    let fair = Weather::default();
    world.run(10_000, fair);
    assert_eq!(world.writers, [0]);
    // HQ is away for a minute.
    world.run(60_000, Weather { cut: 0b1000, ..fair });
    assert_eq!(world.writers, [0]);
    world.run(10_000, fair);
    // a is cut off from everybody.
    let mut waited_ms = 0;
    while world.writers != [1] {
        world.run(100, Weather { cut: 0b0001, ordering: Some(1), ..fair });
        waited_ms += 100;
        assert!(waited_ms < 12_000, "nobody follows");
    }
    world.run(10_000, fair);
    assert_eq!(world.writers, [1]);
    assert_eq!(world.servers[0].stored.primary, pop("b"), "it has learnt of the term");
}
