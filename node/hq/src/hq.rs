//! A running HQ: what it keeps and whom it answers, composed. A runtime adds sockets.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clavitor_hq_core::dns::Zone;
use clavitor_node::http::{self, BodyBudget, Connections};
use clavitor_node::runtime::{Runtime, Sockets};
use clavitor_node::store::StoreError;
use clavitor_node::{log, wall};
use futures_util::future::{FutureExt, select};

use crate::api::{Api, Parts};
use crate::exchange::Exchange;
use crate::first_start::{self, TokenError};
use crate::registry::{OpenError, Registry};
use crate::settings::Settings;
use crate::{dns, driver, keeper};

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
    /// What is in the data directory cannot be read.
    Store(StoreError),
    /// The zone, or the address for DNS, cannot be used.
    Dns(String),
    /// The system has no timer to give.
    Timer(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Open(dir, error) => write!(f, "{}: {error}", dir.display()),
            StartError::Token(error) => write!(f, "{error}"),
            StartError::Store(error) => write!(f, "{error}"),
            StartError::Dns(complaint) => f.write_str(complaint),
            StartError::Timer(error) => write!(f, "the system gives no timer: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        StartError::Store(error)
    }
}

/// How HQ ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to.
    Asked,
    /// Its machine broke down.
    Broken,
}

/// A running HQ, without sockets of its own but those of DNS. Clones share it.
#[derive(Clone)]
pub struct Hq<R: Runtime> {
    api: Arc<Api<R>>,
    budget: BodyBudget,
    is_going: Arc<AtomicBool>,
    end: async_channel::Sender<End>,
    ended: async_channel::Receiver<End>,
    // Closed once all that was to be kept is on disk.
    kept: async_channel::Receiver<()>,
}

impl<R: Sockets<Timer: Unpin>> Hq<R> {
    /// Opens the data directory and answers DNS. To be called on the runtime; `listen` is the
    /// address in force.
    pub fn start(runtime: R, settings: Settings, listen: SocketAddr) -> Result<Self, StartError> {
        let dir = settings.data_dir.clone();
        let registry =
            Registry::open(&dir).map_err(|error| StartError::Open(dir.clone(), error))?;
        // A port that is taken is told before anything changes; what is answered has yet to be known.
        let dns = bind_dns(&settings).map_err(StartError::Dns)?;
        let alarm = runtime.alarm().map_err(StartError::Timer)?;
        let tokens = first_start::ensure(&registry, R::PROGRAM, listen);
        let tokens = tokens.map_err(StartError::Token)?;
        let dns_address = dns.address();
        let (exchange, work) = Exchange::new(&registry, &settings, dns)?;
        log::line(&format!("DNS of {} on {dns_address}", settings.zone));
        let exchange = Arc::new(exchange);
        let (end, ended) = async_channel::bounded(1);
        let (is_kept, kept) = async_channel::bounded(1);
        let (keeping, mailbox, timer) =
            (registry.clone(), exchange.mailbox.clone(), runtime.clone());
        runtime.spawn(async move {
            let keep = |batch| keeping.keep(batch);
            work.run(mailbox, keep, || timer.sleep(keeper::AGAIN)).await;
            drop(is_kept);
        });
        let (driven, broken) = (exchange.clone(), end.clone());
        runtime.spawn(async move {
            // It never ends by itself: only a broken invariant of the machine's ends it.
            let _ = AssertUnwindSafe(driver::run(driven, alarm)).catch_unwind().await;
            let _ = broken.send(End::Broken).await;
        });
        let connections = Connections::as_allowed();
        let api = Api::new(Parts { runtime, settings, registry, exchange, connections, tokens });
        let budget = BodyBudget::of(BODIES_BYTES_MAX);
        Ok(Self { api: Arc::new(api), budget, is_going: Arc::default(), end, ended, kept })
    }

    /// Its connections.
    pub fn connections(&self) -> &Connections {
        &self.api.connections
    }

    /// Serves a connection in a task of its own; drops it at once if there are too many.
    pub fn accept(&self, io: R::Connection, remote: SocketAddr) {
        let connections = self.connections().clone();
        let Some(slot) = connections.admit() else {
            return;
        };
        let (api, budget) = (self.api.clone(), self.budget.clone());
        let timer = api.runtime.timer();
        self.api.runtime.spawn(async move {
            let answer = |request| api.answer(request);
            http::serve(io, remote, slot, connections, budget, timer, answer).await;
        });
    }

    /// Starts going away; called again, ends at once.
    pub fn request_shutdown(&self) {
        if self.is_going.swap(true, Ordering::AcqRel) {
            let _ = self.end.try_send(End::Asked);
            return;
        }
        let hq = self.clone();
        self.api.runtime.spawn(async move {
            hq.go_away().await;
            let _ = hq.end.send(End::Asked).await;
        });
    }

    /// Whoever waits is let go, requests under way are answered, and all that is to be kept is.
    async fn go_away(&self) {
        let Api { runtime, registry, exchange, connections, .. } = &*self.api;
        connections.stop();
        exchange.stop();
        select(std::pin::pin!(connections.quiet()), runtime.sleep(GRACE)).await;
        exchange.keep_presence();
        let kept = std::pin::pin!(async {
            let _ = self.kept.recv().await;
            registry.close().await;
        });
        select(kept, runtime.sleep(CLOSE)).await;
    }

    /// Waits until nothing is left to do.
    pub async fn ended(&self) -> End {
        self.ended.recv().await.unwrap_or(End::Broken)
    }
}

fn bind_dns(settings: &Settings) -> Result<dns::Server, String> {
    // In seconds the clock is above whatever the zone was changed to before.
    let serial = u32::try_from(wall::unix_time().0 / 1_000 % (1 << 32)).unwrap_or_default();
    let zone = Zone::new(&settings.zone, &settings.dns_addresses, serial);
    let zone = zone.map_err(|error| format!("--zone: {error}"))?;
    dns::Server::bind(settings.dns_listen, zone)
}
