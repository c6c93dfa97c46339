//! Reports about this server, to whom its operator named. When to send one is
//! [`clavitor_core::telemetry`]'s to decide; what is in one is in `report`, and in the page of the
//! documentation that lists every field.

mod report;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use clavitor_core::id::OpId;
use clavitor_core::pop;
use clavitor_core::telemetry::{Effect, Outcome, TIMEOUT_MS};
use http::{HeaderMap, header};

use crate::api::Api;
use crate::driver::Mailbox;
use crate::outbound::Flight;
use crate::plumbing::Plumbing;
use crate::runtime::{Call, Runtime, bearer, content_type};
use crate::settings::TelemetrySettings;
use crate::{host, log};

use report::{About, Totals};

/// Where reports go.
pub const TELEMETRY_PATH: &str = "/v1/telemetry";

/// Sends the reports of one server, and counts what became of them.
///
/// Invariant: at most one report is under way.
pub struct Reporter {
    url: String,
    headers: HeaderMap,
    about: About,
    flight: Flight,
    last: Mutex<Totals>,
    taken: AtomicU64,
    failed: AtomicU64,
}

impl Reporter {
    /// What sends reports to where the settings say.
    pub fn new(settings: &TelemetrySettings) -> Self {
        let mut headers = content_type("application/json");
        if let Some(value) = settings.token.as_ref().and_then(|token| bearer(token.expose())) {
            headers.insert(header::AUTHORIZATION, value);
        }
        Self {
            url: settings.host.clone(),
            headers,
            about: About { hostname: host::hostname(), region: settings.region.clone() },
            flight: Flight::default(),
            last: Mutex::default(),
            taken: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// How many reports were taken since the start, and how many were not.
    pub fn counts(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    fn build<P: Plumbing>(&self, api: &Api<P>) -> Vec<u8> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        report::build(api, &self.about, &mut last, self.counts())
    }

    fn call(&self, body: Bytes) -> Call {
        Call {
            url: self.url.clone(),
            path: TELEMETRY_PATH.into(),
            headers: self.headers.clone(),
            body: Some(body),
            answer_bytes_max: 0,
        }
    }

    fn count(&self, outcome: Outcome, is_news: bool) {
        let counter = if outcome == Outcome::Taken { &self.taken } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        if !is_news {
            return;
        }
        let url = &self.url;
        log::line(&match outcome {
            Outcome::Taken => format!("telemetry: {url} takes reports again"),
            failed => format!(
                "telemetry: {url} does not take reports: {}; reports go on, and this is said once",
                reason(failed)
            ),
        });
    }
}

/// Carries out what the machine orders about reports. Building one must not hold up the driver, so
/// it is part of the task that sends it.
pub(crate) fn perform<P: Plumbing>(
    api: &Arc<Api<P>>,
    mailbox: &Arc<Mailbox<P>>,
    runtime: &P::Runtime,
    effect: Effect,
) {
    let Some(reporter) = &api.reporter else { return };
    match effect {
        Effect::Send { op } => send(reporter, (api, mailbox, runtime), op),
        Effect::Cancel { op } => reporter.flight.cancel(op),
        Effect::Settled { outcome, is_news } => reporter.count(outcome, is_news),
    }
}

fn send<P: Plumbing>(
    reporter: &Arc<Reporter>,
    (api, mailbox, runtime): (&Arc<Api<P>>, &Arc<Mailbox<P>>, &P::Runtime),
    op: OpId,
) {
    let (reporter, api, mailbox) = (reporter.clone(), api.clone(), mailbox.clone());
    let (sender, carrier) = (reporter.clone(), runtime.clone());
    let task = async move {
        let report = sender.build(&api);
        let posted = carrier.call(sender.call(report.into())).await;
        let status = posted.ok().map(|posted| posted.status);
        mailbox.push(pop::Input::ReportAnswered { op, status }.into());
    };
    reporter.flight.begin(runtime, op, task);
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Refused(status) => format!("it answers with status {status}"),
        Outcome::TimedOut => format!("no answer within {} s", TIMEOUT_MS / 1_000),
        Outcome::Taken | Outcome::Unreachable => "it cannot be reached".to_owned(),
    }
}
