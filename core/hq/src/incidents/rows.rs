//! How incidents are stored: one table, whose rows are told apart by their first byte.

use alloc::vec::Vec;
use core::ops::Bound;

use clavitor_core::codec;
use clavitor_core::store::{Rows, RowsMut, StoreError, Table};
use clavitor_core::time::UnixTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    INCIDENTS_MAX, Incident, KEYS_KEPT_MS, KEYS_MAX, Key, Resolved, STRANGERS_MAX, Source,
};

/// Incidents, the ways to find them, and the keys of alerts that were shown.
pub const INCIDENTS: Table = Table::new(6, "incidents");

/// The most keys that one alert makes room by.
const FORGOTTEN_MAX: usize = 16;

/// Counts of all the others.
const COUNTS: [u8; 1] = [b'c'];
/// How many incidents are of strangers.
const STRANGERS: [u8; 2] = [b'c', b's'];
/// Number from the end → [`Incident`]: a walk comes to the newest first.
const INCIDENT: u8 = b'i';
/// Type and source → the number of the one that is open.
const OPEN: u8 = b'o';
/// Number → nothing, of those that are open: whatever is given up comes first. By itself for strangers'.
const OPENED: u8 = b'n';
const OPENED_STRANGER: u8 = b'm';
/// When it was resolved, number → nothing. By itself for strangers'.
const RESOLVED: u8 = b'r';
const RESOLVED_STRANGER: u8 = b's';
/// [`Key`] → when it came.
const KEY: u8 = b'k';
/// When it came, [`Key`] → nothing.
const KEY_AGE: u8 = b'a';

const DAMAGED: StoreError = StoreError::Damaged("a row about incidents cannot be read");

/// Invariant: `incidents` is how many there are, `open` how many of them are open, `keys` how many
/// keys are remembered, and no incident ever had a number above `last_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) incidents: u64,
    pub(super) open: u64,
    pub(super) keys: u64,
    pub(super) last_id: u64,
}

pub(super) fn counts<R: Rows>(rows: &R) -> Result<Counts, StoreError> {
    Ok(value(rows, &COUNTS)?.unwrap_or_default())
}

/// How many incidents are of strangers.
pub(super) fn strangers<R: Rows>(rows: &R) -> Result<u64, StoreError> {
    Ok(value(rows, &STRANGERS)?.unwrap_or_default())
}

fn count<R: RowsMut>(rows: &mut R, change: impl FnOnce(&mut Counts)) -> Result<Counts, StoreError> {
    let mut counts = counts(rows)?;
    change(&mut counts);
    rows.put(INCIDENTS, &COUNTS, &codec::encode(&counts))?;
    Ok(counts)
}

/// Remembers a key; whether it is news.
pub(super) fn remember<R: RowsMut>(
    rows: &mut R,
    now: UnixTime,
    key: Key,
) -> Result<bool, StoreError> {
    if rows.get(INCIDENTS, &key_row(key))?.is_some() {
        return Ok(false);
    }
    rows.put(INCIDENTS, &key_row(key), &codec::encode(&now))?;
    rows.put(INCIDENTS, &key_age_row(now, key), &[])?;
    let counts = count(rows, |counts| counts.keys = counts.keys.saturating_add(1))?;
    forget_keys(rows, now, counts.keys)?;
    Ok(true)
}

fn forget_keys<R: RowsMut>(rows: &mut R, now: UnixTime, keys: u64) -> Result<(), StoreError> {
    let mut old = Vec::new();
    for row in rows.prefixed(INCIDENTS, &[KEY_AGE])?.take(FORGOTTEN_MAX) {
        let (at, key) = parse_key_age_row(row?.0).ok_or(DAMAGED)?;
        let is_one_too_many = keys.saturating_sub(old.len() as u64) > KEYS_MAX;
        if !is_one_too_many && at.plus_ms(KEYS_KEPT_MS) >= now {
            break;
        }
        old.push((at, key));
    }
    for (at, key) in &old {
        rows.delete(INCIDENTS, &key_age_row(*at, *key))?;
        rows.delete(INCIDENTS, &key_row(*key))?;
    }
    if !old.is_empty() {
        count(rows, |counts| counts.keys = counts.keys.saturating_sub(old.len() as u64))?;
    }
    Ok(())
}

/// The incident of a type and source that is open.
pub(super) fn open<R: Rows>(
    rows: &R,
    source: &Source,
    kind: &str,
) -> Result<Option<Incident>, StoreError> {
    match value(rows, &open_row(source, kind))? {
        Some(id) => Ok(Some(load(rows, id)?.ok_or(DAMAGED)?)),
        None => Ok(None),
    }
}

/// Whether any incident of a type and cluster is open.
pub(super) fn is_any_open<R: Rows>(
    rows: &R,
    kind: &str,
    cluster: &str,
) -> Result<bool, StoreError> {
    Ok(rows.prefixed(INCIDENTS, &open_prefix(kind, cluster))?.next().transpose()?.is_some())
}

/// Every incident that is open, of one type and cluster if they are given.
pub(super) fn all_open<R: Rows>(
    rows: &R,
    of: Option<(&str, &str)>,
) -> Result<Vec<Incident>, StoreError> {
    let prefix = of.map_or_else(|| [OPEN].to_vec(), |(kind, cluster)| open_prefix(kind, cluster));
    let mut incidents = Vec::new();
    for row in rows.prefixed(INCIDENTS, &prefix)? {
        let id = codec::decode(row?.1).map_err(|_| DAMAGED)?;
        incidents.push(load(rows, id)?.ok_or(DAMAGED)?);
    }
    Ok(incidents)
}

/// The incident of a number.
pub(super) fn load<R: Rows>(rows: &R, id: u64) -> Result<Option<Incident>, StoreError> {
    value(rows, &incident_row(id))
}

/// Stores what an incident has become.
pub(super) fn save<R: RowsMut>(rows: &mut R, incident: &Incident) -> Result<(), StoreError> {
    rows.put(INCIDENTS, &incident_row(incident.id), &codec::encode(incident))
}

/// Stores a new one, which is open, and makes room if there are too many; answers its number.
pub(super) fn add<R: RowsMut>(rows: &mut R, incident: Incident) -> Result<u64, StoreError> {
    let counts = count(rows, |counts| {
        counts.incidents = counts.incidents.saturating_add(1);
        counts.open = counts.open.saturating_add(1);
        counts.last_id = counts.last_id.saturating_add(1);
    })?;
    let incident = Incident { id: counts.last_id, ..incident };
    rows.put(INCIDENTS, &open_row(&incident.source, &incident.kind), &codec::encode(&incident.id))?;
    let is_stranger = incident.source.is_stranger();
    rows.put(INCIDENTS, &opened_row(is_stranger, incident.id), &[])?;
    save(rows, &incident)?;
    let strangers = strangers(rows)?.saturating_add(u64::from(is_stranger));
    let is_too_many = match is_stranger {
        true => {
            rows.put(INCIDENTS, &STRANGERS, &codec::encode(&strangers))?;
            strangers > STRANGERS_MAX
        }
        false => counts.incidents.saturating_sub(strangers) > INCIDENTS_MAX - STRANGERS_MAX,
    };
    if is_too_many {
        give_up_one(rows, is_stranger)?;
    }
    Ok(incident.id)
}

/// Stores that an incident is over, unless it was before.
pub(super) fn close<R: RowsMut>(
    rows: &mut R,
    incident: &mut Incident,
    resolved: Resolved,
) -> Result<(), StoreError> {
    if incident.resolved.is_some() {
        return Ok(());
    }
    incident.resolved = Some(resolved);
    rows.delete(INCIDENTS, &open_row(&incident.source, &incident.kind))?;
    let is_stranger = incident.source.is_stranger();
    rows.delete(INCIDENTS, &opened_row(is_stranger, incident.id))?;
    rows.put(INCIDENTS, &resolved_row(is_stranger, resolved.at, incident.id), &[])?;
    count(rows, |counts| counts.open = counts.open.saturating_sub(1))?;
    save(rows, incident)
}

/// Every incident with a number below `after`, the newest first.
pub(super) fn newest_first<R: Rows>(
    rows: &R,
    after: Option<u64>,
) -> Result<impl Iterator<Item = Result<Incident, StoreError>>, StoreError> {
    let from = incident_row(after.unwrap_or(u64::MAX));
    let from = after.map_or(Bound::Included(from.as_slice()), |_| Bound::Excluded(&from));
    let incidents = rows.range(INCIDENTS, from, Bound::Excluded(&[INCIDENT + 1]))?;
    Ok(incidents.map(|row| codec::decode(row?.1).map_err(|_| DAMAGED)))
}

/// Gives up an incident, a stranger's or another one: the one that was resolved first or, if none was, the
/// one that was opened first.
fn give_up_one<R: RowsMut>(rows: &mut R, is_stranger: bool) -> Result<(), StoreError> {
    let (resolved, opened) = match is_stranger {
        true => ([RESOLVED_STRANGER], [OPENED_STRANGER]),
        false => ([RESOLVED], [OPENED]),
    };
    let way = match first_key(rows, &resolved)? {
        None => first_key(rows, &opened)?,
        way => way,
    };
    let Some(way) = way else { return Ok(()) };
    let id = way.last_chunk().map(|id| u64::from_be_bytes(*id)).ok_or(DAMAGED)?;
    let incident = load(rows, id)?.ok_or(DAMAGED)?;
    rows.delete(INCIDENTS, &way)?;
    rows.delete(INCIDENTS, &incident_row(id))?;
    if incident.resolved.is_none() {
        rows.delete(INCIDENTS, &open_row(&incident.source, &incident.kind))?;
    }
    count(rows, |counts| {
        counts.incidents = counts.incidents.saturating_sub(1);
        counts.open = counts.open.saturating_sub(u64::from(incident.resolved.is_none()));
    })?;
    if is_stranger {
        let left = strangers(rows)?.saturating_sub(1);
        rows.put(INCIDENTS, &STRANGERS, &codec::encode(&left))?;
    }
    Ok(())
}

fn first_key<R: Rows>(rows: &R, prefix: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let first = rows.prefixed(INCIDENTS, prefix)?.next().transpose()?;
    Ok(first.map(|(key, _)| key.to_vec()))
}

fn value<R: Rows, T: Serialize + DeserializeOwned>(
    rows: &R,
    key: &[u8],
) -> Result<Option<T>, StoreError> {
    let row = rows.get(INCIDENTS, key)?;
    row.map(|row| codec::decode(row).map_err(|_| DAMAGED)).transpose()
}

fn incident_row(id: u64) -> Vec<u8> {
    [&[INCIDENT], (u64::MAX - id).to_be_bytes().as_slice()].concat()
}

/// No part has a zero byte. Whoever is a POP is known by that, and the name of its machine may change.
fn open_row(source: &Source, kind: &str) -> Vec<u8> {
    let cluster = source.cluster.as_deref().unwrap_or_default();
    let (mark, name) = match &source.pop {
        Some(pop) => (b"p", pop.as_str()),
        None => (b"h", source.hostname.as_str()),
    };
    [open_prefix(kind, cluster).as_slice(), mark, name.as_bytes()].concat()
}

fn open_prefix(kind: &str, cluster: &str) -> Vec<u8> {
    [&[OPEN], kind.as_bytes(), &[0], cluster.as_bytes(), &[0]].concat()
}

fn opened_row(is_stranger: bool, id: u64) -> Vec<u8> {
    let way = if is_stranger { OPENED_STRANGER } else { OPENED };
    [&[way], id.to_be_bytes().as_slice()].concat()
}

fn resolved_row(is_stranger: bool, at: UnixTime, id: u64) -> Vec<u8> {
    let way = if is_stranger { RESOLVED_STRANGER } else { RESOLVED };
    [&[way], at.0.to_be_bytes().as_slice(), &id.to_be_bytes()].concat()
}

fn key_row(key: Key) -> Vec<u8> {
    [&[KEY], key.0.as_slice()].concat()
}

fn key_age_row(at: UnixTime, key: Key) -> Vec<u8> {
    [&[KEY_AGE], at.0.to_be_bytes().as_slice(), &key.0].concat()
}

fn parse_key_age_row(row: &[u8]) -> Option<(UnixTime, Key)> {
    let (at, key) = row.strip_prefix(&[KEY_AGE])?.split_first_chunk::<8>()?;
    Some((UnixTime(u64::from_be_bytes(*at)), Key(key.try_into().ok()?)))
}
