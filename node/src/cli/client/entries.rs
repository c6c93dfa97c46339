//! `clavitor entry …`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use http::{Method, StatusCode};
use serde_json::Value;

use super::connection::{Ask, Connection, encoded, field};
use super::display::table;
use super::{Console, Failure, Precondition};
use crate::cli::Exit;

const BLOB_BYTES_MAX: u64 = 1024 * 1024;
const PAGE_LIMIT: usize = 1000;

/// An entry's place.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) vault: &'a str,
    pub(crate) entry: &'a str,
}

impl Place<'_> {
    fn path(self, is_ack_backup: bool) -> String {
        let query = if is_ack_backup { "?ack=backup" } else { "" };
        format!("/v1/vaults/{}/entries/{}{query}", encoded(self.vault), encoded(self.entry))
    }
}

/// Reads what is to be stored.
pub(crate) fn read_blob(
    file: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<Vec<u8>, Failure> {
    let mut blob = Vec::new();
    let (name, read) = match file {
        Some(path) => {
            let read = File::open(path)
                .and_then(|file| file.take(BLOB_BYTES_MAX + 1).read_to_end(&mut blob));
            (path.display().to_string(), read)
        }
        None => {
            if console.is_input_typed {
                console.tell("Reading the entry from the terminal; Ctrl-D ends it.");
            }
            let mut limited = (&mut *console.input).take(BLOB_BYTES_MAX + 1);
            ("standard input".to_owned(), limited.read_to_end(&mut blob))
        }
    };
    read.map_err(|error| Failure::unreached(format!("cannot read {name}: {error}")))?;
    if blob.len() as u64 > BLOB_BYTES_MAX {
        return Err(Failure::refused(format!(
            "{name} is larger than 1 MiB, the limit of an entry"
        )));
    }
    Ok(blob)
}

pub(crate) fn put(
    connection: &Connection,
    place: Place<'_>,
    blob: Vec<u8>,
    precondition: &Precondition,
    is_ack_backup: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let ask = Ask::new(Method::PUT, place.path(is_ack_backup)).body(blob);
    let ask = ask.header("content-type", "application/octet-stream");
    let ask = match precondition {
        Precondition::None => ask,
        Precondition::Version(etag) => ask.header("if-match", format!("\"{etag}\"")),
        Precondition::Absent => ask.header("if-none-match", "*"),
    };
    let answer = connection.ask(ask)?;
    let of_body = || {
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(body.get("etag")?.as_str()?.trim_matches('"').to_owned())
    };
    let etag = answer.etag().or_else(of_body).unwrap_or_default();
    console.print(&format!("{}\n", super::display::printable(&etag)))?;
    Ok(acknowledged(answer.status, console))
}

/// Says so where no backup confirmed in time.
pub(crate) fn acknowledged(status: StatusCode, console: &mut Console<'_>) -> Exit {
    if status != StatusCode::ACCEPTED {
        return Exit::Done;
    }
    console.warn("accepted: it is on disk here and will be sent, but no backup confirmed it yet");
    Exit::Refused
}

pub(crate) fn get(
    connection: &Connection,
    place: Place<'_>,
    output: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let answer = connection.ask(Ask::get(place.path(false)))?;
    match output {
        None => console.print_bytes(&answer.body)?,
        Some(path) => std::fs::write(path, &answer.body).map_err(|error| {
            Failure::refused(format!("cannot write {}: {error}", path.display()))
        })?,
    }
    Ok(Exit::Done)
}

pub(crate) fn delete(
    connection: &Connection,
    place: Place<'_>,
    is_ack_backup: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let answer = connection.ask(Ask::new(Method::DELETE, place.path(is_ack_backup)))?;
    Ok(acknowledged(answer.status, console))
}

pub(crate) fn list(
    connection: &Connection,
    vault: &str,
    prefix: Option<&str>,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let mut path = format!("/v1/vaults/{}/entries?limit={PAGE_LIMIT}", encoded(vault));
    if let Some(prefix) = prefix {
        path.push_str(&format!("&prefix={}", encoded(prefix)));
    }
    let columns = ["size", "modified", "replicated_at", "etag", "name"];
    Listing { path: &path, items: "entries", columns: &columns, is_json }.print(connection, console)
}

pub(crate) fn conflicts(
    connection: &Connection,
    vault: &str,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let path = format!("/v1/vaults/{}/conflicts?limit={PAGE_LIMIT}", encoded(vault));
    let columns = ["id", "size", "modified", "deleted", "etag", "entry"];
    Listing { path: &path, items: "conflicts", columns: &columns, is_json }
        .print(connection, console)
}

pub(crate) fn restore(
    connection: &Connection,
    vault: &str,
    conflict_id: &str,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let (vault, id) = (encoded(vault), encoded(conflict_id));
    let answer = connection.ask(Ask::post(format!("/v1/vaults/{vault}/conflicts/{id}/restore")))?;
    let body = answer.json()?;
    console.print(&format!("{}\n", field(&body, "etag").trim_matches('"')))?;
    console.tell(&format!("restored {}", field(&body, "entry")));
    Ok(Exit::Done)
}

/// Everything of one kind in a vault, page by page, so that its size does not matter.
struct Listing<'a> {
    path: &'a str,
    items: &'static str,
    /// The fields to show; a name comes last because it may hold blanks.
    columns: &'a [&'static str],
    is_json: bool,
}

impl Listing<'_> {
    fn print(self, connection: &Connection, console: &mut Console<'_>) -> Result<Exit, Failure> {
        let mut after: Option<String> = None;
        let mut count: u64 = 0;
        if self.is_json {
            console.print(&format!("{{\"{}\":[", self.items))?;
        }
        loop {
            let query = after.as_deref().map(|name| format!("&after={}", encoded(name)));
            let path = format!("{}{}", self.path, query.unwrap_or_default());
            let mut page = connection.ask(Ask::get(path))?.json()?;
            let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
            let items = match page.get_mut(self.items).map(Value::take) {
                Some(Value::Array(items)) => items,
                _ => return Err(Failure::refused("the server's answer holds no list")),
            };
            self.print_page(&items, count == 0, console)?;
            count += items.len() as u64;
            // A server that repeats itself must not keep this going for ever.
            if next.is_none() || next == after || items.is_empty() {
                break;
            }
            after = next;
        }
        match self.is_json {
            true => console.print("]}\n")?,
            false => console.tell(&format!("{}: {count}", self.items)),
        }
        Ok(Exit::Done)
    }

    fn print_page(
        &self,
        items: &[Value],
        is_first: bool,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        if self.is_json {
            let separators =
                std::iter::once(if is_first { "" } else { "," }).chain(std::iter::repeat(","));
            let texts = items.iter().zip(separators).map(|(item, comma)| format!("{comma}{item}"));
            return console.print(&texts.collect::<String>());
        }
        let heading = self.columns.iter().map(|column| column.to_uppercase()).collect();
        let row = |item: &Value| {
            let cells = self.columns.iter().map(|column| match *column {
                "etag" => field(item, "etag").trim_matches('"').to_owned(),
                column => field(item, column),
            });
            cells.collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> =
            std::iter::once(heading).chain(items.iter().map(row)).collect();
        let lines = table(&rows);
        if is_first && !items.is_empty() {
            console.tell(&lines[0]);
        }
        console.print(&lines[1..].iter().map(|line| format!("{line}\n")).collect::<String>())
    }
}
