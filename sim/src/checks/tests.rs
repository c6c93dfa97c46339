//! Each checker catches a violation that is planted by hand.

use clavitor_core::id::Seq;

use super::*;
use crate::canary::Canary;
use crate::entropy::seed_of;
use crate::run::{End, Plan};
use crate::swarm::{self, Kind};
use crate::trace::Level;

/// Which promise a planted bug breaks first, within so many small runs.
fn caught(canary: Canary, runs: u64) -> Option<&'static str> {
    (0..runs).find_map(|run| {
        let plan = swarm::plan(Kind::of_canary(canary), Some(canary), seed_of(1, run));
        match plan.run().end {
            End::Failed(failure) => Some(failure.promise),
            End::Crashed(_) => Some("crash"),
            End::Passed => None,
        }
    })
}

#[test]
fn an_early_answer_breaks_p2() {
    assert_eq!(caught(Canary::AckBeforeCommit, 5), Some("P2"));
}

#[test]
fn a_cursor_that_runs_ahead_breaks_p4_or_p8() {
    assert!(matches!(caught(Canary::CursorBeforeAck, 5), Some("P4" | "P8")));
}

#[test]
fn a_lost_commit_breaks_p5() {
    assert_eq!(caught(Canary::BooleanDirtyFlag, 100), Some("P5"));
}

#[test]
fn timestamps_that_go_back_break_p6() {
    assert_eq!(caught(Canary::WallClockTimestamp, 100), Some("P6"));
}

#[test]
fn a_tampered_frame_that_is_taken_breaks_p9() {
    assert_eq!(caught(Canary::UnprovenFrame, 300), Some("P9"));
}

#[test]
fn a_write_at_a_backup_breaks_p7() {
    assert_eq!(caught(Canary::NoEpochCheck, 30), Some("P7"));
}

#[test]
fn a_primary_that_does_not_step_down_breaks_p10() {
    assert_eq!(caught(Canary::NoStepDown, 60), Some("P10"));
}

#[test]
fn a_primary_that_asks_for_no_votes_breaks_p11() {
    assert_eq!(caught(Canary::NoVotesAsked, 40), Some("P11"));
}

#[test]
fn dns_that_stays_and_promotions_that_never_come_break_p12() {
    assert_eq!(caught(Canary::DnsStays, 5), Some("P12"));
    assert_eq!(caught(Canary::NobodyPromoted, 5), Some("P12"));
}

#[test]
fn a_deaf_server_on_its_way_out_is_caught() {
    assert!(caught(Canary::EndlessGrace, 50).is_some());
}

#[test]
fn a_release_by_time_breaks_p2() {
    assert_eq!(caught(Canary::BackupByTimeout, 50), Some("P2"));
}

#[test]
fn a_timer_for_what_is_not_kept_breaks_p3() {
    assert_eq!(caught(Canary::ForgottenSetback, 50), Some("P3"));
}

#[test]
fn a_cursor_at_the_newest_record_breaks_p4_or_p8() {
    assert!(matches!(caught(Canary::CursorToNewest, 20), Some("P4" | "P8")));
}

#[test]
fn an_older_version_that_is_held_breaks_p6() {
    assert_eq!(caught(Canary::LastArrivalWins, 100), Some("P6"));
}

#[test]
fn an_emptied_primary_that_does_not_wait_breaks_p7() {
    assert_eq!(caught(Canary::NoImportWait, 200), Some("P7"));
}

#[test]
fn a_server_that_does_not_end_breaks_p16_or_with_scanners_p14() {
    assert!(matches!(caught(Canary::LostExit, 20), Some("P14" | "P16")));
}

#[test]
fn a_slot_that_is_freed_for_somebody_else_breaks_p13() {
    assert_eq!(caught(Canary::SlotReturnedTwice, 50), Some("P13"));
}

#[test]
fn a_slot_that_is_never_freed_breaks_p13() {
    assert_eq!(caught(Canary::SlotLeakedOnHalfClose, 10), Some("P13"));
}

#[test]
fn one_scanner_too_many_breaks_p13() {
    assert_eq!(caught(Canary::CapAfterHolding, 10), Some("P13"));
}

#[test]
fn scanners_that_outlast_the_signal_break_p14() {
    assert_eq!(caught(Canary::TarpitNotCut, 20), Some("P14"));
}

#[test]
fn alerts_that_are_sent_or_forgotten_too_early_break_p15() {
    assert_eq!(caught(Canary::AlertBeforeStored, 20), Some("P15"));
    assert_eq!(caught(Canary::AlertForgottenEarly, 20), Some("P15"));
}

#[test]
fn what_changes_when_it_is_sent_again_breaks_p15() {
    assert_eq!(caught(Canary::KeyDrawnAnew, 20), Some("P15"));
    assert_eq!(caught(Canary::OfferChanged, 20), Some("P15"));
}

#[test]
fn a_storm_that_is_kept_in_full_breaks_p15() {
    assert_eq!(caught(Canary::StormInFull, 50), Some("P15"));
}

#[test]
fn a_loss_that_hq_is_not_told_of_breaks_p15() {
    assert_eq!(caught(Canary::LossUnreported, 400), Some("P15"));
}

#[test]
fn alerts_that_are_gone_with_their_server_break_p16() {
    assert_eq!(caught(Canary::AlertsLeftBehind, 100), Some("P16"));
}

#[test]
fn a_server_that_waits_for_hq_is_caught() {
    assert!(matches!(caught(Canary::ShutdownWaitsForHq, 50), Some("P5" | "P16")));
}

#[test]
fn reports_after_the_signal_and_out_of_turn_are_caught() {
    assert_eq!(caught(Canary::ReportAfterSignal, 20), Some("P16"));
    assert_eq!(caught(Canary::ReportRepeated, 50), Some("P3"));
}

fn world() -> crate::world::World {
    let plan = Plan::lite(3);
    let script = crate::script::Script::written(crate::script::Record::default());
    let knobs = crate::knobs::Knobs { operations: 0, ..plan.knobs };
    crate::world::World::new(knobs, script, Level::Off, None)
}

fn see(facts: &[Fact]) -> Option<&'static str> {
    let mut world = world();
    for _ in 0..6 {
        assert!(world.step().is_ok());
    }
    let mut checks = Checks::new(&world.servers);
    let seen = checks.see(facts, &world.servers, &world.site, &world.around);
    seen.err().map(|broken| broken.promise)
}

#[test]
fn a_hello_that_moves_a_cursor_up_breaks_p8() {
    let store = clavitor_core::id::StoreId([1; 16]);
    let adopted = |cursor| Fact::Adopted { pop: 0, peer: 0, store, cursor };
    assert_eq!(see(&[adopted(Seq(0))]), None);
    assert_eq!(see(&[adopted(Seq(1))]), Some("P8"));
}

#[test]
fn a_cursor_above_what_was_received_breaks_p8() {
    let op = clavitor_core::id::OpId(1);
    let fact = Fact::Advanced { pop: 0, peer: 0, op, cursor: Seq(9), setbacks: Vec::new() };
    assert_eq!(see(&[fact]), Some("P8"));
}

#[test]
fn an_answer_without_a_write_breaks_p2() {
    let answer = crate::event::Answer::Done { is_on_backup: false };
    assert_eq!(see(&[Fact::Answered { id: 7, pop: 0, answer }]), Some("P2"));
}
