//! Which acknowledged writes are not where they ought to be.

use std::collections::BTreeMap;
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

/// Of these, sorted by their numbers, those that a POP does not hold in that very version.
pub(super) fn missing(
    connection: &Connection,
    written: &[Acknowledged],
) -> Result<Vec<u64>, Failure> {
    let Some((first, last)) = written.first().zip(written.last()) else { return Ok(Vec::new()) };
    let last = name(last.number);
    let mut held = Held::new();
    let mut after = Some(name(first.number.saturating_sub(1)));
    while let Some(from) = after.take_if(|from| *from < last) {
        let path = format!("/v1/vaults/{VAULT}/entries?limit={PAGE}&after={from}");
        let page = connection.ask(Ask::get(path))?.json()?;
        let entries = page.get("entries").and_then(Value::as_array);
        held.extend(entries.into_iter().flatten().map(|entry| {
            let text = |name| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("name").to_owned(), text("etag").to_owned())
        }));
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
    }
    Ok(lacking(&held, written))
}

/// Entries and their versions.
type Held = BTreeMap<String, String>;

fn lacking(held: &Held, written: &[Acknowledged]) -> Vec<u64> {
    let is_held = |one: &&Acknowledged| held.get(&name(one.number)) == Some(&one.etag);
    written.iter().filter(|one| !is_held(one)).map(|one| one.number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_or_another_version_is_lost() {
        let written = |number: u64| Acknowledged {
            number,
            etag: format!("\"{number}-0-calgary-01\""),
            pop: 0,
            at: Instant::now(),
        };
        let written: Vec<_> = [1, 2, 4].map(written).into();
        let row = |one: &Acknowledged| (name(one.number), one.etag.clone());
        let mut held: Held = written.iter().map(row).collect();
        held.insert(name(3), "nobody heard of it".to_owned());
        assert_eq!(lacking(&held, &written), Vec::<u64>::new());
        held.insert(name(2), "\"9-0-zurich-01\"".to_owned());
        held.remove(&name(4));
        assert_eq!(lacking(&held, &written), [2, 4]);
        assert_eq!(lacking(&Held::new(), &written), [1, 2, 4]);
    }
}
