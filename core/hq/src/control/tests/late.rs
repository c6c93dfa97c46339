//! Renewals that were long under way: HQ believes the newest word of a process.

use super::*;

fn nth(number: u64, renewal: Renewal) -> Renewal {
    Renewal { number, ..renewal }
}

/// The order to follow that `b` gets, which alone renews once the lease of `a` is over.
fn promoted(hq: &mut Hq, ms: u64) -> Answer {
    let told = holds(knows("b", 1, "a"), "a", 10);
    hq.renew(ms, "b", nth(9, told.clone()));
    hq.renew(ms + 100, "b", nth(10, told))
}

fn floor_ms(answer: &Answer) -> u64 {
    match answer {
        Answer::Promote { floor_ms, .. } => *floor_ms,
        other => panic!("no promotion: {other:?}"),
    }
}

#[test]
fn a_late_word_of_a_process_does_not_take_the_clocks_floor_down() {
    let mut hq = led();
    hq.renew(2_000, "a", nth(5, Renewal { floor_ms: 9_000_000, ..leads("a", 1, 2) }));
    let late = hq.ask(4_000, "a", nth(4, leads("a", 1, 2)));
    assert_eq!((hq.overtaken.as_slice(), hq.answers.get(&late)), (&[late][..], None));
    let order = promoted(&mut hq, 12_000);
    assert!(floor_ms(&order) >= 9_000_000 + 10_000, "{order:?}");
}

#[test]
fn the_second_copy_of_a_word_does_not_either() {
    let mut hq = led();
    let word = nth(5, leads("a", 1, 2));
    hq.renew(2_000, "a", word.clone());
    let before = hq.control.views(Instant::from_ms(2_000))[0].lease_ms_left;
    hq.renew(2_900, "a", word);
    let view = &hq.control.views(Instant::from_ms(2_900))[0];
    assert_eq!(view.lease_ms_left, before, "it may be that answer which arrives");
    let order = promoted(&mut hq, 12_000);
    // A clock that is 2 % fast, from the moment of the first copy.
    let (held, since) = (said("a").floor_ms, 12_100 - 2_000);
    assert_eq!(floor_ms(&order), held + since + since / 50 + 1);
}

#[test]
fn a_late_word_takes_nothing_back_of_what_a_backup_holds_or_promised() {
    let mut hq = led();
    let bound = Renewal { voted_ms: 5_000, refuses_ms: 5_000, ..knows("b", 1, "a") };
    hq.renew(3_000, "b", nth(7, holds(bound, "a", 50)));
    let before = hq.control.views(Instant::from_ms(3_100));
    let late = Renewal { is_ready: false, is_released: true, ..knows("b", 1, "a") };
    hq.ask(3_100, "b", nth(6, late));
    assert_eq!(hq.control.views(Instant::from_ms(3_100)), before);
    hq.renew(3_200, "b", nth(8, holds(knows("b", 1, "a"), "a", 51)));
    assert_eq!(hq.control.views(Instant::from_ms(3_200))[0].pops[1].held[0].seq, Seq(51));
}

#[test]
fn while_the_disk_is_slow_a_late_word_does_not_take_the_place_of_a_newer_one() {
    let mut hq = led();
    hq.is_disk_slow = true;
    hq.remove(3_000, "c");
    let newer = hq.ask(3_100, "b", nth(7, holds(knows("b", 1, "a"), "a", 50)));
    let late = hq.ask(3_200, "b", nth(6, knows("b", 1, "a")));
    assert_eq!(hq.overtaken, [late]);
    let op = hq.keeps.remove(0);
    hq.handle(3_300, Input::Kept { op, is_kept: true });
    assert_eq!(hq.answers.remove(&newer), Some(follow(1, "a")));
    assert_eq!(hq.control.views(Instant::from_ms(3_300))[0].pops[1].held[0].seq, Seq(50));
}

#[test]
fn a_machine_that_was_put_back_is_heard_again_after_a_while() {
    let mut hq = led();
    hq.renew(3_000, "b", nth(500, knows("b", 1, "a")));
    for ms in (4_000..3_000 + MEMBER_MS).step_by(1_000) {
        let op = hq.ask(ms, "b", nth(2, knows("b", 1, "a")));
        assert_eq!(hq.overtaken.pop(), Some(op));
    }
    let answer = hq.renew(3_000 + MEMBER_MS, "b", nth(3, knows("b", 1, "a")));
    assert_eq!(answer, follow(1, "a"));
}

#[test]
fn another_process_counts_its_own_words() {
    let mut hq = led();
    hq.renew(3_000, "b", nth(500, knows("b", 1, "a")));
    let restarted = Renewal { start: 77, ..knows("b", 1, "a") };
    assert_eq!(hq.renew(3_500, "b", nth(1, restarted.clone())), follow(1, "a"));
    hq.renew(20_000, "b", nth(2, holds(restarted, "a", 60)));
    assert_eq!(hq.control.views(Instant::from_ms(20_000))[0].pops[1].held[0].seq, Seq(60));
    assert_eq!(hq.overtaken, []);
}
