//! The stories in which HQ gives leases.

use super::stories::{A, B, C, HOUR_MS, MINUTE_MS, all_acknowledged, by_itself, none};
use super::{Outcome, Scenario, Story};
use crate::hq::HQ;
use crate::script::Action;

/// One primary from beginning to end, and every write but those at its very start acknowledged.
fn one_term(outcome: &Outcome) -> Result<String, String> {
    match outcome.counts.failovers {
        1 => all_acknowledged(outcome),
        terms => Err(format!("there were {terms} terms, not one")),
    }
}

/// Somebody else took over, and it was not for long that nobody took writes.
fn took_over(outcome: &Outcome) -> Result<String, String> {
    by_itself(outcome)?;
    let [it] = outcome.successions.as_slice() else {
        return Err(format!("somebody took over {} times", outcome.successions.len()));
    };
    let (to, write_ms, dns_ms) = (it.to, it.to_write_ms, it.to_resolver_ms);
    let told =
        format!("{to} took a write after {write_ms} ms; a resolver named it after {dns_ms} ms");
    if write_ms.max(dns_ms) <= 13_000 { Ok(told) } else { Err(told) }
}

/// Somebody else is primary, without anybody having died.
fn two_terms(outcome: &Outcome) -> Result<String, String> {
    match outcome.counts.failovers {
        2 => by_itself(outcome),
        terms => Err(format!("there were {terms} terms, not two")),
    }
}

/// The scenarios.
pub(super) const LED: &[Scenario] = &[
    Scenario {
        name: "primary-dies",
        about: "the primary is killed under writes, and comes back after a minute",
        tell: |story| {
            story.led(3).wait(10_000).puts(20, 100, 5);
            story.act(Action::Crash { pop: A, down_ms: MINUTE_MS }).puts(200, 100, 5);
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: took_over,
    },
    Scenario {
        name: "primary-paused-beyond-its-lease",
        about: "the primary stands still for 20 s, and is asked to write as soon as it goes on",
        tell: |story| {
            story.led(3).wait(10_000).puts(10, 100, 5).act(Action::Pause { pop: A, ms: 20_000 });
            story.puts(199, 100, 5);
            for _ in 0..200 {
                story.wait(1).put_at(A, 0);
            }
            story.wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: two_terms,
    },
    Scenario {
        name: "suspended-laptop",
        about: "the primary sleeps for an hour: the first thing that it does is not a write",
        tell: |story| {
            story.led(2).wait(10_000).puts(5, 100, 5).act(Action::Pause { pop: A, ms: HOUR_MS });
            story.wait(u64::from(HOUR_MS) - 50);
            for _ in 0..100 {
                story.wait(1).put_at(A, 0);
            }
            story.wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: two_terms,
    },
    Scenario {
        name: "primary-cut-from-hq-only",
        about: "the primary and HQ do not hear each other for five minutes: votes carry it on",
        tell: |story| {
            story.led(3).wait(10_000).put(0).part(A, HQ, 5 * MINUTE_MS);
            story.puts(200, 2_000, 5).wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: one_term,
    },
    Scenario {
        name: "primary-cut-from-everyone",
        about: "nobody hears the primary for a minute, and it takes writes as long as it may",
        tell: |story| {
            story.led(3).wait(10_000).put(0).act(Action::Isolate { pop: A, ms: MINUTE_MS });
            for _ in 0..120 {
                story.wait(250).put_at(A, 0).wait(250).put(1);
            }
            story.wait(3 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: two_terms,
    },
    Scenario {
        name: "one-way-cuts-around-hq",
        about: "every link of the primary loses everything in one direction, one after another",
        tell: |story| {
            story.led(3).wait(10_000);
            for (from, to) in [(A, HQ), (HQ, A), (A, B), (B, A), (B, HQ), (HQ, B), (C, HQ), (HQ, C)]
            {
                story.act(Action::Cut { from, to, ms: 45_000 }).puts(45, 1_000, 5).wait(25_000);
            }
            story.wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: one_term,
    },
    Scenario {
        name: "hq-dies",
        about: "HQ is away for five minutes, and writes go on; then the primary dies",
        tell: |story| {
            story.led(3).wait(10_000).put(0);
            story.act(Action::Crash { pop: HQ, down_ms: 5 * MINUTE_MS }).puts(200, 1_600, 5);
            story.act(Action::Crash { pop: A, down_ms: MINUTE_MS }).puts(200, 100, 5);
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: took_over,
    },
    Scenario {
        name: "hq-away-and-one-backup-cut-off",
        about: "HQ is away and the primary does not reach one backup: no writes until it does again",
        tell: |story| {
            story.led(3).wait(10_000).put(0).wait(1_000);
            story.act(Action::Crash { pop: HQ, down_ms: 3 * MINUTE_MS }).part(A, B, MINUTE_MS);
            story.puts(50, 1_000, 5).wait(u64::from(MINUTE_MS)).puts(10, 1_000, 5);
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: |outcome| match outcome.counts.failovers {
            1 => by_itself(outcome),
            terms => Err(format!("there were {terms} terms, not one")),
        },
    },
    Scenario {
        name: "hq-restarts-in-the-middle-of-a-failover",
        about: "the primary dies, and HQ is killed before every event, for half a second or for ten",
        tell: dies,
        at_every_event: &[
            Action::Crash { pop: HQ, down_ms: 500 },
            Action::Crash { pop: HQ, down_ms: 10_000 },
        ],
        demand: none,
    },
    Scenario {
        name: "both-backups-race",
        about: "the first to be promoted stores its term when the second has been promoted instead",
        tell: |story| {
            story.led(3).wait(10_000).puts(5, 100, 5);
            story.act(Action::Crash { pop: A, down_ms: MINUTE_MS }).wait(6_000);
            story.act(Action::HangDisk { pop: B, ms: 2_990 }).puts(100, 100, 5);
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: took_over,
    },
    Scenario {
        name: "backup-behind-by-1000-entries",
        about: "of two backups, the one that has everything follows, whatever its id",
        tell: |story| {
            story.knobs.keys = 250;
            story.led(3).wait(10_000).part(A, B, 30_000);
            for _ in 0..4 {
                story.puts(250, 10, 250);
            }
            story.wait(1_000).act(Action::Crash { pop: A, down_ms: MINUTE_MS }).puts(150, 100, 5);
            story.wait(3 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: |outcome| match outcome.successions.first() {
            Some(it) if it.to.as_str() == "c-01" => took_over(outcome),
            other => Err(format!("not c took over: {other:?}")),
        },
    },
    Scenario {
        name: "clock-rates-1-percent-apart",
        about: "the primary's clock is slow and HQ's is fast, each by 1 %; the primary is cut off",
        tell: |story| {
            story.led(2).wait(1_000).act(Action::Drift { pop: HQ, ppm: 10_000 });
            story.act(Action::Drift { pop: A, ppm: -10_000 });
            story.act(Action::Drift { pop: B, ppm: 10_000 });
            for _ in 0..4 {
                story.wait(30_000).act(Action::Isolate { pop: Action::PRIMARY, ms: 15_000 });
                story.puts(100, 100, 5);
            }
            story.wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "switchover-at-every-event",
        about: "operators ask HQ, and the primary, for another one before every event of a few writes",
        tell: |story| {
            story
                .led(3)
                .wait(8_000)
                .put(0)
                .wait(3)
                .put_to_backup(1)
                .wait(500)
                .puts(5, 200, 3)
                .end();
        },
        at_every_event: &[
            Action::Switchover { pop: HQ, to: Action::ANYBODY },
            Action::Switchover { pop: HQ, to: C },
            Action::Switchover { pop: A, to: B },
        ],
        demand: none,
    },
    Scenario {
        name: "rejoin-at-every-event",
        about: "each POP is killed before every event of a failover, and comes back within a lease or after",
        tell: dies,
        at_every_event: &[
            Action::Crash { pop: A, down_ms: 3_000 },
            Action::Crash { pop: B, down_ms: 9_000 },
            Action::Pause { pop: B, ms: 9_000 },
            Action::Isolate { pop: C, ms: 9_000 },
        ],
        demand: none,
    },
    Scenario {
        name: "flapping-link",
        about: "the primary loses HQ, and everybody, again and again for a second or some",
        tell: |story| {
            story.led(3).wait(10_000);
            for round in 0..40 {
                let ms = 700 + 130 * round;
                story.part(A, HQ, ms).wait(ms.into()).puts(5, 150, 5);
            }
            for round in 0..20 {
                let ms = 500 + 300 * round;
                story.act(Action::Isolate { pop: A, ms }).wait(ms.into()).puts(5, 400, 5);
            }
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "sigterm-of-the-primary",
        about: "the primary is asked to end before every event, and hands over on its way out",
        tell: |story| {
            story
                .led(3)
                .wait(8_000)
                .puts(5, 100, 3)
                .put_to_backup(1)
                .wait(500)
                .puts(5, 200, 3)
                .end();
        },
        at_every_event: &[Action::Shutdown { pop: A, down_ms: 2_000 }],
        demand: none,
    },
];

/// Few events, for those who are killed before each.
fn dies(story: &mut Story) {
    story.led(3).wait(3_000).put(0).put(1).wait(500);
    story.act(Action::Crash { pop: A, down_ms: 9_000 }).wait(7_000).puts(2, 1_000, 3);
    story.wait(1_000).end();
}
