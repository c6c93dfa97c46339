//! Builds ordered frames, sends them, and reads what comes back.

use clavitor_commercial::answer::{self, Expected};
use clavitor_commercial::frame::{self, Ack};
use clavitor_commercial::load::{self, Sender};
use clavitor_commercial::pop::Input;
use clavitor_commercial::replication::{Order, Window};
use clavitor_core::codec;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{PopId, StoreId};
use clavitor_core::record::Key;
use clavitor_core::store::Reader;

use super::{Process, Server};
use crate::around::{Around, keys};
use crate::canary::Canary;
use crate::event::{Delivery, Fact, Posted, Reply};

/// A frame whose answer is waited for.
#[derive(Debug)]
pub(super) struct Post {
    peer: u8,
    digest: [u8; 32],
    versions: Vec<(Key, Hlc)>,
    identity: Option<(PopId, StoreId)>,
}

impl Server {
    pub(super) fn send(
        &mut self,
        process: &mut Process,
        peer: u8,
        order: &Order,
        facts: &mut Vec<Input>,
        around: &mut Around,
    ) {
        let op = order.op;
        let reader = Reader::new(&self.disk);
        let Ok(load) = load::load(&reader, &self.cluster, Window::STANDARD, order) else {
            facts.push(answer::unbuilt(peer, op));
            return;
        };
        let sender = Sender {
            member: self.member(process),
            cluster: &self.cluster,
            epoch: process.epoch,
            now: self.clocks.wall(around.now),
            keys: keys(),
        };
        let built = sender.build(peer, order, load);
        built.alert.into_iter().for_each(|raised| self.alert(process, raised, around));
        facts.push(built.fact);
        let Some(sealed) = built.sealed else { return };
        let digest = frame::digest(&sealed.bytes);
        let names = sealed.versions.iter().map(|(key, _)| key.clone()).collect();
        let has_records = !sealed.versions.is_empty();
        around.facts.push(Fact::Sent { pop: self.index, peer, op, has_records });
        let _ = process.sent.add(op, (), names);
        let post = Post { peer, digest, versions: sealed.versions, identity: order.identity };
        process.posts.insert(op, post);
        let Some(to) = self.peers.get(usize::from(peer)).copied() else { return };
        around.post(Delivery {
            from: self.index,
            life: self.life,
            to,
            op,
            bytes: sealed.bytes.into(),
            back_us: 0,
            is_answer_lost: false,
            attack: None,
        });
    }

    /// A frame is answered, if anybody still waits for it.
    pub fn on_reply(&mut self, reply: &Reply, around: &mut Around) {
        let now = self.clocks.wall(around.now);
        let Some(process) = &mut self.process else { return };
        let Some(post) = process.posts.remove(&reply.op) else { return };
        let expected = Expected {
            peer: post.peer,
            op: reply.op,
            own_pop: self.pop,
            keys: keys(),
            digest: match &reply.posted {
                Posted::Ack(bytes) if around.bugs.is(Canary::MisdirectedAck) => answered(bytes),
                _ => post.digest,
            },
            url: self.cluster.peer_url(post.peer),
            versions: &post.versions,
            identity: post.identity,
        };
        let body = match &reply.posted {
            Posted::Ack(bytes) => answer::Reply::Ack(bytes),
            Posted::Refused(refusal) => answer::Reply::Problem(Some(refusal.code())),
            Posted::Unreachable => answer::Reply::None,
        };
        let fact = expected.read(body, now);
        process.tell(fact);
    }
}

/// The digest of the frame that an ack answers, whichever that is.
fn answered(bytes: &[u8]) -> [u8; 32] {
    let payload = bytes.get(..bytes.len().saturating_sub(32)).unwrap_or_default();
    codec::decode(payload).map_or([0; 32], |ack: Ack| ack.frame)
}
