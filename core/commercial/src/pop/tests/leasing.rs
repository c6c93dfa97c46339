//! The right to take writes, composed with all that it depends on.

use super::*;
use crate::lease::{Effect as Order, Fencing, Input as Fact, Renewed};
use crate::renewal::{self, Grant, LEASE_MS, with_margin};

const CLOSE: Effect = Effect::Community(community::Effect::CloseStore);

fn grant(number: u64) -> Grant {
    let epoch = Epoch { number, primary: pop("a") };
    Grant { epoch, version: 1, members: vec![pop("a"), pop("b")], lease_ms: LEASE_MS }
}

impl Bench {
    /// POP `a` with an HQ; both peers have answered its hello.
    fn with_hq(is_primary: bool, is_imported: bool) -> Self {
        let mut bench = Self::booting(2, is_imported, is_primary);
        bench.pop.lease = Lease::new(
            lease::Start {
                has_hq: true,
                fencing: Fencing::Lease,
                seed: 7,
                ..lease::Start::without_hq(pop("a"))
            },
            bench.pop.epoch(),
        );
        bench.input(Input::Started);
        bench.ack(0);
        bench.ack(1);
        bench
    }

    /// The primary `a` with a lease, to hand over to `b` if so asked.
    fn leading(hand_over_to: Option<PopId>) -> Self {
        let mut bench = Self::with_hq(true, false);
        bench.answered(renewal::Answer::Lead { grant: grant(1), hand_over_to });
        bench
    }

    fn lease(&mut self, fact: Fact) {
        self.input(Input::Lease(fact));
    }

    fn renewal(&self) -> (OpId, lease::Draft) {
        let renewal = self.out.iter().rev().find_map(|effect| match effect {
            Effect::Lease(Order::Renew { op, draft }) => Some((*op, draft.clone())),
            _ => None,
        });
        renewal.expect("a renewal")
    }

    fn answered(&mut self, answer: renewal::Answer) {
        let (op, _) = self.renewal();
        self.lease(Fact::Renewed { op, outcome: Renewed::Answered(answer) });
    }

    fn closes(&self) -> Option<OpId> {
        self.out.iter().find_map(|effect| match effect {
            Effect::Lease(Order::CloseWrites { op, .. }) => Some(*op),
            _ => None,
        })
    }

    fn is_held(&self) -> bool {
        let now = Instant::from_ms(self.now_ms);
        self.pop.lease(now).lease_ms_left > Some(0)
    }
}

#[test]
fn without_hq_a_lease_costs_no_wake_up() {
    let bench = Bench::primary();
    assert_eq!(bench.pop.next_wake(), None);
}

#[test]
fn peers_are_known_to_the_lease_as_soon_as_they_answer() {
    let bench = Bench::with_hq(true, false);
    assert_eq!(
        (bench.pop.lease.peer(0), bench.pop.lease.peer(1)),
        (Some(pop("b")), Some(pop("c")))
    );
}

#[test]
fn an_import_is_ready_once_it_has_heard_its_peers() {
    let mut bench = Bench::with_hq(false, true);
    assert!(!bench.renewal().1.is_ready);
    bench.input(Input::PeerComplete { peer: 0 });
    assert!(!bench.pop.lease.is_ready());
    bench.input(Input::PeerComplete { peer: 1 });
    assert!(bench.pop.lease.is_ready());
}

#[test]
fn a_promotion_of_hq_is_a_change_of_epoch_like_any_other() {
    let mut bench = Bench::with_hq(false, false);
    bench.tick(with_margin(LEASE_MS));
    bench.tick(10_000);
    let epoch = Epoch { number: 2, primary: pop("a") };
    bench.answered(renewal::Answer::Promote { epoch, floor_ms: 3 });
    let op = bench.out.iter().find_map(|effect| match effect {
        Effect::Lease(Order::Accept { op, .. }) => Some(*op),
        _ => None,
    });
    let hellos = bench.orders.len();
    bench.now_ms += 20;
    bench.lease(Fact::Accepted { op: op.unwrap(), epoch: Some(epoch) });
    assert!(bench.pop.is_primary());
    assert_eq!(bench.orders.len(), hellos + 2, "both peers are told");
    assert!(!bench.is_held());
    bench.answered(renewal::Answer::Lead { grant: grant(2), hand_over_to: None });
    assert!(bench.is_held());
}

#[test]
fn a_newer_epoch_ends_the_lease_wherever_it_comes_from() {
    let epoch = Epoch { number: 2, primary: pop("b") };
    for input in [Input::EpochChanged(epoch), Input::Promoted(epoch)] {
        let mut bench = Bench::leading(None);
        assert!(bench.is_held());
        bench.input(input);
        assert_eq!(bench.count(&Effect::Lease(Order::HoldLease { until: Instant(0) })), 1);
    }
}

#[test]
fn what_hq_says_of_a_newer_epoch_is_stored_like_what_a_peer_says() {
    let mut bench = Bench::leading(None);
    bench.tick(2_010);
    let epoch = Epoch { number: 2, primary: pop("b") };
    bench.answered(renewal::Answer::Follow { epoch: Some(epoch) });
    assert_eq!(bench.count(&Effect::AdoptEpoch(epoch)), 1);
}

#[test]
fn a_hand_over_waits_for_what_was_taken_last_even_if_word_of_it_comes_late() {
    let mut bench = Bench::leading(Some(pop("b")));
    let op = bench.closes().expect("b has everything so far");
    bench.lease(Fact::WritesClosed { op, last: Seq(1) });
    assert!(bench.is_held(), "b has yet to take the last write");
    assert_eq!(bench.data_to(), [0, 1]);
    bench.commit(true, &[], vec![]);
    bench.ack(1);
    assert!(bench.is_held(), "that was c");
    bench.now_ms += 20;
    bench.ack(0);
    assert!(!bench.is_held());
    assert!(bench.renewal().1.is_released);
}

#[test]
fn a_peer_that_is_away_is_not_handed_over_to() {
    let mut bench = Bench::leading(None);
    bench.commit(true, &[], vec![]);
    bench.fail(0);
    bench.tick(2_010);
    bench.answered(renewal::Answer::Lead { grant: grant(1), hand_over_to: Some(pop("b")) });
    assert_eq!((bench.pop.lease.target(), bench.closes()), (Some(pop("b")), None));
}

#[test]
fn the_lease_is_given_back_once_the_peers_have_everything_and_before_the_store_closes() {
    let mut bench = Bench::leading(None);
    bench.commit(true, &[], vec![]);
    bench.now_ms = 100;
    bench.input(Input::Community(community::Input::ShutdownRequested));
    bench.input(Input::Community(community::Input::RequestsFinished));
    bench.ack(0);
    assert!(bench.is_held());
    bench.now_ms += 20;
    bench.ack(1);
    assert!(!bench.is_held());
    assert!(bench.renewal().1.is_released);
    assert_eq!(bench.count(&CLOSE), 0);
    bench.answered(renewal::Answer::Follow { epoch: None });
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn an_hq_that_hangs_holds_nobody_back_beyond_the_grace() {
    let mut bench = Bench::leading(None);
    bench.input(Input::Community(community::Input::ShutdownRequested));
    bench.input(Input::Community(community::Input::RequestsFinished));
    assert_eq!(bench.count(&CLOSE), 0);
    let mut wakes = 0;
    while let Some((at, _)) = bench.pop.next_wake().filter(|_| bench.count(&CLOSE) == 0) {
        bench.tick(at.ms_since(Instant(0)));
        wakes += 1;
        assert!(wakes < 100, "a hot loop");
    }
    assert!(bench.now_ms < shutdown::GRACE_MS, "two tries of a second");
}

#[test]
fn a_backup_goes_without_asking_hq() {
    let mut bench = Bench::with_hq(false, false);
    bench.input(Input::Community(community::Input::ShutdownRequested));
    bench.input(Input::Community(community::Input::RequestsFinished));
    assert_eq!(bench.count(&CLOSE), 1);
}
