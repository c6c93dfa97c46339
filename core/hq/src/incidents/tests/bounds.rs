//! What happens when there is too much.

use super::*;

const OTHERS_MAX: u64 = INCIDENTS_MAX - STRANGERS_MAX;

fn many(rows: &mut Memory, count: u64) {
    for number in 1..=count {
        let about = alert("clock_skew", source("red", &format!("p{number}")));
        let outcome = take(rows, at(number), key(number.into()), about);
        assert_eq!(outcome, Ok(Outcome::New(number)));
    }
}

fn is_there(rows: &Memory, id: u64) -> bool {
    rows::load(rows, id).unwrap().is_some()
}

#[test]
fn of_too_many_incidents_the_one_resolved_first_goes_and_open_ones_only_if_none_is() {
    let mut rows = Memory::default();
    many(&mut rows, OTHERS_MAX);
    resolve(&mut rows, at(100_001), 500).unwrap();
    resolve(&mut rows, at(100_000), 700).unwrap();
    let mut open = |number: u64| {
        let about = alert("storage_full", source("red", &format!("p{number}")));
        take(&mut rows, at(200_000), key(u128::from(number) << 64), about).unwrap();
        (rows.clone(), rows::counts(&rows).unwrap())
    };
    for (number, gone, open_now) in [(1, 700, 7_999), (2, 500, 8_000), (3, 1, 8_000), (4, 2, 8_000)]
    {
        let (rows, counts) = open(number);
        assert!(!is_there(&rows, gone), "{gone}");
        assert_eq!((counts.incidents, counts.open), (OTHERS_MAX, open_now));
    }
    assert!(is_there(&rows, 3) && is_there(&rows, 499) && is_there(&rows, OTHERS_MAX + 4));
    // What was given up while it was open is opened anew.
    let about = alert("clock_skew", source("red", "p1"));
    let outcome = take(&mut rows, at(200_001), key(u128::MAX), about);
    assert_eq!(outcome, Ok(Outcome::New(OTHERS_MAX + 5)));
}

#[test]
fn strangers_push_out_nobodys_incidents_but_strangers() {
    let mut rows = Memory::default();
    many(&mut rows, OTHERS_MAX - 1);
    let own = alert(NO_PRIMARY, Source { cluster: Some("red".into()), ..Source::default() });
    assert_eq!(raise(&mut rows, at(1), own, 1), Ok(Outcome::New(OTHERS_MAX)));
    let mut open = |number: u64| {
        let machine = Source { hostname: format!("h{number}"), ..Source::default() };
        let about = alert("anything", machine);
        take(&mut rows, at(number), key(u128::from(number) << 64), about).unwrap();
    };
    (1..=STRANGERS_MAX + 3).for_each(&mut open);
    let counts = rows::counts(&rows).unwrap();
    assert_eq!((counts.incidents, counts.open), (INCIDENTS_MAX, INCIDENTS_MAX));
    assert_eq!(rows::strangers(&rows), Ok(STRANGERS_MAX));
    assert!((1..=OTHERS_MAX).all(|id| is_there(&rows, id)), "all that is real");
    assert!((1..=3).all(|id| !is_there(&rows, OTHERS_MAX + id)));
    // Nor are they pushed out by others.
    resolve(&mut rows, at(3_000), OTHERS_MAX + 9).unwrap();
    let about = alert("storage_full", source("red", "p1"));
    take(&mut rows, at(3_001), key(u128::MAX), about).unwrap();
    assert!(!is_there(&rows, 1) && is_there(&rows, OTHERS_MAX + 9));
    // One of theirs that is over goes first.
    let about = alert("more", Source { hostname: "h".into(), ..Source::default() });
    take(&mut rows, at(3_002), key(u128::MAX - 1), about).unwrap();
    assert!(!is_there(&rows, OTHERS_MAX + 9) && is_there(&rows, OTHERS_MAX + 4));
}

#[test]
fn a_stranger_without_a_name_is_not_taken_for_hq_itself() {
    let mut rows = Memory::default();
    let own = || alert(DNS_UPDATE_FAILED, Source::default());
    assert_eq!(raise(&mut rows, at(1), own(), 1), Ok(Outcome::New(1)));
    assert_eq!(take(&mut rows, at(2), key(1), own()), Ok(Outcome::New(2)));
    assert_eq!(rows::strangers(&rows), Ok(1));
}

#[test]
fn keys_are_remembered_longer_than_any_pop_tries() {
    let mut rows = Memory::default();
    let about = || alert("clock_skew", source("red", "a"));
    take(&mut rows, at(0), key(1), about()).unwrap();
    take(&mut rows, at(DAY_MS), key(2), about()).unwrap();
    let mut later = |days: u64, number| take(&mut rows, at(days * DAY_MS), key(number), about());
    assert_eq!(later(14, 1), Ok(Outcome::AlreadyShown));
    assert_eq!(later(21, 3), Ok(Outcome::Repeated(1)));
    assert_eq!(later(21, 1), Ok(Outcome::AlreadyShown), "not a moment early");
    assert_eq!(later(22, 4), Ok(Outcome::Repeated(1)));
    assert_eq!(later(22, 2), Ok(Outcome::AlreadyShown));
    assert_eq!(later(22, 1), Ok(Outcome::Repeated(1)), "forgotten");
}

#[test]
fn a_clock_that_is_set_back_forgets_nothing() {
    let mut rows = Memory::default();
    let about = || alert("clock_skew", source("red", "a"));
    take(&mut rows, at(900 * DAY_MS), key(1), about()).unwrap();
    take(&mut rows, at(0), key(2), about()).unwrap();
    assert_eq!(take(&mut rows, at(1), key(1), about()), Ok(Outcome::AlreadyShown));
    assert_eq!(take(&mut rows, at(1), key(2), about()), Ok(Outcome::AlreadyShown));
}

#[test]
fn of_too_many_keys_the_oldest_goes() {
    let mut rows = Memory::default();
    let about = alert("clock_skew", source("red", "a"));
    for number in 0..=KEYS_MAX {
        assert!(rows::remember(&mut rows, at(number), key(number.into())).unwrap());
    }
    assert_eq!(rows::counts(&rows).unwrap().keys, KEYS_MAX);
    let mut again = |number| take(&mut rows, at(KEYS_MAX), key(number), about.clone());
    assert_eq!(again(1), Ok(Outcome::AlreadyShown));
    assert_eq!(again(u128::from(KEYS_MAX)), Ok(Outcome::AlreadyShown));
    assert_eq!(again(0), Ok(Outcome::New(1)));
    assert_eq!(rows::counts(&rows).unwrap().keys, KEYS_MAX);
}
