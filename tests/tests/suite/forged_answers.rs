//! Acks that are not what they claim clear nothing.

use clavitor_tests::raw::Message;
use clavitor_tests::wait::{seconds, throughout};
use clavitor_tests::{Cluster, ClusterBuilder, Fault, eventually};
use std::sync::{Arc, Mutex};

const BLOB: [u8; 4096] = [6; 4096];

/// Lets every answer of the backup be changed by `alter`, and demands that the write stays
/// dirty, that its waiter is not released, and that all is well afterwards.
fn assert_clears_nothing(
    what: &str,
    alter: impl Fn(&Message, &mut Message) + Send + Sync + 'static,
) {
    let cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "before", &BLOB).expect(201);
    cluster.settle();
    assert_stays_dirty(&cluster, what, Arc::new(alter));
}

fn assert_stays_dirty(cluster: &Cluster, what: &str, alter: clavitor_tests::proxy::AlterAnswer) {
    let primary = cluster.primary();
    cluster.pops[1].proxy().set(Fault::Alter(alter));
    let waiter = {
        let client = cluster.primary();
        std::thread::spawn(move || client.put_acked("v", "e", &BLOB))
    };
    eventually("the frame is sent", seconds(3), || {
        primary.peers().iter().any(|peer| peer["dirty"] == 1 && peer["state"] != "idle")
    });
    throughout(what, seconds(2), || primary.peer("zurich-01")["dirty"] == 1);
    let list = primary.list("v");
    let entry = list.iter().find(|entry| entry["name"] == "e").expect("it is stored");
    assert!(entry["replicated_at"].is_null(), "{what}");
    assert_eq!(waiter.join().expect("no panic").status, 202, "{what}: the waiter was released");
    assert!(!cluster.pops[0].server.log().contains("panicked"));
    cluster.pops[1].proxy().set(Fault::None);
    primary.resume().expect(200);
    cluster.settle();
    assert_eq!(cluster.backup().blob("v", "e").as_deref(), Some(BLOB.as_slice()));
}

#[test]
fn an_ack_with_a_flipped_bit_clears_nothing() {
    assert_clears_nothing("a bit of each ack is flipped", |_, answer| {
        let middle = answer.body.len() / 2;
        if let Some(byte) = answer.body.get_mut(middle) {
            *byte ^= 4;
        }
    });
}

#[test]
fn a_bare_success_clears_nothing() {
    assert_clears_nothing("each answer is an empty 200", |_, answer| {
        "HTTP/1.1 200 OK".clone_into(&mut answer.start);
        answer.body.clear();
    });
}

#[test]
fn an_ack_that_is_cut_or_has_a_tail_clears_nothing() {
    assert_clears_nothing("each ack lost its last byte", |_, answer| {
        answer.body.pop();
    });
    assert_clears_nothing("each ack has a trailing byte", |_, answer| answer.body.push(0));
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    assert_clears_nothing("each answer is 64 MiB long", |_, answer| {
        answer.body = vec![0; 64 << 20];
    });
}

#[test]
fn an_older_genuine_ack_clears_nothing() {
    let cluster = Cluster::proxied_pair();
    cluster.primary().put_acked("v", "before", &BLOB).expect(201);
    cluster.settle();
    let frames = cluster.pops[1].proxy().record_frames();
    let old = frames.last().and_then(|frame| frame.answer.clone()).expect("it was answered");
    assert_eq!(old.status(), 200);
    let replay = move |_: &Message, answer: &mut Message| *answer = old.clone();
    assert_stays_dirty(&cluster, "each answer is an old ack", Arc::new(replay));
}

#[test]
fn an_ack_of_another_pop_clears_nothing() {
    let cluster = ClusterBuilder::new(3).proxied().start();
    let genuine: Arc<Mutex<Option<Message>>> = Arc::default();
    // Denver's latest genuine answer is remembered, and presented as Zurich's.
    let remembered = Arc::clone(&genuine);
    cluster.pops[2].proxy().set(Fault::Alter(Arc::new(move |_, answer| {
        *remembered.lock().expect("no panic under it") = Some(answer.clone());
    })));
    cluster.primary().put_acked("v", "before", &BLOB).expect(201);
    cluster.settle();
    assert!(genuine.lock().expect("no panic under it").is_some());
    let presented = Arc::clone(&genuine);
    cluster.pops[1].proxy().set(Fault::Alter(Arc::new(move |_, answer| {
        // The frame to Denver is out at the same time; its answer is worth waiting for.
        std::thread::sleep(std::time::Duration::from_millis(200));
        if let Some(ack) = presented.lock().expect("no panic under it").clone() {
            *answer = ack;
        }
    })));
    let primary = cluster.primary();
    primary.put("v", "e", &BLOB).expect(201);
    eventually("denver is clean", seconds(3), || primary.peer("denver-01")["dirty"] == 0);
    throughout("zurich is not", seconds(3), || primary.peer("zurich-01")["dirty"] == 1);
    cluster.pops.iter().for_each(|pop| pop.proxy().set(Fault::None));
    primary.resume().expect(200);
    cluster.settle();
}
