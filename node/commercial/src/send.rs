//! Posts frames, and hands on what came back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_commercial::answer::{self, Expected, Reply};
use clavitor_commercial::frame::{self, ACK_BYTES_MAX, Keys};
use clavitor_commercial::load::{self, Sealed, Sender};
use clavitor_commercial::pop::Input;
use clavitor_commercial::replication::Order;
use clavitor_core::edition::Edition;
use clavitor_node::runtime::{Call, Called, Runtime, Unreachable, content_type};
use clavitor_node::wall;
use futures_util::future::abortable;

use crate::{Commercial, lock, window_of};

/// Where frames go.
pub(crate) const FRAMES_PATH: &str = "/v1/replication/frames";

impl<R: Runtime> Commercial<R> {
    /// Builds the ordered frame and, if there is anything to say, sends it. What was built is told
    /// at once; the answer comes later. If there is nothing to say the machine goes on looking, and
    /// over millions of changes that takes a while: whatever else it has to hear comes in between.
    pub(crate) fn send_frame(self: &Arc<Self>, peer: u8, order: &Order, facts: &mut Vec<Input>) {
        let Some(keys) = self.keys.clone() else { return };
        let window = window_of(R::FOOTPRINT);
        let load = self.store.read(|reader| load::load(reader, &self.cluster, window, order));
        let Ok(load) = load else {
            facts.push(answer::unbuilt(peer, order.op));
            return;
        };
        let records = load.records.len() as u64;
        let built = self.sender(&keys).build(peer, order, load);
        built.alert.into_iter().for_each(|alert| self.alert_operator(alert));
        let Some(sealed) = built.sealed else {
            self.mailbox.push(built.fact);
            return;
        };
        facts.push(built.fact);
        self.counters.frames_sent.fetch_add(1, Ordering::Relaxed);
        self.counters.records_sent.fetch_add(records, Ordering::Relaxed);
        self.post(peer, order, sealed, keys);
    }

    fn sender<'a>(&'a self, keys: &'a Keys) -> Sender<'a> {
        let (member, epoch) = (self.member(), *lock(&self.epoch));
        Sender { member, cluster: &self.cluster, epoch, now: wall::unix_time(), keys }
    }

    fn post(self: &Arc<Self>, peer: u8, order: &Order, sealed: Sealed, keys: Keys) {
        let (op, identity) = (order.op, order.identity);
        let Sealed { bytes, versions } = sealed;
        let names = versions.iter().map(|(key, _)| key.clone()).collect();
        let edition = self.clone();
        let (task, abort) = abortable(async move {
            let (digest, url) = (frame::digest(&bytes), edition.peer_url(peer));
            let call = Call {
                url: url.clone(),
                path: FRAMES_PATH.into(),
                headers: content_type("application/octet-stream"),
                body: Some(bytes.into()),
                answer_bytes_max: ACK_BYTES_MAX,
            };
            let answer = edition.runtime.call(call).await;
            let (own_pop, url) = (edition.store.pop(), url.as_str());
            let (keys, versions) = (&keys, versions.as_slice());
            let expected = Expected { peer, op, own_pop, keys, digest, url, versions, identity };
            edition.mailbox.push(read(&expected, answer));
        });
        let old = lock(&self.sent).add(op, abort, names);
        old.into_iter().for_each(|abort| abort.abort());
        self.runtime.spawn(async move {
            let _ = task.await;
        });
    }
}

fn read(expected: &Expected<'_>, answer: Result<Called, Unreachable>) -> Input {
    let now = wall::unix_time();
    match answer {
        Err(Unreachable) => expected.read(Reply::None, now),
        Ok(posted) if posted.status == 200 => expected.read(Reply::Ack(&posted.body), now),
        Ok(posted) => {
            let document: Option<serde_json::Value> = serde_json::from_slice(&posted.body).ok();
            let code = document.as_ref().and_then(|document| document.get("code")?.as_str());
            expected.read(Reply::Problem(code), now)
        }
    }
}

#[cfg(test)]
mod tests;
