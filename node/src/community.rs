//! The Community edition's plumbing: one node, private, no calls home unless its command line asks.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::net::TcpStream;
use std::sync::Arc;

use clavitor_core::alert::Alert;
use clavitor_core::edition::{Edition, NotFound};
use clavitor_core::id::{Epoch, Seq};
use clavitor_core::pop::{self, CommunityPop};
use clavitor_core::time::UnixTime;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

use crate::api::{Api, ApiRequest};
use crate::driver::Mailbox;
use crate::http::{Problem, Response, SlowAnswer};
use crate::log::AlertLog;
use crate::plumbing::{BackupWait, Parts, Plumbing, Role};
use crate::runtime::Runtime;
use crate::settings::TelemetrySettings;
use crate::store::{Notice, Reader, StoreError, Transaction};

/// The Community edition on a runtime.
pub struct Community<R: Runtime> {
    mailbox: Arc<Mailbox<Self>>,
    telemetry_every_ms: Option<u64>,
    log: AlertLog,
    writes: Arc<()>,
    runtime: PhantomData<R>,
}

/// The Community edition has no routes of its own.
#[derive(Clone, Copy, Debug)]
pub enum NoRoute {}

impl<R: Runtime> Edition for Community<R> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn alert_operator(&self, alert: Alert) {
        (self.log)(&alert);
        self.mailbox.offer(pop::Input::AlertRaised(alert));
    }

    fn is_telemetry_enabled(&self) -> bool {
        self.telemetry_every_ms.is_some()
    }

    fn not_found(&self, _path: &[Option<&str>]) -> NotFound {
        NotFound::Prompt
    }

    fn start_replication(&self) {}

    fn signal_replication(&self) {}

    fn start_telemetry(&self) {
        if let Some(every_ms) = self.telemetry_every_ms {
            self.mailbox.push(pop::Input::TelemetryStarted { every_ms });
        }
    }

    fn shutdown(&self) {
        self.mailbox.push(pop::Input::ShutdownRequested);
    }
}

impl<R: Runtime> Plumbing for Community<R> {
    type Runtime = R;
    type Pop = CommunityPop;
    type Input = pop::Input;
    type Effect = pop::Effect;
    type Route = NoRoute;

    const IS_COMMERCIAL: bool = false;
    const NAME: &'static str = "community";

    fn compose(
        parts: Parts<R>,
        mailbox: Arc<Mailbox<Self>>,
    ) -> Result<(Arc<Self>, CommunityPop), StoreError> {
        let telemetry_every_ms = parts.settings.telemetry.as_ref().map(TelemetrySettings::every_ms);
        let community = Self {
            mailbox,
            telemetry_every_ms,
            log: parts.log,
            writes: Arc::default(),
            runtime: PhantomData,
        };
        Ok((Arc::new(community), CommunityPop::default()))
    }

    fn committed(&self, _notice: Notice) -> Option<pop::Input> {
        None
    }

    fn perform(
        self: &Arc<Self>,
        effect: pop::Effect,
        _facts: &mut Vec<pop::Input>,
    ) -> Result<(), pop::Effect> {
        Err(effect)
    }

    fn observe(&self, _pop: &CommunityPop) {}

    fn route(&self, _segments: &[Option<&str>]) -> Option<NoRoute> {
        None
    }

    fn methods(route: NoRoute) -> &'static [Method] {
        match route {}
    }

    async fn answer(
        self: &Arc<Self>,
        _api: &Arc<Api<Self>>,
        route: NoRoute,
        _request: ApiRequest<Self>,
    ) -> Result<Response, Problem> {
        match route {}
    }

    fn admit(&self, _txn: &Transaction<'_>) -> Result<Result<(), Problem>, StoreError> {
        Ok(Ok(()))
    }

    fn role(&self) -> Role {
        Role::Primary
    }

    fn epoch(&self) -> Option<Epoch> {
        None
    }

    fn cluster(&self) -> Option<String> {
        None
    }

    fn readiness(&self) -> Result<(), Cow<'static, str>> {
        Ok(())
    }

    fn mark_read(&self, _headers: &mut HeaderMap) {}

    fn replicated_at(
        &self,
        _reader: &Reader<'_>,
        _seq: Seq,
    ) -> Result<Option<UnixTime>, StoreError> {
        Ok(None)
    }

    fn await_backup(&self) -> Option<BackupWait> {
        None
    }

    fn writes(&self) -> &Arc<()> {
        &self.writes
    }

    fn lease_ms_left(&self) -> Option<u64> {
        None
    }

    fn may_acknowledge(&self) -> bool {
        true
    }

    fn pending_peers(&self, _seq: Seq) -> Vec<String> {
        Vec::new()
    }

    fn hold(&self, _socket: TcpStream, _answer: SlowAnswer) {}

    fn metrics(&self, _out: &mut String) {}

    fn telemetry(&self, _out: &mut Map<String, Value>) {}
}
