use alloc::collections::BTreeSet;
use alloc::vec;

use super::*;

mod properties;

const SCANNER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 7));

fn tarpit(held_max: u32) -> Tarpit {
    Tarpit::new(Limits { held_max, per_address: None })
}

fn handle(tarpit: &mut Tarpit, ms: u64, input: Input) -> Vec<Effect> {
    let mut out = Vec::new();
    tarpit.handle(Instant::from_ms(ms), input, &mut out);
    tarpit.queue.assert_is_sound();
    out
}

fn arrive(tarpit: &mut Tarpit, ms: u64, address: IpAddr) -> Option<Held> {
    match handle(tarpit, ms, Input::Arrived { address })[..] {
        [Effect::Hold { held }] => Some(held),
        [Effect::Drop] => None,
        ref other => panic!("an arrival is held or dropped: {other:?}"),
    }
}

fn hold(tarpit: &mut Tarpit, ms: u64) -> Held {
    arrive(tarpit, ms, SCANNER).unwrap()
}

fn leave(tarpit: &mut Tarpit, ms: u64, held: Held) {
    assert_eq!(handle(tarpit, ms, Input::Left { held }), vec![]);
}

/// Lets time pass up to `until_ms`, and answers what was ordered when.
fn run(tarpit: &mut Tarpit, until_ms: u64) -> Vec<(u64, Effect)> {
    let mut ordered = Vec::new();
    while let Some(wake) = tarpit.next_wake().filter(|wake| *wake <= Instant::from_ms(until_ms)) {
        let ms = wake.ms_since(Instant(0));
        let effects = handle(tarpit, ms, Input::Tick);
        assert!(!effects.is_empty(), "whoever is woken has something to do");
        ordered.extend(effects.into_iter().map(|effect| (ms, effect)));
    }
    ordered
}

#[test]
fn a_client_gets_thirty_bytes_one_each_second_and_is_closed() {
    for (came_ms, first_ms) in [(0, 1_000), (1, 1_100), (99, 1_100), (100, 1_100), (101, 1_200)] {
        let mut tarpit = tarpit(1);
        let held = hold(&mut tarpit, came_ms);
        let mut expected: Vec<_> = (0..29u8)
            .map(|at| (first_ms + u64::from(at) * 1_000, Effect::Drip { held, at }))
            .collect();
        expected.push((first_ms + 29_000, Effect::Finish { held }));
        assert_eq!(run(&mut tarpit, u64::MAX / 1_000_000), expected);
        let totals = tarpit.totals();
        assert_eq!((totals.held, totals.bytes), (0, 30));
        assert_eq!(totals.wasted_ms, first_ms + 29_000 - came_ms);
    }
}

#[test]
fn a_late_tick_delays_one_byte_and_not_the_next() {
    let mut tarpit = tarpit(2);
    let first = hold(&mut tarpit, 0);
    let second = hold(&mut tarpit, 950);
    let late = handle(&mut tarpit, 1_940, Input::Tick);
    assert_eq!(late, vec![Effect::Drip { held: first, at: 0 }]);
    let drip = |held, at| Effect::Drip { held, at };
    assert_eq!(run(&mut tarpit, 2_999), vec![(2_000, drip(second, 0)), (2_000, drip(first, 1))]);
}

#[test]
fn arrivals_between_a_due_byte_and_its_tick_do_not_delay_the_next() {
    let mut tarpit = tarpit(9);
    let first = hold(&mut tarpit, 0);
    let meanwhile = hold(&mut tarpit, 1_003);
    handle(&mut tarpit, 1_004, Input::Tick);
    let drip = |held, at| Effect::Drip { held, at };
    assert_eq!(run(&mut tarpit, 2_100), vec![(2_000, drip(first, 1)), (2_100, drip(meanwhile, 0))]);
}

#[test]
fn a_stall_is_not_made_up_for() {
    let mut tarpit = tarpit(2);
    let (first, second) = (hold(&mut tarpit, 0), hold(&mut tarpit, 4_000));
    let drip = |held, at| Effect::Drip { held, at };
    let effects = handle(&mut tarpit, 5_430, Input::Tick);
    assert_eq!(effects, vec![drip(first, 0), drip(second, 0)]);
    assert_eq!(run(&mut tarpit, 6_600), vec![(6_000, drip(second, 1)), (6_500, drip(first, 1))]);
}

#[test]
fn many_clients_share_few_wake_ups() {
    let (mut tarpit, mut out) = (tarpit(10_000), Vec::new());
    for at in 0..10_000 {
        let arrived = Input::Arrived { address: SCANNER };
        tarpit.handle(Instant::from_ms(at / 10), arrived, &mut out);
    }
    let wakes: BTreeSet<u64> = run(&mut tarpit, 10_999).into_iter().map(|(ms, _)| ms).collect();
    assert_eq!(wakes.len(), 100);
    assert_eq!(tarpit.totals().bytes, 10 * 10_000 - 990);
}

#[test]
fn one_more_than_the_limit_is_dropped_and_a_freed_slot_is_used_again() {
    let mut tarpit = tarpit(HELD_MAX);
    let held: BTreeSet<Held> = (0..HELD_MAX).map(|_| hold(&mut tarpit, 5)).collect();
    assert_eq!(held.len(), HELD_MAX as usize);
    assert_eq!(arrive(&mut tarpit, 5, SCANNER), None);
    let gone = *held.first().unwrap();
    leave(&mut tarpit, 6, gone);
    let next = hold(&mut tarpit, 7);
    assert_eq!((next.slot, next.generation), (gone.slot, gone.generation + 1));
    assert_eq!(arrive(&mut tarpit, 7, SCANNER), None);
    let totals = tarpit.totals();
    assert_eq!((totals.held, totals.held_ever, totals.dropped), (1_000, 1_001, 2));
}

#[test]
fn a_limit_of_none_holds_nobody() {
    assert_eq!(arrive(&mut tarpit(0), 0, SCANNER), None);
    let mut no_one = Tarpit::new(Limits { held_max: 5, per_address: Some(0) });
    assert_eq!(arrive(&mut no_one, 0, SCANNER), None);
}

/// A way in which a holding ends, with whatever may come twice or late.
type Ending = fn(&mut Tarpit, Held);

const ENDINGS: [(&str, Ending); 6] = [
    ("finished", |tarpit, _| drop(run(tarpit, 40_000))),
    ("left before the first byte", |tarpit, held| leave(tarpit, 1, held)),
    ("left between bytes", |tarpit, held| {
        run(tarpit, 15_500);
        leave(tarpit, 15_600, held);
    }),
    ("left when a byte was due", |tarpit, held| {
        run(tarpit, 14_000);
        leave(tarpit, 15_000, held);
        assert_eq!(handle(tarpit, 15_000, Input::Tick), vec![]);
    }),
    ("left before its last byte", |tarpit, held| {
        run(tarpit, 29_000);
        leave(tarpit, 29_999, held);
    }),
    ("cut", |tarpit, _| assert_eq!(handle(tarpit, 9, Input::Stopped), vec![Effect::Cut])),
];

#[test]
fn every_slot_is_returned_once_however_its_client_leaves() {
    for (how, end) in ENDINGS {
        let mut tarpit = Tarpit::new(Limits { held_max: 1, per_address: Some(1) });
        let held = hold(&mut tarpit, 0);
        end(&mut tarpit, held);
        let gone = tarpit.totals();
        assert_eq!((gone.held, tarpit.by_address.len(), tarpit.next_wake()), (0, 0, None), "{how}");
        // What comes late or again frees nothing.
        for (again, _) in ENDINGS {
            leave(&mut tarpit, 50_000, held);
            assert_eq!(handle(&mut tarpit, 50_000, Input::Tick), vec![], "{how}, then {again}");
            assert_eq!(tarpit.totals(), gone, "{how}, then {again}");
        }
        let Some(next) = arrive(&mut tarpit, 60_000, SCANNER) else {
            assert_eq!(how, "cut");
            continue;
        };
        leave(&mut tarpit, 60_001, held);
        assert_eq!(tarpit.totals().held, 1, "{how}: the next holding of the slot is another one");
        leave(&mut tarpit, 60_002, next);
        assert_eq!(tarpit.totals().held, 0, "{how}");
    }
}

#[test]
fn a_name_that_was_never_given_changes_nothing() {
    let mut tarpit = tarpit(3);
    hold(&mut tarpit, 0);
    for held in [Held { slot: 1, generation: 0 }, Held { slot: u32::MAX, generation: 0 }] {
        leave(&mut tarpit, 1, held);
    }
    assert_eq!(tarpit.totals().held, 1);
}

#[test]
fn a_stop_cuts_all_at_once_and_nobody_is_held_afterwards() {
    let mut tarpit = tarpit(1_000);
    let held: Vec<Held> = (0..1_000).map(|at| hold(&mut tarpit, at)).collect();
    assert_eq!(handle(&mut tarpit, 2_000, Input::Stopped), vec![Effect::Cut]);
    assert_eq!(handle(&mut tarpit, 2_000, Input::Stopped), vec![]);
    held.into_iter().for_each(|held| leave(&mut tarpit, 2_000, held));
    assert_eq!(arrive(&mut tarpit, 2_001, SCANNER), None);
    assert_eq!((tarpit.next_wake(), tarpit.totals().held), (None, 0));
}

#[test]
fn one_address_has_only_so_many_slots() {
    let mut tarpit = Tarpit::new(Limits { held_max: 9, per_address: Some(2) });
    let text = |text: &str| text.parse::<IpAddr>().unwrap();
    let clients = [
        ("192.0.2.7", true),
        ("::ffff:192.0.2.7", true),
        ("192.0.2.7", false),
        ("192.0.2.8", true),
        ("2001:db8::1", true),
        ("2001:db8::ffff:0:0:2", true),
        ("2001:db8::3", false),
        ("2001:db8:0:1::3", true),
    ];
    for (client, is_held) in clients {
        assert_eq!(arrive(&mut tarpit, 0, text(client)).is_some(), is_held, "{client}");
    }
    run(&mut tarpit, 40_000);
    assert!(arrive(&mut tarpit, 40_000, text("2001:db8::3")).is_some());
}

#[test]
fn connections_and_a_reserve_come_before_slots() {
    let wanted = Limits { held_max: 10_000, per_address: None };
    let held_max = |descriptors| wanted.affordable(descriptors, 4_096 + 256).held_max;
    assert_eq!(held_max(1_048_576), 10_000);
    assert_eq!(held_max(14_352), 10_000);
    assert_eq!(held_max(14_351), 9_999);
    assert_eq!(held_max(5_000), 1_250);
    assert_eq!(held_max(1_024), 256);
    assert_eq!(held_max(0), 0);
}

#[test]
fn what_must_never_be_slow_is_told_by_its_path() {
    let is_exempt = |path: &str| is_exempt(&path.split('/').map(Some).collect::<Vec<_>>());
    for path in [
        "livez",
        "readyz",
        "role/primary",
        "role/other",
        "v1/replication",
        "v1/replication/frames/1",
        "v1/pops",
        "v1/clusters/a/grants",
        "v1/alerts",
        "v1/telemetry",
        "scim",
        "scim/v2/Users",
    ] {
        assert!(is_exempt(path), "{path}");
    }
    for path in ["", "wp-login.php", "v1", "v1/vaults/replication", "livezz", "metrics", "v2/pops"]
    {
        assert!(!is_exempt(path), "{path}");
    }
    assert!(!super::is_exempt(&[None, Some("livez")]));
}
