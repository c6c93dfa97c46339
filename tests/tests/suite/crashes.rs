//! `kill -9` at random moments under sixteen writers.

use clavitor_tests::crash;

#[test]
fn nothing_acknowledged_is_missing_after_kill_9_under_sixteen_writers() {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = nanos.map_or(1, |now| u64::from(now.subsec_nanos()));
    let rounds = 5;
    println!("again by hand: crash-rounds --rounds {rounds} --seed {seed}");
    let summary = crash::run_rounds(rounds, seed, |_| {});
    println!("{summary}");
    assert!(summary.missing.is_empty(), "{summary}");
    assert_eq!(summary.rounds, rounds);
    assert!(summary.acknowledged > 500, "the writers did write: {summary}");
    assert!(summary.acknowledged_by_backup > 0, "some waited for the backup: {summary}");
}
