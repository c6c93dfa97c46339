//! Ties the edition to the server: composition, effects, and its say in every write.

mod effects;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_commercial::frame::Keys;
use clavitor_commercial::pop::{Boot, CommercialPop, Effect, Input};
use clavitor_commercial::replication::{Known, Order, Window};
use clavitor_commercial::skew;
use clavitor_commercial::waiters::Waiter;
use clavitor_core::alert::Alert;
use clavitor_core::edition::{Edition, NotFound};
use clavitor_core::id::{Epoch, OpId, Seq};
use clavitor_core::pop;
use clavitor_core::time::UnixTime;
use clavitor_node::api::{Api, ApiRequest};
use clavitor_node::driver::Mailbox;
use clavitor_node::http::{BodyBudget, Code, Problem, Response};
use clavitor_node::plumbing::{BackupWait, Parts, Plumbing, Role};
use clavitor_node::runtime::Runtime;
use clavitor_node::settings::Settings;
use clavitor_node::store::{
    IMPORTED, Notice, Reader, Stop, Store, StoreError, Transaction, WriteError,
};
use clavitor_node::wall;
use futures_channel::oneshot;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::journal;
use crate::routes::Route;
use crate::send::is_owed;
use crate::tables::Tables;
use crate::{Cluster, Commercial, Counters, FRAMES_BYTES_MAX, PeersSeen, lock};

/// The fact that holds the newest epoch this POP knows.
pub(crate) const EPOCH: &str = "epoch";

const PRIMARY_LOCATION: HeaderName = HeaderName::from_static("x-primary-location");
const ROLE: HeaderName = HeaderName::from_static("x-clavitor-role");

impl<R: Runtime> Edition for Commercial<R> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn alert_operator(&self, alert: Alert) {
        self.mailbox.offer(Input::Community(pop::Input::AlertRaised(alert)));
    }

    fn is_telemetry_enabled(&self) -> bool {
        false
    }

    fn not_found(&self) -> NotFound {
        NotFound::Prompt
    }

    fn start_replication(&self) {
        self.mailbox.push(Input::Started);
    }

    fn signal_replication(&self) {
        self.mailbox.ring();
    }

    fn shutdown(&self) {
        self.mailbox.push(Input::Community(pop::Input::ShutdownRequested));
    }
}

impl<R: Runtime> Plumbing for Commercial<R> {
    type Runtime = R;
    type Pop = CommercialPop;
    type Input = Input;
    type Effect = Effect;
    type Route = Route;

    const IS_COMMERCIAL: bool = true;
    const NAME: &'static str = "commercial";

    fn compose(
        parts: Parts<R>,
        mailbox: Arc<Mailbox<Self>>,
    ) -> Result<(Arc<Self>, CommercialPop), StoreError> {
        let Parts { runtime, settings, store } = parts;
        let tables = Tables::open(&store)?;
        let cluster = Cluster::of(&settings);
        let epoch = settle_epoch(&store, &cluster)?;
        let is_imported = settle_imported(&store, &cluster)?;
        journal::list_unlisted(&store, &tables)?;
        let boot = boot(&store, &tables, &cluster, epoch, is_imported)?;
        let lowest = boot.peers.iter().map(|peer| peer.cursor).min();
        lowest.into_iter().for_each(|cursor| store.set_confirmed(cursor));
        let keys = settings.replication.as_ref().map(|it| Keys::derive(it.secret.expose()));
        let commercial = Self {
            runtime,
            store,
            mailbox,
            tables,
            cluster,
            keys,
            epoch: Mutex::new(epoch),
            peers: Mutex::new(PeersSeen::default()),
            peers_origin_ms: Mutex::new(None),
            is_imported: AtomicBool::new(is_imported),
            waits: Mutex::new(HashMap::new()),
            next_wait: AtomicU64::new(0),
            flights: Mutex::new(HashMap::new()),
            counters: Counters::default(),
            frame_budget: BodyBudget::of(FRAMES_BYTES_MAX),
            is_full: AtomicBool::new(false),
        };
        let pop = CommercialPop::new(boot);
        commercial.observe(&pop);
        Ok((Arc::new(commercial), pop))
    }

    fn committed(&self, notice: Notice) -> Option<Input> {
        let Notice { last, own, from, awaited } = notice;
        let waiter = |awaited: clavitor_node::store::Awaited| Waiter {
            op: awaited.op,
            record: awaited.record,
            hlc: awaited.hlc,
        };
        let waiters = awaited.into_iter().map(waiter).collect();
        Some(Input::Committed { last, own, from, waiters })
    }

    fn perform(
        self: &Arc<Self>,
        effect: Effect,
        facts: &mut Vec<Input>,
    ) -> Result<(), pop::Effect> {
        self.carry_out(effect, facts)
    }

    fn observe(&self, pop: &CommercialPop) {
        let at = wall::instant();
        *lock(&self.peers) = PeersSeen { at, views: pop.peers(at) };
    }

    fn route(&self, segments: &[Option<&str>]) -> Option<Route> {
        Route::of(segments)
    }

    fn methods(route: Route) -> &'static [Method] {
        route.methods()
    }

    async fn answer(
        self: &Arc<Self>,
        api: &Arc<Api<Self>>,
        route: Route,
        request: ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        match route {
            Route::Replication => self.replication(api, &request),
            Route::Resume => self.resume(api, &request),
            Route::Frames => self.take_frame(request).await,
            Route::Promote => self.promote(api, request).await,
            Route::Conflicts => self.conflicts(api, &request),
            Route::Restore => self.restore(api, request).await,
        }
    }

    fn admit(&self, txn: &Transaction<'_>) -> Result<Result<(), Problem>, StoreError> {
        let epoch: Option<Epoch> = txn.fact::<Option<Epoch>>(EPOCH)?.flatten();
        if epoch.is_none_or(|epoch| epoch.primary != self.store.pop()) {
            return Ok(Err(self.not_primary(epoch)));
        }
        if self.is_imported.load(Ordering::Acquire) {
            return Ok(Err(Code::Imported.into()));
        }
        let agreed = self.agreed_time().unwrap_or(txn.now());
        if !skew::may_stamp(agreed, txn.now(), txn.floor()) {
            return Ok(Err(Code::Clock.into()));
        }
        Ok(Ok(()))
    }

    fn role(&self) -> Role {
        if self.is_primary() { Role::Primary } else { Role::Backup }
    }

    fn epoch(&self) -> Option<Epoch> {
        *lock(&self.epoch)
    }

    fn cluster(&self) -> Option<String> {
        Some(self.cluster.name.clone())
    }

    fn readiness(&self) -> Result<(), &'static str> {
        if self.is_primary() && self.is_imported.load(Ordering::Acquire) {
            return Err("the data was imported and the peers are not heard yet");
        }
        Ok(())
    }

    fn mark_read(&self, headers: &mut HeaderMap) {
        if !self.is_primary() {
            headers.insert(ROLE, HeaderValue::from_static("backup"));
        }
    }

    fn replicated_at(&self, reader: &Reader<'_>, seq: Seq) -> Result<Option<UnixTime>, StoreError> {
        if !self.is_primary() || self.cluster.peer_urls.is_empty() {
            return Ok(None);
        }
        self.tables.confirmed_at(reader, seq)
    }

    fn await_backup(&self) -> Option<BackupWait> {
        if self.cluster.peer_urls.is_empty() {
            return None;
        }
        let op = OpId(self.next_wait.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        let mut waits = lock(&self.waits);
        // Whoever gave up waiting, or never wrote, left its place behind.
        waits.retain(|_, wait| !wait.is_canceled());
        waits.insert(op, sender);
        Some((op, receiver))
    }

    fn pending_peers(&self, seq: Seq) -> Vec<String> {
        let (_, views) = self.views();
        let pending = (0u8..).zip(views).filter(|(_, view)| view.acked < seq);
        let name = |(index, view): (u8, clavitor_commercial::replication::View)| {
            view.pop.map_or_else(|| self.peer_url(index), |pop| pop.to_string())
        };
        pending.map(name).collect()
    }

    fn metrics(&self, out: &mut String) {
        self.write_metrics(out);
    }
}

impl<R: Runtime> Commercial<R> {
    /// What the peers' clocks show, if any is known.
    fn agreed_time(&self) -> Option<UnixTime> {
        let origin_ms = *lock(&self.peers_origin_ms);
        origin_ms.map(|origin_ms| skew::agreed_time(origin_ms, wall::instant()))
    }

    fn not_primary(&self, epoch: Option<Epoch>) -> Problem {
        let problem = Problem::from(Code::NotPrimary);
        let (_, views) = self.views();
        let at =
            epoch.and_then(|epoch| views.iter().position(|view| view.pop == Some(epoch.primary)));
        let known = at.and_then(|at| self.cluster.peer_urls.get(at));
        let configured =
            || self.cluster.primary_url.as_ref().filter(|url| **url != self.cluster.own_url);
        let url = known.or_else(configured);
        match url.and_then(|url| HeaderValue::from_str(url).ok()) {
            Some(url) => problem.header(PRIMARY_LOCATION, url),
            None => problem,
        }
    }

    /// Takes writes from now on, although the data was imported.
    pub(crate) async fn settle_import(&self) {
        let settled = self
            .store
            .write::<(), (), _>(0, |txn| txn.set_fact(IMPORTED, &false).map_err(Stop::from));
        if settled.await.is_ok() {
            self.is_imported.store(false, Ordering::Release);
        }
    }
}

impl Cluster {
    fn of(settings: &Settings) -> Self {
        let name = settings.cluster_name().to_owned();
        let own_url = settings.advertise_url.clone().unwrap_or_default();
        let Some(replication) = &settings.replication else {
            return Self { name, own_url, primary_url: None, peer_urls: Vec::new() };
        };
        let own_url = replication.advertise_url.clone();
        let members = std::iter::once(&replication.primary).chain(&replication.backups);
        let peer_urls = members.filter(|url| **url != own_url).cloned().collect();
        Self { name, own_url, primary_url: Some(replication.primary.clone()), peer_urls }
    }
}

/// The epoch to start with. A server alone is primary in epoch 0, which any cluster outranks; the
/// configured primary of a cluster begins epoch 1; whoever has seen a later one keeps it.
fn settle_epoch(store: &Store, cluster: &Cluster) -> Result<Option<Epoch>, StoreError> {
    let stored = store.read(|reader| reader.fact::<Option<Epoch>>(EPOCH))?.flatten();
    let primary = store.pop();
    let is_alone = cluster.peer_urls.is_empty();
    let is_first = cluster.primary_url.as_ref() == Some(&cluster.own_url);
    let epoch = match stored.filter(|epoch| epoch.number > 0) {
        Some(epoch) => Some(epoch),
        None if is_alone => Some(Epoch { number: 0, primary }),
        None if is_first => Some(Epoch { number: 1, primary }),
        None => None,
    };
    if epoch != stored {
        set_fact(store, EPOCH, epoch)?;
    }
    Ok(epoch)
}

/// Whether the data was imported and has yet to hear its peers; a server alone has none to hear.
fn settle_imported(store: &Store, cluster: &Cluster) -> Result<bool, StoreError> {
    let is_imported = store.read(|reader| reader.fact::<bool>(IMPORTED))?.unwrap_or(false);
    if is_imported && cluster.peer_urls.is_empty() {
        set_fact(store, IMPORTED, false)?;
        return Ok(false);
    }
    Ok(is_imported)
}

fn set_fact<T>(store: &Store, name: &'static str, value: T) -> Result<(), StoreError>
where
    T: serde::Serialize + Send + 'static,
{
    write_blocking(store, move |txn| txn.set_fact(name, &value))
}

fn write_blocking(
    store: &Store,
    mut operation: impl FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    let written = store.write_blocking::<(), (), _>(move |txn| operation(txn).map_err(Stop::from));
    written.map_err(|error| match error {
        WriteError::Full => StoreError::Full,
        _ => StoreError::Broken("the writer stopped".into()),
    })
}

fn boot(
    store: &Store,
    tables: &Tables,
    cluster: &Cluster,
    epoch: Option<Epoch>,
    is_imported: bool,
) -> Result<Boot, StoreError> {
    let last = store.last();
    let (own, urls) = (*tables, cluster.peer_urls.clone());
    let noted = write_blocking(store, move |txn| note_unverified(&own, txn, &urls, last));
    // A full store must start all the same: it can still be read, and emptied.
    noted.or_else(|error| if error == StoreError::Full { Ok(()) } else { Err(error) })?;
    let peers = store.read(|reader| {
        let known = |url: &String| known(reader, tables, url, last);
        cluster.peer_urls.iter().map(known).collect::<Result<_, _>>()
    })?;
    let window = Window::STANDARD;
    Ok(Boot { pop: store.pop(), epoch, last, peers, window, is_imported })
}

/// Until a peer answers, it can have no more of this server's changes than there are now.
fn note_unverified(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    urls: &[String],
    last: Seq,
) -> Result<(), StoreError> {
    for url in urls {
        let mut row = tables.peer(&txn.reader(), url)?;
        if row.unverified.is_none() {
            row.unverified = Some(last);
            tables.set_peer(txn, url, &row)?;
        }
    }
    Ok(())
}

/// What is known of a peer, and up to where it is owed nothing.
fn known(reader: &Reader<'_>, tables: &Tables, url: &str, last: Seq) -> Result<Known, StoreError> {
    let peer = tables.peer(reader, url)?;
    let cursor = peer.cursor.min(last);
    let order = Order {
        op: OpId(0),
        is_hello: false,
        after: cursor,
        read_after: cursor,
        upto: last,
        complete_at: last,
        identity: peer.identity,
        covered: Vec::new(),
    };
    let mut clean_to = last;
    for row in reader.changes(cursor)? {
        let (seq, change, _) = row?;
        if is_owed(&change, &order) {
            clean_to = Seq(seq.0.saturating_sub(1));
            break;
        }
    }
    let setbacks = tables.setbacks(reader, url)?;
    let url = url.to_owned();
    let (identity, unverified) = (peer.identity, peer.unverified);
    Ok(Known { url, identity, cursor, clean_to, setbacks, unverified })
}

#[cfg(test)]
mod tests;
