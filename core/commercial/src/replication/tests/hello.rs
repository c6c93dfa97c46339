//! Two machines wired to each other: whatever each believes of the other, they come to rest.

use alloc::collections::{BTreeMap, VecDeque};

use super::received::Received;
use super::rig::record_verdict;
use super::*;
use crate::frame::Verdict;

const LAST: u64 = 5;

const STEPS_MAX: usize = 60;

/// One server: its data directory, what it received of the other's, and its machine.
struct Side {
    id: PopId,
    store: StoreId,
    last: u64,
    got: BTreeMap<StoreId, Received>,
    machine: Replication,
    denied: Vec<StoreId>,
}

struct Wired {
    order: Order,
    to: u64,
    source: StoreId,
    received: u64,
}

enum Event {
    Arrives { at: usize, frame: Wired },
    Returns { to: usize, op: OpId, answer: Answer },
    Replaced { at: usize, received: Seq },
}

struct Pair {
    now_ms: u64,
    sides: [Side; 2],
    events: VecDeque<Event>,
}

/// What one side believes of the other, and what the other has.
#[derive(Clone, Copy, Debug)]
struct Belief {
    known: Option<bool>,
    cursor: u64,
    received: u64,
}

fn beliefs() -> Vec<Belief> {
    let mut all = vec![];
    for received in [0, 3, LAST, 7] {
        all.push(Belief { known: None, cursor: 0, received });
        for cursor in [0, 3, LAST] {
            for is_right in [true, false] {
                all.push(Belief { known: Some(is_right), cursor, received });
            }
        }
    }
    all
}

impl Pair {
    fn new(beliefs: [Belief; 2]) -> Self {
        let side = |at: usize| {
            let belief = beliefs[at];
            let names = ["a", "b"];
            let other = StoreId([1 - at as u8; 16]);
            let store = |is_right| if is_right { other } else { StoreId([99; 16]) };
            let known = Known {
                identity: belief.known.map(|is_right| (pop(names[1 - at]), store(is_right))),
                cursor: Seq(belief.cursor),
                clean_to: Seq(belief.cursor),
                setbacks: 0,
                ..Known::default()
            };
            Side {
                id: pop(names[at]),
                store: StoreId([at as u8; 16]),
                last: LAST,
                got: BTreeMap::from([(other, Received::up_to(beliefs[1 - at].received))]),
                machine: Replication::new(at as u8, Window::STANDARD, known, Seq(LAST)),
                denied: vec![],
            }
        };
        Self { now_ms: 0, sides: [side(0), side(1)], events: VecDeque::new() }
    }

    fn input(&mut self, at: usize, input: Input) {
        let mut out = Vec::new();
        let now = Instant::from_ms(self.now_ms);
        self.sides[at].machine.handle(now, input, &mut out);
        for effect in out {
            match effect {
                Effect::SendFrame(order) => self.send(at, order),
                Effect::RolledBack { received } => {
                    self.events.push_back(Event::Replaced { at, received });
                }
                Effect::DenyStore { store } => self.sides[at].denied.push(store),
                Effect::Verified => self.input(at, Input::VerificationStored),
                _ => {}
            }
        }
    }

    /// Frames carry two records, so that there are several.
    fn send(&mut self, at: usize, order: Order) {
        let side = &self.sides[at];
        let to =
            if order.is_hello { order.after.0 } else { (order.read_after.0 + 2).min(order.upto.0) };
        let known = order.identity.and_then(|(_, store)| side.got.get(&store));
        let frame = Wired {
            to,
            source: side.store,
            received: known.map_or(0, |received| received.prefix),
            order,
        };
        let built = Input::FrameBuilt { op: frame.order.op, to: Seq(to), records: 1, bytes: 1 };
        self.events.push_back(Event::Arrives { at: 1 - at, frame });
        self.input(at, built);
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Returns { to, op, answer } => {
                self.input(to, Input::FrameAnswered { op, answer })
            }
            Event::Arrives { at, frame } => {
                let op = frame.order.op;
                let answer = self.arrive(at, frame);
                self.events.push_back(Event::Returns { to: 1 - at, op, answer });
            }
            Event::Replaced { at, received } => {
                let side = &mut self.sides[at];
                side.store = StoreId([side.store.0[0] + 10; 16]);
                side.last = side.last.max(received.0);
                let last = Seq(side.last);
                self.input(at, Input::StoreReplaced { last });
            }
        }
    }

    fn arrive(&mut self, at: usize, frame: Wired) -> Answer {
        let named = frame.order.identity.map(|(_, store)| store);
        if named.is_some_and(|store| store != self.sides[at].store) {
            return Answer::Refused(Refusal::Store);
        }
        let heard = Input::PeerHeard {
            store: frame.source,
            received: Seq(if named.is_some() { frame.received } else { 0 }),
            is_hello: frame.order.is_hello,
        };
        self.input(at, heard);
        let side = &mut self.sides[at];
        let received = side.got.entry(frame.source).or_default();
        if !frame.order.is_hello {
            received.add(frame.order.after.0, frame.to);
        }
        let count = u32::from(!frame.order.is_hello);
        Answer::Acked(Acked {
            pop: side.id,
            store: side.store,
            received: Seq(received.prefix),
            verdicts: (0..count).map(|at| record_verdict(at, Verdict::Applied)).collect(),
            positions: vec![],
            is_complete: false,
            at: UnixTime(0),
        })
    }

    /// Lets everything happen, newest or oldest first, and ten seconds pass.
    fn run(&mut self, is_newest_first: bool) -> usize {
        let mut steps = 0;
        while self.now_ms <= 10_000 {
            let next =
                if is_newest_first { self.events.pop_back() } else { self.events.pop_front() };
            match next {
                Some(event) => self.step(event),
                None => {
                    self.now_ms += 1_000;
                    (0..2).for_each(|at| self.input(at, Input::Tick));
                    continue;
                }
            }
            steps += 1;
            if steps > 10 * STEPS_MAX {
                break;
            }
        }
        steps
    }

    fn assert_at_rest(&self) {
        for at in 0..2 {
            let (side, other) = (&self.sides[at], &self.sides[1 - at]);
            assert_eq!(side.machine.next_wake(), None);
            assert_eq!(side.machine.cursor(), Seq(side.last));
            assert_eq!(other.got[&side.store].prefix, side.last);
            assert!(!side.denied.contains(&other.store));
        }
    }
}

#[test]
fn hello_answered_with_hello_ends_from_every_mismatch_of_cursors_and_identities() {
    let mut longest = 0;
    for first in beliefs() {
        for second in beliefs() {
            for (starts, is_stack) in [(1, false), (2, false), (3, false), (1, true), (3, true)] {
                let mut pair = Pair::new([first, second]);
                for at in (0..2).filter(|at| starts & (1 << at) > 0) {
                    pair.input(at, Input::Started);
                }
                let steps = pair.run(is_stack);
                assert!(steps <= STEPS_MAX, "{first:?} {second:?} {starts} took {steps} steps");
                longest = longest.max(steps);
                pair.assert_at_rest();
            }
        }
    }
    assert!(longest > 10, "the longest conversation took {longest} steps");
}

/// Requests pass and every answer is lost, in both directions: each hello is news to the other.
#[test]
fn two_peers_that_hear_but_never_get_an_answer_do_not_answer_hello_with_hello_without_end() {
    let belief = Belief { known: Some(true), cursor: 0, received: 0 };
    let mut pair = Pair::new([belief, belief]);
    let mut hellos = 0;
    (0..2).for_each(|at| pair.input(at, Input::Started));
    while pair.now_ms < 60_000 {
        while let Some(event) = pair.events.pop_front() {
            let Event::Arrives { at, frame } = event else { continue };
            hellos += 1;
            assert!(hellos < 300, "a hot loop after {} ms", pair.now_ms);
            let op = frame.order.op;
            pair.arrive(at, frame);
            pair.input(1 - at, Input::FrameAnswered { op, answer: Answer::Unreachable });
        }
        pair.now_ms += 100;
        (0..2).for_each(|at| pair.input(at, Input::Tick));
    }
}
