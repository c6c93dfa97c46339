use super::*;

fn digest(plan: &Plan) -> u128 {
    Plan { level: Level::Digest, ..plan.clone() }.run().trace.digest()
}

#[test]
fn one_seed_is_one_run_and_another_is_another() {
    assert_eq!(digest(&Plan::lite(11)), digest(&Plan::lite(11)));
    assert_ne!(digest(&Plan::lite(11)), digest(&Plan::lite(12)));
    assert_eq!(digest(&Plan::full(11)), digest(&Plan::full(11)));
}

#[test]
fn what_is_kept_for_people_changes_nothing() {
    let plan = Plan::lite(4);
    let outcome = Plan { level: Level::Full, ..plan.clone() }.run();
    assert_eq!(outcome.trace.digest(), digest(&plan));
    assert!(!outcome.trace.lines().is_empty());
}

#[test]
fn what_was_written_down_happens_again() {
    for seed in 0..20 {
        let plan = Plan { level: Level::Digest, ..Plan::lite(seed) };
        let first = plan.run();
        let source = Source::Written(first.record.clone());
        let again = Plan { source, ..plan }.run();
        assert_eq!(first.trace.digest(), again.trace.digest(), "seed {seed}");
        assert_eq!(first.record, again.record, "seed {seed}");
    }
}

#[test]
fn bytes_that_run_out_end_the_run_as_a_pass() {
    for length in [0, 1, 40, 200, 1_000] {
        let bytes: Vec<u8> =
            (0..length).map(|at: u32| at.wrapping_mul(37).to_le_bytes()[0]).collect();
        run_bytes(&bytes);
    }
}

#[test]
fn small_runs_keep_every_promise() {
    for seed in 0..60 {
        assert_eq!(Plan::lite(seed).run().end, End::Passed, "seed {seed}");
    }
}
