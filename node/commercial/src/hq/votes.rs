//! Lease votes, asked for and given.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_commercial::lease::{self, Vote};
use clavitor_commercial::vote::{self, ASK_BYTES_MAX, Ask, VOTE_BYTES_MAX};
use clavitor_core::id::{Epoch, OpId};
use clavitor_node::http::{Problem, Response, ResponseBody};
use clavitor_node::runtime::{Call, Runtime, content_type};
use clavitor_node::entropy;
use futures_channel::oneshot;
use futures_util::future::{AbortHandle, abortable};
use http::{HeaderValue, Method, header};

use crate::apply::problem;
use crate::{Commercial, lock};

/// Where votes are asked for.
const VOTES_PATH: &str = "/v1/replication/votes";

/// The most questions that are under way, of peers and to peers.
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
