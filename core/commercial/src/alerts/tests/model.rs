//! Against a world that keeps its own books: whatever is raised is shown, counted as lost, or was
//! not on disk when the process was killed.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Raise { of: usize, message: u8, times: u8 },
    Pass { ms: u64 },
    Keep { takes: bool, is_busy: bool },
    Post { arrives: bool, answer: Option<Outcome> },
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        6 => Just(Some(Outcome::Delivered)),
        3 => Just(None),
        2 => Just(Some(Outcome::Away)),
        1 => Just(Some(Outcome::Denied)),
        1 => Just(Some(Outcome::Refused)),
    ];
    prop_oneof![
        6 => (0..4_usize, 0..48_u8, 1..50_u8)
            .prop_map(|(of, message, times)| Step::Raise { of, message, times }),
        4 => prop_oneof![0..3_000_u64, 0..70_000_u64, 0..700_000_u64]
            .prop_map(|ms| Step::Pass { ms }),
        6 => any::<(bool, bool)>().prop_map(|(takes, is_busy)| Step::Keep { takes, is_busy }),
        6 => (any::<bool>(), outcome).prop_map(|(arrives, answer)| Step::Post { arrives, answer }),
        1 => Just(Step::Kill),
    ]
}

const TYPES: [AlertType; 4] = [
    AlertType::ClockSkew,
    AlertType::StorageFull,
    AlertType::RolledBack,
    AlertType::ReplicationExhausted,
];

struct World {
    bench: Bench,
    /// What HQ shows: one item a key.
    shown: BTreeMap<[u8; 16], Item>,
    unanswered: Option<(OpId, Item)>,
    raised: u64,
    lost: u64,
    /// Raised, but not on disk when the process was killed.
    forgotten: u64,
    kills: u64,
    has_refused: bool,
}

impl World {
    fn new() -> Self {
        let mut bench = Bench::new();
        bench.is_slow = true;
        Self {
            bench,
            shown: BTreeMap::new(),
            unanswered: None,
            raised: 0,
            lost: 0,
            forgotten: 0,
            kills: 0,
            has_refused: false,
        }
    }

    fn input(&mut self, input: Input) {
        self.bench.input(input);
        self.look();
    }

    /// What was posted is as it was before under its key, and stored unless there is no room.
    fn look(&mut self) {
        for (op, item) in self.bench.posts.drain(..) {
            if let Some(known) = self.shown.get(&item.key) {
                assert_eq!(known, &item, "another alert under the same key");
            }
            let stored = self.bench.outbox.get(&item.number);
            assert!(stored.is_none_or(|stored| *stored == item), "sent other than it is stored");
            assert!(
                stored.is_some() || self.bench.router.keeping.has_no_room(),
                "sent, not stored"
            );
            assert!(item.at.is_some());
            self.unanswered = Some((op, item));
        }
        assert!(self.bench.asked.len() <= 1, "one order at a time");
        assert!(self.bench.waiting() <= (ITEMS_MAX + LOST_ITEMS_MAX) as u64);
        let most = outbox::ROWS_MAX;
        assert!(self.bench.outbox.len() <= most, "{} rows", self.bench.outbox.len());
        assert!(self.bench.router.keeping.removals() <= most);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Raise { of, message, times } => {
                for _ in 0..times {
                    self.raised += 1;
                    self.input(Input::Raised(alert(TYPES[of], &format!("{message}"))));
                }
            }
            Step::Pass { ms } => {
                self.bench.until(self.bench.now_ms + ms);
                self.look();
            }
            Step::Keep { takes, is_busy } => {
                (self.bench.takes, self.bench.is_busy) = (takes, is_busy);
                self.bench.answer_keep();
                self.look();
            }
            Step::Post { arrives, answer } => {
                let Some((op, item)) = self.unanswered.take() else { return };
                let is_taken = answer == Some(Outcome::Delivered) || (arrives && answer.is_none());
                if is_taken {
                    self.shown.insert(item.key, item);
                }
                self.has_refused |= answer == Some(Outcome::Refused);
                answer.into_iter().for_each(|outcome| self.input(Input::Posted { op, outcome }));
            }
            Step::Kill => self.kill(),
        }
    }

    fn kill(&mut self) {
        self.kills += 1;
        self.lost += self.bench.router.view().lost;
        for item in self.bench.router.queue.items() {
            let is_report = item.alert.alert_type == AlertType::AlertsLost;
            if !is_report && !self.shown.contains_key(&item.key) {
                let stored = self.bench.outbox.get(&item.number).map_or(0, |item| item.count);
                self.forgotten += u64::from(item.count - stored);
            }
        }
        self.unanswered = None;
        let bench = core::mem::replace(&mut self.bench, Bench::new());
        self.bench = bench.restarted(1_000 + self.kills);
        self.bench.is_slow = true;
    }

    /// Everything works from now on.
    fn heal(&mut self) {
        for _ in 0..2_000 {
            if self.bench.waiting() == 0 && self.bench.outbox.is_empty() {
                return;
            }
            self.step(Step::Keep { takes: true, is_busy: false });
            self.step(Step::Post { arrives: true, answer: Some(Outcome::Delivered) });
            self.step(Step::Pass { ms: 10_000 });
        }
        panic!("{} still wait", self.bench.waiting());
    }

    fn count(&self, is_report: bool) -> u64 {
        let of = |item: &&Item| (item.alert.alert_type == AlertType::AlertsLost) == is_report;
        self.shown.values().filter(of).map(|item| u64::from(item.count)).sum()
    }

    fn check(&self) {
        let lost = self.lost + self.bench.router.view().lost;
        let (shown, told_lost) = (self.count(false), self.count(true));
        assert!(shown <= self.raised, "{shown} shown of {}", self.raised);
        assert!(
            shown + lost + self.forgotten >= self.raised,
            "{} raised, {shown} shown, {lost} lost, {} forgotten",
            self.raised,
            self.forgotten
        );
        if lost == 0 {
            assert_eq!(shown + self.forgotten, self.raised);
        }
        if self.kills == 0 && !self.has_refused {
            assert_eq!(told_lost, lost, "HQ hears of every loss");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn every_alert_is_shown_once_or_counted_as_lost(
        steps in proptest::collection::vec(step(), 1..160),
    ) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.step(step));
        world.heal();
        world.check();
    }
}
