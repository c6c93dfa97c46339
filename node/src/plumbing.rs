//! What an edition brings to the server: its POP's machine, what the machine's effects mean, its
//! routes, and its say in every write.

use std::borrow::Cow;
use std::net::TcpStream;
use std::sync::Arc;

use clavitor_core::edition::Edition;
use clavitor_core::id::{Epoch, OpId, Seq};
use clavitor_core::pop::{self, Pop};
use clavitor_core::time::UnixTime;
use futures_channel::oneshot;
use http::{HeaderMap, Method};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::{Api, ApiRequest};
use crate::driver::Mailbox;
use crate::http::{Problem, Response, SlowAnswer};
use crate::log::AlertLog;
use crate::runtime::Runtime;
use crate::settings::Settings;
use crate::store::{Notice, Reader, Store, StoreError, Transaction};

/// The role of a POP, as health checks and operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It takes client writes.
    Primary,
    /// It serves reads.
    Backup,
}

/// What a server is made from.
pub struct Parts<R> {
    /// The runtime.
    pub runtime: R,
    /// The settings in force.
    pub settings: Settings,
    /// The open store.
    pub store: Store,
    /// Takes the line of an alert at once, before anything else becomes of it.
    pub log: AlertLog,
}

/// A waiting client's place: its name, and the answer whether a backup holds its write.
pub type BackupWait = (OpId, oneshot::Receiver<bool>);

/// An edition, composed with a runtime.
pub trait Plumbing: Edition + Sized + Send + Sync + 'static {
    /// The runtime it runs on.
    type Runtime: Runtime;
    /// Its POP's machine.
    type Pop: Pop<Input = Self::Input, Effect = Self::Effect> + Serialize + Send;
    /// The machine's facts.
    type Input: From<pop::Input> + Serialize + Send;
    /// The machine's orders.
    type Effect: Serialize + Send;
    /// Its own routes.
    type Route: Copy + Send;

    /// Whether settings that only mean something in the Commercial edition do.
    const IS_COMMERCIAL: bool;

    /// The edition's name, before there is a server.
    const NAME: &'static str;

    /// Composes the edition and its machine, with whatever the store already knows.
    fn compose(
        parts: Parts<Self::Runtime>,
        mailbox: Arc<Mailbox<Self>>,
    ) -> Result<(Arc<Self>, Self::Pop), StoreError>;

    /// What a commit means to the machine.
    fn committed(&self, notice: Notice) -> Option<Self::Input>;

    /// What the edition had to say while the mailbox was full.
    fn overflowed(&self) -> Option<Self::Input> {
        None
    }

    /// Carries out an order that is the edition's own; `Err` hands back one that every edition
    /// has. Facts that are known at once go to `facts`.
    fn perform(
        self: &Arc<Self>,
        effect: Self::Effect,
        facts: &mut Vec<Self::Input>,
    ) -> Result<(), pop::Effect>;

    /// Called with the machine after it changed, so that what others ask for can be kept.
    fn observe(&self, pop: &Self::Pop);

    /// Its own route, if the path is one.
    fn route(&self, segments: &[Option<&str>]) -> Option<Self::Route>;

    /// The methods that a route of its own takes.
    fn methods(route: Self::Route) -> &'static [Method];

    /// Answers a request to a route of its own.
    fn answer(
        self: &Arc<Self>,
        api: &Arc<Api<Self>>,
        route: Self::Route,
        request: ApiRequest<Self>,
    ) -> impl Future<Output = Result<Response, Problem>> + Send;

    /// Whether a client may write, asked inside the write's transaction.
    fn admit(&self, txn: &Transaction<'_>) -> Result<Result<(), Problem>, StoreError>;

    /// Its role.
    fn role(&self) -> Role;

    /// The epoch it knows.
    fn epoch(&self) -> Option<Epoch>;

    /// The name of the cluster it belongs to.
    fn cluster(&self) -> Option<String>;

    /// Whether it is ready for what its role asks of it, or why not.
    fn readiness(&self) -> Result<(), Cow<'static, str>>;

    /// Headers for answers to reads.
    fn mark_read(&self, headers: &mut HeaderMap);

    /// When a change was confirmed by every peer.
    fn replicated_at(&self, reader: &Reader<'_>, seq: Seq) -> Result<Option<UnixTime>, StoreError>;

    /// A place for a client that waits for a backup; `None` where there is no backup.
    fn await_backup(&self) -> Option<BackupWait>;

    /// The writes of clients that are under way: each holds a clone.
    fn writes(&self) -> &Arc<()>;

    /// For how long it may take writes yet, in milliseconds; `None` where that has no end.
    fn lease_ms_left(&self) -> Option<u64>;

    /// Whether a client's write that is on disk may be acknowledged, asked right before it is.
    fn may_acknowledge(&self) -> bool;

    /// The peers that have not confirmed a change.
    fn pending_peers(&self, seq: Seq) -> Vec<String>;

    /// Gives an answer slowly, or closes the connection without one. Called where
    /// [`Edition::not_found`] said so, once the connection has no place among the others any more.
    /// The socket does not block.
    fn hold(&self, socket: TcpStream, answer: SlowAnswer);

    /// Its own metrics, as Prometheus text.
    fn metrics(&self, out: &mut String);

    /// Its own fields of a report, each of them in `docs/telemetry.md`.
    fn telemetry(&self, out: &mut Map<String, Value>);
}
