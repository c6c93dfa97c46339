//! `clavitor token …`.

use http::Method;
use serde_json::{Map, Value};

use super::connection::{Ask, Connection, encoded, field};
use super::display::table;
use super::entries::acknowledged;
use super::{Console, Failure, Scope};
use crate::cli::Exit;

/// The access token somebody asks for.
pub(crate) struct Wanted {
    pub(crate) scope: Scope,
    pub(crate) vault: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) expires_in_s: Option<u64>,
}

impl Wanted {
    fn body(&self) -> Vec<u8> {
        let scope = match self.scope {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Admin => "admin",
        };
        let mut body = Map::new();
        body.insert("scope".to_owned(), scope.into());
        body.insert("label".to_owned(), self.label.as_deref().unwrap_or_default().into());
        if let Some(vault) = &self.vault {
            body.insert("vault".to_owned(), vault.as_str().into());
        }
        if let Some(expires_in_s) = self.expires_in_s {
            body.insert("expires_in".to_owned(), expires_in_s.into());
        }
        Value::Object(body).to_string().into_bytes()
    }
}

pub(crate) fn create(
    connection: &Connection,
    wanted: &Wanted,
    is_ack_backup: bool,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let query = if is_ack_backup { "?ack=backup" } else { "" };
    let ask = Ask::new(Method::POST, format!("/v1/tokens{query}")).body(wanted.body());
    let answer = connection.ask(ask.header("content-type", "application/json"))?;
    let body = answer.json()?;
    let Some(token) = body.get("token").and_then(Value::as_str) else {
        return Err(Failure::refused("the server's answer holds no access token"));
    };
    match is_json {
        true => console.print(&format!("{body}\n"))?,
        false => console.print(&format!("{}\n", super::display::printable(token)))?,
    }
    if !is_json {
        console.tell(&format!(
            "id {}, scope {}, vault {}, expires {}; it is not shown again",
            field(&body, "id"),
            field(&body, "scope"),
            body.get("vault").and_then(Value::as_str).map_or("all".to_owned(), str::to_owned),
            body.get("expires_at").and_then(Value::as_str).unwrap_or("never"),
        ));
    }
    Ok(acknowledged(answer.status, console))
}

pub(crate) fn list(
    connection: &Connection,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let body = connection.ask(Ask::get("/v1/tokens"))?.json()?;
    if is_json {
        console.print(&format!("{body}\n"))?;
        return Ok(Exit::Done);
    }
    let columns =
        ["id", "scope", "vault", "created_at", "expires_at", "revoked_at", "local", "label"];
    let heading = columns.iter().map(|column| column.to_uppercase()).collect();
    let tokens = body.get("tokens").and_then(Value::as_array);
    let row = |token: &Value| columns.iter().map(|column| field(token, column)).collect();
    let rows: Vec<Vec<String>> =
        std::iter::once(heading).chain(tokens.into_iter().flatten().map(row)).collect();
    let lines = table(&rows);
    console.tell(&lines[0]);
    console.print(&lines[1..].iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(Exit::Done)
}

pub(crate) fn revoke(
    connection: &Connection,
    id: &str,
    is_ack_backup: bool,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let query = if is_ack_backup { "?ack=backup" } else { "" };
    let path = format!("/v1/tokens/{}{query}", encoded(id));
    let answer = connection.ask(Ask::new(Method::DELETE, path))?;
    let body = answer.json()?;
    let pending: Vec<String> = body
        .get("pending_peers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(super::display::text_of)
        .collect();
    match is_json {
        true => console.print(&format!("{body}\n"))?,
        false => {
            console.print(&pending.iter().map(|peer| format!("{peer}\n")).collect::<String>())?
        }
    }
    match pending.len() {
        0 => console.tell("revoked"),
        count => console.tell(&format!("revoked here; peers still to confirm it: {count}")),
    }
    Ok(acknowledged(answer.status, console))
}
