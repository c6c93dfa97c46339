//! Lease votes, asked for and given.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_commercial::frame::Refusal;
use clavitor_commercial::lease::{self, Vote};
use clavitor_commercial::vote::{self, ASK_BYTES_MAX, Ask, VOTE_BYTES_MAX};
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_node::api::ApiRequest;
use clavitor_node::entropy;
use clavitor_node::http::{Problem, Response, ResponseBody};
use clavitor_node::runtime::{Call, Runtime, content_type};
use futures_channel::oneshot;
use futures_util::future::{AbortHandle, abortable};
use http::{HeaderValue, header};

use crate::apply::problem;
use crate::{Commercial, lock};

/// Where votes are asked for.
const VOTES_PATH: &str = "/v1/replication/votes";

/// The most questions of peers that wait for the machine.
const UNDER_WAY_MAX: usize = 64;

/// Questions under way.
#[derive(Default)]
pub(crate) struct Votes {
    asking: Mutex<HashMap<OpId, AbortHandle>>,
    asked: Mutex<HashMap<OpId, oneshot::Sender<Vote>>>,
    next: AtomicU64,
}

impl Votes {
    /// Nobody waits for the answer of this order any longer.
    pub(crate) fn cancel(&self, op: OpId) {
        if let Some(abort) = lock(&self.asking).remove(&op) {
            abort.abort();
        }
    }

    /// Answers a peer.
    pub(crate) fn answer(&self, op: OpId, vote: Vote) {
        if let Some(asked) = lock(&self.asked).remove(&op) {
            // It may have gone.
            let _ = asked.send(vote);
        }
    }
}

impl<R: Runtime> Commercial<R> {
    /// Asks a member of the grant for its vote.
    pub(crate) fn ask_vote(
        self: &Arc<Self>,
        op: OpId,
        (peer, voter): (u8, PopId),
        epoch: Epoch,
        (lease_ms, challenge): (u64, u64),
    ) {
        let Some(keys) = self.keys.clone() else {
            return self.tell_lease(lease::Input::VoteAnswered { op, vote: None });
        };
        let ask = Ask {
            source: self.member(),
            voter,
            destination: self.peer_url(peer),
            destination_store: None,
            cluster: self.cluster.name.clone(),
            epoch,
            lease_ms,
            challenge,
            nonce: entropy::bytes(),
        };
        let sealed = vote::seal_ask(&ask, &keys);
        let call = Call {
            url: ask.destination.clone(),
            path: VOTES_PATH.into(),
            headers: content_type("application/octet-stream"),
            body: Some(sealed.clone().into()),
            answer_bytes_max: VOTE_BYTES_MAX,
        };
        let edition = self.clone();
        let (task, abort) = abortable(async move {
            let answer = edition.runtime.call(call).await.ok();
            let answer = answer.filter(|answer| answer.status == 200);
            let vote =
                answer.and_then(|answer| vote::open_vote(&answer.body, &keys, &sealed, &ask));
            lock(&edition.hq.votes.asking).remove(&op);
            edition.tell_lease(lease::Input::VoteAnswered { op, vote });
        });
        // The machine asks few, and cancels what it does not wait for any longer.
        lock(&self.hq.votes.asking).insert(op, abort);
        self.runtime.spawn(async move {
            let _ = task.await;
        });
    }

    /// Answers a peer that asks for this POP's vote.
    pub(crate) async fn vote(
        self: &Arc<Self>,
        request: ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        request.query(&[])?;
        let keys = self.keys.as_ref().ok_or_else(|| problem(Refusal::Auth))?;
        let body = request.body_within(ASK_BYTES_MAX, &self.frame_budget).await?;
        let ask = vote::open_ask(&body, keys).map_err(problem)?;
        let (pop, store) = (self.store.pop(), self.store.store_id());
        self.cluster.check_ask(pop, store, &ask).map_err(problem)?;
        let answer = self.hq.votes.await_machine(|op| {
            let Ask { source, epoch, lease_ms, challenge, .. } = &ask;
            let (from, epoch, lease_ms, challenge) = (source.pop, *epoch, *lease_ms, *challenge);
            self.tell_lease(lease::Input::VoteAsked { op, from, epoch, lease_ms, challenge });
        });
        let answer = answer.ok_or_else(|| problem(Refusal::Busy))?;
        let vote = answer.await.map_err(|_| problem(Refusal::Busy))?;
        let sealed = vote::seal_vote(self.member(), &body, vote, keys);
        let mut response = Response::new(ResponseBody::from(sealed));
        let content_type = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        Ok(response)
    }
}

impl Votes {
    /// A place for a peer that waits for the machine's answer; `None` if too many do.
    fn await_machine(&self, ask: impl FnOnce(OpId)) -> Option<oneshot::Receiver<Vote>> {
        let (sender, answer) = oneshot::channel();
        let op = OpId(self.next.fetch_add(1, Ordering::Relaxed));
        {
            let mut asked = lock(&self.asked);
            asked.retain(|_, wait| !wait.is_canceled());
            if asked.len() >= UNDER_WAY_MAX {
                return None;
            }
            asked.insert(op, sender);
        }
        ask(op);
        Some(answer)
    }
}
