//! Metrics as Prometheus text. No vault, entry, label or client address is among them.

use std::fmt::Write;

use clavitor_core::credential::Scope;
use http::{HeaderValue, header};

use super::{Api, ApiRequest, Face};
use crate::http::{Problem, Response, ResponseBody};
use crate::plumbing::{Plumbing, Role};
use crate::runtime::Runtime;

pub(super) fn answer<P: Plumbing>(
    api: &Api<P>,
    face: Face,
    request: &ApiRequest<P>,
) -> Result<Response, Problem> {
    if face == Face::Full {
        api.authorize(request, Scope::Admin, None)?;
    }
    request.query(&[])?;
    let mut response = Response::new(ResponseBody::from(text(api)));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

fn text<P: Plumbing>(api: &Api<P>) -> String {
    let mut out = String::with_capacity(4_096);
    head(&mut out, "clavitor_build_info", "gauge", "What runs here; always 1.");
    let (edition, runtime) = (api.plumbing.name(), <P::Runtime as Runtime>::NAME);
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(
        out,
        "clavitor_build_info{{version=\"{version}\",edition=\"{edition}\",runtime=\"{runtime}\"}} 1"
    );
    let uptime_s = api.uptime_ms() / 1_000;
    one(&mut out, "clavitor_uptime_seconds", "gauge", "Time since the start.", uptime_s);
    let is_primary = u64::from(api.plumbing.role() == Role::Primary);
    one(&mut out, "clavitor_primary", "gauge", "1 on the primary, 0 on a backup.", is_primary);
    one(&mut out, "clavitor_entries", "gauge", "Entries there are.", api.store.entries());
    let open = api.connections.open() as u64;
    one(&mut out, "clavitor_connections", "gauge", "Connections there are.", open);
    let (writes, commits) = api.store.commits();
    one(&mut out, "clavitor_store_writes_total", "counter", "Writes committed.", writes);
    one(&mut out, "clavitor_store_commits_total", "counter", "Commits, each one sync.", commits);
    if let Ok((used, quota)) = api.store.usage() {
        one(&mut out, "clavitor_store_bytes", "gauge", "Bytes that hold data.", used);
        one(&mut out, "clavitor_store_quota_bytes", "gauge", "Bytes that writes may use.", quota);
    }
    head(&mut out, "clavitor_responses_total", "counter", "Answers, by status class.");
    for (class, count) in api.ledger.by_class() {
        let _ = writeln!(out, "clavitor_responses_total{{class=\"{class}xx\"}} {count}");
    }
    head(&mut out, "clavitor_refusals_total", "counter", "Refused requests, by code.");
    for (code, count) in api.ledger.by_code() {
        let _ = writeln!(out, "clavitor_refusals_total{{code=\"{code}\"}} {count}");
    }
    if let Some(reporter) = &api.reporter {
        let (taken, failed) = reporter.counts();
        one(&mut out, "clavitor_telemetry_reports_total", "counter", "Reports taken.", taken);
        let help = "Reports that were not taken.";
        one(&mut out, "clavitor_telemetry_failures_total", "counter", help, failed);
    }
    api.plumbing.metrics(&mut out);
    out
}

/// Writes the two comment lines of a metric.
pub fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn one(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}
