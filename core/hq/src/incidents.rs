//! Alerts as operators see them: each shown once, opened, repeated, resolved.
//!
//! Each function is a part of one transaction: what it answers holds once that is committed, so a POP
//! is told that its alert was taken only when it will be shown, and one whose word was lost on the way
//! is known by its key when the POP says it again.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use clavitor_commercial::alerts::{
    AGE_MAX_MS, BELIEVED_AGE_MAX_MS, DETAIL_BYTES_MAX, DETAIL_NAME_BYTES_MAX, DETAILS_MAX,
    MESSAGE_BYTES_MAX, SENDER_BYTES_MAX,
};
use clavitor_core::id::PopId;
use clavitor_core::store::{Rows, RowsMut, StoreError};
use clavitor_core::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::control::ClusterName;

mod rows;
mod watch;

pub use rows::INCIDENTS;
pub use watch::{happened, is_lease_missed, lease_held, removed};

/// The most incidents that are kept. Of more of strangers, and of more of all others, the one of them that was
/// resolved first goes; if none is resolved, the one that was opened first.
pub const INCIDENTS_MAX: u64 = 10_000;

/// The most of them that are of strangers.
pub const STRANGERS_MAX: u64 = 2_000;

/// For how long the key of an alert is remembered, in milliseconds: 21 days.
pub const KEYS_KEPT_MS: u64 = 21 * 86_400_000;

/// The most keys that are remembered; of more, the oldest goes.
pub const KEYS_MAX: u64 = 100_000;

/// The most incidents of one page.
pub const PAGE_MAX: usize = 200;

/// The longest name of a type, in bytes.
pub const KIND_BYTES_MAX: usize = 64;

/// The most that one alert counts for, however often it says that it was raised.
pub const COUNT_MAX: u64 = 1_000_000;

// A POP gives up before its alert could be shown a second time.
const _: () = assert!(KEYS_KEPT_MS > BELIEVED_AGE_MAX_MS && BELIEVED_AGE_MAX_MS > AGE_MAX_MS);

/// The type of an incident: a POP of a cluster does not renew its lease.
pub const POP_LOST: &str = "pop_lost";

/// The type of an incident: a cluster has no primary.
pub const NO_PRIMARY: &str = "no_primary";

/// The type of an incident: another POP was made primary because there was none.
pub const FAILOVER: &str = "failover";

/// The type of an incident: two are alive under one POP id.
pub const DUPLICATE_POP_ID: &str = "duplicate_pop_id";

/// The type of an incident: a POP says that it is primary and holds no lease.
pub const LEASE_LOST: &str = "lease_lost";

/// The type of an incident: the server that is to be told of changes does not take them.
pub const DNS_UPDATE_FAILED: &str = "dns_update_failed";

const UNKNOWN: &str = "unknown";

/// What an alert is known by, whenever it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key(pub [u8; 16]);

impl Key {
    /// Reads 32 hexadecimal digits, as a UUID is written or without its hyphens.
    pub fn parse(text: &str) -> Option<Key> {
        let is_grouped = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| is_hyphen(text, *at));
        let digits: String = text.chars().filter(|char| !is_grouped || *char != '-').collect();
        let is_plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| is_plain)?;
        Some(Key(number.to_be_bytes()))
    }
}

fn is_hyphen(text: &str, at: usize) -> bool {
    text.as_bytes().get(at) == Some(&b'-')
}

/// Who raised an alert, or whom it is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The cluster, if it is known.
    pub cluster: Option<ClusterName>,
    /// The POP, if it is about one.
    pub pop: Option<PopId>,
    /// The machine: alerts of a server that HQ does not know are told apart by it.
    pub hostname: String,
}

impl Source {
    /// Whether it is a server that HQ has no token for: it proves nothing of itself, and can be as many as it
    /// likes. HQ's own incidents have no machine.
    fn is_stranger(&self) -> bool {
        self.pop.is_none() && !self.hostname.is_empty()
    }
}

/// An alert as HQ hears it. What is too long of it is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What it is about.
    pub kind: String,
    /// Who raised it.
    pub source: Source,
    /// When, by the clock of who raised it.
    pub raised_at: UnixTime,
    /// One sentence for a person.
    pub message: String,
    /// More of it; `count` says how often it was raised, if more than once.
    pub details: BTreeMap<String, String>,
}

impl Alert {
    /// About how many bytes it is stored in.
    pub fn bytes(&self) -> usize {
        let details = self.details.iter().map(|(name, value)| name.len() + value.len());
        let texts = self.kind.len() + self.source.hostname.len() + self.message.len();
        details.fold(texts, usize::saturating_add)
    }
}

/// All alerts of one type from one source, from the first until somebody says that it is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Grows with each.
    pub id: u64,
    /// What it is about.
    pub kind: String,
    /// Whom.
    pub source: Source,
    /// Since when it is over, if it is.
    pub resolved: Option<Resolved>,
    /// How often it was raised.
    pub count: u64,
    /// When HQ first heard of it.
    pub first_at: UnixTime,
    /// When HQ last heard of it.
    pub last_at: UnixTime,
    /// When it was last raised, by the clock of who raised it.
    pub raised_at: UnixTime,
    /// What was last said of it.
    pub message: String,
    /// And more of that.
    pub details: BTreeMap<String, String>,
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// When.
    pub at: UnixTime,
    /// Who said so.
    pub by: By,
}

/// Who says that an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// A person.
    Operator,
    /// HQ, which sees that it is.
    Hq,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It opened this incident.
    New(u64),
    /// It was counted to this one, which is open.
    Repeated(u64),
    /// It was there before.
    AlreadyShown,
}

/// Takes an alert that is sent until it is taken.
pub fn take<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    key: Key,
    alert: Alert,
) -> Result<Outcome, StoreError> {
    if !rows::remember(rows, now, key)? {
        return Ok(Outcome::AlreadyShown);
    }
    let mut alert = fitted(alert);
    if alert.source.pop.is_none() && alert.source.hostname.is_empty() {
        alert.source.hostname = UNKNOWN.to_string();
    }
    let count = alert.details.get("count").and_then(|count| count.parse().ok()).unwrap_or(1);
    raise(rows, now, alert, u64::clamp(count, 1, COUNT_MAX))
}

/// Opens an incident, or counts to the one that is open: for what HQ itself has to say, and says once.
pub fn raise<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    alert: Alert,
    count: u64,
) -> Result<Outcome, StoreError> {
    let Alert { kind, source, raised_at, message, details } = fitted(alert);
    let Some(mut known) = rows::open(rows, &source, &kind)? else {
        let incident = Incident {
            id: 0,
            kind,
            source,
            resolved: None,
            count,
            first_at: now,
            last_at: now,
            raised_at,
            message,
            details,
        };
        return Ok(Outcome::New(rows::add(rows, incident)?));
    };
    known.count = known.count.saturating_add(count);
    known.last_at = now;
    if !source.hostname.is_empty() {
        known.source.hostname = source.hostname;
    }
    (known.raised_at, known.message, known.details) = (raised_at, message, details);
    rows::save(rows, &known)?;
    Ok(Outcome::Repeated(known.id))
}

/// An operator says that it is over. `None` if there is no such incident; one that was over stays as
/// it was.
pub fn resolve<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    id: u64,
) -> Result<Option<Incident>, StoreError> {
    let Some(mut incident) = rows::load(rows, id)? else { return Ok(None) };
    rows::close(rows, &mut incident, Resolved { at: now, by: By::Operator })?;
    Ok(Some(incident))
}

/// HQ sees that an incident is over; whether there was one.
pub fn settle<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    source: &Source,
    kind: &str,
) -> Result<bool, StoreError> {
    let Some(mut incident) = rows::open(rows, source, kind)? else { return Ok(false) };
    rows::close(rows, &mut incident, Resolved { at: now, by: By::Hq })?;
    Ok(true)
}

/// Which incidents are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// Those that are open, or those that are not.
    pub is_open: Option<bool>,
    /// Those of a type.
    pub kind: Option<&'a str>,
    /// Those of a cluster.
    pub cluster: Option<&'a str>,
}

/// Some of the incidents, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The incidents.
    pub incidents: Vec<Incident>,
    /// After which one the next page begins, if there is one.
    pub next: Option<u64>,
}

/// At most [`PAGE_MAX`] incidents that were opened before `after`.
pub fn page<R: Rows>(
    rows: &R,
    filter: &Filter<'_>,
    after: Option<u64>,
    limit: usize,
) -> Result<Page, StoreError> {
    let limit = limit.clamp(1, PAGE_MAX);
    let mut page = Page::default();
    for incident in rows::newest_first(rows, after)? {
        let incident = incident?;
        let is_of = |wanted: Option<&str>, of: Option<&str>| wanted.is_none() || wanted == of;
        let is_wanted = filter.is_open.is_none_or(|is_open| is_open == incident.resolved.is_none())
            && is_of(filter.kind, Some(&incident.kind))
            && is_of(filter.cluster, incident.source.cluster.as_deref());
        if !is_wanted {
            continue;
        }
        if page.incidents.len() == limit {
            page.next = page.incidents.last().map(|last| last.id);
            break;
        }
        page.incidents.push(incident);
    }
    Ok(page)
}

/// How many incidents are open.
pub fn open_count<R: Rows>(rows: &R) -> Result<u64, StoreError> {
    Ok(rows::counts(rows)?.open)
}

/// The alert as it is kept.
fn fitted(alert: Alert) -> Alert {
    let Alert { kind, source, raised_at, message, details } = alert;
    let is_plain = |char: &char| matches!(char, 'a'..='z' | '0'..='9' | '_');
    let kind: String = kind.chars().filter(is_plain).take(KIND_BYTES_MAX).collect();
    let hostname = source.hostname.chars().filter(|char| !char.is_control()).collect();
    let details = details.into_iter().take(DETAILS_MAX);
    let cut_both = |(name, value)| (cut(name, DETAIL_NAME_BYTES_MAX), cut(value, DETAIL_BYTES_MAX));
    Alert {
        kind: if kind.is_empty() { UNKNOWN.to_string() } else { kind },
        source: Source { hostname: cut(hostname, SENDER_BYTES_MAX), ..source },
        raised_at,
        message: cut(message, MESSAGE_BYTES_MAX),
        details: details.map(cut_both).collect(),
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}

#[cfg(test)]
mod tests;
