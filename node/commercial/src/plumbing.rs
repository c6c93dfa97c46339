//! Ties the edition to the server: composition, effects, and its say in every write.

mod effects;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_commercial::admission::{self, Refused, Standing};
use clavitor_commercial::boot::Settled;
use clavitor_commercial::cluster::{Cluster, PEERS_MAX};
use clavitor_commercial::frame::Keys;
use clavitor_commercial::pop::{Boot, CommercialPop, Effect, Input};
use clavitor_commercial::replication::Window;
use clavitor_commercial::tables::{self, TABLES};
use clavitor_commercial::{boot, journal, lease, skew, tarpit};
use clavitor_core::alert::Alert;
use clavitor_core::edition::{Edition, NotFound};
use clavitor_core::hlc::Floor;
use clavitor_core::id::{Epoch, OpId, Seq};
use clavitor_core::pop;
use clavitor_core::time::{Instant, UnixTime};
use clavitor_node::api::{Api, ApiRequest};
use clavitor_node::driver::Mailbox;
use clavitor_node::http::{BodyBudget, Code, Problem, Response, SlowAnswer};
use clavitor_node::plumbing::{BackupWait, Parts, Plumbing, Role};
use clavitor_node::runtime::Runtime;
use clavitor_node::settings::{BACKUPS_MAX, Settings, TelemetrySettings};
use clavitor_node::store::{Notice, Reader, Stop, Store, StoreError, Transaction, WriteError};
use clavitor_node::wall;
use futures_channel::oneshot;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use crate::alerts::{self, Alerts};
use crate::hq::{self, Hq};
use crate::right::Right;
use crate::routes::Route;
use crate::tarpit::Tarpit;
use crate::{Commercial, Counters, PeersSeen, frames_bytes_max, lock, window_of};

const _: () = assert!(BACKUPS_MAX <= PEERS_MAX, "a primary has so many peers");

const PRIMARY_LOCATION: HeaderName = HeaderName::from_static("x-primary-location");
const ROLE: HeaderName = HeaderName::from_static("x-clavitor-role");

impl<R: Runtime> Edition for Commercial<R> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn alert_operator(&self, alert: Alert) {
        (self.log)(&alert);
        if !self.mailbox.offer(Input::Community(pop::Input::AlertRaised(alert))) {
            self.alerts.drop_one();
            self.mailbox.ring();
        }
    }

    fn is_telemetry_enabled(&self) -> bool {
        self.telemetry_every_ms.is_some()
    }

    fn not_found(&self, path: &[Option<&str>]) -> NotFound {
        let is_slow = self.tarpit.is_some() && !tarpit::is_exempt(path);
        if is_slow { NotFound::Slowly } else { NotFound::Prompt }
    }

    fn start_replication(&self) {
        self.mailbox.push(Input::Started);
    }

    fn signal_replication(&self) {
        self.mailbox.ring();
    }

    fn start_telemetry(&self) {
        if let Some(every_ms) = self.telemetry_every_ms {
            self.mailbox.push(Input::Community(pop::Input::TelemetryStarted { every_ms }));
        }
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
        let Parts { runtime, settings, store, log } = parts;
        TABLES.into_iter().try_for_each(|table| store.open_table(table))?;
        let cluster = cluster_of(&settings);
        let telemetry = settings.telemetry.as_ref();
        let window = window_of(R::FOOTPRINT);
        let lease = hq::start(&settings, store.pop());
        let boot = settle(&store, &cluster, telemetry, window, lease)?;
        let Boot { epoch, is_imported, .. } = boot;
        let lowest = boot.peers.iter().map(|peer| peer.cursor).min();
        lowest.into_iter().for_each(|cursor| store.set_confirmed(cursor));
        let keys = settings.replication.as_ref().map(|it| Keys::derive(it.secret.expose()));
        let commercial = Self {
            runtime,
            store,
            mailbox,
            log,
            cluster,
            keys,
            epoch: Mutex::new(epoch),
            peers: Mutex::new(PeersSeen::default()),
            peers_origin_ms: Mutex::new(None),
            is_imported: AtomicBool::new(is_imported),
            waits: Mutex::new(HashMap::new()),
            next_wait: AtomicU64::new(0),
            sent: Mutex::default(),
            counters: Counters::default(),
            frame_budget: BodyBudget::of(frames_bytes_max(R::FOOTPRINT)),
            is_full: AtomicBool::new(false),
            bookkeeping: Mutex::default(),
            tarpit: Tarpit::open(settings.tarpit),
            right: Right::default(),
            hq: Hq::new(settings.hq.as_ref()),
            started: wall::instant(),
            telemetry_every_ms: telemetry.map(TelemetrySettings::every_ms),
            alerts: Alerts::new(telemetry),
        };
        if !commercial.hq.is_there() {
            // Who is primary takes writes, also before the machine has said so.
            commercial.right.hold(Instant(u64::MAX));
        }
        let pop = CommercialPop::new(boot);
        commercial.observe(&pop);
        Ok((Arc::new(commercial), pop))
    }

    fn committed(&self, notice: Notice) -> Option<Input> {
        Some(notice.into())
    }

    fn overflowed(&self) -> Option<Input> {
        let count = self.alerts.take_dropped();
        (count > 0).then_some(Input::AlertsDropped { count })
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
        self.alerts.observe(pop.alerts());
        self.hq.observe(pop.lease(at));
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
            Route::Switchover => self.switchover(api, request).await,
            Route::Votes => self.vote(request).await,
            Route::Conflicts => self.conflicts(api, &request),
            Route::Restore => self.restore(api, request).await,
        }
    }

    fn admit(&self, txn: &Transaction<'_>) -> Result<Result<(), Problem>, StoreError> {
        let refused = match admission::admit(txn, self.standing()) {
            Ok(()) => return Ok(Ok(())),
            Err(Stop::Storage(error)) => return Err(error),
            Err(Stop::Refused(refused)) => refused,
        };
        Ok(Err(match refused {
            Refused::NotPrimary(epoch) => self.not_primary(epoch),
            Refused::Imported => Code::Imported.into(),
            Refused::Clock => Code::Clock.into(),
            Refused::NoLease => self.no_lease(),
            Refused::HandingOver(primary) => self.not_primary(Some(Epoch { number: 0, primary })),
        }))
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

    fn readiness(&self) -> Result<(), Cow<'static, str>> {
        let floor = Floor { ms: self.store.floor_ms(), counter: 0 };
        let judged = admission::judge(self.standing(), self.epoch(), self.store.now(), floor);
        Err(match judged {
            Ok(()) | Err(Refused::NotPrimary(_)) => return Ok(()),
            Err(Refused::Imported) => "the data was imported and the peers are not heard yet".into(),
            Err(Refused::Clock) => {
                "this server's clock, or a timestamp that it has seen, is too far off its peers' clocks"
                    .into()
            }
            Err(Refused::NoLease) => {
                let why = self.hq.seen().and_then(|view| view.why);
                let why = why.map_or(String::new(), |why| format!(": {why}"));
                format!("this primary holds no lease{why}").into()
            }
            Err(Refused::HandingOver(to)) => format!("this primary is handing over to {to}").into(),
        })
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
        tables::confirmed_at(reader, seq)
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

    fn writes(&self) -> &Arc<()> {
        self.right.writes()
    }

    fn lease_ms_left(&self) -> Option<u64> {
        self.is_primary().then(|| self.right.ms_left()).flatten()
    }

    fn may_acknowledge(&self) -> bool {
        self.right.is_held() && (self.is_primary() || !self.hq.is_there())
    }

    fn pending_peers(&self, seq: Seq) -> Vec<String> {
        let (_, views) = self.views();
        let pending = (0u8..).zip(views).filter(|(_, view)| view.acked < seq);
        let name = |(index, view): (u8, clavitor_commercial::replication::View)| {
            view.pop.map_or_else(|| self.peer_url(index), |pop| pop.to_string())
        };
        pending.map(name).collect()
    }

    fn hold(&self, socket: TcpStream, answer: SlowAnswer) {
        if let Some(tarpit) = &self.tarpit {
            tarpit.hold(socket, &answer);
        }
    }

    fn metrics(&self, out: &mut String) {
        self.write_metrics(out);
    }

    fn telemetry(&self, out: &mut Map<String, Value>) {
        self.report(out);
    }
}

impl<R: Runtime> Commercial<R> {
    /// What decides here whether a client may write, beside the store.
    fn standing(&self) -> Standing {
        Standing {
            pop: self.store.pop(),
            is_imported: self.is_imported.load(Ordering::Acquire),
            agreed: self.agreed_time(),
            has_lease: self.right.is_held(),
            handing_to: self.right.handing_to(),
        }
    }

    /// What the peers' clocks show, if any is known.
    fn agreed_time(&self) -> Option<UnixTime> {
        let origin_ms = *lock(&self.peers_origin_ms);
        origin_ms.map(|origin_ms| skew::agreed_time(origin_ms, wall::instant()))
    }

    /// Who has yet to hold its first lease of a term is where clients should be; who lost it may not be.
    fn no_lease(&self) -> Problem {
        let problem = Problem::from(Code::NoLease);
        match HeaderValue::from_str(&self.cluster.own_url) {
            Ok(url) if self.right.until() == Instant(0) => problem.header(PRIMARY_LOCATION, url),
            _ => problem,
        }
    }

    fn not_primary(&self, epoch: Option<Epoch>) -> Problem {
        let problem = Problem::from(Code::NotPrimary);
        let (_, views) = self.views();
        let url = self.cluster.primary_location(epoch, &views);
        match url.and_then(|url| HeaderValue::from_str(url).ok()) {
            Some(url) => problem.header(PRIMARY_LOCATION, url),
            None => problem,
        }
    }
}

fn cluster_of(settings: &Settings) -> Cluster {
    let name = settings.cluster_name().to_owned();
    let own_url = settings.advertise_url.clone().unwrap_or_default();
    let Some(replication) = &settings.replication else {
        return Cluster { name, own_url, primary_url: None, peer_urls: Vec::new() };
    };
    let own_url = replication.advertise_url.clone();
    let members = std::iter::once(&replication.primary).chain(&replication.backups);
    let peer_urls = members.filter(|url| **url != own_url).cloned().collect();
    Cluster { name, own_url, primary_url: Some(replication.primary.clone()), peer_urls }
}

/// Settles what must be before the machine starts, and finds out what it starts with.
fn settle(
    store: &Store,
    cluster: &Cluster,
    telemetry: Option<&TelemetrySettings>,
    window: Window,
    lease: lease::Start,
) -> Result<Boot, StoreError> {
    let (pop, last) = (store.pop(), store.last());
    let of = cluster.clone();
    let Settled { epoch, is_imported } =
        write_blocking(store, move |txn| boot::settle(txn, &of, pop))?;
    write_blocking(store, |txn: &mut Transaction<'_>| journal::list_unlisted(txn))?;
    let urls = cluster.peer_urls.clone();
    let noted = write_blocking(store, move |txn| boot::note_unverified(txn, &urls));
    // A full store must start all the same: it can still be read, and emptied.
    noted.or_else(|error| if error == StoreError::Full { Ok(()) } else { Err(error) })?;
    let peers = store.read(|reader| boot::known_peers(reader, &cluster.peer_urls, last))?;
    let alerts = alerts::start(store, telemetry)?;
    Ok(Boot { pop, epoch, last, peers, window, is_imported, alerts, lease })
}

fn write_blocking<T: Send + 'static>(
    store: &Store,
    mut operation: impl FnMut(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let written = store.write_blocking::<T, (), _>(move |txn| operation(txn).map_err(Stop::from));
    written.map_err(|error| match error {
        WriteError::Full => StoreError::Full,
        WriteError::Damaged => StoreError::Damaged("what a start needs cannot be read"),
        _ => StoreError::Broken("the writer stopped".into()),
    })
}

#[cfg(test)]
mod tests;
