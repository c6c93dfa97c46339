//! Carries alerts to HQ, and what waits of them to disk. What is sent when, and what an answer
//! means, is [`clavitor_commercial::alerts`]'s.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use clavitor_commercial::alerts::{Item, Outcome, Sender, Start, View, outbox};
use clavitor_commercial::pop::Input;
use clavitor_core::edition::Edition;
use clavitor_core::id::OpId;
use clavitor_node::outbound::Flight;
use clavitor_node::runtime::{Call, Runtime, bearer, content_type};
use clavitor_node::settings::TelemetrySettings;
use clavitor_node::store::{Stop, Store, StoreError, Transaction, WriteError};
use clavitor_node::{entropy, host, wall};
use http::{HeaderName, HeaderValue, header};
use serde_json::json;

use crate::{Commercial, lock};

/// Where alerts go.
const ALERTS_PATH: &str = "/v1/alerts";

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What carrying alerts takes.
#[derive(Default)]
pub(crate) struct Alerts {
    hq: Option<Hq>,
    posting: Flight,
    seen: Mutex<View>,
    // Raised while the mailbox was full, and not told yet.
    dropped: AtomicU32,
}

struct Hq {
    url: String,
    authorization: Option<HeaderValue>,
}

impl Alerts {
    pub(crate) fn new(telemetry: Option<&TelemetrySettings>) -> Self {
        let hq = telemetry.map(|telemetry| Hq {
            url: telemetry.host.clone(),
            authorization: telemetry.token.as_ref().and_then(|token| bearer(token.expose())),
        });
        Self { hq, ..Self::default() }
    }

    /// Takes note of what the machine shows.
    pub(crate) fn observe(&self, view: View) {
        *lock(&self.seen) = view;
    }

    /// What the machine last showed.
    pub(crate) fn seen(&self) -> View {
        *lock(&self.seen)
    }

    /// The mailbox is full: the line in the local log is all that is left.
    pub(crate) fn drop_one(&self) {
        if self.hq.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were dropped since this was last asked.
    pub(crate) fn take_dropped(&self) -> u32 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// What the router begins with.
pub(crate) fn start(
    store: &Store,
    telemetry: Option<&TelemetrySettings>,
) -> Result<Start, StoreError> {
    let Some(telemetry) = telemetry else { return Ok(Start::default()) };
    Ok(Start {
        is_routed: true,
        seed: u64::from_be_bytes(entropy::bytes()),
        now: wall::instant(),
        wall: wall::unix_time(),
        sender: Sender { hostname: host::hostname(), region: telemetry.region.clone() },
        loaded: store.read(|reader| outbox::load(reader.rows()))?,
    })
}

impl<R: Runtime> Commercial<R> {
    pub(crate) fn keep_alerts(self: &Arc<Self>, op: OpId, put: Vec<Item>, remove: Vec<u64>) {
        let edition = self.clone();
        self.runtime.spawn(async move {
            let keep = move |txn: &mut Transaction<'_>| {
                outbox::keep(txn, &put, &remove).map_err(Stop::<()>::from)
            };
            edition.mailbox.push(match edition.store.write(0, keep).await {
                Ok(at) => Input::AlertsKept { op, at },
                Err(error) => {
                    let is_full = error == WriteError::Full;
                    Input::AlertsUnkept { op, at: wall::unix_time(), is_full }
                }
            });
        });
    }

    pub(crate) fn post_alert(self: &Arc<Self>, op: OpId, item: &Item) {
        let Some(hq) = &self.alerts.hq else { return };
        let mut headers = content_type("application/json");
        headers.extend(hq.authorization.clone().map(|value| (header::AUTHORIZATION, value)));
        headers.extend(key(item).map(|value| (IDEMPOTENCY_KEY, value)));
        let call = Call {
            url: hq.url.clone(),
            path: ALERTS_PATH.into(),
            headers,
            body: Some(body(self.name(), item).into()),
            answer_bytes_max: 0,
        };
        let edition = self.clone();
        let task = async move {
            let status = edition.runtime.call(call).await.ok().map(|posted| posted.status);
            let outcome = Outcome::of_status(status);
            edition.mailbox.push(Input::AlertPosted { op, outcome });
        };
        self.alerts.posting.begin(&self.runtime, op, task);
    }

    pub(crate) fn cancel_post(&self, op: OpId) {
        self.alerts.posting.cancel(op);
    }
}

/// The same bytes each time: nothing in it is of this process.
fn body(edition: &str, item: &Item) -> String {
    let mut details = item.alert.details.clone();
    if item.count > 1 {
        details.insert("count".to_owned(), item.count.to_string());
    }
    let body = json!({
        "edition": edition,
        "type": item.alert.alert_type.as_str(),
        "message": item.alert.message,
        "details": details,
        "hostname": item.sender.hostname,
        "pop_region": item.sender.region,
        "timestamp": wall::rfc3339(item.at.unwrap_or_default()),
    });
    body.to_string()
}

fn key(item: &Item) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("{:032x}", u128::from_be_bytes(item.key))).ok()
}

#[cfg(test)]
mod tests;
