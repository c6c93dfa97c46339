//! Turns what was given into settings that fit together, or into sentences about what does not.

mod hq;
mod outward;

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::given::{Given, Item, Source, is_path, switch};
use super::secret::{Secret, read_secret_file};
use super::table::{Key, Setting, setting};
use super::url::ServerUrl;
use super::values;
use super::{DataSettings, FlightRecorderSettings, ReplicationSettings, Settings};

/// The most backups a cluster may have.
pub const BACKUPS_MAX: usize = 15;

/// Works through the settings and collects every complaint, so that one run shows them all.
#[derive(Debug)]
pub struct Assembly<'a> {
    table: &'static [Setting],
    given: &'a Given,
    is_commercial: bool,
    pub(crate) problems: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(
        table: &'static [Setting],
        given: &'a Given,
        is_commercial: bool,
        problems: Vec<String>,
    ) -> Self {
        Assembly { table, given, is_commercial, problems, warnings: Vec::new() }
    }

    /// All settings of a server, or nothing if there were problems.
    pub(crate) fn settings(&mut self) -> Option<Settings> {
        self.warn_about_ineffective();
        let data = self.data();
        let listen = self.value(Key::Listen, values::address);
        let metrics_listen = self.value(Key::MetricsListen, values::address);
        let allow_plain_http = self.value(Key::AllowPlainHttp, switch).unwrap_or(false);
        let advertise_url = self.value(Key::AdvertiseUrl, ServerUrl::parse);
        if !allow_plain_http {
            self.require_loopback(Key::Listen, listen);
            self.require_loopback(Key::MetricsListen, metrics_listen);
        }
        let flight_recorder = self.flight_recorder();
        let trusted_proxies = self.trusted_proxies();
        let tarpit = self.tarpit();
        let pop_id = data.as_ref().and_then(|data| data.pop_id.clone());
        let own_url = OwnUrl { advertise_url: advertise_url.clone(), listen };
        let hq = self.hq(&own_url, pop_id.clone(), allow_plain_http);
        let telemetry = self.telemetry(hq.as_ref(), allow_plain_http);
        let replication = match self.is_commercial {
            true => self.replication(&own_url, pop_id, allow_plain_http),
            false => None,
        };
        let (data, listen) = (data?, listen?);
        self.problems.is_empty().then(|| Settings {
            data_dir: data.data_dir,
            listen,
            metrics_listen,
            allow_plain_http,
            data_bytes_max: data.data_bytes_max,
            flight_recorder,
            pop_id: data.pop_id,
            cluster: data.cluster,
            advertise_url: advertise_url.map(|url| url.to_string()),
            replication,
            hq,
            trusted_proxies,
            tarpit,
            telemetry,
        })
    }

    /// The settings that a stopped data directory needs.
    pub(crate) fn data(&mut self) -> Option<DataSettings> {
        let data_dir = self.path(Key::DataDir);
        let data_bytes_max = self.value(Key::DataBytesMax, values::data_bytes);
        let pop_id = self.value(Key::PopId, values::name);
        let cluster = match self.given.contains_key(&Key::Cluster) {
            true => self.value(Key::Cluster, values::name),
            false => None,
        };
        Some(DataSettings { data_dir: data_dir?, data_bytes_max: data_bytes_max?, pop_id, cluster })
    }

    fn flight_recorder(&mut self) -> Option<FlightRecorderSettings> {
        let bytes = self.value(Key::FlightRecorderBytes, values::recorder_bytes);
        if self.given.contains_key(&Key::FlightRecorder) {
            let file = self.path(Key::FlightRecorder);
            return Some(FlightRecorderSettings { file: file?, bytes: bytes? });
        }
        if self.given.contains_key(&Key::FlightRecorderBytes) {
            let naming = self.naming(Key::FlightRecorderBytes);
            self.problems.push(format!("{naming}: means nothing without --flight-recorder FILE"));
        }
        None
    }

    fn warn_about_ineffective(&mut self) {
        for setting in self.table {
            let Some(item) = self.given.get(&setting.key).and_then(|items| items.first()) else {
                continue;
            };
            let naming = item.source.naming(setting);
            if !setting.is_ignored(&item.source, self.is_commercial) {
                continue;
            }
            self.warnings.push(match setting.is_commercial {
                true => format!(
                    "{naming}: only the commercial edition has this; this server ignores it"
                ),
                false => format!(
                    "{naming}: only the commercial edition takes this from here; this server \
                     ignores it, unless the flag --{} is given",
                    setting.name
                ),
            });
        }
    }

    fn replication(
        &mut self,
        own_url: &OwnUrl,
        pop_id: Option<String>,
        allow_plain_http: bool,
    ) -> Option<ReplicationSettings> {
        let keys = [
            Key::ReplicationPrimary,
            Key::ReplicationBackup,
            Key::ReplicationToken,
            Key::ReplicationTokenFile,
        ];
        let first = keys.into_iter().find(|key| self.given.contains_key(key))?;
        let naming = self.naming(first);
        self.require_companions(&naming);
        let primary = self.value(Key::ReplicationPrimary, ServerUrl::parse);
        let backups = self.values(Key::ReplicationBackup, ServerUrl::parse);
        let secret = self.secret(Key::ReplicationToken, Key::ReplicationTokenFile);
        let advertise_url = self.own_member_url(own_url, primary.as_ref(), &backups);
        if !allow_plain_http {
            let own = advertise_url.as_ref();
            self.require_loopback_peers(Key::ReplicationPrimary, primary.as_slice(), own);
            self.require_loopback_peers(Key::ReplicationBackup, &backups, own);
        }
        Some(ReplicationSettings {
            primary: primary?.to_string(),
            backups: backups.iter().map(ToString::to_string).collect(),
            secret: secret?,
            advertise_url: advertise_url?.to_string(),
            pop_id: pop_id?,
        })
    }

    /// Replication is all or nothing: half of it would look like a cluster and copy nothing.
    fn require_companions(&mut self, naming: &str) {
        let is_given = |key| self.given.contains_key(&key);
        let has_secret = is_given(Key::ReplicationToken) || is_given(Key::ReplicationTokenFile);
        let missing: Vec<&str> = [
            (is_given(Key::PopId), "--pop-id"),
            (is_given(Key::ReplicationPrimary), "--replication-primary"),
            (is_given(Key::ReplicationBackup), "at least one --replication-backup"),
            (has_secret, "--replication-token-file"),
        ]
        .into_iter()
        .filter_map(|(is_given, name)| (!is_given).then_some(name))
        .collect();
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            self.problems.push(format!("{naming}: replication also needs {missing}"));
        }
    }

    /// The server's own URL, which must be one of the cluster's; checks the list on the way.
    fn own_member_url(
        &mut self,
        own_url: &OwnUrl,
        primary: Option<&ServerUrl>,
        backups: &[ServerUrl],
    ) -> Option<ServerUrl> {
        let backups_given = self.given.get(&Key::ReplicationBackup).map_or(0, Vec::len);
        if backups_given > BACKUPS_MAX {
            let naming = self.naming(Key::ReplicationBackup);
            self.problems.push(format!(
                "{naming}: {backups_given} backups are given; a cluster has at most {BACKUPS_MAX}"
            ));
        }
        let members: Vec<&ServerUrl> = primary.into_iter().chain(backups).collect();
        for (index, url) in members.iter().enumerate() {
            if members[..index].contains(url) {
                let naming = self.naming(Key::ReplicationBackup);
                self.problems.push(format!("{naming}: {url} is named twice in the cluster"));
            }
        }
        // Half a list cannot tell whether this server is on it.
        let is_complete = primary.is_some() && backups.len() == backups_given && backups_given > 0;
        if !is_complete {
            return None;
        }
        let own = own_url.effective()?;
        if members.iter().any(|url| **url == own) {
            return Some(own);
        }
        let cluster = members.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let naming = match own_url.advertise_url {
            Some(_) => self.naming(Key::AdvertiseUrl),
            None => "--advertise-url (not given, so http:// and --listen)".to_owned(),
        };
        self.problems
            .push(format!("{naming}: {own} is not one of the cluster's URLs, which are {cluster}"));
        None
    }

    /// A secret that may be given by itself or, better, in a file.
    fn secret(&mut self, direct_key: Key, file_key: Key) -> Option<Secret> {
        let (item, is_direct) = match (self.item(direct_key), self.item(file_key)) {
            (Some(_), Some(_)) => {
                let (direct, file) = (self.naming(direct_key), self.naming(file_key));
                self.problems.push(format!("{direct}: given beside {file}; give only one"));
                return None;
            }
            (Some(direct), None) => (direct, true),
            (None, Some(file)) => (file, false),
            (None, None) => return None,
        };
        let naming = item.source.naming(self.row(if is_direct { direct_key } else { file_key }));
        let secret = match is_direct {
            true => {
                self.warn_about_direct_secret(&naming, &item.source, self.row(file_key).name);
                Secret::new(item.text.into_encoded_bytes())
            }
            false => read_secret_file(Path::new(&item.text)).and_then(|file| {
                if file.is_open_to_others {
                    let path = Path::new(&item.text).display();
                    self.warnings.push(format!(
                        "{naming}: other accounts may read {path}; chmod 600 would stop that"
                    ));
                }
                Secret::new(file.bytes.to_vec())
            }),
        };
        secret.map_err(|error| self.problems.push(format!("{naming}: {error}"))).ok()
    }

    fn warn_about_direct_secret(&mut self, naming: &str, source: &Source, better: &str) {
        let reader = match source {
            Source::Flag => "whoever lists this machine's processes",
            Source::Environment => "every process this one starts",
            _ => "whoever reads the configuration file",
        };
        self.warnings
            .push(format!("{naming}: {reader} can see this secret; --{better} keeps it in a file"));
    }

    /// Complains of an address that others can reach.
    pub fn require_loopback(&mut self, key: Key, address: Option<SocketAddr>) {
        let Some(address) = address.filter(|address| !values::is_loopback(address)) else {
            return;
        };
        let naming = self.naming(key);
        self.problems.push(format!(
            "{naming}: {address} is not loopback, and TLS is not there yet: --allow-plain-http \
             accepts unencrypted traffic"
        ));
    }

    fn require_loopback_peers(&mut self, key: Key, urls: &[ServerUrl], own: Option<&ServerUrl>) {
        let is_remote = |url: &&ServerUrl| !url.is_loopback() && Some(*url) != own;
        for url in urls.iter().filter(is_remote) {
            let naming = self.naming_of_url(key, url);
            self.problems.push(format!(
                "{naming}: {url} is not loopback, and TLS is not there yet: --allow-plain-http \
                 accepts unencrypted traffic"
            ));
        }
    }

    fn row(&self, key: Key) -> &'static Setting {
        setting(self.table, key)
    }

    /// Whether this was given.
    pub fn is_given(&self, key: Key) -> bool {
        !self.items(key).is_empty()
    }

    /// Says what is wrong with a setting, where it was given.
    pub fn complain(&mut self, key: Key, what: impl Display) {
        self.problems.push(format!("{}: {what}", self.naming(key)));
    }

    /// Says what a person should know of a setting, where it was given.
    pub fn warn(&mut self, key: Key, what: impl Display) {
        self.warnings.push(format!("{}: {what}", self.naming(key)));
    }

    /// What is given and counts in this edition.
    fn items(&self, key: Key) -> &'a [Item] {
        let items = self.given.get(&key).map_or(&[][..], Vec::as_slice);
        let is_ignored = |item: &Item| self.row(key).is_ignored(&item.source, self.is_commercial);
        if items.first().is_some_and(is_ignored) { &[] } else { items }
    }

    fn item(&self, key: Key) -> Option<Item> {
        self.items(key).first().cloned()
    }

    fn naming(&self, key: Key) -> String {
        let source = self.item(key).map_or(Source::Default, |item| item.source);
        source.naming(self.row(key))
    }

    /// The place of one URL of a list, which in a file has its own line.
    fn naming_of_url(&self, key: Key, url: &ServerUrl) -> String {
        let is_it = |item: &&Item| {
            item.text.to_str().is_some_and(|text| ServerUrl::parse(text).as_ref() == Ok(url))
        };
        let item = self.given.get(&key).and_then(|items| items.iter().find(is_it));
        item.map_or_else(|| self.naming(key), |item| item.source.naming(self.row(key)))
    }

    /// The path in force.
    pub fn path(&mut self, key: Key) -> Option<PathBuf> {
        debug_assert!(is_path(self.row(key).kind));
        let default = || OsString::from(self.row(key).default);
        let text = self.item(key).map_or_else(default, |item| item.text);
        if text.is_empty() {
            let naming = self.naming(key);
            self.problems.push(format!("{naming}: is empty"));
            return None;
        }
        Some(PathBuf::from(text))
    }

    /// The value in force: what was given, or the table's default read in the same way.
    pub fn value<T>(&mut self, key: Key, read: fn(&str) -> Result<T, String>) -> Option<T> {
        if !self.items(key).is_empty() {
            return self.values(key, read).into_iter().next();
        }
        match (self.row(key).default, key) {
            ("", _) | (_, Key::AdvertiseUrl) => None,
            (default, _) => read(default).map_err(|error| self.problems.push(error)).ok(),
        }
    }

    /// Every value that is given.
    pub fn values<T>(&mut self, key: Key, read: fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut found = Vec::new();
        self.each(key, &mut |text| read(text).map(|value| found.push(value)));
        found
    }

    /// Hands on every text that is given, and complains of those that are not taken.
    fn each(&mut self, key: Key, take: &mut dyn FnMut(&str) -> Result<(), String>) {
        for item in self.items(key) {
            let taken = match item.text.to_str() {
                Some("") => Err("is empty".to_owned()),
                Some(text) => take(text),
                None => Err("is not UTF-8 text".to_owned()),
            };
            if let Err(error) = taken {
                self.problems.push(format!("{}: {error}", item.source.naming(self.row(key))));
            }
        }
    }
}

/// What the server's own URL is made of.
struct OwnUrl {
    advertise_url: Option<ServerUrl>,
    listen: Option<SocketAddr>,
}

impl OwnUrl {
    fn effective(&self) -> Option<ServerUrl> {
        self.advertise_url.clone().or_else(|| self.listen.map(ServerUrl::of_address))
    }
}
