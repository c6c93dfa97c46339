//! The API: routes, access, and an answer to everything.

mod access;
mod entries;
mod export;
mod health;
mod ledger;
mod metrics;
mod routes;
mod tokens;
mod writing;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::time::Instant;

use futures_util::future::{Either, FutureExt, ready};

use crate::http::{Code, Connections, Network, Problem, Request, Response, ResponseBody};
use crate::plumbing::Plumbing;
use crate::runtime::Runtime;
use crate::store::{Store, StoreError};
use crate::telemetry::Reporter;
use crate::wall;

use access::KnownTokens;
pub use access::{Access, LOCAL_TOKEN, presented};
pub use ledger::Ledger;
pub use metrics::head as metric_head;
pub use writing::{Ack, write_error};

/// A request of an edition's API.
pub type ApiRequest<P> = Request<<<P as Plumbing>::Runtime as Runtime>::Timer>;

/// Which part of the API a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// All of it.
    Full,
    /// Metrics and health, without an access token.
    Metrics,
}

/// The API of one server.
pub struct Api<P: Plumbing> {
    /// The store.
    pub store: Store,
    /// The edition.
    pub plumbing: Arc<P>,
    /// The connections.
    pub connections: Connections,
    /// What was refused.
    pub ledger: Ledger,
    /// What sends reports, if somebody wants them.
    pub reporter: Option<Arc<Reporter>>,
    known_tokens: KnownTokens,
    trusted_proxies: Vec<Network>,
    started: Instant,
    is_full: AtomicBool,
    // The minute in which damage was last told: every read of a damaged entry finds it anew.
    damage_told: AtomicU64,
}

impl<P: Plumbing> Api<P> {
    /// The API over a store.
    pub fn new(
        store: Store,
        plumbing: Arc<P>,
        connections: Connections,
        trusted_proxies: Vec<Network>,
        reporter: Option<Arc<Reporter>>,
    ) -> Self {
        let (ledger, started) = (Ledger::default(), wall::instant());
        Self {
            store,
            plumbing,
            connections,
            ledger,
            reporter,
            known_tokens: KnownTokens::default(),
            trusted_proxies,
            started,
            is_full: AtomicBool::new(false),
            damage_told: AtomicU64::new(0),
        }
    }

    /// The time since the start, in milliseconds.
    pub fn uptime_ms(&self) -> u64 {
        wall::instant().ms_since(self.started)
    }

    /// Answers a request.
    pub fn answer(
        self: &Arc<Self>,
        face: Face,
        mut request: ApiRequest<P>,
    ) -> impl Future<Output = Result<Response, Problem>> + Send + Unpin + use<P> {
        request.came_through(&self.trusted_proxies);
        // One spelling for a client that came over IPv6 in its IPv4 form.
        let remote = request.remote.ip().to_canonical();
        match routes::answer(self, face, request) {
            Either::Left(now) => {
                let answer = now.into_inner();
                self.note(remote, &answer);
                Either::Left(ready(answer))
            }
            Either::Right(later) => {
                let api = self.clone();
                Either::Right(later.inspect(move |answer| api.note(remote, answer)))
            }
        }
    }

    fn note(&self, remote: IpAddr, answer: &Result<Response, Problem>) {
        match answer {
            Ok(response) => self.ledger.answered(response.status()),
            Err(problem) => self.note_refusal(remote, problem),
        }
    }

    fn note_refusal(&self, remote: IpAddr, problem: &Problem) {
        self.ledger.answered(problem.status());
        self.ledger.refused(remote, problem.code(), problem.is_slow());
    }

    /// A failed read, as the client sees it.
    pub fn read_error(&self, error: &StoreError) -> Problem {
        if let StoreError::Damaged(what) = error {
            let minute = wall::unix_time().0 / 60_000;
            if self.damage_told.swap(minute, Ordering::AcqRel) == minute {
                return Code::Damaged.into();
            }
            let alert = Alert::new(AlertType::StorageFailed, "stored data cannot be read");
            self.plumbing.alert_operator(alert.with("what", what));
            return Code::Damaged.into();
        }
        Code::Busy.into()
    }

    /// Tells a person, once, that there is no room; and forgets it once there is.
    fn note_room(&self, is_full: bool) {
        if self.is_full.swap(is_full, Ordering::AcqRel) == is_full || !is_full {
            return;
        }
        let message =
            "there is no room for writes: raise --data-bytes-max, free the disk, or delete entries";
        let mut alert = Alert::new(AlertType::StorageFull, message);
        if let Ok((used, quota)) = self.store.usage() {
            alert = alert.with("bytes_used", used).with("bytes_quota", quota);
        }
        self.plumbing.alert_operator(alert);
    }
}

/// An answer without a body.
fn empty(status: http::StatusCode) -> Response {
    let mut response = Response::new(ResponseBody::from(""));
    *response.status_mut() = status;
    response
}
