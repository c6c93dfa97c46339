//! The server's settings: one table feeds the configuration file, the environment, the flags, the
//! help and the warnings. Flags win over the environment, which wins over the file. Whatever is
//! not understood is an error that says where it stands.

mod assembly;
mod environment;
mod file;
mod given;
mod nearest;
mod report;
mod secret;
mod table;
#[cfg(test)]
mod tests;
mod url;
mod values;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use given::Given;

use crate::http::Network;

pub use assembly::{Assembly, BACKUPS_MAX};
pub use environment::{Environment, HQ_VARIABLES, SERVER_VARIABLE, TOKEN_FILE_VARIABLE};
pub use given::{Flag, Source};
pub use report::Origin;
pub use secret::{SECRET_BYTES_MIN, SECRET_DISTINCT_MIN, Secret};
pub use table::{
    CONFIG, Key, Kind, ROW, Reach, Setting, TABLE, TRUSTED_PROXY, setting, setting_of_flag,
};
pub use url::ServerUrl;
pub use values::{NAME_BYTES_MAX, address, is_loopback, name, number};

pub use given::switch;
pub(crate) use nearest::did_you_mean;
pub(crate) use report::{help, wrapped};
pub(crate) use secret::read_secret_file;

/// The cluster's name where none is given.
pub const DEFAULT_CLUSTER: &str = "default";

/// Everything a server is told before it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the data lives.
    pub data_dir: PathBuf,
    /// The address to accept connections on.
    pub listen: SocketAddr,
    /// A second address, for `/metrics` alone.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether unencrypted traffic may leave this machine.
    pub allow_plain_http: bool,
    /// The size of the storage map: whole pages of up to 64 KiB, 1 MiB to 1 TiB.
    pub data_bytes_max: u64,
    /// The flight recorder, if one was asked for.
    pub flight_recorder: Option<FlightRecorderSettings>,
    /// The POP id, if one was given.
    pub pop_id: Option<String>,
    /// The cluster's name, if one was given; see [`Settings::cluster_name`].
    pub cluster: Option<String>,
    /// The URL peers and clients reach this server at, if one was given; normalised.
    pub advertise_url: Option<String>,
    /// What replication needs; always `None` in a community server.
    pub replication: Option<ReplicationSettings>,
    /// The control plane, if there is one; always `None` in a community server.
    pub hq: Option<HqSettings>,
    /// Whose word about a client's address is taken.
    pub trusted_proxies: Vec<Network>,
    /// What the tarpit may hold; a community server has none.
    pub tarpit: TarpitSettings,
    /// Where telemetry goes, if it goes anywhere.
    pub telemetry: Option<TelemetrySettings>,
}

impl Settings {
    /// The name of the cluster that is in force.
    pub fn cluster_name(&self) -> &str {
        self.cluster.as_deref().unwrap_or(DEFAULT_CLUSTER)
    }
}

/// Where to keep the machine's last inputs, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightRecorderSettings {
    /// The file.
    pub file: PathBuf,
    /// The most bytes it may take.
    pub bytes: u64,
}

/// What the tarpit may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TarpitSettings {
    /// The most connections; 0 is no tarpit.
    pub connections_max: u32,
    /// The most from one address, if that is bounded.
    pub per_address: Option<u32>,
}

/// Where telemetry goes, and alerts in the Commercial edition.
#[derive(Clone, Debug)]
pub struct TelemetrySettings {
    /// `http://host:port`, normalised.
    pub host: String,
    /// The telemetry token: visible ASCII.
    pub token: Option<Secret>,
    /// Seconds between two reports.
    pub freq_s: u64,
    /// The region of this server; empty if none was given.
    pub region: String,
}

impl TelemetrySettings {
    /// The time between two reports, in milliseconds.
    pub fn every_ms(&self) -> u64 {
        self.freq_s.saturating_mul(1_000)
    }
}

/// What a primary does that can neither renew its lease nor gather lease votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fencing {
    /// It stops taking writes.
    Lease,
    /// It goes on.
    Merge,
}

/// The control plane, and what it is told of this server.
#[derive(Clone, Debug)]
pub struct HqSettings {
    /// `http://host:port`, normalised.
    pub url: String,
    /// The POP token: visible ASCII.
    pub token: Secret,
    /// What DNS answers for this server: at most one of IPv4 and one of IPv6.
    pub dns_addresses: Vec<IpAddr>,
    /// What happens to writes without a lease.
    pub fencing: Fencing,
    /// This server's POP id.
    pub pop_id: String,
    /// The region of this server; empty if none was given.
    pub region: String,
}

/// What replication needs to know. The cluster's URLs are normalised and distinct, and
/// `advertise_url` is one of them.
#[derive(Clone, Debug)]
pub struct ReplicationSettings {
    /// The URL of the POP that is primary at the cluster's first start.
    pub primary: String,
    /// The URLs of the others, at least one.
    pub backups: Vec<String>,
    /// The inter-POP secret.
    pub secret: Secret,
    /// This server's own URL.
    pub advertise_url: String,
    /// This server's POP id.
    pub pop_id: String,
}

/// The few settings that commands on a stopped data directory need.
#[derive(Clone, Debug)]
pub struct DataSettings {
    /// Where the data lives.
    pub data_dir: PathBuf,
    /// The size of the storage map, as in [`Settings`].
    pub data_bytes_max: u64,
    /// The POP id, if one was given.
    pub pop_id: Option<String>,
    /// The cluster's name, if one was given.
    pub cluster: Option<String>,
}

/// Settings together with what a person should know about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// One sentence each, for stderr.
    pub warnings: Vec<String>,
    /// Where each value came from, in the order of the table.
    pub origins: Vec<Origin>,
}

impl Loaded {
    /// What `config check` prints: one line per setting, with its value and its source.
    pub fn report(&self) -> String {
        self.origins.iter().map(|origin| format!("{origin}\n")).collect()
    }
}

/// What is wrong with the settings, all of it, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The sentences, never empty; each names its source.
    pub problems: Vec<String>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for SettingsError {}

/// Loads a server's settings from flags, environment and the file they may name.
pub fn load(
    flags: Vec<Flag>,
    environment: &Environment,
    is_commercial: bool,
) -> Result<Loaded, SettingsError> {
    let mut problems = Vec::new();
    let given = given::gather(TABLE, flags, environment, is_commercial, &mut problems);
    assemble(&given, is_commercial, problems)
}

/// Judges the text of a configuration file by itself: without flags, without variables, and without
/// the secret file it may name. `name` is what its problems call it.
pub fn judge_text(name: &Path, text: &str, is_commercial: bool) -> Result<Loaded, SettingsError> {
    let mut problems = Vec::new();
    let mut given = file::parse((TABLE, name), text, is_commercial, &mut problems);
    given.remove(&Key::ReplicationTokenFile);
    given.remove(&Key::TelemetryTokenFile);
    given.remove(&Key::HqTokenFile);
    assemble(&given, is_commercial, problems)
}

fn assemble(
    given: &Given,
    is_commercial: bool,
    problems: Vec<String>,
) -> Result<Loaded, SettingsError> {
    let mut assembly = Assembly::new(TABLE, given, is_commercial, problems);
    let settings = assembly.settings();
    let Assembly { problems, warnings, .. } = assembly;
    match settings {
        Some(settings) if problems.is_empty() => {
            Ok(Loaded { settings, warnings, origins: report::origins(given, is_commercial) })
        }
        _ => Err(SettingsError { problems }),
    }
}

/// Loads what a command has a table of its own for, which has a row for [`Key::Config`], from the same
/// sources; `assemble` makes of it what it is to be. Beside that there is what a person should know, one
/// sentence each.
pub fn load_own<T>(
    table: &'static [Setting],
    flags: Vec<Flag>,
    environment: &Environment,
    assemble: impl FnOnce(&mut Assembly<'_>) -> Option<T>,
) -> Result<(T, Vec<String>), SettingsError> {
    let mut problems = Vec::new();
    let given = given::gather(table, flags, environment, true, &mut problems);
    let mut assembly = Assembly::new(table, &given, true, problems);
    let assembled = assemble(&mut assembly);
    let Assembly { problems, warnings, .. } = assembly;
    match assembled {
        Some(assembled) if problems.is_empty() => Ok((assembled, warnings)),
        _ => Err(SettingsError { problems }),
    }
}

/// Loads what commands on a stopped data directory need. The rest of the configuration is read
/// but not judged: a missing secret must not keep anyone from checking the data.
pub fn load_data(
    flags: Vec<Flag>,
    environment: &Environment,
    is_commercial: bool,
) -> Result<DataSettings, SettingsError> {
    let mut problems = Vec::new();
    let given = given::gather(TABLE, flags, environment, is_commercial, &mut problems);
    let mut assembly = Assembly::new(TABLE, &given, is_commercial, problems);
    let data = assembly.data();
    match data {
        Some(data) if assembly.problems.is_empty() => Ok(data),
        _ => Err(SettingsError { problems: assembly.problems }),
    }
}
