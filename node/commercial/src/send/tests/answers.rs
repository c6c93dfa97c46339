use clavitor_commercial::frame::{Ack, Member, Refusal, Verdict, seal_ack};
use clavitor_commercial::replication::Answer;
use clavitor_core::id::{OpId, PopId, Seq, StoreId};

use super::super::*;
use crate::apply::tests::cluster::keys;
use crate::apply::tests::fixtures::{hlc, key, member, pop_id};

const DIGEST: [u8; 32] = [3; 32];

fn ack() -> Ack {
    Ack {
        acker: member("b"),
        frame: DIGEST,
        epoch: None,
        received: Seq(5),
        verdicts: vec![Verdict::Applied],
        positions: Vec::new(),
        is_complete: false,
        wall: wall::unix_time(),
    }
}

/// What `a` makes of an answer to a frame with one record for `b`.
fn read(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    read_as(status, body, 1, Some((pop_id("b"), member("b").store)))
}

fn read_as(
    status: u16,
    body: impl Into<Vec<u8>>,
    records: usize,
    identity: Option<(PopId, StoreId)>,
) -> Answer {
    let versions = vec![(key("k"), hlc(1, "a")); records];
    let url = "http://b";
    let (peer, op, own_pop, digest) = (0, OpId(1), pop_id("a"), DIGEST);
    let (keys, versions) = (&keys(), versions.as_slice());
    let expected = Expected { peer, op, own_pop, keys, digest, url, versions, identity };
    match super::super::read(&expected, Ok(Called { status, body: body.into().into() })) {
        Input::FrameAnswered(report) => report.answer,
        other => panic!("{other:?}"),
    }
}

fn acked(ack: &Ack) -> Answer {
    read(200, seal_ack(ack, &keys()))
}

#[test]
fn an_authentic_ack_names_each_version_with_its_verdict() {
    let Answer::Acked(acked) = acked(&ack()) else { panic!("it is not taken") };
    assert_eq!((acked.pop, acked.store, acked.received), (pop_id("b"), member("b").store, Seq(5)));
    let [verdict] = acked.verdicts.as_slice() else { panic!("{acked:?}") };
    assert_eq!((verdict.record, verdict.hlc), (key("k").id(), hlc(1, "a")));
    assert_eq!(verdict.verdict, Verdict::Applied);
}

#[test]
fn an_ack_that_is_not_for_this_frame_is_forged() {
    let other_url = Member { url: "http://c".into(), ..member("b") };
    let forged = [
        Ack { frame: [4; 32], ..ack() },
        Ack { acker: other_url, ..ack() },
        Ack { verdicts: Vec::new(), ..ack() },
        Ack { verdicts: vec![Verdict::Applied; 2], ..ack() },
        Ack { received: Seq(u64::MAX), ..ack() },
    ];
    for ack in forged {
        assert_eq!(acked(&ack), Answer::Forged, "{ack:?}");
    }
    let other = Keys::derive(&[1; 64]);
    assert_eq!(read(200, seal_ack(&ack(), &other)), Answer::Forged);
    assert_eq!(read(200, Vec::new()), Answer::Forged);
    let trailing = [seal_ack(&ack(), &keys()), vec![0]].concat();
    assert_eq!(read(200, trailing), Answer::Forged);
}

#[test]
fn an_ack_of_a_server_with_our_own_id_is_a_duplicate() {
    let own = Ack { acker: Member { url: "http://b".into(), ..member("a") }, ..ack() };
    assert_eq!(acked(&own), Answer::Refused(Refusal::Duplicate));
}

#[test]
fn records_are_confirmed_by_the_data_directory_they_were_sent_to_alone() {
    let other = Member { store: StoreId([9; 16]), ..member("b") };
    assert_eq!(acked(&Ack { acker: other.clone(), ..ack() }), Answer::Refused(Refusal::Store));
    let other_pop = Member { pop: pop_id("z"), ..member("b") };
    assert_eq!(acked(&Ack { acker: other_pop, ..ack() }), Answer::Refused(Refusal::Store));
    let hello = Ack { acker: other, verdicts: Vec::new(), ..ack() };
    let identity = Some((pop_id("b"), member("b").store));
    let answer = read_as(200, seal_ack(&hello, &keys()), 0, identity);
    assert!(matches!(answer, Answer::Acked(_)), "a hello asks who is there");
}

#[test]
fn a_refusal_is_known_by_its_code_and_anything_else_is_no_answer() {
    for (refusal, code, status) in Refusal::ALL {
        let document = format!("{{\"code\":\"{code}\",\"detail\":\"x\"}}");
        assert_eq!(read(status, document), Answer::Refused(refusal));
    }
    let bodies = ["", "{}", "[]", "<html>", "{\"code\":7}", "{\"code\":\"CV-NO-ROUTE\"}"];
    for body in bodies {
        assert_eq!(read(503, body), Answer::Unreachable, "{body}");
    }
    let sealed = seal_ack(&ack(), &keys());
    assert_eq!(read(500, sealed), Answer::Unreachable, "an ack comes with 200");
}
