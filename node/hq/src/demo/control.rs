//! What HQ says of the cluster, read from its API as an operator does.

use clavitor_node::cli::client::{Ask, Connection, Failure};
use http::Method;
use serde_json::{Value, json};

/// How many events are asked for at once: more than a failover has.
const EVENTS: usize = 50;

/// How the cluster is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Who is primary, if anybody.
    pub(super) primary: Option<String>,
    /// The number of its term.
    pub(super) epoch: u64,
    /// Whether it holds a lease, and everybody else could follow at once.
    pub(super) is_steady: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Grows from event to event.
    pub(super) number: u64,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
    /// What.
    pub(super) kind: String,
    /// To whom.
    pub(super) pop: String,
    /// The term, or 0.
    pub(super) epoch: u64,
}

/// Asks how the cluster of this name is doing.
pub(super) fn look(hq: &Connection, cluster: &str) -> Result<Seen, Failure> {
    let all = hq.ask(Ask::get("/v1/pops"))?.json()?;
    let mut clusters = list(&all, "clusters").iter();
    let found = clusters.find(|one| text(one, "name") == cluster);
    Ok(found.map(seen).unwrap_or_default())
}

/// What happened to it after the event of that number, the oldest first.
pub(super) fn news(hq: &Connection, cluster: &str, after: u64) -> Result<Vec<Event>, Failure> {
    let path = format!("/v1/events?cluster={cluster}&limit={EVENTS}");
    let page = hq.ask(Ask::get(path))?.json()?;
    let events = list(&page, "events").iter().map(event);
    let mut newer: Vec<Event> = events.take_while(|event| event.number > after).collect();
    newer.reverse();
    Ok(newer)
}

/// Registers a POP and hands out its token.
pub(super) fn register(hq: &Connection, cluster: &str, pop: &str) -> Result<String, Failure> {
    let ask = Ask::new(Method::POST, "/v1/pops").header("content-type", "application/json");
    let wanted = json!({"pop": pop, "cluster": cluster});
    let answer = hq.ask(ask.body(wanted.to_string().into_bytes()))?.json()?;
    Ok(text(&answer, "token").to_owned())
}

/// Has the primary's place given to `to`, and waits until it has it.
pub(super) fn switch_over(hq: &Connection, cluster: &str, to: &str) -> Result<(), Failure> {
    let ask = Ask::new(Method::POST, format!("/v1/clusters/{cluster}/switchover"));
    let ask = ask.header("content-type", "application/json");
    hq.ask(ask.body(json!({"to": to}).to_string().into_bytes())).map(|_| ())
}

fn seen(cluster: &Value) -> Seen {
    let pops = list(cluster, "pops");
    let is_able = |pop: &Value| {
        flag(pop, "is_ready") && !flag(pop, "is_lost") && number(pop, "refuses_ms") == 0
    };
    let is_steady = text(cluster, "state") == "led"
        && list(cluster, "members").len() == pops.len()
        && pops.iter().all(is_able);
    let primary = cluster.get("primary").and_then(Value::as_str).map(str::to_owned);
    Seen { primary, epoch: term(cluster), is_steady }
}

fn event(event: &Value) -> Event {
    Event {
        number: text(event, "id").parse().unwrap_or_default(),
        at_ms: number(event, "at_ms"),
        kind: text(event, "type").to_owned(),
        pop: text(event, "pop").to_owned(),
        epoch: term(event),
    }
}

fn term(value: &Value) -> u64 {
    value.get("epoch").map_or(0, |epoch| number(epoch, "number"))
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop(id: &str, refuses_ms: u64, is_lost: bool) -> Value {
        json!({"pop": id, "is_ready": true, "is_lost": is_lost, "refuses_ms": refuses_ms})
    }

    fn cluster(state: &str, members: &[&str], pops: &[Value]) -> Seen {
        seen(&json!({
            "name": "demo", "state": state, "primary": "calgary-01", "members": members,
            "epoch": {"number": 3, "primary": "calgary-01"}, "pops": pops,
        }))
    }

    #[test]
    fn a_cluster_is_steady_once_anybody_could_follow() {
        let both = ["calgary-01", "zurich-01"];
        let pops = [pop("calgary-01", 0, false), pop("zurich-01", 0, false)];
        let steady = cluster("led", &both, &pops);
        assert_eq!((steady.primary.as_deref(), steady.epoch), (Some("calgary-01"), 3));
        assert!(steady.is_steady);
        assert!(!cluster("expired", &both, &pops).is_steady);
        assert!(!cluster("led", &both[..1], &pops).is_steady);
        let bound = [pop("calgary-01", 0, false), pop("zurich-01", 1_200, false)];
        assert!(!cluster("led", &both, &bound).is_steady);
        let lost = [pop("calgary-01", 0, false), pop("zurich-01", 0, true)];
        assert!(!cluster("led", &both, &lost).is_steady);
        assert!(!seen(&json!({"name": "demo", "pops": []})).is_steady);
    }

    #[test]
    fn an_event_of_any_shape_is_an_event() {
        let whole = event(&json!({
            "id": "12", "at_ms": 5, "cluster": "demo", "type": "primary_changed",
            "pop": "zurich-01", "epoch": {"number": 2, "primary": "zurich-01"}, "why": null,
        }));
        assert_eq!((whole.number, whole.at_ms, whole.epoch), (12, 5, 2));
        assert_eq!((whole.kind.as_str(), whole.pop.as_str()), ("primary_changed", "zurich-01"));
        assert_eq!(event(&json!({"id": 12, "epoch": null})).number, 0);
    }
}
