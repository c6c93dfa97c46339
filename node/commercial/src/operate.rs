//! What operators ask of replication: its state, another try, a promotion.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_commercial::debt::{self, Debt, SHOWN_ROWS_MAX};
use clavitor_commercial::epoch;
use clavitor_commercial::pop::Input;
use clavitor_commercial::replication::{State, View};
use clavitor_core::credential::Scope;
use clavitor_node::api::{Api, ApiRequest, write_error};
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::plumbing::Plumbing;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{Stop, StoreError};
use clavitor_node::wall;
use http::StatusCode;
use serde_json::{Value, json};

use crate::Commercial;

impl<R: Runtime> Commercial<R> {
    /// What every peer is owed, in the order of the configuration; `rows_max` changes are looked at for
    /// each.
    pub(crate) fn debts(&self, views: &[View], rows_max: usize) -> Result<Vec<Debt>, StoreError> {
        self.store.read(|reader| {
            let peers = self.cluster.peer_urls.iter().zip(views);
            peers.map(|(url, view)| debt::of(reader, url, view, rows_max)).collect()
        })
    }

    pub(crate) fn replication(
        &self,
        api: &Api<Self>,
        request: &ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        api.authorize(request, Scope::Admin, None)?;
        request.query(&[])?;
        let (at, views) = self.views();
        let debts = self.debts(&views, SHOWN_ROWS_MAX).map_err(|error| api.read_error(&error))?;
        let age_ms = wall::instant().ms_since(at);
        let peers: Vec<Value> = (0u8..)
            .zip(views.iter().zip(&debts))
            .map(|(index, (view, debt))| row(&self.peer_url(index), view, debt, age_ms))
            .collect();
        Ok(json(StatusCode::OK, &json!({"peers": peers, "lease": self.lease()})))
    }

    /// What the machine last showed of the right to take writes; `null` without HQ.
    fn lease(&self) -> Option<Value> {
        let view = self.hq.seen().filter(|_| self.hq.is_there())?;
        let now = wall::instant();
        Some(json!({
            "carrier": view.carrier.as_str(),
            "ms_left": view.is_primary.then(|| self.right.ms_left()).flatten(),
            "members": view.members,
            "why_not": view.why.map(|why| why.to_string()),
            "hands_over_to": view.hands_over_to,
            "hq_answered_ms_ago": view.hq_answered_at.map(|at| now.ms_since(at)),
        }))
    }

    pub(crate) fn resume(
        &self,
        api: &Api<Self>,
        request: &ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        api.authorize(request, Scope::Admin, None)?;
        request.query(&[])?;
        if request.has_body() {
            return Err(Problem::from(Code::BadRequest).closing());
        }
        let (_, views) = self.views();
        let is_held = |view: &&View| matches!(view.state, State::Waiting | State::Suspended);
        let held = views.iter().filter(is_held).count();
        self.mailbox.push(Input::Resumed);
        Ok(json(StatusCode::OK, &json!({"resumed": held})))
    }

    pub(crate) async fn promote(
        self: &Arc<Self>,
        api: &Arc<Api<Self>>,
        request: ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        api.authorize(&request, Scope::Admin, None)?;
        request.query(&[])?;
        if request.has_body() {
            return Err(Problem::from(Code::BadRequest).closing());
        }
        if self.hq.is_there() {
            return Err(Code::HqDecides.into());
        }
        let pop = self.store.pop();
        let promoted =
            self.store.write(0, move |txn| epoch::promote(txn, pop).map_err(Stop::<Problem>::from));
        let epoch = promoted.await.map_err(|error| write_error(api, error))?;
        self.is_imported.store(false, Ordering::Release);
        self.go_by(epoch);
        self.mailbox.push(Input::Promoted(epoch));
        let epoch = json!({"number": epoch.number, "primary": epoch.primary});
        Ok(json(StatusCode::OK, &json!({"role": self.role(), "epoch": epoch})))
    }
}

fn row(url: &str, view: &View, debt: &Debt, age_ms: u64) -> Value {
    let now = wall::unix_time();
    let oldest_ms = debt.oldest.map(|oldest| now.0.saturating_sub(oldest.0));
    json!({
        "peer": view.pop,
        "url": url,
        "state": state(view.state),
        "dirty": debt.records,
        "dirty_or_more": debt.is_or_more,
        "dirty_bytes": debt.bytes,
        "oldest_dirty_ms": oldest_ms,
        "attempt": view.attempt,
        "next_retry_ms": view.next_retry_ms.map(|left| left.saturating_sub(age_ms)),
        "acked": view.acked.0,
        "last_ack_at": view.last_ack_at.map(wall::rfc3339),
        "last_error": view.last_error,
    })
}

/// A state's name in the API and in metrics.
pub(crate) const fn state(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Sending => "sending",
        State::Waiting => "waiting",
        State::Suspended => "suspended",
    }
}
