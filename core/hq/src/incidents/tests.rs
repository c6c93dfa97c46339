use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::*;
use memory::Memory;

mod bounds;
mod memory;
mod properties;
mod watching;

const DAY_MS: u64 = 86_400_000;

fn at(ms: u64) -> UnixTime {
    UnixTime(ms)
}

fn key(number: u128) -> Key {
    Key(number.to_be_bytes())
}

fn source(cluster: &str, pop: &str) -> Source {
    Source {
        cluster: Some(cluster.to_string()),
        pop: Some(pop.parse().unwrap()),
        hostname: format!("{pop}.example"),
    }
}

fn alert(kind: &str, source: Source) -> Alert {
    Alert {
        kind: kind.to_string(),
        source,
        raised_at: at(5),
        message: "something is wrong".to_string(),
        details: BTreeMap::new(),
    }
}

fn counted(kind: &str, source: Source, count: &str) -> Alert {
    let details = BTreeMap::from([("count".to_string(), count.to_string())]);
    Alert { details, ..alert(kind, source) }
}

fn all(rows: &Memory) -> Vec<Incident> {
    page(rows, &Filter::default(), None, PAGE_MAX).unwrap().incidents
}

fn ids(page: &Page) -> Vec<u64> {
    page.incidents.iter().map(|incident| incident.id).collect()
}

#[test]
fn an_alert_is_shown_once_however_often_it_is_sent() {
    let mut rows = Memory::default();
    let disk = alert("clock_skew", source("red", "a"));
    assert_eq!(take(&mut rows, at(10), key(1), disk.clone()), Ok(Outcome::New(1)));
    let before = rows.clone();
    for _ in 0..3 {
        assert_eq!(take(&mut rows, at(20), key(1), disk.clone()), Ok(Outcome::AlreadyShown));
    }
    assert_eq!(rows, before, "nothing is written again");
    let [incident] = all(&rows).try_into().unwrap();
    assert_eq!((incident.id, incident.count, incident.resolved), (1, 1, None));
    assert_eq!((incident.first_at, incident.last_at, incident.raised_at), (at(10), at(10), at(5)));
    assert_eq!((incident.kind.as_str(), incident.source), ("clock_skew", source("red", "a")));
}

#[test]
fn alerts_of_one_type_and_pop_are_one_incident_until_it_is_resolved() {
    let mut rows = Memory::default();
    let first = alert("clock_skew", source("red", "a"));
    let later = Alert { raised_at: at(99), message: "worse".into(), ..first.clone() };
    assert_eq!(take(&mut rows, at(10), key(1), first.clone()), Ok(Outcome::New(1)));
    assert_eq!(take(&mut rows, at(30), key(2), later), Ok(Outcome::Repeated(1)));
    let [incident] = all(&rows).try_into().unwrap();
    assert_eq!((incident.count, incident.first_at, incident.last_at), (2, at(10), at(30)));
    assert_eq!((incident.message.as_str(), incident.raised_at), ("worse", at(99)));

    assert_eq!(open_count(&rows), Ok(1));
    let resolved = resolve(&mut rows, at(40), 1).unwrap().unwrap().resolved;
    assert_eq!(resolved, Some(Resolved { at: at(40), by: By::Operator }));
    assert_eq!(open_count(&rows), Ok(0));
    assert_eq!(take(&mut rows, at(50), key(2), first.clone()), Ok(Outcome::AlreadyShown));
    assert_eq!(take(&mut rows, at(50), key(3), first), Ok(Outcome::New(2)));
    assert_eq!(all(&rows).iter().map(|incident| incident.id).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn other_types_pops_clusters_and_machines_are_incidents_of_their_own() {
    let mut rows = Memory::default();
    let machine = |name: &str| Source { hostname: name.to_string(), ..Source::default() };
    let sources = [
        source("red", "a"),
        source("red", "b"),
        source("blue", "a"),
        machine("one"),
        machine("two"),
        machine("a"),
    ];
    let mut number = 0;
    for kind in ["clock_skew", "storage_full"] {
        for source in &sources {
            number += 1;
            let outcome = take(&mut rows, at(1), key(number), alert(kind, source.clone()));
            assert_eq!(outcome, Ok(Outcome::New(number as u64)), "{kind} {source:?}");
        }
    }
    // A POP is known by its id; what its machine is called may change.
    let moved = Source { hostname: "elsewhere".to_string(), ..source("red", "a") };
    let outcome = take(&mut rows, at(1), key(99), alert("clock_skew", moved));
    assert_eq!(outcome, Ok(Outcome::Repeated(1)));
    assert_eq!(all(&rows).last().unwrap().source.hostname, "elsewhere");
}

#[test]
fn a_storm_that_came_as_one_alert_counts_as_many() {
    let mut rows = Memory::default();
    let red = || source("red", "a");
    take(&mut rows, at(1), key(1), counted("clock_skew", red(), "40")).unwrap();
    take(&mut rows, at(1), key(2), alert("clock_skew", red())).unwrap();
    assert_eq!(all(&rows)[0].count, 41);
    for (number, odd) in ["-3", "0", "", "many", "1e3"].into_iter().enumerate() {
        let outcome =
            take(&mut rows, at(1), key(10 + number as u128), counted("clock_skew", red(), odd));
        assert_eq!(outcome, Ok(Outcome::Repeated(1)));
    }
    assert_eq!(all(&rows)[0].count, 46, "what is no count counts once");
    take(&mut rows, at(1), key(3), counted("clock_skew", red(), &u64::MAX.to_string())).unwrap();
    assert_eq!(all(&rows)[0].count, 46 + COUNT_MAX);
}

#[test]
fn resolving_again_or_nothing_changes_nothing() {
    let mut rows = Memory::default();
    take(&mut rows, at(1), key(1), alert("clock_skew", source("red", "a"))).unwrap();
    assert!(settle(&mut rows, at(7), &source("red", "a"), "clock_skew").unwrap());
    let before = rows.clone();
    assert!(!settle(&mut rows, at(8), &source("red", "a"), "clock_skew").unwrap());
    assert!(!settle(&mut rows, at(8), &source("red", "b"), "clock_skew").unwrap());
    let resolved = resolve(&mut rows, at(9), 1).unwrap().unwrap().resolved;
    assert_eq!(resolved, Some(Resolved { at: at(7), by: By::Hq }));
    for unknown in [0, 2, u64::MAX] {
        assert_eq!(resolve(&mut rows, at(9), unknown), Ok(None));
    }
    assert_eq!(rows, before);
}

#[test]
fn pages_go_from_the_newest_to_the_oldest_through_what_is_looked_for() {
    let mut rows = Memory::default();
    for number in 1..=9_u64 {
        let kind = if number % 3 == 0 { "storage_full" } else { "clock_skew" };
        let cluster = if number % 2 == 0 { "red" } else { "blue" };
        let about = alert(kind, source(cluster, &format!("p{number}")));
        take(&mut rows, at(number), key(number.into()), about).unwrap();
    }
    for id in [1, 2, 3] {
        resolve(&mut rows, at(20), id).unwrap();
    }
    let look = |filter: Filter<'_>, after, limit| {
        let page = page(&rows, &filter, after, limit).unwrap();
        (ids(&page), page.next)
    };
    let every = Filter::default();
    assert_eq!(look(every, None, 4), (Vec::from([9, 8, 7, 6]), Some(6)));
    assert_eq!(look(every, Some(6), 4), (Vec::from([5, 4, 3, 2]), Some(2)));
    assert_eq!(look(every, Some(2), 4), (Vec::from([1]), None));
    assert_eq!(look(every, Some(1), 4), (Vec::new(), None));
    assert_eq!(look(every, Some(0), 4), (Vec::new(), None));
    assert_eq!(look(every, None, 9).1, None, "the last page says that it is");
    assert_eq!(look(every, None, 0).0, [9], "a page has something");
    let open = Filter { is_open: Some(true), ..every };
    assert_eq!(look(open, None, 99).0, [9, 8, 7, 6, 5, 4]);
    let over = Filter { is_open: Some(false), cluster: Some("red"), ..every };
    assert_eq!(look(over, None, 99).0, [2]);
    let full = Filter { kind: Some("storage_full"), ..every };
    assert_eq!(look(full, None, 2), (Vec::from([9, 6]), Some(6)));
    assert_eq!(look(full, Some(6), 2), (Vec::from([3]), None));
    assert_eq!(look(Filter { cluster: Some("green"), ..every }, None, 9).0, []);
}

#[test]
fn keys_are_sixteen_bytes_in_digits_with_a_uuids_hyphens_or_without() {
    let expected = Some(key(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
    for good in [
        "0123456789abcdef0123456789abcdef",
        "0123456789ABCDEF0123456789ABCDEF",
        "01234567-89ab-cdef-0123-456789abcdef",
    ] {
        assert_eq!(Key::parse(good), expected, "{good}");
    }
    for bad in [
        "",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0",
        "+123456789abcdef0123456789abcdef",
        "0123456789abcdef-123456789abcdef",
        "01234567-89ab-cdef-0123-456789abcde-",
        "01234567-89ab-cdef-0123456789abcdef-",
        "0123456789abcdef0123456789abcdeg",
        "0123456789abcdef0123456789abcdé",
    ] {
        assert_eq!(Key::parse(bad), None, "{bad}");
    }
}

#[test]
fn what_is_too_long_is_cut_and_what_is_no_type_is_unknown() {
    let mut rows = Memory::default();
    let long = "é".repeat(2_000);
    let details = (0..40).map(|number| (format!("{number:02}{long}"), long.clone())).collect();
    let hostname = format!("a\0b\n{long}");
    let source = Source { hostname, ..Source::default() };
    let odd = Alert { message: long.clone(), details, ..alert("Ü /\0", source) };
    take(&mut rows, at(1), key(1), odd).unwrap();
    let [kept] = all(&rows).try_into().unwrap();
    assert_eq!((kept.kind.as_str(), kept.message.len()), ("unknown", MESSAGE_BYTES_MAX));
    assert!(kept.source.hostname.starts_with("abé"));
    assert!(kept.source.hostname.len() <= SENDER_BYTES_MAX);
    assert_eq!(kept.details.len(), DETAILS_MAX);
    let is_short = |(name, value): (&String, &String)| {
        name.len() <= DETAIL_NAME_BYTES_MAX && value.len() <= DETAIL_BYTES_MAX
    };
    assert!(kept.details.iter().all(is_short));
    let wordy = alert(&"ab_1".repeat(40), Source::default());
    take(&mut rows, at(1), key(2), wordy).unwrap();
    assert_eq!(all(&rows)[0].kind.len(), KIND_BYTES_MAX);
}
