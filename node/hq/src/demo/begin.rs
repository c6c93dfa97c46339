//! Starts everything, and tells where it is.

use std::time::Instant;

use clavitor_node::cli::client::{Answer, Ask, Connection, Failure};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::control;
use super::reader::ENTRY;
use super::screen::{Look, measured};
use super::world::{CLUSTER, World};
use super::writer::{VAULT, Writer};

/// Starts HQ and both POPs, and waits until one of them is primary.
pub(super) fn begin(world: &mut World) -> Result<(), Failure> {
    let started = Instant::now();
    let title = "Clavitor demo: HQ and two POPs on this machine, each a process of its own";
    world.screen.say(&world.screen.paint(Look::Bold, title));
    world.hq.start()?;
    let operator = world.until("HQ starts", |world| {
        let Ok(operator) = world.connect(world.hq_address(), "hq/admin.token") else {
            return Ok(None);
        };
        Ok(control::look(&operator, CLUSTER).is_ok().then_some(operator))
    })?;
    for pop in &world.pops {
        let token = control::register(&operator, CLUSTER, pop.id)?;
        world.keep(&format!("{}.token", pop.id), &token)?;
    }
    world.operator = Some(operator);
    for pop in world.pops.iter_mut().rev() {
        pop.process.start()?;
    }
    let primary = world.until("the POPs start, and HQ gives one of them a lease", |world| {
        let Ok(seen) = world.seen() else { return Ok(None) };
        let primary = seen.primary.and_then(|id| world.index(&id));
        Ok(primary.filter(|primary| world.named() == Some(*primary)))
    })?;
    introduce(world, primary)?;
    let took = started.elapsed().as_millis();
    let took = measured(u64::try_from(took).unwrap_or(u64::MAX));
    world.screen.say(&world.screen.paint(Look::Faint, &format!("  all of this started in {took}")));
    Ok(())
}

fn introduce(world: &World, primary: usize) -> Result<(), Failure> {
    let say = |line: &str| world.screen.say(line);
    let row = |name: &str, place: &str, pid: u32, what: &str| {
        format!("  {name:<12}{place:<26}pid {pid:<9}{what}")
    };
    say("");
    let dns = format!("DNS on {}", world.dns());
    say(&row("HQ", &world.dashboard(), world.hq.id(), &dns));
    for (index, pop) in world.pops.iter().enumerate() {
        let role = match index == primary {
            true => world.screen.paint(Look::Good, "primary, says HQ"),
            false => "backup".to_owned(),
        };
        say(&row(pop.id, &pop.url(), pop.process.id(), &role));
    }
    let named = world.pop(primary)?;
    let dns = world.dns();
    let name = world.resolver.name();
    let token = world.directory().join("hq/admin.token");
    say("");
    say(&format!("  Dashboard   {}", world.dashboard()));
    say(&format!("              log in with what `cat {}` prints", token.display()));
    say(&format!("  DNS         {name} is {}: {}, says DNS", named.address.ip(), named.id));
    say(&format!("              dig +short @{} -p {} {name}", dns.ip(), dns.port()));
    Ok(())
}

/// Makes a token that both POPs know and an entry that both have, and begins to write.
pub(super) fn write(world: &mut World) -> Result<Writer, Failure> {
    let seen = world.seen()?;
    let primary = seen.primary.and_then(|id| world.index(&id)).unwrap_or_default();
    let (id, address) = world.pop(primary).map(|pop| (pop.id, pop.address))?;
    let admin = world.connect(address, &format!("{id}/admin.token"))?;
    let wanted = json!({"vault": VAULT, "scope": "write", "label": "demo"}).to_string();
    let made = world.until("both POPs learn of an access token", |_| {
        let ask = Ask::new(Method::POST, "/v1/tokens?ack=backup").body(wanted.clone().into());
        confirmed(&admin, ask.header("content-type", "application/json"))
    })?;
    let made = made.json()?;
    let token = made.get("token").and_then(Value::as_str).unwrap_or_default();
    world.keep("writer.token", token)?;
    let client = world.route(primary)?.connection;
    world.until("both POPs have an entry", |_| {
        let path = format!("/v1/vaults/{VAULT}/entries/{ENTRY}?ack=backup");
        confirmed(&client, Ask::new(Method::PUT, path).body(ENTRY.into()))
    })?;
    Writer::start([world.route(0)?, world.route(1)?], world.tally.clone())
}

/// The answer, once a backup has it too.
fn confirmed(connection: &Connection, ask: Ask) -> Result<Option<Answer>, Failure> {
    let answer = connection.send(ask)?;
    let is_done = matches!(answer.status, StatusCode::CREATED | StatusCode::OK);
    Ok(is_done.then_some(answer))
}
