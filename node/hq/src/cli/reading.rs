//! Turns a command line into what it asks for.

use std::fmt::Display;
use std::path::PathBuf;

use clavitor_commercial::renewal::{ANSWER_MS, LEASE_MS, RENEW_MS};
use clavitor_hq_core::dns::{Origin, Zone, is_cluster_label};
use clavitor_node::cli::client::{Hints, Target};
use clavitor_node::cli::commands::Opt;
use clavitor_node::cli::{Arguments, Usage};
use clavitor_node::log;
use clavitor_node::settings::{self, ServerUrl};

use super::pops::Action;
use crate::dns::updates::{self, KeyFile, Target as Updated};
use crate::first_start::ADMIN_FILE;
use crate::registry::Name;
use crate::settings::Settings;

const LISTEN_DEFAULT: &str = "127.0.0.1:1986";
const DNS_LISTEN_DEFAULT: &str = "127.0.0.1:5353";
const ZONE_DEFAULT: &str = "vault.test";
const DATA_DIR_DEFAULT: &str = "./clavitor-hq";
const LEASE_SECONDS_DEFAULT: &str = "6";

const LEASE_SECONDS_MIN: u32 = 4;
const LEASE_SECONDS_MAX: u32 = 6;
const FAILBACK_SECONDS_MAX: u32 = 86_400;

const _: () = assert!(RENEW_MS + ANSWER_MS < LEASE_SECONDS_MIN as u64 * 1_000);
// A backup that has just started knows no longer one that it may have voted for.
const _: () = assert!(LEASE_MS == LEASE_SECONDS_MAX as u64 * 1_000);

/// What `hq serve` takes.
pub(super) const SERVE_OPTIONS: &[Opt] = &[
    Opt {
        name: "listen",
        placeholder: "ADDR:PORT",
        help: "Accepts POPs, operators and browsers on this address; port 0 picks a free one. \
               [default: 127.0.0.1:1986]",
    },
    Opt {
        name: "dns-listen",
        placeholder: "ADDR:PORT",
        help: "Answers DNS questions on this address, over UDP and TCP. [default: 127.0.0.1:5353]",
    },
    Opt {
        name: "zone",
        placeholder: "NAME",
        help: "Answers for this zone: CLUSTER.NAME is the address of the cluster's primary. \
               [default: vault.test]",
    },
    Opt {
        name: "dns-update",
        placeholder: "SERVER[:PORT]",
        help: "Tells this server, by updates as of RFC 2136, where the primaries are: the zone, or a \
               part of it above its names, is its own. [default: nobody]",
    },
    Opt {
        name: "dns-update-key-file",
        placeholder: "FILE",
        help: "Signs updates with the key in this file, as `tsig-keygen -a hmac-sha256` prints it.",
    },
    Opt {
        name: "data-dir",
        placeholder: "DIR",
        help: "Keeps the data in this directory, which belongs to one HQ at a time. \
               [default: ./clavitor-hq]",
    },
    Opt {
        name: "lease-seconds",
        placeholder: "N",
        help: "Lets a primary take writes for so long without a word from HQ or every backup (4 to \
               6). A failover takes a little longer than this. [default: 6]",
    },
    Opt {
        name: "failback-seconds",
        placeholder: "N",
        help: "Gives the configured primary its place again once it is back, and up to date, for so \
               long (1 to 86400). [default: never by itself]",
    },
    Opt {
        name: "allow-plain-http",
        placeholder: "",
        help: "Lets traffic leave this machine unencrypted. Until TLS is there, listening on \
               anything but loopback needs it: put a proxy or a private network in between.",
    },
];

const HINTS: Hints = Hints {
    token: "HQ writes its admin token to admin.token in its data directory; --token-file names it.",
    server: "Is HQ running? `{program} hq serve` starts it; --server names another.",
};

/// What HQ is to run with.
pub(super) fn settings(arguments: &mut Arguments) -> Result<Settings, Usage> {
    let listen = value(arguments, "listen", LISTEN_DEFAULT, settings::address)?;
    if !arguments.has("allow-plain-http") && !settings::is_loopback(&listen) {
        return Err(Usage::new(format!(
            "--listen: {listen} is not loopback, and TLS is not there yet: --allow-plain-http lets \
             traffic leave this machine unencrypted"
        )));
    }
    let data_dir = arguments.option("data-dir").unwrap_or_else(|| DATA_DIR_DEFAULT.into());
    if data_dir.is_empty() {
        return Err(Usage::new("--data-dir: is empty"));
    }
    let zone = value(arguments, "zone", ZONE_DEFAULT, zone)?;
    let seconds = |min, max| move |text: &str| settings::number(text, min, max).map(millis);
    let lease = seconds(LEASE_SECONDS_MIN, LEASE_SECONDS_MAX);
    let failback = arguments.text("failback-seconds")?;
    let failback = failback.map(|text| seconds(1, FAILBACK_SECONDS_MAX)(&text));
    Ok(Settings {
        data_dir: PathBuf::from(data_dir),
        listen,
        dns_listen: value(arguments, "dns-listen", DNS_LISTEN_DEFAULT, settings::address)?,
        dns_update: dns_update(arguments, &zone)?,
        zone,
        lease_ms: value(arguments, "lease-seconds", LEASE_SECONDS_DEFAULT, lease)?,
        failback_ms: failback.transpose().map_err(|error| of("failback-seconds", error))?,
    })
}

fn dns_update(arguments: &mut Arguments, zone: &str) -> Result<Option<Updated>, Usage> {
    let file = arguments.option("dns-update-key-file").map(PathBuf::from);
    let server = arguments.text("dns-update")?;
    let (Some(server), Some(file)) = (&server, &file) else {
        return match (server, file) {
            (None, None) => Ok(None),
            (Some(_), _) => Err(of("dns-update", "needs --dns-update-key-file FILE")),
            (None, _) => {
                Err(of("dns-update-key-file", "means nothing without --dns-update SERVER"))
            }
        };
    };
    let server = updates::server(server).map_err(|error| of("dns-update", error))?;
    let KeyFile { key, is_open_to_others } =
        updates::key_file(file).map_err(|error| of("dns-update-key-file", error))?;
    if is_open_to_others {
        let shown = file.display();
        log::line(&format!("warning: other accounts may read {shown}; chmod 600 would stop that"));
    }
    let origin = Origin::parse(zone).map_err(|error| of("zone", error))?;
    Ok(Some(Updated { server, origin, key }))
}

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

fn millis(seconds: u32) -> u64 {
    u64::from(seconds) * 1_000
}

/// Reads the name of a zone.
fn zone(text: &str) -> Result<String, String> {
    let zone = Zone::new(text, &[], 0).map_err(|error| format!("\"{text}\": {error}"))?;
    Ok(zone.origin().trim_end_matches('.').to_owned())
}
