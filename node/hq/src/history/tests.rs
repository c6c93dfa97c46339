use super::*;
use crate::tables::with_rows;

fn event(at: u64) -> Happened {
    let cluster = if at.is_multiple_of(2) { "even" } else { "odd" }.to_owned();
    let what = What::Registered(format!("pop-{at}").parse().unwrap());
    Happened { at: UnixTime(at), cluster, what }
}

fn times(page: &Page) -> Vec<u64> {
    page.events.iter().map(|(_, happened)| happened.at.0).collect()
}

#[test]
fn of_too_many_events_the_oldest_goes() {
    with_rows("oldest", |rows| {
        for at in 1..=9 {
            keep_at_most(rows, &event(at), 4).unwrap();
        }
        let all = page(rows, &Filter { limit: 100, ..Filter::default() }).unwrap();
        assert_eq!(times(&all), [9, 8, 7, 6]);
        assert_eq!(all.next, None);
    });
}

#[test]
fn pages_follow_on_each_other_whatever_is_filtered() {
    with_rows("pages", |rows| {
        (1..=20).for_each(|at| keep(rows, &event(at)).unwrap());
        let filter =
            |after| Filter { cluster: Some("odd".into()), after, limit: 4, ..Filter::default() };
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = page(rows, &filter(after)).unwrap();
            seen.extend(times(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [19, 17, 15, 13, 11, 9, 7, 5, 3, 1]);
    });
}

#[test]
fn one_question_looks_at_so_many_events_and_says_where_to_go_on() {
    with_rows("far", |rows| {
        (1..=LOOKED_AT_MAX + 5).for_each(|at| keep(rows, &event(at)).unwrap());
        let filter =
            |after| Filter { kind: Some("removed".into()), after, limit: 1, cluster: None };
        let first = page(rows, &filter(None)).unwrap();
        assert_eq!((first.events.len(), first.next), (0, Some(6)));
        assert_eq!(page(rows, &filter(first.next)).unwrap().next, None);
    });
}

#[test]
fn nothing_is_a_page_too_and_so_is_what_was_never_there() {
    with_rows("nothing", |rows| {
        let filter = |after| Filter { after, limit: 1, ..Filter::default() };
        assert!(page(rows, &filter(None)).unwrap().events.is_empty());
        keep(rows, &event(1)).unwrap();
        assert_eq!(times(&page(rows, &filter(Some(u64::MAX))).unwrap()), [1]);
        assert!(page(rows, &filter(Some(0))).unwrap().events.is_empty());
    });
}
