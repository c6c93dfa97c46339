//! Metrics as Prometheus text.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clavitor_hq_core::control::{ClusterView, State};
use clavitor_node::api::metric_head as head;
use clavitor_node::http::{Problem, Response, ResponseBody};
use clavitor_node::runtime::Runtime;
use clavitor_node::wall;
use http::{HeaderValue, header};

use super::{Api, HqRequest};
use crate::lock;

pub(super) fn answer<R: Runtime>(
    api: &Arc<Api<R>>,
    request: &HqRequest<R>,
) -> Result<Response, Problem> {
    api.require_admin(request)?;
    request.query(&[])?;
    let mut response = Response::new(ResponseBody::from(text(api)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn text<R: Runtime>(api: &Api<R>) -> String {
    let mut out = String::with_capacity(4_096);
    head(&mut out, "clavitor_hq_build_info", "gauge", "What runs here; always 1.");
    let (version, runtime) = (env!("CARGO_PKG_VERSION"), R::NAME);
    let _ = writeln!(
        out,
        "clavitor_hq_build_info{{version=\"{version}\",runtime=\"{runtime}\"}} 1\n# {} {}",
        crate::MARKER,
        clavitor_hq_core::MARKER
    );
    let uptime_s = wall::instant().ms_since(api.started) / 1_000;
    one(&mut out, "clavitor_hq_uptime_seconds", "gauge", "Time since the start.", uptime_s);
    of_clusters(&lock(&api.exchange.control).views(wall::instant()), &mut out);
    if let Ok(open) = api.registry.open_incidents() {
        one(&mut out, "clavitor_hq_incidents", "gauge", "Incidents that are open.", open);
    }
    let counters = &api.exchange.counters;
    for (name, help, counter) in [
        ("clavitor_hq_renewals_total", "Renewals answered.", &counters.renewals),
        ("clavitor_hq_promotions_total", "Promotions ordered.", &counters.promotions),
        ("clavitor_hq_primary_changes_total", "Terms begun: DNS moved.", &counters.primaries),
    ] {
        one(&mut out, name, "counter", help, counter.load(Ordering::Relaxed));
    }
    let dns = api.exchange.pointer.counts();
    head(
        &mut out,
        "clavitor_hq_dns_queries_total",
        "counter",
        "DNS questions, by what came of them.",
    );
    for (outcome, count) in [("udp", dns.udp), ("tcp", dns.tcp), ("dropped", dns.dropped)] {
        let _ = writeln!(out, "clavitor_hq_dns_queries_total{{outcome=\"{outcome}\"}} {count}");
    }
    let open = api.connections.open() as u64;
    one(&mut out, "clavitor_hq_connections", "gauge", "Connections there are.", open);
    let lookers = api.exchange.live.lookers() as u64;
    one(&mut out, "clavitor_hq_dashboards", "gauge", "Pages that are told of changes.", lookers);
    head(&mut out, "clavitor_hq_responses_total", "counter", "Answers, by status class.");
    for (class, count) in api.ledger.by_class() {
        let _ = writeln!(out, "clavitor_hq_responses_total{{class=\"{class}xx\"}} {count}");
    }
    head(&mut out, "clavitor_hq_refusals_total", "counter", "Refused requests, by code.");
    for (code, count) in api.ledger.by_code() {
        let _ = writeln!(out, "clavitor_hq_refusals_total{{code=\"{code}\"}} {count}");
    }
    out
}

fn of_clusters(clusters: &[ClusterView], out: &mut String) {
    let count = |state: State| clusters.iter().filter(|it| it.state == state).count() as u64;
    one(out, "clavitor_hq_clusters", "gauge", "Clusters there are.", clusters.len() as u64);
    let led = count(State::Led) + count(State::HandingOver);
    one(out, "clavitor_hq_leases", "gauge", "Clusters whose primary holds a lease.", led);
    let carried = count(State::Carried);
    let help = "Clusters whose primary is carried by lease votes.";
    one(out, "clavitor_hq_carried", "gauge", help, carried);
    let pops = || clusters.iter().flat_map(|cluster| &cluster.pops);
    one(out, "clavitor_hq_pops", "gauge", "POPs that have a token.", pops().count() as u64);
    let away = pops().filter(|pop| pop.is_lost || pop.last_seen_ms.is_none()).count() as u64;
    one(out, "clavitor_hq_pops_away", "gauge", "POPs that do not renew.", away);
}

fn one(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}
