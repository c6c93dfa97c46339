//! Whom a frame is from, and whom it is for.

use clavitor_commercial::frame::{Frame, Refusal};
use clavitor_commercial::tables;
use clavitor_core::alert::AlertType;
use clavitor_core::id::StoreId;
use clavitor_node::store::Reader;

use super::cluster::{A, B, Cluster};
use super::epochs::epoch;
use super::fixtures::{blob, frame, hlc, image, pop_id, version};
use super::network::Fate;

/// A frame to `b` as the real `a` would send it.
fn authentic(cluster: &Cluster) -> Frame {
    let mut frame = frame("a", 0, 9, &[version("forged", hlc(1, "a"), "x")]);
    frame.source.store = cluster.store(A).store_id();
    frame.epoch = *crate::lock(&cluster.commercial(A).epoch);
    frame
}

#[track_caller]
fn assert_refused(alter: impl FnOnce(&mut Frame), refusal: Refusal) {
    let mut cluster = Cluster::new(2);
    let mut frame = authentic(&cluster);
    alter(&mut frame);
    let before = image(cluster.store(B));
    assert_eq!(cluster.apply(B, frame).map(drop), Err(refusal));
    assert!(image(cluster.store(B)) == before, "{refusal:?} left a trace");
}

#[test]
fn the_authentic_frame_is_taken() {
    let mut cluster = Cluster::new(2);
    let frame = authentic(&cluster);
    assert!(cluster.apply(B, frame).is_ok());
    assert!(blob(cluster.store(B), "forged").is_some());
}

#[test]
fn a_frame_of_another_cluster_is_refused() {
    assert_refused(|frame| frame.cluster = "other".into(), Refusal::Cluster);
}

#[test]
fn a_frame_for_another_pop_is_refused() {
    assert_refused(|frame| frame.destination = "http://c".into(), Refusal::Destination);
}

#[test]
fn a_frame_for_another_data_directory_is_refused() {
    let other = Some(StoreId([9; 16]));
    assert_refused(|frame| frame.destination_store = other, Refusal::Store);
}

#[test]
fn a_frame_of_an_unknown_member_is_refused() {
    assert_refused(|frame| frame.source.url = "http://z".into(), Refusal::Member);
}

#[test]
fn a_frame_under_the_receivers_own_id_is_refused_with_an_alert() {
    let mut cluster = Cluster::new(2);
    let mut frame = authentic(&cluster);
    frame.source.pop = pop_id("b");
    let before = image(cluster.store(B));
    assert_eq!(cluster.apply(B, frame).map(drop), Err(Refusal::Duplicate));
    assert!(image(cluster.store(B)) == before);
    assert_eq!(cluster.alerts(B), [AlertType::DuplicatePopId]);
}

#[test]
fn a_stranger_is_asked_about_and_denied_while_the_peer_is_alive() {
    let mut cluster = Cluster::new(2);
    let mut impostor = authentic(&cluster);
    impostor.source.store = StoreId([9; 16]);
    assert_eq!(cluster.apply(B, impostor.clone()).map(drop), Err(Refusal::Busy));
    assert!(cluster.sent.iter().any(|sent| (sent.from, sent.to) == (B, A)), "a is asked");
    assert_eq!(cluster.alerts(B), [AlertType::DuplicatePopId]);
    assert_eq!(cluster.apply(B, impostor.clone()).map(drop), Err(Refusal::Duplicate));
    cluster.restart(B);
    assert_eq!(cluster.apply(B, impostor).map(drop), Err(Refusal::Duplicate), "durably");
    assert_eq!(blob(cluster.store(B), "forged"), None);
    let frame = authentic(&cluster);
    assert!(cluster.apply(B, frame).is_ok(), "the real one goes on");
}

#[test]
fn a_strangers_hello_is_answered_and_changes_nothing() {
    let mut cluster = Cluster::new(2);
    let mut hello = frame("a", 0, 0, &[]);
    hello.source.store = StoreId([9; 16]);
    hello.epoch = epoch(7, "a");
    hello.destination_store = Some(cluster.store(B).store_id());
    hello.is_complete = true;
    let known = *crate::lock(&cluster.commercial(B).epoch);
    cluster.decide(|_| Fate::Lose);
    let ack = cluster.apply(B, hello).unwrap();
    assert_eq!((ack.epoch, ack.is_complete), (known, false));
    assert_eq!(*crate::lock(&cluster.commercial(B).epoch), known);
    let stored =
        cluster.store(B).read(|it: &Reader<'_>| clavitor_commercial::epoch::known(it)).unwrap();
    assert_eq!(stored, known);
    assert!(cluster.sent.iter().any(|sent| (sent.from, sent.to) == (B, A)), "a is asked");
}

#[test]
fn a_server_that_waits_for_its_peers_takes_nobodys_word_but_theirs() {
    let mut cluster = Cluster::stopped(2);
    cluster.start(A);
    cluster.settle();
    let mut hello = frame("b", 0, 0, &[]);
    hello.destination = "http://a".into();
    hello.destination_store = Some(cluster.store(A).store_id());
    hello.is_complete = true;
    cluster.apply(A, hello).unwrap();
    assert_eq!(cluster.write(A, "k", "too early"), Err("CV-IMPORTED"), "nobody answers at b's URL");
    cluster.start(B);
    cluster.heal();
    assert!(cluster.write(A, "k", "now").is_ok());
}

#[test]
fn another_pop_at_a_peers_url_is_a_stranger_too() {
    let mut cluster = Cluster::new(2);
    let mut frame = authentic(&cluster);
    frame.source.pop = pop_id("z");
    assert_eq!(cluster.apply(B, frame).map(drop), Err(Refusal::Busy));
    assert_eq!(blob(cluster.store(B), "forged"), None);
}

#[test]
fn a_stranger_who_answers_at_the_peers_url_is_adopted() {
    let mut cluster = Cluster::new(2);
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    let former = cluster.store(A).store_id();
    cluster.empty(A);
    cluster.start(A);
    cluster.settle();
    let now = cluster.store(A).store_id();
    assert_ne!(now, former);
    let peer = cluster.store(B).read(|reader| tables::peer(reader, "http://a")).unwrap();
    assert_eq!(peer.identity, Some((pop_id("a"), now)));
    assert_eq!(peer.denied, None);
    assert_eq!(cluster.alerts(B), []);
    assert_eq!(blob(cluster.store(A), "k").as_deref(), Some("1"), "and gets everything back");
}

#[test]
fn a_frame_filtered_for_one_peer_means_nothing_to_another() {
    let mut cluster = Cluster::new(3);
    cluster.decide(|letter| if letter.has_records() { Fate::Hold } else { Fate::Deliver });
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    let mut held = std::mem::take(&mut cluster.held);
    assert_eq!(held.len(), 2);
    let (to_c, to_b) = (held.pop().unwrap(), held.pop().unwrap());
    let before = image(cluster.store(to_b.to));
    let misdirected = super::network::Letter { to: to_b.to, ..to_c };
    cluster.deliver(misdirected, Fate::Deliver);
    cluster.settle();
    assert!(image(cluster.store(to_b.to)) == before);
}
