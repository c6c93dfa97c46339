use super::*;

const STOP: Effect = Effect::Community(community::Effect::StopAccepting);
const CLOSE: Effect = Effect::Community(community::Effect::CloseStore);
const EXIT: Effect = Effect::Community(community::Effect::Exit);

impl Bench {
    fn community(&mut self, input: community::Input) {
        self.input(Input::Community(input));
    }
}

#[test]
fn shutdown_waits_until_a_reachable_peer_has_everything() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![]);
    bench.community(community::Input::ShutdownRequested);
    bench.community(community::Input::RequestsFinished);
    bench.ack(0);
    assert_eq!((bench.count(&STOP), bench.count(&CLOSE)), (1, 0));
    bench.ack(1);
    assert_eq!(bench.count(&CLOSE), 1);
    bench.community(community::Input::StoreClosed);
    assert_eq!(bench.count(&EXIT), 1);
}

#[test]
fn shutdown_does_not_wait_for_a_peer_that_is_not_reachable() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![]);
    bench.fail(0);
    bench.fail(1);
    bench.community(community::Input::ShutdownRequested);
    bench.community(community::Input::RequestsFinished);
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn shutdown_stops_waiting_when_the_peer_fails() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![]);
    bench.ack(1);
    bench.community(community::Input::ShutdownRequested);
    bench.community(community::Input::RequestsFinished);
    assert_eq!(bench.count(&CLOSE), 0);
    bench.fail(0);
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn shutdown_ends_within_its_grace_whatever_the_peers_do() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![waiter(1, 7, 50)]);
    bench.community(community::Input::ShutdownRequested);
    bench.community(community::Input::RequestsFinished);
    bench.tick(shutdown::GRACE_MS);
    assert_eq!(bench.count(&CLOSE), 1);
    bench.tick(shutdown::GRACE_MS + shutdown::CLOSE_MS);
    assert_eq!(bench.count(&EXIT), 1);
}

/// The peers are owed nothing when the signal comes, but a request is still in flight.
#[test]
fn what_a_last_request_writes_is_flushed_too() {
    let mut bench = Bench::primary();
    bench.community(community::Input::ShutdownRequested);
    assert_eq!(bench.count(&CLOSE), 0);
    bench.commit(true, &[], vec![]);
    bench.community(community::Input::RequestsFinished);
    assert_eq!(bench.count(&CLOSE), 0, "both peers can take it");
    bench.ack(0);
    bench.ack(1);
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn waiting_clients_are_told_as_soon_as_nobody_is_left_who_could_confirm() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![waiter(1, 7, 50)]);
    bench.community(community::Input::ShutdownRequested);
    bench.fail(0);
    assert_eq!(bench.releases(), [], "the other peer may confirm it");
    bench.fail(1);
    assert_eq!(bench.releases(), [(1, false)]);
}

#[test]
fn a_report_that_hangs_is_cancelled_and_keeps_nobody() {
    use clavitor_core::telemetry::{Effect as Report, FIRST_MS};
    let report = |effect| Effect::Community(community::Effect::Telemetry(effect));
    let op = OpId(0);
    let mut bench = Bench::primary();
    bench.community(community::Input::TelemetryStarted { every_ms: 60_000 });
    bench.tick(FIRST_MS);
    assert_eq!(bench.count(&report(Report::Send { op })), 1);
    bench.community(community::Input::ShutdownRequested);
    bench.community(community::Input::RequestsFinished);
    assert_eq!(bench.count(&report(Report::Cancel { op })), 1);
    assert_eq!(bench.count(&CLOSE), 1);
}

#[test]
fn a_second_request_ends_at_once() {
    let mut bench = Bench::primary();
    bench.commit(true, &[], vec![]);
    bench.community(community::Input::ShutdownRequested);
    bench.community(community::Input::ShutdownRequested);
    assert_eq!(bench.count(&EXIT), 1);
}
