//! A server: the store, the API, the machine and its driver, composed. A runtime adds sockets.

mod first_start;

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::pop;
use hyper::rt::{Read, Write};

use crate::api::{Api, Face};
use crate::driver::{Driver, Mailbox};
use crate::http::{self, BodyBudget, Connections, HandedOver};
use crate::plumbing::{Parts, Plumbing};
use crate::recorder::{Recorder, RecorderError};
use crate::runtime::Runtime;
use crate::settings::{FlightRecorderSettings, Settings};
use crate::store::{OpenError, Opening, Store, StoreError};
use crate::telemetry::{self, Reporter};
use crate::{log, wall};

pub use first_start::write_secret;

/// The exit code after a failed sync: nobody knows what is on disk, so nobody may go on.
const EXIT_STORAGE_FAILED: i32 = 74;

/// Why a server does not start.
#[derive(Debug)]
pub enum StartError {
    /// The data directory cannot be opened.
    Open(PathBuf, OpenError),
    /// The store cannot be read.
    Store(StoreError),
    /// The first admin token cannot be written.
    Token(PathBuf, std::io::Error),
    /// The system has no timer to give.
    Timer(io::Error),
    /// The flight recorder's file cannot be used.
    Recorder(PathBuf, RecorderError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Open(dir, error) => write!(f, "{}: {error}", dir.display()),
            StartError::Store(error) => write!(f, "{error}"),
            StartError::Token(path, error) => {
                write!(f, "{} cannot be written: {error}", path.display())
            }
            StartError::Timer(error) => write!(f, "the system gives no timer: {error}"),
            StartError::Recorder(path, error) => {
                write!(f, "--flight-recorder {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for StartError {}

/// A running server, without sockets. Clones share it.
pub struct Server<P: Plumbing> {
    api: Arc<Api<P>>,
    mailbox: Arc<Mailbox<P>>,
    connections: Connections,
    budget: BodyBudget,
    runtime: P::Runtime,
    ended: async_channel::Receiver<()>,
}

impl<P: Plumbing> Clone for Server<P> {
    fn clone(&self) -> Self {
        Self {
            api: self.api.clone(),
            mailbox: self.mailbox.clone(),
            connections: self.connections.clone(),
            budget: self.budget.clone(),
            runtime: self.runtime.clone(),
            ended: self.ended.clone(),
        }
    }
}

impl<P: Plumbing> Server<P> {
    /// Opens the data directory and starts the machine. To be called on the runtime.
    pub fn start(runtime: P::Runtime, settings: Settings) -> Result<Self, StartError> {
        let pop = settings.pop_id.as_deref().map(str::parse).transpose();
        let refuse = |error| StartError::Open(settings.data_dir.clone(), error);
        let pop = pop.map_err(|error| refuse(OpenError::BadPop(error)))?;
        let opening = Opening { dir: &settings.data_dir, bytes_max: settings.data_bytes_max, pop };
        let store = Store::open(&opening, wall::unix_time, end_after_failure);
        let store = store.map_err(refuse)?;
        let recorder = open_recorder(settings.flight_recorder.as_ref())?;
        let alarm = runtime.alarm().map_err(StartError::Timer)?;
        first_start::ensure_admin_token(&store)?;
        let mailbox = Arc::new(Mailbox::default());
        let trusted_proxies = settings.trusted_proxies.clone();
        let reporter = settings.telemetry.as_ref().map(Reporter::new).map(Arc::new);
        let log = Arc::new(log::alert);
        let parts = Parts { runtime: runtime.clone(), settings, store: store.clone(), log };
        let (plumbing, pop) = P::compose(parts, mailbox.clone()).map_err(StartError::Store)?;
        let observer = mailbox.clone();
        let edition = plumbing.clone();
        store.observe(move |notice| {
            observer.committed(notice);
            edition.signal_replication();
        });
        let connections = Connections::as_allowed();
        let (edition, open) = (plumbing.clone(), connections.clone());
        let api = Arc::new(Api::new(store, edition, open, trusted_proxies, reporter));
        let (end, ended) = async_channel::bounded(1);
        let driver = Driver::new(pop, plumbing, mailbox.clone(), alarm).recorded_by(recorder);
        let budget = BodyBudget::of_clients(P::Runtime::FOOTPRINT);
        let server = Self { api, mailbox, connections, budget, runtime: runtime.clone(), ended };
        let orders = server.clone();
        runtime.spawn(async move {
            driver.run(|effect| orders.perform(effect)).await;
            let _ = end.send(()).await;
        });
        Ok(server)
    }

    /// Tells the machine that the sockets are open.
    pub fn listening(&self) {
        self.api.plumbing.start_replication();
        self.api.plumbing.start_telemetry();
    }

    /// Serves a connection in a task of its own; drops it at once if there are too many. `release`
    /// takes a connection from the runtime, so that it can be kept without one.
    pub fn accept<Io>(
        &self,
        face: Face,
        io: Io,
        remote: SocketAddr,
        release: fn(Io) -> io::Result<TcpStream>,
    ) where
        Io: Read + Write + Unpin + Send + 'static,
        <P::Runtime as Runtime>::Timer: Unpin,
    {
        let Some(slot) = self.connections.admit() else {
            return;
        };
        let (api, connections, budget) =
            (self.api.clone(), self.connections.clone(), self.budget.clone());
        let timer = self.runtime.timer();
        self.runtime.spawn(async move {
            let answer = |request| api.answer(face, request);
            let end = http::serve(io, remote, slot, connections, budget, timer, answer).await;
            if let Some(HandedOver { io, answer }) = end
                && let Ok(socket) = release(io)
            {
                api.plumbing.hold(socket, answer);
            }
        });
    }

    /// Starts going away; called again, ends at once.
    pub fn request_shutdown(&self) {
        self.api.plumbing.shutdown();
    }

    /// Its connections.
    pub(crate) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Waits until nothing is left to do; `false` if the machine broke down instead.
    pub async fn ended(&self) -> bool {
        self.ended.recv().await.is_ok()
    }

    /// Carries out what every edition's machine may order; answers whether to go on.
    fn perform(&self, effect: pop::Effect) -> bool {
        match effect {
            pop::Effect::LogAlert(alert) => log::alert(&alert),
            pop::Effect::StopAccepting => {
                self.connections.stop();
                let (mailbox, connections) = (self.mailbox.clone(), self.connections.clone());
                self.runtime.spawn(async move {
                    connections.quiet().await;
                    mailbox.push(pop::Input::RequestsFinished.into());
                });
            }
            pop::Effect::CloseStore => {
                let (mailbox, store) = (self.mailbox.clone(), self.api.store.clone());
                self.runtime.spawn(async move {
                    store.close().await;
                    mailbox.push(pop::Input::StoreClosed.into());
                });
            }
            pop::Effect::Exit => return false,
            pop::Effect::Telemetry(effect) => {
                telemetry::perform(&self.api, &self.mailbox, &self.runtime, effect);
            }
        }
        true
    }
}

fn open_recorder(settings: Option<&FlightRecorderSettings>) -> Result<Recorder, StartError> {
    let Some(FlightRecorderSettings { file, bytes }) = settings else {
        return Ok(Recorder::default());
    };
    Recorder::open(file, *bytes).map_err(|error| StartError::Recorder(file.clone(), error))
}

/// Ends the process after a commit of which nobody knows whether it is on disk.
pub fn end_after_failure(error: &StoreError) {
    let message = "a commit failed: the process ends, and what it acknowledged is safe";
    let alert = Alert::new(AlertType::StorageFailed, message).with("error", error);
    log::alert(&alert);
    std::process::exit(EXIT_STORAGE_FAILED);
}
