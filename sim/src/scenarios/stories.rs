//! The stories.

use super::{Outcome, Scenario, Story};
use crate::hq::Mood;
use crate::script::Action;

pub(super) const A: u8 = 0;
pub(super) const B: u8 = 1;
pub(super) const C: u8 = 2;

pub(super) const MINUTE_MS: u32 = 60_000;
pub(super) const HOUR_MS: u32 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS as u64;

/// How often a poller that looks every 30 seconds wakes in a year.
const POLLS_A_YEAR: u64 = 2_880 * 365;

pub(super) fn none(_: &Outcome) -> Result<String, String> {
    Ok(String::new())
}

/// The fault is over, and nobody had to help.
pub(super) fn by_itself(outcome: &Outcome) -> Result<String, String> {
    if outcome.agreed_early {
        Ok(String::new())
    } else {
        Err("they did not agree by themselves".into())
    }
}

pub(super) fn all_acknowledged(outcome: &Outcome) -> Result<String, String> {
    let counts = outcome.counts;
    let told = format!("{} of {} requests acknowledged", counts.acknowledged, counts.requests);
    if counts.acknowledged + 1 >= counts.requests { Ok(told) } else { Err(told) }
}

/// The scenarios in which roles come from the configuration.
pub(super) const CONFIGURED: &[Scenario] = &[
    Scenario {
        name: "lossy-link",
        about: "a third of all frames are lost, others are reset, doubled or never answered",
        tell: lossy_link,
        at_every_event: &[],
        demand: none,
    },
    Scenario {
        name: "one-way-cut",
        about: "the primary hears its backup, and is not heard, for two minutes",
        tell: |story| {
            story.wait(1_000).act(Action::Cut { from: A, to: B, ms: 2 * MINUTE_MS });
            story.puts(30, 1_000, 3);
            story.wait(20 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "answer-lost-after-apply",
        about: "frames are taken, and most of their answers get lost",
        tell: |story| {
            story.knobs.rates.answer_lost = 600;
            story.puts(30, 700, 4);
        },
        at_every_event: &[],
        demand: none,
    },
    Scenario {
        name: "backup-down-an-hour-on-a-quiet-vault",
        about: "one write while the backup is away for an hour; nobody ever writes again",
        tell: |story| {
            story.wait(1_000).put(0).wait(1_000).act(Action::Crash { pop: B, down_ms: HOUR_MS });
            story.wait(1_000).put(1).wait(2 * u64::from(HOUR_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "crash-at-every-event-of-a-push",
        about: "either side is killed before every event of a few writes and their replication",
        tell: a_few_writes,
        at_every_event: &[
            Action::Crash { pop: A, down_ms: 3_000 },
            Action::Crash { pop: B, down_ms: 3_000 },
        ],
        demand: none,
    },
    Scenario {
        name: "pause-longer-than-every-timeout",
        about: "either side stands still for longer than every time-out, and then goes on",
        tell: |story| {
            story.wait(500).put(0).act(Action::Pause { pop: B, ms: 30_000 }).wait(100).put(1);
            story.wait(60_000).put(2).act(Action::Pause { pop: A, ms: 30_000 }).wait(40_000).put(0);
            story.wait(60_000).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "clock-set-back",
        about: "the primary's wall clock is set back by two minutes, and it is restarted",
        tell: |story| {
            story.puts(5, 300, 1);
            story.act(Action::SetClock { pop: A, ahead_ms: -120_000 });
            story.puts(5, 300, 1);
            story.wait(300).act(Action::Crash { pop: A, down_ms: 100 }).wait(1_000);
            story.puts(5, 300, 1);
            story.wait(120_000).end();
        },
        at_every_event: &[],
        demand: all_acknowledged,
    },
    Scenario {
        name: "clock-an-hour-ahead",
        about: "the primary writes an hour in the future before it has heard its backup",
        tell: |story| {
            story.act(Action::SetClock { pop: A, ahead_ms: HOUR_MS.into() });
            story.part(A, B, MINUTE_MS);
            story.puts(5, 300, 5);
            story.wait(2 * u64::from(MINUTE_MS)).act(Action::SetClock { pop: A, ahead_ms: 0 });
            story.puts(5, 300, 5);
        },
        at_every_event: &[],
        demand: none,
    },
    Scenario {
        name: "disk-full-on-backup",
        about: "the backup has no room for ten minutes; what it could not take comes afterwards",
        tell: |story| {
            story.wait(500).put(0).act(Action::FillDisk { pop: B, ms: 10 * MINUTE_MS + 1 });
            story.puts(10, 2_000, 3);
            story.wait(30 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "disk-full-on-primary",
        about: "the primary has no room for a minute: writes are refused, reads and replication go on",
        tell: |story| {
            story.wait(500).put(0).wait(500).act(Action::FillDisk { pop: A, ms: MINUTE_MS });
            story.puts(10, 2_000, 3);
            story.wait(2 * u64::from(MINUTE_MS)).put(1).wait(1_000).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "both-sides-written-while-cut-off",
        about: "both take writes of the same entries while they do not hear each other",
        tell: |story| {
            story
                .wait(500)
                .put(0)
                .wait(500)
                .part(A, B, 5 * MINUTE_MS)
                .act(Action::Promote { pop: B });
            for _ in 0..6 {
                story.wait(400).put_at(A, 0).put_at(B, 0).wait(300).put_at(B, 1).put_at(A, 1);
            }
            story.wait(40 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "new-empty-peer",
        about: "the backup's data directory is emptied, and filled again",
        tell: |story| {
            story.puts(20, 300, 7);
            story.wait(5_000).act(Action::Empty { pop: B, down_ms: 5_000 });
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "emptied-primary-writes-at-once",
        about: "the primary's data directory is emptied, and clients write before it hears its backup",
        tell: |story| {
            story.wait(500).put_at(A, 0).wait(1_000).part(A, B, 10_000);
            story.act(Action::Empty { pop: A, down_ms: 100 }).wait(200).put_at(A, 0).put_at(A, 0);
            story.wait(u64::from(MINUTE_MS)).put_at(A, 0).put_at(A, 0);
            story.wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: |outcome| match outcome.counts.acknowledged {
            3 => by_itself(outcome),
            other => {
                Err(format!("{other} writes were acknowledged, not the first and the last two"))
            }
        },
    },
    Scenario {
        name: "emptied-primary-hears-of-its-promotion",
        about: "who was promoted is emptied, and told of its epoch before its data comes back",
        tell: |story| {
            story.wait(500).act(Action::Promote { pop: B }).wait(500).put_at(B, 0).wait(500);
            story.act(Action::Empty { pop: B, down_ms: 1 });
            for _ in 0..100 {
                story.wait(1).put_at(B, 0);
            }
            story.wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "three-pops",
        about: "the primary reaches one of two backups, dies, and the other gets it all the same",
        tell: |story| {
            story.knobs.pops = 3;
            story.wait(500).put(0).wait(500).part(A, C, HOUR_MS);
            story.puts(5, 300, 5);
            story.wait(500).act(Action::Crash { pop: A, down_ms: HOUR_MS });
            story.wait(10 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "shutdown-at-every-event",
        about: "either side is asked to end before every event of a few writes and their replication",
        tell: a_few_writes,
        at_every_event: &[
            Action::Shutdown { pop: A, down_ms: 1_000 },
            Action::Shutdown { pop: B, down_ms: 1_000 },
        ],
        demand: none,
    },
    Scenario {
        name: "shutdown-while-the-backup-hangs",
        about: "the primary is asked to end while its backup takes connections and answers nothing",
        tell: |story| {
            story.wait(500).put(0).wait(500).act(Action::Pause { pop: B, ms: MINUTE_MS });
            story
                .put(1)
                .put_to_backup(2)
                .wait(100)
                .act(Action::Shutdown { pop: A, down_ms: 1_000 });
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: by_itself,
    },
    Scenario {
        name: "shutdown-with-everything-hanging",
        about: "the primary is asked to end before every event while scanners, its backup and HQ hang",
        tell: everything_hangs,
        at_every_event: &[Action::Shutdown { pop: A, down_ms: 1_000 }],
        demand: none,
    },
    Scenario {
        name: "kill-between-post-and-removal",
        about: "a server is killed before every event of a few alerts on their way to HQ",
        tell: |story| {
            story.knobs.has_hq = true;
            story.wait(500).storm(A, 1, 1).wait(2_000).storm(A, 3, 3).wait(1_000).storm(A, 2, 1);
            story.wait(2 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[Action::Crash { pop: A, down_ms: 500 }],
        demand: by_itself,
    },
    Scenario {
        name: "hq-down-an-hour",
        about: "HQ is away for an hour, and the server that has alerts for it is killed twice",
        tell: |story| {
            story.knobs.has_hq = true;
            story.wait(500).act(Action::Mood { mood: Mood::Away, ms: HOUR_MS });
            for _ in 0..3 {
                story.wait(u64::from(MINUTE_MS)).storm(A, 4, 4).wait(2_000);
                story.act(Action::Crash { pop: A, down_ms: 2_000 });
            }
            story.wait(2 * u64::from(HOUR_MS)).end();
        },
        at_every_event: &[],
        demand: |outcome| match outcome.counts.shown {
            12 => by_itself(outcome).map(|_| shown(outcome)),
            _ => Err(shown(outcome)),
        },
    },
    Scenario {
        name: "alert-storm",
        about: "ten thousand equal alerts within ten seconds, and nothing else happens",
        tell: |story| {
            story.knobs.has_hq = true;
            for _ in 0..10 {
                story.wait(1_000).storm(A, 1_000, 1);
            }
            story.wait(5 * u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: |outcome| match outcome.counts.posts {
            1..=3 => by_itself(outcome).map(|_| shown(outcome)),
            _ => Err(shown(outcome)),
        },
    },
    Scenario {
        name: "outbox-full",
        about: "more alerts wait for HQ than the outbox holds: the oldest of the most frequent go",
        tell: |story| {
            story.knobs.has_hq = true;
            story.wait(500).act(Action::Mood { mood: Mood::Away, ms: HOUR_MS });
            for round in 0..7 {
                story.storm_from(A, 56, 56, 40 * round).wait(5_000);
                story.act(Action::Crash { pop: A, down_ms: 1_000 }).wait(5_000);
            }
            story.wait(3 * u64::from(HOUR_MS)).end();
        },
        at_every_event: &[],
        demand: |outcome| match outcome.counts.shown {
            256..=260 => by_itself(outcome).map(|_| shown(outcome)),
            _ => Err(shown(outcome)),
        },
    },
    Scenario {
        name: "scanner-storm",
        about: "hundreds of scanners come and leave in every way while clients write and servers end",
        tell: |story| {
            (story.knobs.tarpit, story.knobs.per_address) = (12, 4);
            story.wait(500).scan(A, 400, 90_000).scan(B, 50, 1).puts(20, 1_000, 4);
            story.act(Action::Pause { pop: A, ms: 4_000 }).puts(5, 1_000, 4);
            story.wait(500).act(Action::Shutdown { pop: A, down_ms: 1_000 });
            story.wait(20_000).act(Action::Crash { pop: B, down_ms: 3_000 }).puts(20, 1_000, 4);
            story.wait(u64::from(MINUTE_MS)).end();
        },
        at_every_event: &[],
        demand: |outcome| {
            let scanners = outcome.counts.scanners;
            by_itself(outcome).map(|_| format!("{scanners} scanners reached a server"))
        },
    },
    Scenario {
        name: "ten-writes-a-day-for-a-year",
        about: "a quiet vault: how often the replication worker wakes, against a 30-second poller",
        tell: |story| {
            for write in 0..3_650u64 {
                story.wait(DAY_MS / 10).put(u8::try_from(write % 50).unwrap_or(0));
            }
        },
        at_every_event: &[],
        demand: |outcome| {
            let wakes = outcome.counts.awakenings;
            let told = format!(
                "the worker woke {wakes} times in a year, a 30-second poller {POLLS_A_YEAR} times: \
                 {} times fewer",
                POLLS_A_YEAR.checked_div(wakes).unwrap_or_default()
            );
            if wakes * 288 <= POLLS_A_YEAR { Ok(told) } else { Err(told) }
        },
    },
];

fn lossy_link(story: &mut Story) {
    let rates = &mut story.knobs.rates;
    (rates.lost, rates.reset, rates.doubled, rates.answer_lost) = (330, 100, 200, 150);
    story.knobs.delay_ms = 50;
    story.puts(60, 1_000, 5);
}

fn a_few_writes(story: &mut Story) {
    story.wait(100).put(0).wait(3).put(1).wait(1).put_to_backup(0).wait(2).put(0);
    story.wait(10_000).end();
}

/// The disk is full in the end: before that, everything that was raised has to be stored.
fn everything_hangs(story: &mut Story) {
    (story.knobs.has_hq, story.knobs.report_s, story.knobs.tarpit) = (true, 2, 3);
    story.wait(300).put(0).wait(20).act(Action::Mood { mood: Mood::Hangs, ms: MINUTE_MS });
    story.act(Action::Pause { pop: B, ms: MINUTE_MS }).scan(A, 8, 300).wait(20);
    story.storm(A, 1, 1).put(1).put_to_backup(2).wait(3).storm(A, 6, 2).put(0).wait(1_500);
    story.storm(A, 2, 2).put(1).wait(2).put_to_backup(0).storm(A, 1, 1).wait(200);
    story.act(Action::FillDisk { pop: A, ms: 2_001 }).wait(10).storm(A, 3, 3).put(2);
    story.wait(10_000).end();
}

fn shown(outcome: &Outcome) -> String {
    let counts = outcome.counts;
    format!("{} alerts became {} at HQ by {} posts", counts.alerts, counts.shown, counts.posts)
}
