use super::*;

/// Routers in every state they can be in.
fn states() -> Vec<(&'static str, Bench)> {
    let with = |name, prepare: fn(&mut Bench)| {
        let mut bench = Bench::new();
        prepare(&mut bench);
        (name, bench)
    };
    vec![
        ("unrouted", Bench::starting(Start { is_routed: false, ..start() })),
        with("idle", |_| {}),
        with("storing", |bench| {
            bench.is_slow = true;
            bench.raise(skew());
        }),
        with("posting", |bench| bench.raise(skew())),
        with("posting, and storing more", |bench| {
            bench.raise(skew());
            bench.is_slow = true;
            bench.raise(full());
        }),
        with("waiting to try again", |bench| {
            bench.raise(skew());
            bench.answer(Outcome::Away);
        }),
        with("holding back", |bench| {
            bench.raise(skew());
            bench.answer(Outcome::Delivered);
            bench.raise(skew());
        }),
        with("refused", |bench| {
            bench.raise(skew());
            bench.answer(Outcome::Refused);
        }),
        with("without room", |bench| {
            bench.takes = false;
            bench.raise(skew());
        }),
        with("without room, storing", |bench| {
            bench.takes = false;
            bench.raise(skew());
            bench.is_slow = true;
            bench.until(KEEP_EVERY_MS);
        }),
        with("busy, storing", |bench| {
            (bench.takes, bench.is_busy) = (false, true);
            bench.raise(skew());
            bench.is_slow = true;
            bench.until(KEEP_EVERY_MS);
        }),
        with("closing without room", |bench| {
            bench.takes = false;
            bench.raise(skew());
            bench.input(Input::Closing);
        }),
        with("closing", |bench| {
            bench.raise(skew());
            bench.is_slow = true;
            bench.raise(full());
            bench.input(Input::Closing);
        }),
    ]
}

fn inputs() -> Vec<Input> {
    let mut inputs = vec![
        Input::Raised(skew()),
        Input::Raised(alert(AlertType::AlertsLost, "raised by somebody")),
        Input::Dropped { count: 3 },
        Input::Closing,
        Input::Tick,
    ];
    for op in (0..9).map(OpId) {
        inputs.push(Input::Kept { op, at: NOON });
        inputs.push(Input::Unkept { op, at: NOON, is_full: op.0 % 2 == 0 });
        inputs.push(Input::Unkept { op, at: NOON, is_full: op.0 % 2 == 1 });
        for outcome in [Outcome::Delivered, Outcome::Denied, Outcome::Refused, Outcome::Away] {
            inputs.push(Input::Posted { op, outcome });
        }
    }
    inputs
}

#[test]
fn every_input_is_taken_in_every_state_and_asks_for_no_moment_that_has_passed() {
    for (name, bench) in states() {
        for first in inputs() {
            for second in inputs() {
                let mut router = bench.router.clone();
                let mut now = Instant::from_ms(bench.now_ms);
                for input in [first.clone(), second] {
                    let mut out = Vec::new();
                    router.handle(now, input.clone(), &mut out);
                    let wake = router.next_wake();
                    assert!(wake.is_none_or(|at| at > now), "{name}: {wake:?} after {input:?}");
                    assert!(out.len() <= 4, "{name}: {out:?}");
                    let closing = router.is_closing;
                    let posts = out.iter().any(|effect| matches!(effect, Effect::Post { .. }));
                    assert!(!(closing && posts), "{name}: {out:?}");
                    let bytes = clavitor_core::codec::encode(&router);
                    assert_eq!(clavitor_core::codec::decode(&bytes).as_ref(), Ok(&router));
                    now = now.max(wake.unwrap_or(now));
                }
            }
        }
    }
}
