use super::*;

#[test]
fn a_post_in_flight_is_cancelled_and_nothing_is_sent_any_more() {
    let mut bench = Bench::new();
    bench.raise(skew());
    let op = bench.posts[0].0;
    bench.input(Input::Closing);
    assert_eq!(bench.cancelled, [op]);
    bench.raise(full());
    bench.until(3_600_000);
    assert_eq!(bench.posts.len(), 1);
    assert_eq!((bench.outbox.len(), bench.router.is_settled()), (2, true));
}

#[test]
fn it_is_settled_once_everything_that_waits_is_stored() {
    let mut bench = Bench::new();
    bench.raise(full());
    bench.raise(skew());
    bench.raise(skew());
    assert!(!bench.router.is_settled(), "a count can wait a second, but not when it ends");
    bench.is_slow = true;
    bench.input(Input::Closing);
    assert!(!bench.router.is_settled());
    bench.answer_keep();
    assert!(bench.router.is_settled());
    let counts: Vec<u32> = bench.outbox.values().map(|item| item.count).collect();
    assert_eq!(counts, [1, 2]);
}

#[test]
fn it_waits_until_what_hq_has_is_forgotten() {
    let mut bench = Bench::new();
    bench.raise(skew());
    bench.is_slow = true;
    bench.answer(Outcome::Delivered);
    bench.input(Input::Closing);
    assert!(!bench.router.is_settled());
    bench.answer_keep();
    assert_eq!((bench.router.is_settled(), bench.outbox.len()), (true, 0));
}

#[test]
fn a_full_disk_does_not_hold_it_up() {
    let mut bench = Bench::new();
    bench.takes = false;
    bench.raise(skew());
    bench.input(Input::Closing);
    assert!(bench.router.is_settled());
    bench.raise(full());
    assert!(bench.router.is_settled(), "the line is in the local log");
}

#[test]
fn what_found_no_room_is_tried_once_more_at_the_end() {
    for is_busy in [false, true] {
        let mut bench = Bench::new();
        (bench.takes, bench.is_busy) = (false, is_busy);
        bench.raise(skew());
        bench.raise(full());
        (bench.takes, bench.is_slow) = (true, true);
        bench.input(Input::Closing);
        assert!(!bench.router.is_settled(), "there may be room by now");
        bench.answer_keep();
        assert_eq!((bench.outbox.len(), bench.router.is_settled()), (2, true));
    }
}

#[test]
fn an_order_that_was_under_way_is_not_the_last_try() {
    let mut bench = Bench::new();
    (bench.takes, bench.is_slow) = (false, true);
    bench.raise(skew());
    bench.input(Input::Closing);
    bench.answer_keep();
    assert!(!bench.router.is_settled());
    bench.takes = true;
    bench.answer_keep();
    assert_eq!((bench.outbox.len(), bench.router.is_settled()), (1, true));
}

#[test]
fn the_last_try_is_one_whatever_becomes_of_it() {
    for is_busy in [false, true] {
        let mut bench = Bench::new();
        (bench.takes, bench.is_busy) = (false, is_busy);
        bench.input(Input::Closing);
        assert!(bench.router.is_settled(), "there is nothing to store");
        bench.raise(skew());
        assert_eq!((bench.keeps, bench.router.is_settled()), (1, true));
    }
}
