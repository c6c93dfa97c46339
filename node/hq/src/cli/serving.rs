//! The settings of `hq serve`: one table feeds the configuration file, the environment, the flags and the
//! help.

use std::net::{IpAddr, SocketAddr};

use clavitor_commercial::renewal::{ANSWER_MS, LEASE_MS, RENEW_MS};
use clavitor_hq_core::dns::{Origin, SERVER_LABEL, Zone};
use clavitor_node::cli::{Arguments, Usage};
use clavitor_node::settings::{
    self, Assembly, CONFIG, Environment, Key, Kind, ROW, Setting, TRUSTED_PROXY,
};

use crate::dns::updates::{self, KeyFile, Target};
use crate::settings::Settings;

pub(super) const LISTEN_DEFAULT: &str = "127.0.0.1:1986";
pub(super) const DATA_DIR_DEFAULT: &str = "./clavitor-hq";

const LEASE_SECONDS_MIN: u32 = 4;
const LEASE_SECONDS_MAX: u32 = 6;
const FAILBACK_SECONDS_MAX: u32 = 86_400;

const _: () = assert!(RENEW_MS + ANSWER_MS < LEASE_SECONDS_MIN as u64 * 1_000);
// A backup that has just started knows no longer one that it may have voted for.
const _: () = assert!(LEASE_MS == LEASE_SECONDS_MAX as u64 * 1_000);

/// Every setting, in the order in which the help shows them.
pub(super) static TABLE: &[Setting] = &[
    Setting { variable: "CLAVITOR_HQ_CONFIG", ..CONFIG },
    Setting {
        key: Key::DataDir,
        name: "data-dir",
        kind: Kind::Directory,
        default: DATA_DIR_DEFAULT,
        help: "Keeps the data in this directory, which belongs to one HQ at a time.",
        variable: "CLAVITOR_HQ_DATA_DIR",
        ..ROW
    },
    Setting {
        key: Key::Listen,
        name: "listen",
        kind: Kind::Address,
        default: LISTEN_DEFAULT,
        help: "Accepts POPs, operators and browsers on this address; port 0 picks a free one.",
        variable: "CLAVITOR_HQ_LISTEN",
        ..ROW
    },
    Setting {
        key: Key::DnsListen,
        name: "dns-listen",
        kind: Kind::Address,
        default: "127.0.0.1:5353",
        help: "Answers DNS questions on this address, over UDP and TCP.",
        variable: "CLAVITOR_HQ_DNS_LISTEN",
        ..ROW
    },
    Setting {
        key: Key::DnsAddress,
        name: "dns-address",
        kind: Kind::Ip,
        default: "the address of --dns-listen, unless that is a wildcard",
        help: "Lets DNS answer with this IP address for ns1.NAME, which is HQ itself as the server of \
               the zone; one of IPv4 and one of IPv6 may be given.",
        variable: "CLAVITOR_HQ_DNS_ADDRESS",
        is_repeatable: true,
        ..ROW
    },
    Setting {
        key: Key::Zone,
        name: "zone",
        kind: Kind::Name,
        default: "vault.test",
        help: "Answers for this zone: CLUSTER.NAME is the address of the cluster's primary.",
        variable: "CLAVITOR_HQ_ZONE",
        ..ROW
    },
    Setting {
        key: Key::DnsUpdate,
        name: "dns-update",
        kind: Kind::Server,
        help: "Tells this server, by updates as of RFC 2136, where the primaries are: the zone, or a \
               part of it above its names, is its own. Whatever it has under the name of a cluster is \
               replaced.",
        variable: "CLAVITOR_HQ_DNS_UPDATE",
        ..ROW
    },
    Setting {
        key: Key::DnsUpdateKeyFile,
        name: "dns-update-key-file",
        kind: Kind::File,
        help: "Signs updates with the key in this file, as `tsig-keygen -a hmac-sha256` prints it.",
        variable: "CLAVITOR_HQ_DNS_UPDATE_KEY_FILE",
        ..ROW
    },
    Setting {
        key: Key::LeaseSeconds,
        name: "lease-seconds",
        kind: Kind::Seconds,
        default: "6",
        help: "Lets a primary take writes for so long without a word from HQ or every backup (4 to \
               6). A failover takes a little longer than this.",
        variable: "CLAVITOR_HQ_LEASE_SECONDS",
        ..ROW
    },
    Setting {
        key: Key::FailbackSeconds,
        name: "failback-seconds",
        kind: Kind::Seconds,
        help: "Gives the configured primary its place again once it is back, and up to date, for so \
               long (1 to 86400). Without it never by itself.",
        variable: "CLAVITOR_HQ_FAILBACK_SECONDS",
        ..ROW
    },
    Setting { variable: "CLAVITOR_HQ_TRUSTED_PROXY", ..TRUSTED_PROXY },
    Setting {
        key: Key::AllowPlainHttp,
        name: "allow-plain-http",
        kind: Kind::Switch,
        default: "false",
        help: "Lets traffic leave this machine unencrypted. Until TLS is there, listening on \
               anything but loopback needs it: put a proxy or a private network in between.",
        variable: "CLAVITOR_HQ_ALLOW_PLAIN_HTTP",
        ..ROW
    },
];

/// What HQ is to run with, and what a person should know about that.
pub(super) fn settings(
    arguments: &mut Arguments,
    environment: &Environment,
) -> Result<(Settings, Vec<String>), Usage> {
    let loaded = settings::load_own(TABLE, arguments.take_flags(), environment, assembled);
    loaded.map_err(|error| Usage::new(error.to_string()))
}

fn assembled(assembly: &mut Assembly<'_>) -> Option<Settings> {
    let data_dir = assembly.path(Key::DataDir);
    let listen = assembly.value(Key::Listen, settings::address);
    if !assembly.value(Key::AllowPlainHttp, settings::switch).unwrap_or(false) {
        assembly.require_loopback(Key::Listen, listen);
    }
    let dns_listen = assembly.value(Key::DnsListen, settings::address);
    let zone = assembly.value(Key::Zone, zone);
    let dns_addresses = dns_addresses(assembly, dns_listen, zone.as_deref());
    let dns_update = zone.as_ref().and_then(|zone| dns_update(assembly, zone));
    let lease_ms = assembly.value(Key::LeaseSeconds, lease_ms);
    let failback_ms = assembly.value(Key::FailbackSeconds, failback_ms);
    let trusted_proxies = assembly.trusted_proxies();
    Some(Settings {
        data_dir: data_dir?,
        listen: listen?,
        dns_listen: dns_listen?,
        dns_addresses,
        dns_update,
        zone: zone?,
        lease_ms: lease_ms?,
        failback_ms,
        trusted_proxies,
    })
}

/// The addresses of HQ itself in its zone. Of a wildcard nobody knows which of a machine's they are.
fn dns_addresses(
    assembly: &mut Assembly<'_>,
    listen: Option<SocketAddr>,
    zone: Option<&str>,
) -> Vec<IpAddr> {
    let given = assembly.given_dns_addresses();
    if assembly.is_given(Key::DnsAddress) {
        return given;
    }
    let own = listen.map(|listen| listen.ip());
    if let (Some(true), Some(zone)) = (own.map(|own| own.is_unspecified()), zone) {
        let what = format!(
            "is every address of this machine, so {SERVER_LABEL}.{zone}, which the zone names as its \
             server, has none without --dns-address IP; resolvers that were told where to ask do not \
             need it"
        );
        assembly.warn(Key::DnsListen, what);
    }
    own.filter(|own| !own.is_unspecified()).into_iter().collect()
}

fn dns_update(assembly: &mut Assembly<'_>, zone: &str) -> Option<Target> {
    match (assembly.is_given(Key::DnsUpdate), assembly.is_given(Key::DnsUpdateKeyFile)) {
        (false, false) => return None,
        (true, false) => assembly.complain(Key::DnsUpdate, "needs --dns-update-key-file FILE"),
        (false, true) => {
            assembly.complain(Key::DnsUpdateKeyFile, "means nothing without --dns-update SERVER");
        }
        (true, true) => {}
    }
    let server = assembly.value(Key::DnsUpdate, updates::server)?;
    if !assembly.is_given(Key::DnsUpdateKeyFile) {
        return None;
    }
    let file = assembly.path(Key::DnsUpdateKeyFile)?;
    let key = updates::key_file(&file);
    let complain = |error| assembly.complain(Key::DnsUpdateKeyFile, error);
    let KeyFile { key, is_open_to_others } = key.map_err(complain).ok()?;
    if is_open_to_others {
        let shown = file.display();
        let what = format!("other accounts may read {shown}; chmod 600 would stop that");
        assembly.warn(Key::DnsUpdateKeyFile, what);
    }
    let origin = Origin::parse(zone);
    let origin = origin.map_err(|error| assembly.complain(Key::Zone, error)).ok()?;
    Some(Target { server, origin, key })
}

fn lease_ms(text: &str) -> Result<u64, String> {
    settings::number(text, LEASE_SECONDS_MIN, LEASE_SECONDS_MAX).map(millis)
}

fn failback_ms(text: &str) -> Result<u64, String> {
    settings::number(text, 1, FAILBACK_SECONDS_MAX).map(millis)
}

fn millis(seconds: u32) -> u64 {
    u64::from(seconds) * 1_000
}

/// Reads the name of a zone.
fn zone(text: &str) -> Result<String, String> {
    let zone = Zone::new(text, &[], 0).map_err(|error| format!("\"{text}\": {error}"))?;
    Ok(zone.origin().trim_end_matches('.').to_owned())
}
