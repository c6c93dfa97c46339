//! `clavitor status`: one server and its peers, for people and for scripts.

use http::StatusCode;
use serde_json::{Value, json};

use super::connection::{Answer, Ask, Connection, field};
use super::display::{duration, printable, table};
use super::{Console, Failure};
use crate::cli::Exit;

pub(crate) fn show(
    connection: &Connection,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let node = connection.ask(Ask::get("/v1/node"))?.json()?;
    let replication = replication(connection)?;
    let ready = readiness(&connection.send(Ask::get("/readyz"))?);
    let complaints = complaints(replication.as_ref(), &ready);
    match is_json {
        true => {
            let ready = json!({ "is_ready": ready.is_ok(), "reason": ready.err() });
            let all = json!({ "node": node, "replication": replication, "ready": ready });
            console.print(&format!("{all}\n"))?;
        }
        false => {
            let text = overview(&node, replication.as_ref(), ready.is_ok())
                + &peers(replication.as_ref(), console);
            console.print(&text)?;
        }
    }
    complaints.iter().for_each(|complaint| console.warn(&format!("degraded: {complaint}")));
    Ok(if complaints.is_empty() { Exit::Done } else { Exit::Refused })
}

/// What the server says about replication; nothing where its edition has none.
fn replication(connection: &Connection) -> Result<Option<Value>, Failure> {
    let answer = connection.send(Ask::get("/v1/replication"))?;
    match answer.status {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => answer.json().map(Some),
        _ => Err(connection.refusal(&answer)),
    }
}

fn readiness(answer: &Answer) -> Result<(), String> {
    if answer.status == StatusCode::OK {
        return Ok(());
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let reason = body.get("reason").and_then(Value::as_str).map(str::to_owned);
    Err(reason.unwrap_or_else(|| format!("HTTP {}", answer.status.as_u16())))
}

fn complaints(replication: Option<&Value>, ready: &Result<(), String>) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Err(reason) = ready {
        complaints.push(format!("the server is not ready: {reason}"));
    }
    for peer in peers_of(replication) {
        let state = field(peer, "state");
        if matches!(state.as_str(), "suspended" | "waiting") {
            let (name, error) = (field(peer, "peer"), field(peer, "last_error"));
            complaints.push(format!("peer {name} is {state}; last error: {error}"));
        }
    }
    complaints
}

fn peers_of(replication: Option<&Value>) -> impl Iterator<Item = &Value> {
    let peers = replication.and_then(|replication| replication.get("peers")?.as_array());
    peers.into_iter().flatten()
}

fn overview(node: &Value, replication: Option<&Value>, is_ready: bool) -> String {
    let uptime = node.get("uptime_s").and_then(Value::as_u64).unwrap_or(0);
    let epoch = match node.get("epoch") {
        Some(epoch) if epoch.is_object() => {
            format!("{} ({})", field(epoch, "number"), field(epoch, "primary"))
        }
        _ => "-".to_owned(),
    };
    let carrier = replication.and_then(|it| it.get("lease")?.get("carrier")?.as_str());
    let carrier = carrier.map_or(String::new(), |carrier| format!(", carried by {carrier}"));
    let lease = match node.get("lease_ms_left").and_then(Value::as_u64) {
        Some(ms) => format!("{} left{carrier}", duration(ms)),
        None => "-".to_owned(),
    };
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let edition = format!("{}, {}", field(node, "edition"), field(node, "runtime"));
    let rows = [
        row("pop", field(node, "pop")),
        row("cluster", field(node, "cluster")),
        row("role", field(node, "role")),
        row("epoch", epoch),
        row("lease", lease),
        row("ready", if is_ready { "yes" } else { "no" }.to_owned()),
        row("entries", field(node, "entries")),
        row("uptime", duration(uptime.saturating_mul(1000))),
        row("version", format!("{} ({edition})", field(node, "version"))),
    ];
    table(&rows).iter().map(|line| format!("{line}\n")).collect()
}

fn peers(replication: Option<&Value>, console: &Console<'_>) -> String {
    if replication.is_none() {
        return String::new();
    }
    let heading = ["PEER", "STATE", "DIRTY", "BYTES", "OLDEST", "NEXT TRY", "LAST ACK", "URL"];
    let time = |peer: &Value, name: &str| {
        peer.get(name).and_then(Value::as_u64).map_or_else(|| "-".to_owned(), duration)
    };
    let or_more = |peer: &Value, name: &str| {
        let is_it = peer.get("dirty_or_more").and_then(Value::as_bool).unwrap_or_default();
        format!("{}{}", field(peer, name), if is_it { "+" } else { "" })
    };
    let row = |peer: &Value| {
        vec![
            field(peer, "peer"),
            field(peer, "state"),
            or_more(peer, "dirty"),
            or_more(peer, "dirty_bytes"),
            time(peer, "oldest_dirty_ms"),
            time(peer, "next_retry_ms"),
            field(peer, "last_ack_at"),
            field(peer, "url"),
        ]
    };
    let heading = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> =
        std::iter::once(heading).chain(peers_of(replication).map(row)).collect();
    let is_bad = |row: &[String]| matches!(row[1].as_str(), "suspended" | "waiting");
    let painted = table(&rows).into_iter().zip(&rows).map(|(line, row)| {
        match console.has_colour_out && is_bad(row) {
            true => format!("\x1b[33m{}\x1b[0m\n", printable(&line)),
            false => format!("{line}\n"),
        }
    });
    format!("\n{}", painted.collect::<String>())
}
