//! A data directory made from an export: it takes no writes until it has heard its peers.

use clavitor_node::store::{Opening, export_to, import_from};

use super::cluster::{A, B, C, Cluster};
use super::fixtures::{MIB, blob, hlc, is_revoked, monday, pop_id, version};
use super::network::Fate;
use super::tokens::put_token;

fn export(cluster: &Cluster, at: usize) -> Vec<u8> {
    let mut file = Vec::new();
    export_to(cluster.store(at), &mut file).unwrap();
    file
}

/// Replaces a POP's data directory by one made from the export; does not start it.
fn import(cluster: &mut Cluster, at: usize, name: &str, file: &[u8]) {
    cluster.empty(at);
    let dir = cluster.pops[at].dir.path().to_path_buf();
    let opening = Opening { dir: &dir, bytes_max: 64 * MIB, pop: Some(pop_id(name)) };
    let now = cluster.pops[at].clock;
    import_from(&mut &*file, &opening, now, &mut |_| {}).unwrap();
}

#[test]
fn an_old_import_takes_no_writes_before_every_peer_was_heard() {
    let mut cluster = Cluster::new(3);
    cluster.write(A, "k", "old").unwrap();
    cluster.settle();
    let file = export(&cluster, A);
    cluster.write(A, "k", "new").unwrap();
    cluster.settle();
    import(&mut cluster, A, "a", &file);
    cluster.cut(&[(A, C), (C, A)]);
    cluster.start(A);
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"));
    cluster.settle();
    assert_eq!(blob(cluster.store(A), "k").as_deref(), Some("new"), "b has refilled it");
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"), "c was not heard");
    cluster.stop(A);
    cluster.start(A);
    cluster.settle();
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"), "nor after a restart");
    cluster.heal();
    assert!(cluster.write(A, "k", "now").is_ok());
    cluster.settle();
    cluster.cut(&[(A, B), (B, A), (A, C), (C, A)]);
    cluster.restart(A);
    assert!(cluster.write(A, "k", "durably").is_ok(), "it need not hear them again");
}

#[test]
fn an_emptied_primary_takes_no_writes_before_every_peer_was_heard() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "old").unwrap();
    cluster.settle();
    cluster.empty(A);
    cluster.cut(&[(A, B), (B, A)]);
    cluster.start(A);
    cluster.settle();
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"));
    cluster.heal();
    assert_eq!(blob(cluster.store(A), "k").as_deref(), Some("old"), "b has refilled it");
    assert!(cluster.write(A, "k", "now").is_ok());
    cluster.settle();
    cluster.heal();
    cluster.assert_same();
}

#[test]
fn what_was_put_off_was_not_heard() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "of now").unwrap();
    cluster.settle();
    let ahead = version("k", hlc(monday().0 + 3_600_000, "a"), "of tomorrow");
    let kept = ahead.clone();
    cluster.store(B).write_blocking::<_, (), _>(move |txn| Ok(txn.put(&kept, None)?)).unwrap();
    cluster.empty(A);
    cluster.start(A);
    (0..3).for_each(|_| cluster.heal());
    assert_eq!(blob(cluster.store(A), "k"), None, "it is from the future");
    assert_eq!(cluster.write(A, "k", "over it, unseen"), Err("CV-IMPORTED"));
    cluster.promote(A);
    assert!(cluster.write(A, "k", "on a person's word").is_ok());
}

#[test]
fn a_new_primary_whose_backup_is_not_there_takes_writes_once_it_is_promoted() {
    let mut cluster = Cluster::stopped(2);
    cluster.start(A);
    cluster.settle();
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"));
    cluster.promote(A);
    cluster.restart(A);
    assert!(cluster.write(A, "k", "now").is_ok());
    cluster.start(B);
    cluster.heal();
    cluster.assert_same();
}

#[test]
fn a_server_that_was_alone_before_waits_for_its_new_backup_too() {
    let mut cluster = Cluster::stopped(1);
    cluster.start(A);
    cluster.write(A, "k", "alone").unwrap();
    cluster.stop(A);
    cluster.add_a_stopped_pop();
    cluster.start(A);
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"));
    cluster.start(B);
    cluster.heal();
    assert!(cluster.write(A, "k", "with a backup").is_ok());
    cluster.heal();
    cluster.assert_same();
}

#[test]
fn a_peer_that_owes_more_was_not_heard_completely() {
    let mut cluster = Cluster::new(2);
    cluster.write_batch(A, "k", 250);
    cluster.settle();
    let file = export(&cluster, A);
    import(&mut cluster, A, "a", &file);
    let mut batches = 0;
    cluster.decide(move |letter| {
        batches += usize::from(letter.is_on((B, A)) && letter.has_records());
        if batches == 3 { Fate::Lose } else { Fate::Deliver }
    });
    cluster.start(A);
    cluster.settle();
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"));
    cluster.heal();
    assert!(cluster.write(A, "k", "now").is_ok());
}

#[test]
fn everything_was_heard_whatever_order_it_came_in() {
    let mut cluster = Cluster::new(2);
    cluster.write_batch(A, "k", 250);
    cluster.settle();
    let file = export(&cluster, A);
    import(&mut cluster, A, "a", &file);
    let is_data = |letter: &super::network::Letter| letter.is_on((B, A)) && letter.has_records();
    cluster.decide(move |letter| if is_data(letter) { Fate::Hold } else { Fate::Deliver });
    cluster.start(A);
    cluster.settle();
    let held = std::mem::take(&mut cluster.held);
    assert_eq!(held.len(), 3, "three frames are under way at once");
    for letter in held.into_iter().rev() {
        assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"));
        cluster.deliver(letter, Fate::Deliver);
        cluster.settle();
    }
    // Its last frame was overtaken, so the peer must be asked; the machine does so in a moment.
    cluster.tell(A, clavitor_commercial::pop::Input::Resumed);
    cluster.settle();
    assert!(cluster.write(A, "k", "now").is_ok());
}

#[test]
fn a_promotion_is_a_persons_word_for_the_import() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "old").unwrap();
    cluster.settle();
    let file = export(&cluster, A);
    import(&mut cluster, B, "b", &file);
    cluster.stop(A);
    cluster.start(B);
    cluster.settle();
    cluster.promote(B);
    assert!(cluster.write(B, "k", "new").is_ok());
    cluster.start(A);
    cluster.settle();
    cluster.heal();
    cluster.assert_same();
}

#[test]
fn a_revoked_access_token_does_not_come_back_with_an_old_export() {
    let mut cluster = Cluster::new(3);
    put_token(&mut cluster, A, 1, false);
    let file = export(&cluster, A);
    put_token(&mut cluster, A, 1, true);
    import(&mut cluster, A, "a", &file);
    cluster.start(A);
    assert!(!is_revoked(cluster.store(A), 1));
    cluster.settle();
    cluster.heal();
    for at in [A, B, C] {
        assert!(is_revoked(cluster.store(at), 1), "{at}");
    }
    cluster.assert_same();
}
