//! Which acknowledged writes are not where they ought to be.

use std::time::Instant;

use clavitor_node::cli::client::{Ask, Connection, Failure};
use serde_json::Value;

use super::world::{PATIENCE, World};
use super::writer::{Acknowledged, VAULT, name};

/// The entries of one page.
const PAGE: usize = 1_000;

/// How many of these one of the POPs lacks, after all the time that it takes to tell each other.
pub(super) fn count(
    world: &mut World,
    written: &[Acknowledged],
    what: &str,
) -> Result<usize, Failure> {
    let since = Instant::now();
    let clients = [world.route(0)?.connection, world.route(1)?.connection];
    world.until(what, |_| {
        let mut lost = Vec::new();
        for client in &clients {
            lost.extend(missing(client, written)?);
        }
        lost.sort_unstable();
        lost.dedup();
        let is_over = lost.is_empty() || since.elapsed() > PATIENCE / 2;
        Ok(is_over.then_some(lost.len()))
    })
}

/// Of these, in the order of their numbers, those that a POP does not hold in that very version.
pub(super) fn missing(
    connection: &Connection,
    acknowledged: &[Acknowledged],
) -> Result<Vec<u64>, Failure> {
    let Some(first) = acknowledged.first() else { return Ok(Vec::new()) };
    let mut wanted = acknowledged.iter().peekable();
    let mut missing = Vec::new();
    let mut after = Some(name(first.number.saturating_sub(1)));
    while let Some(from) = after.take_if(|_| wanted.peek().is_some()) {
        let path = format!("/v1/vaults/{VAULT}/entries?limit={PAGE}&after={from}");
        let page = connection.ask(Ask::get(path))?.json()?;
        let entries = page.get("entries").and_then(Value::as_array);
        let text = |entry: &Value, name: &str| {
            entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        for entry in entries.into_iter().flatten() {
            let (found, etag) = (text(entry, "name"), text(entry, "etag"));
            while let Some(one) = wanted.next_if(|one| name(one.number) < found) {
                missing.push(one.number);
            }
            let same = wanted.next_if(|one| name(one.number) == found);
            missing.extend(same.filter(|one| one.etag != etag).map(|one| one.number));
        }
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
    }
    missing.extend(wanted.map(|one| one.number));
    Ok(missing)
}
