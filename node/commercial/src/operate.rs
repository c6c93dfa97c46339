//! What operators ask of replication: its state, another try, a promotion.

use std::sync::Arc;

use clavitor_commercial::pop::Input;
use clavitor_commercial::replication::{Order, State, View};
use clavitor_core::credential::Scope;
use clavitor_core::id::{Epoch, OpId, Seq};
use clavitor_core::time::UnixTime;
use clavitor_node::api::{Api, ApiRequest, write_error};
use clavitor_node::http::{Code, Problem, Response, json};
use clavitor_node::plumbing::Plumbing;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{Reader, Stop, StoreError};
use clavitor_node::wall;
use http::StatusCode;
use serde_json::{Value, json};

use crate::Commercial;
use crate::plumbing::EPOCH;
use crate::send::is_owed;

/// What a peer is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) oldest: Option<UnixTime>,
}

impl<R: Runtime> Commercial<R> {
    /// What every peer is owed, in the order of the configuration.
    pub(crate) fn debts(&self, views: &[View]) -> Result<Vec<Debt>, StoreError> {
        self.store.read(|reader| {
            let views = (0u8..).zip(views);
            views.map(|(index, view)| self.debt(reader, index, view)).collect()
        })
    }

    pub(crate) fn debt(
        &self,
        reader: &Reader<'_>,
        index: u8,
        view: &View,
    ) -> Result<Debt, StoreError> {
        let url = self.peer_url(index);
        let identity = self.tables.peer(reader, &url)?.identity;
        let order = Order {
            op: OpId(0),
            is_hello: false,
            after: view.settled_to,
            read_after: view.settled_to,
            upto: Seq(u64::MAX),
            complete_at: Seq(u64::MAX),
            identity,
            covered: Vec::new(),
        };
        let setbacks = self.tables.setbacks(reader, &url)?;
        let mut debt = Debt { records: u64::from(setbacks), ..Debt::default() };
        for row in reader.changes(view.settled_to)? {
            let (_, change, _) = row?;
            if is_owed(&change, &order) {
                debt.records += 1;
                debt.bytes += u64::from(change.bytes);
                let oldest = debt.oldest.map_or(change.since, |oldest| oldest.min(change.since));
                debt.oldest = Some(oldest);
            }
        }
        Ok(debt)
    }

    pub(crate) fn replication(
        &self,
        api: &Api<Self>,
        request: &ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        api.authorize(request, Scope::Admin, None)?;
        request.query(&[])?;
        let (at, views) = self.views();
        let debts = self.debts(&views).map_err(|error| api.read_error(&error))?;
        let age_ms = wall::instant().ms_since(at);
        let peers: Vec<Value> = (0u8..)
            .zip(views.iter().zip(&debts))
            .map(|(index, (view, debt))| row(&self.peer_url(index), view, debt, age_ms))
            .collect();
        Ok(json(StatusCode::OK, &json!({"peers": peers})))
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
        let pop = self.store.pop();
        let promoted = self.store.write::<Epoch, Problem, _>(0, move |txn| {
            let known: Option<Epoch> = txn.fact::<Option<Epoch>>(EPOCH)?.flatten();
            // Who is primary already stays so: a promotion names a new term only when one begins.
            let epoch = known.filter(|epoch| epoch.primary == pop);
            let epoch = epoch.unwrap_or_else(|| Epoch::after(known, pop));
            txn.set_fact(EPOCH, &Some(epoch)).map_err(Stop::from)?;
            Ok(epoch)
        });
        let epoch = promoted.await.map_err(|error| write_error(api, error))?;
        self.settle_import().await;
        self.note_epoch(epoch);
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
