//! Bytes that no peer would send: refused with their code, and nothing changes on either side.

use clavitor_commercial::frame::{
    self, FRAME_BYTES_MAX, Frame, Keys, RECORDS_MAX, Range, Refusal, seal_frame,
};
use clavitor_core::codec::Block;
use clavitor_core::id::Seq;

use super::cluster::{A, B, C, Cluster, keys};
use super::fixtures::{Image, blob, frame, hlc, image, version};
use super::network::{Fate, HeldAnswer, flip, hand_over};

/// A cluster whose `b` is shown bytes as they come from a socket.
struct Target {
    cluster: Cluster,
    before: Image,
}

impl Target {
    fn new() -> Self {
        let mut cluster = Cluster::new(2);
        cluster.write(A, "k", "1").unwrap();
        cluster.settle();
        let before = image(cluster.store(B));
        Self { cluster, before }
    }

    fn frame(&self) -> Frame {
        let mut sent = frame("a", 50, 60, &[version("forged", hlc(1, "a"), "x")]);
        sent.source.store = self.cluster.store(A).store_id();
        sent.epoch = *crate::lock(&self.cluster.commercial(A).epoch);
        sent
    }

    #[track_caller]
    fn assert_refused(&self, body: &[u8], refusal: Refusal) {
        assert_eq!(self.refusal(body), Some(refusal));
        self.assert_untouched();
    }

    fn refusal(&self, body: &[u8]) -> Option<Refusal> {
        let commercial = self.cluster.commercial(B);
        let posted = clavitor_node::store::block_on(hand_over(commercial, &keys(), body));
        let document: serde_json::Value = serde_json::from_slice(&posted.body).ok()?;
        let refusal = Refusal::from_code(document["code"].as_str()?).unwrap();
        assert_eq!(refusal.status(), posted.status);
        Some(refusal)
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert!(image(self.cluster.store(B)) == self.before, "it left a trace");
    }
}

#[test]
fn the_frame_the_others_are_made_from_is_taken() {
    let target = Target::new();
    assert_eq!(target.refusal(&seal_frame(&target.frame(), &keys())), None);
    assert!(blob(target.cluster.store(B), "forged").is_some());
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let target = Target::new();
    let sealed = seal_frame(&target.frame(), &keys());
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        flip(&mut altered, bit);
        let is_version = bit < 8;
        let refusal = if is_version { Refusal::Version } else { Refusal::Auth };
        assert_eq!(target.refusal(&altered), Some(refusal), "bit {bit}");
    }
    target.assert_untouched();
}

#[test]
fn a_frame_cut_short_or_with_trailing_bytes_is_refused() {
    let target = Target::new();
    let sealed = seal_frame(&target.frame(), &keys());
    for len in 0..sealed.len() {
        assert!(target.refusal(&sealed[..len]).is_some(), "{len} bytes");
    }
    target.assert_refused(&sealed[..20], Refusal::Malformed);
    target.assert_refused(&[sealed.as_slice(), &[0]].concat(), Refusal::Auth);
    target.assert_refused(&[sealed.as_slice(), &sealed].concat(), Refusal::Auth);
}

#[test]
fn a_frame_under_another_secret_is_refused() {
    let target = Target::new();
    let other = Keys::derive(&[7; 64]);
    target.assert_refused(&seal_frame(&target.frame(), &other), Refusal::Auth);
}

#[test]
fn one_record_more_than_a_frame_may_carry_is_refused() {
    let target = Target::new();
    let mut sent = target.frame();
    let record = sent.records[0].clone();
    sent.records = vec![record; RECORDS_MAX + 1];
    target.assert_refused(&seal_frame(&sent, &keys()), Refusal::Malformed);
    sent.records.pop();
    assert_eq!(target.refusal(&seal_frame(&sent, &keys())), None, "a hundred are taken");
}

#[test]
fn a_frame_over_8_mib_is_refused_however_well_it_is_made() {
    let target = Target::new();
    let mut sent = target.frame();
    sent.records = vec![Block(vec![7; FRAME_BYTES_MAX])];
    target.assert_refused(&seal_frame(&sent, &keys()), Refusal::TooLarge);
    target.assert_refused(&vec![0; 100 * 1024 * 1024], Refusal::TooLarge);
}

#[test]
fn ranges_that_cannot_be_are_refused() {
    let target = Target::new();
    for (after, to) in [(60, 50), (60, 60), (0, u64::MAX), (0, u64::MAX / 2)] {
        let range = Range { after: Seq(after), to: Seq(to) };
        let sealed = seal_frame(&Frame { range, ..target.frame() }, &keys());
        target.assert_refused(&sealed, Refusal::Malformed);
    }
}

#[test]
fn an_ack_with_any_flipped_bit_clears_nothing() {
    let mut cluster = Cluster::new(2);
    for bit in (0..).map(|step| step * 97).take(24) {
        cluster.decide(
            move |letter| {
                if letter.has_records() { Fate::FlipAnswer(bit) } else { Fate::Deliver }
            },
        );
        let before = cluster.view(A, B).acked;
        cluster.write(A, "k", &bit.to_string()).unwrap();
        cluster.settle();
        assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (before, 1), "bit {bit}");
        assert!(cluster.view(A, B).last_error.is_some());
        cluster.heal();
        assert_eq!(cluster.dirty(A, B), 0);
    }
    cluster.assert_same();
}

#[test]
fn an_ack_of_one_peer_clears_nothing_for_another() {
    let mut cluster = Cluster::new(3);
    cluster.decide(|letter| if letter.has_records() { Fate::HoldAnswer } else { Fate::Deliver });
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    let mut held = std::mem::take(&mut *crate::lock(&cluster.held_answers));
    let (one, other) = (held.pop().unwrap(), held.pop().unwrap());
    let HeldAnswer { reply, answer, .. } = one;
    assert!(reply.send(other.answer).is_ok());
    assert!(other.reply.send(answer).is_ok());
    cluster.settle();
    for peer in [B, C] {
        assert_eq!((cluster.view(A, peer).acked, cluster.dirty(A, peer)), (Seq(0), 1));
    }
    cluster.heal();
    assert_eq!((cluster.dirty(A, B), cluster.dirty(A, C)), (0, 0));
}

#[test]
fn an_ack_of_an_earlier_frame_clears_nothing() {
    let mut cluster = Cluster::new(2);
    cluster.decide(|letter| if letter.has_records() { Fate::HoldAnswer } else { Fate::Deliver });
    cluster.write(A, "k", "1").unwrap();
    cluster.settle();
    let earlier = crate::lock(&cluster.held_answers).pop().unwrap().answer;
    cluster.write(A, "k", "2").unwrap();
    cluster.tell(A, clavitor_commercial::pop::Input::Resumed);
    cluster.settle();
    let HeldAnswer { reply, .. } = crate::lock(&cluster.held_answers).pop().unwrap();
    assert!(reply.send(earlier).is_ok());
    cluster.settle();
    assert_eq!((cluster.view(A, B).acked, cluster.dirty(A, B)), (Seq(0), 1));
    cluster.heal();
    cluster.assert_same();
}

#[test]
fn a_digest_names_one_frame() {
    let target = Target::new();
    let (one, other) = (target.frame(), Frame { epoch: None, ..target.frame() });
    let digest = |it: &Frame| frame::digest(&seal_frame(it, &keys()));
    assert_ne!(digest(&one), digest(&other));
}
