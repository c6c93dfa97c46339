//! HQ's API: who asks, what for, and the answer.

mod access;
mod health;
mod pops;
mod problem;
mod routes;

use std::sync::Arc;

use clavitor_core::time::Instant;
use clavitor_node::api::Ledger;
use clavitor_node::http::{Connections, Problem, Request, Response};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use futures_channel::oneshot;
use futures_util::future::FutureExt;

use crate::first_start::Tokens;
use crate::registry::Registry;
use crate::settings::Settings;

/// A request to HQ.
pub(crate) type HqRequest<R> = Request<<R as Runtime>::Timer>;

/// HQ's API, and what it takes to answer.
pub(crate) struct Api<R: Runtime> {
    runtime: R,
    settings: Settings,
    registry: Registry,
    tokens: Tokens,
    connections: Connections,
    ledger: Ledger,
    started: Instant,
}

impl<R: Runtime> Api<R> {
    pub(crate) fn new(
        runtime: R,
        settings: Settings,
        registry: Registry,
        tokens: Tokens,
        connections: Connections,
    ) -> Self {
        let (ledger, started) = (Ledger::default(), wall::instant());
        Self { runtime, settings, registry, tokens, connections, ledger, started }
    }

    /// Answers a request.
    pub(crate) fn answer(
        self: &Arc<Self>,
        request: HqRequest<R>,
    ) -> impl Future<Output = Result<Response, Problem>> + Send + Unpin + use<R> {
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

    /// Answers whoever is made to wait.
    pub(crate) fn stop(&self) {}

    /// Finishes what was begun.
    pub(crate) async fn close(&self) {
        self.registry.close().await;
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
