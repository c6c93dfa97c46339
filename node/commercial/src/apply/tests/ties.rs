//! One timestamp, two contents: a data directory that was rolled back can issue one twice.

use clavitor_commercial::frame::Verdict::{Already, Applied};
use clavitor_core::alert::AlertType;
use clavitor_core::record::{Item, Key};

use super::cluster::{A, B, C, Cluster};
use super::fixtures::{Receiver, blob, entry, frame, hlc, record, records, vault, version};

/// Two versions with one timestamp: the one that wins, and the one that loses.
fn rivals() -> [clavitor_core::record::Record; 2] {
    let mut rivals = ["one", "two"].map(|blob| version("k", hlc(5, "a"), blob));
    rivals.sort_by_key(|record| std::cmp::Reverse(record.content_digest()));
    rivals
}

fn journalled(b: &Receiver) -> Option<Vec<u8>> {
    let key = Key::Loser(vault(), entry("k"), hlc(5, "a"));
    record(&b.store, &key).map(|item| item.blob)
}

#[test]
fn the_larger_digest_wins_whichever_comes_first() {
    let [winner, loser] = rivals();
    let (b, c) = (Receiver::new(), Receiver::new());
    for (receiver, first, second) in [(&b, &winner, &loser), (&c, &loser, &winner)] {
        assert_eq!(receiver.taken(&frame("a", 0, 1, std::slice::from_ref(first))).ties, 0);
        let taken = receiver.taken(&frame("c", 0, 1, std::slice::from_ref(second)));
        assert_eq!((taken.verdicts.as_slice(), taken.ties), ([Applied].as_slice(), 1));
        assert_eq!(blob(&receiver.store, "k").unwrap().as_bytes(), winner.blob);
        assert_eq!(journalled(receiver).as_ref(), Some(&loser.blob));
    }
    assert_eq!(records(&b.store), records(&c.store), "journal included");
}

#[test]
fn a_tie_that_is_settled_raises_no_second_alert() {
    let [winner, loser] = rivals();
    let b = Receiver::new();
    b.taken(&frame("a", 0, 1, std::slice::from_ref(&winner)));
    b.taken(&frame("c", 0, 1, std::slice::from_ref(&loser)));
    let again = b.taken(&frame("c", 1, 2, &[loser]));
    assert_eq!((again.verdicts.as_slice(), again.ties), ([Already].as_slice(), 0));
}

#[test]
fn the_same_version_twice_is_no_tie() {
    let b = Receiver::new();
    let version = version("k", hlc(5, "a"), "one");
    b.taken(&frame("a", 0, 1, std::slice::from_ref(&version)));
    let taken = b.taken(&frame("c", 0, 1, &[version]));
    assert_eq!((taken.verdicts.as_slice(), taken.ties), ([Already].as_slice(), 0));
    assert_eq!(journalled(&b), None);
}

#[test]
fn a_timestamp_issued_twice_by_a_rolled_back_server_ends_the_same_everywhere() {
    let mut cluster = Cluster::new(3);
    cluster.write(A, "before", "x").unwrap();
    cluster.settle();
    let copy = cluster.copy(A);
    let first = cluster.write(A, "k", "one").unwrap();
    cluster.settle();
    cluster.put_back(A, &copy);
    assert_eq!(cluster.write(A, "k", "two").unwrap(), first, "the clock stands still");
    cluster.settle();
    cluster.heal();
    cluster.assert_same();
    let is_item = |item: &Item| matches!(item, Item::Loser { .. });
    let lost = cluster.records(A).into_iter().filter(|record| is_item(&record.head.item));
    let lost: Vec<Vec<u8>> = lost.map(|record| record.blob).collect();
    let won = blob(cluster.store(A), "k").unwrap();
    assert_eq!(lost, [if won == "one" { b"two" } else { b"one" }]);
    for at in [A, B, C] {
        let alerts = cluster.alerts(at);
        let ties = alerts.iter().filter(|it| **it == AlertType::EqualTimestamps).count();
        assert!(ties <= 1, "{at} alerted {ties} times");
    }
    let told = [A, B, C].iter().any(|at| cluster.alerts(*at).contains(&AlertType::EqualTimestamps));
    assert!(told, "a person knows");
}
