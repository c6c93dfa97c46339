//! What POPs and servers post, as it is read: whatever they send, it is read whole, within its bounds,
//! or refused. And what a POP that renews is answered.

use std::collections::BTreeMap;

use clavitor_commercial::renewal::{Answer, GRANT_MEMBERS_MAX, Renewal};
use clavitor_core::id::PopId;
use clavitor_core::time::UnixTime;
use clavitor_hq_core::incidents::{Alert, Source};
use clavitor_node::wall;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::presence::About;
use crate::registry::Name;

/// What a POP says when it renews.
#[derive(Debug, Deserialize)]
pub struct Said {
    /// Who it says it is.
    pub pop: PopId,
    /// Of which cluster.
    pub cluster: String,
    /// What the machine is told.
    pub renewal: Renewal,
    pub(crate) about: About,
}

/// What a report says about whose it is.
#[derive(Debug, Deserialize)]
pub struct Reported {
    /// The server.
    pub pop: PopId,
}

/// An alert as it is sent.
#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "type")]
    kind: String,
    message: String,
    #[serde(default)]
    details: BTreeMap<String, Value>,
    #[serde(default)]
    hostname: String,
    timestamp: String,
}

/// Reads a renewal; `None` if it is none, or does not fit.
pub fn renewal(body: &[u8]) -> Option<Said> {
    let said: Said = serde_json::from_slice(body).ok()?;
    let is_fitting = said.renewal.held.len() <= GRANT_MEMBERS_MAX && said.about.is_fitting();
    is_fitting.then_some(said)
}

/// What a POP that renewed is answered.
pub fn answer(answer: &Answer, now: UnixTime) -> Value {
    json!({ "answer": answer, "now": now.0 })
}

/// Reads an alert of whoever proved to be this POP, or of a server that is none of HQ's.
pub fn alert(body: &[u8], name: Option<Name>) -> Option<Alert> {
    let sent: Sent = serde_json::from_slice(body).ok()?;
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let (cluster, pop) = name.map(|Name { cluster, pop }| (cluster, pop)).unzip();
    Some(Alert {
        kind: sent.kind,
        source: Source { cluster, pop, hostname: sent.hostname },
        raised_at: wall::parse_rfc3339(&sent.timestamp)?,
        message: sent.message,
        details: sent.details.into_iter().map(|(name, value)| (name, text(value))).collect(),
    })
}

/// Reads whose report it is.
pub fn report(body: &[u8]) -> Option<Reported> {
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str = r#"{"edition":"commercial","type":"clock_skew","message":"off","hostname":"h",
        "pop_region":"","timestamp":"2026-01-02T03:04:05.678Z","details":{"count":"3","ms":61000}}"#;

    #[test]
    fn an_alert_is_read_with_whoever_proved_who_it_is() {
        let name = Name { cluster: "main".into(), pop: "calgary".parse().unwrap() };
        let read = alert(ALERT.as_bytes(), Some(name)).unwrap();
        assert_eq!((read.kind.as_str(), read.message.as_str()), ("clock_skew", "off"));
        assert_eq!(read.source.cluster.as_deref(), Some("main"));
        assert_eq!(read.raised_at.0, 1_767_323_045_678);
        assert_eq!(read.details["count"], "3");
        assert_eq!(read.details["ms"], "61000");
        assert_eq!(alert(ALERT.as_bytes(), None).unwrap().source.pop, None);
    }

    #[test]
    fn what_is_no_alert_is_none() {
        for (from, to) in [
            ("\"type\"", "\"kind\""),
            ("\"off\"", "7"),
            ("2026-01-02T03:04:05.678Z", "soon"),
            ("{\"count\"", "[\"count\""),
        ] {
            let bad = ALERT.replace(from, to);
            assert!(bad != ALERT && alert(bad.as_bytes(), None).is_none(), "{to}");
        }
        assert!(alert(b"[]", None).is_none() && alert(b"\xff", None).is_none());
    }
}
