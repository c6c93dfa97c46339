//! Which alerts go to HQ, and what the way out waits for.

use clavitor_core::alert::AlertType;

use super::*;
use crate::alerts::{Outcome, Start, outbox};

const STOP: Effect = Effect::Community(community::Effect::StopAccepting);
const CLOSE: Effect = Effect::Community(community::Effect::CloseStore);

/// A POP without peers that has an HQ.
fn alone() -> Bench {
    let mut bench = Bench::booting(0, false, true);
    let primary = pop("a");
    bench.pop = CommercialPop::new(Boot {
        pop: primary,
        epoch: Some(Epoch { number: 0, primary }),
        last: Seq(0),
        peers: vec![],
        window: Window::STANDARD,
        is_imported: false,
        alerts: Start { is_routed: true, loaded: outbox::Loaded::default(), ..Start::default() },
        lease: lease::Start::without_hq(primary),
    });
    bench
}

fn raised() -> Alert {
    Alert::new(AlertType::StorageFull, "no room")
}

fn community(bench: &mut Bench, input: community::Input) {
    bench.input(Input::Community(input));
}

fn raise(bench: &mut Bench) {
    community(bench, community::Input::AlertRaised(raised()));
}

/// The order to keep alerts that was given last.
fn keep(bench: &Bench) -> OpId {
    let op = |effect: &Effect| match effect {
        Effect::KeepAlerts { op, .. } => Some(*op),
        _ => None,
    };
    bench.out.iter().rev().find_map(op).unwrap()
}

fn posted(bench: &Bench) -> Vec<Alert> {
    let item = |effect: &Effect| match effect {
        Effect::PostAlert { item, .. } => Some(item.alert.clone()),
        _ => None,
    };
    bench.out.iter().filter_map(item).collect()
}

fn lines(bench: &Bench) -> usize {
    let is_line =
        |effect: &&Effect| matches!(effect, Effect::Community(community::Effect::LogAlert(_)));
    bench.out.iter().filter(is_line).count()
}

#[test]
fn an_alert_from_outside_goes_to_hq_and_its_line_is_not_written_twice() {
    let mut bench = alone();
    raise(&mut bench);
    let op = keep(&bench);
    bench.input(Input::AlertsKept { op, at: UnixTime(1) });
    assert_eq!((lines(&bench), posted(&bench)), (0, vec![raised()]));
}

#[test]
fn a_machines_own_alert_has_its_line_first_and_goes_to_hq_too() {
    let mut bench = alone();
    let own = UnixTime(1_000_000_000);
    let clock = Some(Clocks { peer: own.plus_ms(70_000), own });
    let answer = Answer::Unreachable;
    let report = PeerReport { peer: 0, op: OpId(9), answer, clock, epoch: None };
    bench.input(Input::FrameAnswered(report));
    let Some(Effect::Community(community::Effect::LogAlert(line))) = bench.out.first() else {
        panic!("{:?}", bench.out)
    };
    let line = line.clone();
    let op = keep(&bench);
    bench.input(Input::AlertsKept { op, at: UnixTime(1) });
    assert_eq!((lines(&bench), posted(&bench)), (1, vec![line]));
}

#[test]
fn a_line_of_the_routers_own_is_none_for_hq() {
    let mut bench = alone();
    raise(&mut bench);
    let op = keep(&bench);
    bench.input(Input::AlertsKept { op, at: UnixTime(1) });
    let op = OpId(op.0 + 1);
    bench.input(Input::AlertPosted { op, outcome: Outcome::Denied });
    assert_eq!((lines(&bench), bench.pop.alerts().waiting), (1, 1));
    assert_eq!(bench.pop.next_wake().map(|(_, wake)| wake), Some(Wake("alerts")));
}

#[test]
fn shutdown_waits_until_alerts_are_stored() {
    let mut bench = alone();
    raise(&mut bench);
    community(&mut bench, community::Input::ShutdownRequested);
    community(&mut bench, community::Input::RequestsFinished);
    assert_eq!((bench.count(&STOP), bench.count(&CLOSE)), (1, 0));
    let op = keep(&bench);
    bench.input(Input::AlertsKept { op, at: UnixTime(1) });
    assert_eq!((bench.count(&CLOSE), posted(&bench).len()), (1, 0), "stored, and not sent");
}

#[test]
fn what_a_last_request_raises_is_stored_too() {
    let mut bench = alone();
    community(&mut bench, community::Input::ShutdownRequested);
    raise(&mut bench);
    community(&mut bench, community::Input::RequestsFinished);
    assert_eq!(bench.count(&CLOSE), 0);
    let op = keep(&bench);
    bench.input(Input::AlertsKept { op, at: UnixTime(1) });
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn neither_a_silent_hq_nor_a_full_disk_holds_shutdown_up() {
    let mut bench = alone();
    raise(&mut bench);
    let op = keep(&bench);
    bench.input(Input::AlertsUnkept { op, at: UnixTime(1), is_full: true });
    assert_eq!(posted(&bench).len(), 1, "from memory");
    community(&mut bench, community::Input::ShutdownRequested);
    community(&mut bench, community::Input::RequestsFinished);
    assert_eq!(bench.count(&Effect::CancelPost { op: OpId(op.0 + 1) }), 1);
    assert_eq!(bench.count(&CLOSE), 0, "there may be room by now");
    let op = keep(&bench);
    bench.input(Input::AlertsUnkept { op, at: UnixTime(1), is_full: true });
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn a_disk_that_does_not_answer_costs_the_grace_and_no_more() {
    let mut bench = alone();
    raise(&mut bench);
    community(&mut bench, community::Input::ShutdownRequested);
    community(&mut bench, community::Input::RequestsFinished);
    bench.tick(shutdown::GRACE_MS);
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn alerts_that_found_the_mailbox_full_are_told_here_and_at_hq() {
    let mut bench = alone();
    bench.input(Input::AlertsDropped { count: 3 });
    let op = keep(&bench);
    bench.input(Input::AlertsKept { op, at: UnixTime(1) });
    let types: Vec<AlertType> = posted(&bench).iter().map(|alert| alert.alert_type).collect();
    assert_eq!((types, lines(&bench)), (vec![AlertType::AlertsLost], 1));
    assert_eq!(bench.pop.alerts().lost, 3);
}
