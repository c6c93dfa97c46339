//! HQ's API: who asks, what for, and the answer.

mod access;
mod alerts;
mod clusters;
mod events;
mod health;
mod lease;
mod login;
mod metrics;
mod pages;
mod pops;
mod problem;
mod routes;
mod telemetry;

use std::sync::Arc;

use clavitor_core::time::Instant;
use clavitor_node::api::Ledger;
use clavitor_node::http::{Connections, Problem, Request, Response, ResponseBody};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use futures_channel::oneshot;
use futures_util::future::FutureExt;
use http::StatusCode;

use crate::exchange::Exchange;
use crate::first_start::Tokens;
use crate::registry::Registry;
use crate::roster::Roster;
use crate::sessions::Sessions;
use crate::settings::Settings;

/// A request to HQ.
pub(crate) type HqRequest<R> = Request<<R as Runtime>::Timer>;

/// HQ's API, and what it takes to answer.
pub(crate) struct Api<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) connections: Connections,
    tokens: Tokens,
    roster: Roster,
    sessions: Sessions,
    ledger: Ledger,
    started: Instant,
}

/// What answering takes.
pub(crate) struct Parts<R> {
    pub(crate) runtime: R,
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) connections: Connections,
    pub(crate) tokens: Tokens,
}

impl<R: Runtime> Api<R> {
    pub(crate) fn new(parts: Parts<R>) -> Self {
        let Parts { runtime, settings, registry, exchange, connections, tokens } = parts;
        Self {
            runtime,
            settings,
            registry,
            exchange,
            connections,
            tokens,
            roster: Roster::default(),
            sessions: Sessions::default(),
            ledger: Ledger::default(),
            started: wall::instant(),
        }
    }

    /// Answers a request.
    pub(crate) fn answer(
        self: &Arc<Self>,
        mut request: HqRequest<R>,
    ) -> impl Future<Output = Result<Response, Problem>> + Send + Unpin + use<R> {
        request.came_through(&self.settings.trusted_proxies);
        let (api, source) = (self.clone(), request.remote.ip().to_canonical());
        async move {
            let answer = routes::answer(&api, request).await;
            match &answer {
                Ok(response) => api.ledger.answered(response.status()),
                Err(problem) => {
                    api.ledger.answered(problem.status());
                    api.ledger.refused(source, problem.code(), false);
                }
            }
            answer
        }
        .boxed()
    }

    /// Does something to its end, whether or not the client waits for it.
    async fn see_through<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (done, outcome) = oneshot::channel();
        self.runtime.spawn(async move {
            let _ = done.send(task.await);
        });
        outcome.await.ok()
    }
}

/// An answer without a body.
fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(ResponseBody::from(""));
    *response.status_mut() = status;
    response
}
