//! `clavitor promote`, `clavitor switchover` and `clavitor replication resume`.

use serde_json::Value;

use super::connection::{Ask, Connection, field};
use super::{Console, Failure};
use crate::cli::Exit;

pub(crate) fn promote(
    connection: &Connection,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let body = answer_of(connection, "/v1/node/promote")?;
    let epoch = body.get("epoch").map_or("-".to_owned(), |epoch| field(epoch, "number"));
    match is_json {
        true => console.print(&format!("{body}\n"))?,
        false => console.print(&format!("{epoch}\n"))?,
    }
    console.tell(&format!("{} since epoch {epoch}", field(&body, "role")));
    Ok(Exit::Done)
}

pub(crate) fn switchover(
    connection: &Connection,
    to: Option<&str>,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let to = to.map_or(String::new(), |pop| format!("?to={pop}"));
    let body = answer_of(connection, &format!("/v1/node/switchover{to}"))?;
    let epoch = body.get("epoch").cloned().unwrap_or_default();
    match is_json {
        true => console.print(&format!("{body}\n"))?,
        false => console.print(&format!("{}\n", field(&epoch, "number")))?,
    }
    let (primary, number) = (field(&epoch, "primary"), field(&epoch, "number"));
    console.tell(&format!("{primary} is primary since epoch {number}"));
    Ok(Exit::Done)
}

pub(crate) fn resume(
    connection: &Connection,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let body = answer_of(connection, "/v1/replication/resume")?;
    let count = field(&body, "resumed");
    match is_json {
        true => console.print(&format!("{body}\n"))?,
        false => console.print(&format!("{count}\n"))?,
    }
    console.tell(&format!("suspended peers that are tried again now: {count}"));
    Ok(Exit::Done)
}

fn answer_of(connection: &Connection, path: &str) -> Result<Value, Failure> {
    let answer = connection.send(Ask::post(path))?;
    if answer.status.is_success() {
        return answer.json();
    }
    let mut failure = connection.refusal(&answer);
    if answer.status == http::StatusCode::NOT_FOUND {
        failure.message.push_str("\nOnly a server of the commercial edition has replication.");
    }
    Err(failure)
}
