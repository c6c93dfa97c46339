//! Carries what the lease machine says to HQ, and what HQ says back. What is renewed when, and what
//! an answer means, is [`clavitor_commercial::lease`]'s.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clavitor_commercial::debt::RENEWAL_ROWS_MAX;
use clavitor_commercial::epoch;
use clavitor_commercial::lease::{self, Draft, Effect, Renewed};
use clavitor_commercial::pop::Input;
use clavitor_commercial::renewal::Renewal;
use clavitor_core::edition::Edition;
use clavitor_core::id::{Epoch, OpId, PopId};
use clavitor_node::outbound::Flight;
use clavitor_node::runtime::{Call, Runtime, bearer, content_type};
use clavitor_node::settings::{Fencing, HqSettings, Settings};
use clavitor_node::store::{Stop, Transaction};
use clavitor_node::{entropy, wall};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{Commercial, lock};

pub mod heard;
mod switchover;
mod votes;

pub(crate) use switchover::Switchovers;
pub(crate) use votes::Votes;

const LEASE_PATH: &str = "/v1/pops/lease";

/// The longest answer of HQ, in bytes: a grant names few members.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How often to look whether a client's write is still under way.
const LOOK: Duration = Duration::from_millis(1);

/// What carrying the lease takes.
#[derive(Default)]
pub(crate) struct Hq {
    at: Option<At>,
    renewing: Flight,
    watching: Flight,
    // The newest news that was told, so that none is missed between two watches.
    generation: Arc<AtomicU64>,
    seen: Mutex<Option<lease::View>>,
    pub(crate) votes: Votes,
    pub(crate) switchovers: Switchovers,
}

/// Where HQ is, and what it is told of this POP that no machine needs.
struct At {
    url: String,
    authorization: Option<HeaderValue>,
    addresses: Vec<String>,
    region: String,
}

/// What is sent.
#[derive(Serialize)]
struct Said<'a> {
    pop: PopId,
    cluster: &'a str,
    renewal: Renewal,
    about: Value,
}

impl Hq {
    pub(crate) fn new(settings: Option<&HqSettings>) -> Self {
        let at = settings.map(|hq| At {
            url: hq.url.clone(),
            authorization: bearer(hq.token.expose()),
            addresses: hq.dns_addresses.iter().map(ToString::to_string).collect(),
            region: hq.region.clone(),
        });
        Self { at, ..Self::default() }
    }

    /// Whether HQ decides who is primary.
    pub(crate) fn is_there(&self) -> bool {
        self.at.is_some()
    }

    /// Takes note of what the machine shows.
    pub(crate) fn observe(&self, view: lease::View) {
        *lock(&self.seen) = Some(view);
    }

    /// What the machine last showed.
    pub(crate) fn seen(&self) -> Option<lease::View> {
        lock(&self.seen).clone()
    }
}

impl At {
    fn headers(&self, content: Option<&'static str>) -> HeaderMap {
        let mut headers = content.map(content_type).unwrap_or_default();
        headers.extend(self.authorization.clone().map(|value| (header::AUTHORIZATION, value)));
        headers
    }
}

/// What the lease machine starts with.
pub(crate) fn start(settings: &Settings, pop: PopId) -> lease::Start {
    let primary = settings.replication.as_ref().map(|it| it.primary == it.advertise_url);
    let fencing = match settings.hq.as_ref().map(|hq| hq.fencing) {
        Some(Fencing::Merge) => lease::Fencing::Merge,
        Some(Fencing::Lease) | None => lease::Fencing::Lease,
    };
    lease::Start {
        pop,
        has_hq: settings.hq.is_some(),
        fencing,
        seed: u64::from_be_bytes(entropy::bytes()),
        is_preferred: primary.unwrap_or(true),
    }
}

impl<R: Runtime> Commercial<R> {
    pub(crate) fn tell_lease(&self, input: lease::Input) {
        self.mailbox.push(Input::Lease(input));
    }

    /// Carries out an order of the lease machine.
    pub(crate) fn perform_lease(self: &Arc<Self>, effect: Effect) {
        match effect {
            Effect::Renew { op, draft } => self.renew(op, draft),
            Effect::Watch { op } => self.watch(op),
            Effect::Cancel { op } => {
                self.hq.renewing.cancel(op);
                self.hq.watching.cancel(op);
                self.hq.votes.cancel(op);
            }
            Effect::HoldLease { until } => self.right.hold(until),
            Effect::Accept { op, epoch, floor_ms } => self.accept(op, epoch, floor_ms),
            Effect::Adopt(newer) => self.adopt_epoch(newer),
            Effect::AskVote { op, peer, voter, epoch, lease_ms, challenge } => {
                self.ask_vote(op, (peer, voter), epoch, (lease_ms, challenge));
            }
            Effect::AnswerVote { op, vote } => self.hq.votes.answer(op, vote),
            Effect::CloseWrites { op, to } => self.close_writes(op, to),
            Effect::OpenWrites => self.right.hand_to(None),
            Effect::AnswerSwitchover { op, outcome } => self.hq.switchovers.answer(op, outcome),
            Effect::RaiseAlert(alert) => self.alert_operator(alert),
        }
    }

    fn renew(self: &Arc<Self>, op: OpId, draft: Draft) {
        let Some(at) = &self.hq.at else { return };
        let Ok(renewal) = self.store.read(|reader| draft.complete(op, reader)) else {
            return self.tell_lease(lease::Input::Renewed { op, outcome: Renewed::Unanswered });
        };
        let said = Said {
            pop: self.store.pop(),
            cluster: &self.cluster.name,
            renewal,
            about: self.about(at),
        };
        let Ok(body) = serde_json::to_vec(&said) else { return };
        let call = Call {
            url: at.url.clone(),
            path: LEASE_PATH.into(),
            headers: at.headers(Some("application/json")),
            body: Some(body.into()),
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let edition = self.clone();
        self.hq.renewing.begin(&self.runtime, op, async move {
            let called = edition.runtime.call(call).await.ok();
            let outcome =
                called.map_or(Renewed::Unanswered, |it| heard::renewed(it.status, &it.body));
            edition.tell_lease(lease::Input::Renewed { op, outcome });
        });
    }

    /// What HQ shows to operators.
    fn about(&self, at: &At) -> Value {
        let (_, views) = self.views();
        let now = wall::unix_time();
        let rows_max = RENEWAL_ROWS_MAX / views.len().max(1);
        let debts = self.debts(&views, rows_max).unwrap_or_default();
        let dirty: Vec<Value> = views
            .iter()
            .zip(&debts)
            .map(|(view, debt)| {
                json!({
                    "peer": view.pop,
                    "dirty": debt.records,
                    "dirty_or_more": debt.is_or_more,
                    "oldest_dirty_ms": debt.oldest.map(|oldest| now.0.saturating_sub(oldest.0)),
                    "state": crate::operate::state(view.state),
                })
            })
            .collect();
        json!({
            "url": self.cluster.own_url,
            "dns_addresses": at.addresses,
            "version": env!("CARGO_PKG_VERSION"),
            "edition": self.name(),
            "runtime": R::NAME,
            "region": at.region,
            "uptime_s": wall::instant().ms_since(self.started) / 1_000,
            "entries": self.store.entries(),
            "dirty": dirty,
            "tarpit_held": self.tarpit.as_ref().map_or(0, |tarpit| tarpit.totals().held),
            "clock": now.0,
        })
    }

    fn watch(self: &Arc<Self>, op: OpId) {
        let Some(at) = &self.hq.at else { return };
        let generation = self.hq.generation.clone();
        let (pop, cluster) = (self.store.pop(), &self.cluster.name);
        let after = generation.load(Ordering::Acquire);
        let path = format!("/v1/pops/watch?pop={pop}&cluster={cluster}&after={after}");
        let call = Call {
            url: at.url.clone(),
            path: Cow::Owned(path),
            headers: at.headers(None),
            body: None,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let edition = self.clone();
        self.hq.watching.begin(&self.runtime, op, async move {
            let called = edition.runtime.call(call).await.ok();
            let news = called.and_then(|called| heard::news(&called.body));
            news.iter().for_each(|newest| generation.store(*newest, Ordering::Release));
            edition.tell_lease(lease::Input::WatchEnded { op, is_news: news.is_some() });
        });
    }

    /// Takes over: nothing that was written before in this cluster is to look newer.
    fn accept(self: &Arc<Self>, op: OpId, newer: Epoch, floor_ms: u64) {
        let edition = self.clone();
        self.runtime.spawn(async move {
            let accept = move |txn: &mut Transaction<'_>| {
                epoch::accept(txn, newer, floor_ms).map_err(Stop::<()>::from)
            };
            let stored = edition.store.write(0, accept).await.ok();
            if let Some(epoch) = stored {
                edition.note_epoch(epoch);
            }
            edition.tell_lease(lease::Input::Accepted { op, epoch: stored });
        });
    }

    /// Refuses clients' writes, and waits until each that was taken before is answered.
    fn close_writes(self: &Arc<Self>, op: OpId, to: PopId) {
        self.right.hand_to(Some(to));
        let edition = self.clone();
        self.runtime.spawn(async move {
            while edition.right.handing_to() == Some(to) && edition.right.under_way() > 0 {
                edition.runtime.sleep(LOOK).await;
            }
            let last = edition.store.last();
            edition.tell_lease(lease::Input::WritesClosed { op, last });
        });
    }
}

#[cfg(test)]
mod tests;
