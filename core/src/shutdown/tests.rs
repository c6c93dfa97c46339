use alloc::vec;

use super::*;

fn run(script: &[(u64, Input)]) -> (Shutdown, Vec<(u64, Effect)>) {
    let mut machine = Shutdown::Running;
    let mut effects = Vec::new();
    for (ms, input) in script {
        let mut out = Vec::new();
        machine.handle(Instant::from_ms(*ms), *input, &mut out);
        effects.extend(out.into_iter().map(|effect| (*ms, effect)));
    }
    (machine, effects)
}

#[test]
fn an_idle_server_leaves_at_once() {
    let (machine, effects) = run(&[
        (10, Input::Requested),
        (11, Input::RequestsFinished),
        (12, Input::PeersFlushed),
        (12, Input::AlertsKept),
        (12, Input::LeaseReturned),
        (13, Input::StoreClosed),
    ]);
    assert_eq!(machine, Shutdown::Done);
    assert_eq!(
        effects,
        vec![(10, Effect::StopAccepting), (12, Effect::CloseStore), (13, Effect::Exit)]
    );
}

#[test]
fn the_store_is_closed_when_requests_peers_lease_and_alerts_are_done_in_any_order() {
    let stages =
        [Input::RequestsFinished, Input::PeersFlushed, Input::LeaseReturned, Input::AlertsKept];
    for code in 0..4usize.pow(4) {
        let order: [usize; 4] = core::array::from_fn(|at| code / 4usize.pow(at as u32) % 4);
        if (0..4).any(|stage| !order.contains(&stage)) {
            continue;
        }
        let mut script = vec![(0, Input::Requested)];
        script.extend((1..).zip(order).map(|(ms, stage)| (ms, stages[stage])));
        let (_, effects) = run(&script);
        assert_eq!(effects, vec![(0, Effect::StopAccepting), (4, Effect::CloseStore)]);
    }
}

#[test]
fn hanging_requests_peers_and_store_are_left_behind() {
    let (machine, effects) =
        run(&[(0, Input::Requested), (GRACE_MS, Input::Tick), (GRACE_MS + CLOSE_MS, Input::Tick)]);
    assert_eq!(machine, Shutdown::Done);
    assert_eq!(effects.last(), Some(&(GRACE_MS + CLOSE_MS, Effect::Exit)));
}

#[test]
fn a_second_signal_exits_at_once() {
    let (_, effects) = run(&[(0, Input::Requested), (1, Input::Requested)]);
    assert_eq!(effects, vec![(0, Effect::StopAccepting), (1, Effect::Exit)]);
}

#[test]
fn every_order_of_inputs_ends_in_time_with_one_exit() {
    let inputs = [
        Input::Requested,
        Input::RequestsFinished,
        Input::PeersFlushed,
        Input::StoreClosed,
        Input::Tick,
        Input::AlertsKept,
        Input::LeaseReturned,
    ];
    for code in 0..7u32.pow(7) {
        let picked = (0..7).map(|at| inputs[(code / 7u32.pow(at) % 7) as usize]);
        let mut script = vec![(0, Input::Requested)];
        script.extend(picked.map(|input| (1, input)));
        script.extend([(GRACE_MS + 1, Input::Tick), (GRACE_MS + CLOSE_MS + 1, Input::Tick)]);
        let (machine, effects) = run(&script);
        let exits = effects.iter().filter(|(_, effect)| *effect == Effect::Exit).count();
        assert_eq!((machine, exits), (Shutdown::Done, 1), "{script:?}");
    }
}
