//! Turns a command line into what it asks for.

use std::fmt::Display;
use std::path::PathBuf;

use clavitor_hq_core::dns::is_cluster_label;
use clavitor_node::cli::client::{Hints, Target};
use clavitor_node::cli::{Arguments, Usage};
use clavitor_node::settings::{self, ServerUrl};

use super::pops::Action;
use super::serving::{DATA_DIR_DEFAULT, LISTEN_DEFAULT};
use crate::first_start::ADMIN_FILE;
use crate::registry::Name;

const HINTS: Hints = Hints {
    token: "HQ writes its admin token to admin.token in its data directory; --token-file names it.",
    server: "Is HQ running? `{program} hq serve` starts it; --server names another.",
};

/// Whom a command talks to.
pub(super) fn target(arguments: &mut Arguments) -> Result<Target, Usage> {
    let default = format!("http://{LISTEN_DEFAULT}");
    let server = value(arguments, "server", &default, ServerUrl::parse)?;
    if !arguments.has("allow-plain-http") && !server.is_loopback() {
        return Err(Usage::new(format!(
            "--server: {server} is not loopback, and TLS is not there yet: --allow-plain-http sends \
             the admin token unencrypted"
        )));
    }
    let default = || PathBuf::from(DATA_DIR_DEFAULT).join(ADMIN_FILE);
    let token_file = arguments.option("token-file").map_or_else(default, PathBuf::from);
    Ok(Target { server, token_file, hints: &HINTS })
}

/// `hq pop add`
pub(super) fn add(arguments: &mut Arguments) -> Result<Action, Usage> {
    let is_replacing = arguments.has("replace");
    Ok(Action::Add { name: name(arguments)?, is_replacing })
}

/// `hq pop remove`
pub(super) fn remove(arguments: &mut Arguments) -> Result<Action, Usage> {
    Ok(Action::Remove { name: name(arguments)? })
}

fn name(arguments: &mut Arguments) -> Result<Name, Usage> {
    let cluster = arguments.text("cluster")?.ok_or_else(|| {
        Usage::new("--cluster: must be given: the name that the POP's --cluster has")
    })?;
    let cluster = settings::name(&cluster).map_err(|error| of("cluster", error))?;
    if !is_cluster_label(&cluster) {
        return Err(of(
            "cluster",
            format!("\"{cluster}\" cannot be a name in DNS, or is HQ's own"),
        ));
    }
    let pop = arguments.operands.first().map(|pop| pop.to_string_lossy()).unwrap_or_default();
    let pop = settings::name(&pop).map_err(|error| Usage::new(format!("POP: {error}")))?;
    let pop = pop.parse().map_err(|error| Usage::new(format!("POP: {error}")))?;
    Ok(Name { cluster, pop })
}

fn value<T>(
    arguments: &mut Arguments,
    name: &str,
    default: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Usage> {
    let text = arguments.text(name)?;
    read(text.as_deref().unwrap_or(default)).map_err(|error| of(name, error))
}

fn of(name: &str, error: impl Display) -> Usage {
    Usage::new(format!("--{name}: {error}"))
}
