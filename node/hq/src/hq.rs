//! A running HQ: what it keeps and whom it answers, composed. A runtime adds sockets.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clavitor_node::http::{self, BodyBudget, Connections};
use clavitor_node::log;
use clavitor_node::runtime::{Runtime, Sockets};
use futures_util::future::select;

use crate::api::Api;
use crate::first_start::{self, TokenError};
use crate::registry::{OpenError, Registry};
use crate::settings::Settings;

/// How long requests get to finish once HQ is to go, and how long the store gets after that.
const GRACE: Duration = Duration::from_secs(3);
const CLOSE: Duration = Duration::from_secs(1);

/// The most bytes of all request bodies together: a thousand POPs say a few kilobytes each.
const BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why HQ does not start.
#[derive(Debug)]
pub enum StartError {
    /// The data directory cannot be opened.
    Open(PathBuf, OpenError),
    /// There are no tokens.
    Token(TokenError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Open(dir, error) => write!(f, "{}: {error}", dir.display()),
            StartError::Token(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A running HQ, without sockets. Clones share it.
#[derive(Clone)]
pub struct Hq<R: Runtime> {
    api: Arc<Api<R>>,
    connections: Connections,
    budget: BodyBudget,
    runtime: R,
    is_going: Arc<AtomicBool>,
    end: async_channel::Sender<()>,
    ended: async_channel::Receiver<()>,
}

impl<R: Sockets<Timer: Unpin>> Hq<R> {
    /// Opens the data directory. To be called on the runtime; `listen` is the address in force.
    pub fn start(runtime: R, settings: Settings, listen: SocketAddr) -> Result<Self, StartError> {
        let dir = settings.data_dir.clone();
        let registry =
            Registry::open(&dir).map_err(|error| StartError::Open(dir.clone(), error))?;
        let tokens = first_start::ensure(&registry).map_err(StartError::Token)?;
        if registry.is_new() {
            first_start::tell(&dir, R::PROGRAM, listen);
        }
        let connections = Connections::as_allowed();
        let api = Api::new(runtime.clone(), settings, registry, tokens, connections.clone());
        let (end, ended) = async_channel::bounded(1);
        Ok(Self {
            api: Arc::new(api),
            connections,
            budget: BodyBudget::of(BODIES_BYTES_MAX),
            runtime,
            is_going: Arc::default(),
            end,
            ended,
        })
    }

    /// Its connections.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Serves a connection in a task of its own; drops it at once if there are too many.
    pub fn accept(&self, io: R::Connection, remote: SocketAddr) {
        let Some(slot) = self.connections.admit() else {
            return;
        };
        let (api, connections, budget) =
            (self.api.clone(), self.connections.clone(), self.budget.clone());
        let timer = self.runtime.timer();
        self.runtime.spawn(async move {
            let answer = |request| api.answer(request);
            http::serve(io, remote, slot, connections, budget, timer, answer).await;
        });
    }

    /// Starts going away; called again, ends at once.
    pub fn request_shutdown(&self) {
        if self.is_going.swap(true, Ordering::AcqRel) {
            log::line("asked twice: ending now");
            let _ = self.end.try_send(());
            return;
        }
        let hq = self.clone();
        self.runtime.spawn(async move {
            hq.connections.stop();
            hq.api.stop();
            let quiet = std::pin::pin!(hq.connections.quiet());
            select(quiet, hq.runtime.sleep(GRACE)).await;
            let closed = std::pin::pin!(hq.api.close());
            select(closed, hq.runtime.sleep(CLOSE)).await;
            let _ = hq.end.send(()).await;
        });
    }

    /// Waits until nothing is left to do.
    pub async fn ended(&self) {
        let _ = self.ended.recv().await;
    }
}
