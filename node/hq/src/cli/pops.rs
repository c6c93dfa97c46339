//! `clavitor hq pop …`, asked of a running HQ.

use clavitor_node::cli::Exit;
use clavitor_node::cli::client::display::{duration, printable, table};
use clavitor_node::cli::client::{
    Ask, Connection, Console, Failure, Target, conclude, encoded, field,
};
use http::Method;
use serde_json::{Value, json};

use crate::registry::Name;

/// What HQ can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// `hq pop add`
    Add { name: Name, is_replacing: bool },
    /// `hq pop list`
    List { is_json: bool },
    /// `hq pop remove`
    Remove { name: Name },
}

/// Asks it.
pub(super) fn run(target: Target, action: &Action, console: &mut Console<'_>) -> Exit {
    let result = Connection::open(target, console).and_then(|connection| match action {
        Action::Add { name, is_replacing } => add(&connection, name, *is_replacing, console),
        Action::List { is_json } => list(&connection, *is_json, console),
        Action::Remove { name } => remove(&connection, name, console),
    });
    conclude(result, console)
}

fn add(
    connection: &Connection,
    name: &Name,
    is_replacing: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let body = json!({"pop": name.pop, "cluster": name.cluster, "replace": is_replacing});
    let ask = Ask::new(Method::POST, "/v1/pops").body(body.to_string().into_bytes());
    let answer = connection.ask(ask.header("content-type", "application/json"));
    let answer = answer.map_err(|mut failure| {
        if !is_replacing && failure.message.contains("CV-POP-KNOWN") {
            failure.message.push_str("\n--replace gives it a new token; the old one ends.");
        }
        failure
    })?;
    let body = answer.json()?;
    let Some(token) = body.get("token").and_then(Value::as_str) else {
        return Err(Failure::refused("HQ's answer holds no token"));
    };
    console.print(&format!("{}\n", printable(token)))?;
    console.tell(&format!(
        "{} of cluster {}: give the token to it with --hq-token-file; it is not shown again",
        name.pop, name.cluster
    ));
    Ok(Exit::Done)
}

fn remove(
    connection: &Connection,
    name: &Name,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let path = format!("/v1/pops/{}/{}", encoded(&name.cluster), encoded(name.pop.as_str()));
    connection.ask(Ask::new(Method::DELETE, path))?;
    console.tell("removed: its token means nothing any more");
    Ok(Exit::Done)
}

fn list(
    connection: &Connection,
    is_json: bool,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    let body = connection.ask(Ask::get("/v1/pops"))?.json()?;
    if is_json {
        console.print(&format!("{body}\n"))?;
        return Ok(Exit::Done);
    }
    let columns = ["CLUSTER", "POP", "ROLE", "EPOCH", "LEASE", "DIRTY", "LAST SEEN", "URL"];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    for cluster in array(&body, "clusters") {
        rows.extend(array(cluster, "pops").iter().map(|pop| row(cluster, pop)));
    }
    let lines = table(&rows);
    let (heading, rest) = lines.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    console.tell(heading);
    console.print(&rest.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(Exit::Done)
}

fn row(cluster: &Value, pop: &Value) -> Vec<String> {
    let ms = |name: &str| pop.get(name).and_then(Value::as_u64).map(duration);
    let ms = |name: &str| ms(name).unwrap_or_else(|| "-".to_owned());
    let number = pop.get("epoch").map_or_else(|| "-".to_owned(), |epoch| field(epoch, "number"));
    let ago = |text: String| if text == "-" { text } else { format!("{text} ago") };
    let [role, dirty, url] = ["role", "dirty", "url"].map(|name| field(pop, name));
    let is_or_more = pop.get("dirty_or_more").and_then(Value::as_bool).unwrap_or_default();
    let dirty = if is_or_more { dirty + "+" } else { dirty };
    let (id, cluster) = (field(pop, "pop"), field(cluster, "name"));
    vec![cluster, id, role, number, ms("lease_ms_left"), dirty, ago(ms("last_seen_ms")), url]
}

fn array<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
