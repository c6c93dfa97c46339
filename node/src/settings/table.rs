//! The one table of settings: file, environment, flags, help, report and warnings all read it.

use super::given::Source;

/// Identifies a setting within the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The configuration file itself.
    Config,
    /// Where the data lives.
    DataDir,
    /// The address clients and peers connect to.
    Listen,
    /// The separate address of `/metrics`.
    MetricsListen,
    /// Consent to unencrypted traffic beyond loopback.
    AllowPlainHttp,
    /// The size of the storage map.
    DataBytesMax,
    /// The file of the flight recorder.
    FlightRecorder,
    /// The size of that file.
    FlightRecorderBytes,
    /// This server's id among its peers.
    PopId,
    /// The name of the cluster.
    Cluster,
    /// The URL peers reach this server at.
    AdvertiseUrl,
    /// The URL of the cluster's configured primary.
    ReplicationPrimary,
    /// The URLs of the cluster's backups.
    ReplicationBackup,
    /// The inter-POP secret, given directly.
    ReplicationToken,
    /// The file that holds the inter-POP secret.
    ReplicationTokenFile,
    /// The control plane.
    Hq,
    /// The file that holds this server's POP token.
    HqTokenFile,
    /// The POP token, given directly.
    HqToken,
    /// What DNS answers for this server.
    DnsAddress,
    /// What happens to writes without a lease.
    Fencing,
    /// The networks whose word about a client's address is taken.
    TrustedProxy,
    /// How many connections the tarpit holds.
    TarpitConnectionsMax,
    /// How many of them may come from one address.
    TarpitPerAddress,
    /// Where telemetry and alerts go.
    TelemetryHost,
    /// The file that holds what they authenticate with.
    TelemetryTokenFile,
    /// What they authenticate with, given directly.
    TelemetryToken,
    /// How often telemetry is sent.
    TelemetryFreq,
    /// The region named in alerts and telemetry.
    PopRegion,
    /// The address that DNS questions come to. HQ's, as all that follow.
    DnsListen,
    /// The zone that is answered for.
    Zone,
    /// The server that is told of changes.
    DnsUpdate,
    /// The file that holds the key for that.
    DnsUpdateKeyFile,
    /// How long a lease lasts.
    LeaseSeconds,
    /// When a preferred primary gets its place again.
    FailbackSeconds,
}

/// What a setting's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A path to a file.
    File,
    /// A path to a directory.
    Directory,
    /// An IP address and a port.
    Address,
    /// `http://host[:port]`.
    Url,
    /// A short name of `[a-z0-9-]`.
    Name,
    /// An IP address.
    Ip,
    /// A server by its name or address, with or without a port.
    Server,
    /// `lease` or `merge`.
    Fencing,
    /// An IP address, or a network such as `10.0.0.0/8`.
    Network,
    /// A number of bytes, with or without a unit.
    Size,
    /// A number of things.
    Count,
    /// A number of seconds.
    Seconds,
    /// True or false; as a flag it needs no value.
    Switch,
    /// Anything.
    Text,
}

impl Kind {
    /// The word that stands for the value in the help.
    pub fn placeholder(self) -> &'static str {
        match self {
            Kind::File => "FILE",
            Kind::Directory => "DIR",
            Kind::Address => "ADDR:PORT",
            Kind::Url => "URL",
            Kind::Name => "NAME",
            Kind::Ip => "IP",
            Kind::Server => "SERVER[:PORT]",
            Kind::Fencing => "lease|merge",
            Kind::Network => "CIDR",
            Kind::Size => "SIZE",
            Kind::Count => "N",
            Kind::Seconds => "SECONDS",
            Kind::Switch => "",
            Kind::Text => "TEXT",
        }
    }
}

/// Where a setting may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// File, environment and flags.
    Everywhere,
    /// Environment and flags: a file cannot name itself.
    NotInFile,
}

/// One row of the table.
#[derive(Debug)]
pub struct Setting {
    /// Identity within the program.
    pub key: Key,
    /// The flag without its dashes; the other spellings derive from it.
    pub name: &'static str,
    /// What the value looks like.
    pub kind: Kind,
    /// The default in words a user could type, or empty where there is none.
    pub default: &'static str,
    /// One or two sentences for the help.
    pub help: &'static str,
    /// Where it may be given.
    pub reach: Reach,
    /// Its environment variable, if that is not `CLAVITOR_` and the name.
    pub variable: &'static str,
    /// Whether the Community edition takes it from a flag alone: what leaves a private server
    /// must be asked for by a person.
    pub needs_flag_in_community: bool,
    /// Whether only the commercial edition does anything with it.
    pub is_commercial: bool,
    /// Whether its value must never be shown.
    pub is_secret: bool,
    /// Whether it may be given several times.
    pub is_repeatable: bool,
}

impl Setting {
    /// The environment variable that gives this setting.
    pub fn variable(&self) -> String {
        match self.variable {
            "" => format!("CLAVITOR_{}", self.name.to_ascii_uppercase().replace('-', "_")),
            variable => variable.to_owned(),
        }
    }

    /// The key that gives this setting in a configuration file.
    pub fn file_key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Whether an edition does nothing with what `source` gives for it.
    pub(crate) fn is_ignored(&self, source: &Source, is_commercial: bool) -> bool {
        let lacks_flag = self.needs_flag_in_community && *source != Source::Flag;
        !is_commercial && (self.is_commercial || lacks_flag)
    }
}

/// The row of a key in a table that has one.
///
/// # Panics
/// If it has none.
pub fn setting(table: &'static [Setting], key: Key) -> &'static Setting {
    let row = table.iter().find(|setting| setting.key == key);
    row.expect("a table is asked for its own keys alone, which tests prove")
}

/// The row whose flag is `name`, given without dashes.
pub fn setting_of_flag(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

/// The default of `--data-bytes-max`: address space is scarce on small machines.
const DATA_BYTES_MAX_DEFAULT: &str =
    if cfg!(target_pointer_width = "64") { "64GiB" } else { "1GiB" };

/// What most rows have in common.
pub const ROW: Setting = Setting {
    key: Key::Config,
    name: "",
    kind: Kind::Text,
    default: "",
    help: "",
    reach: Reach::Everywhere,
    variable: "",
    needs_flag_in_community: false,
    is_commercial: false,
    is_secret: false,
    is_repeatable: false,
};

/// The row of the configuration file, which every table has.
pub const CONFIG: Setting = Setting {
    key: Key::Config,
    name: "config",
    kind: Kind::File,
    help: "Reads settings from this TOML file; the keys are the names of the flags with _ for -.",
    reach: Reach::NotInFile,
    ..ROW
};

/// The row of those who say for whom they ask.
pub const TRUSTED_PROXY: Setting = Setting {
    key: Key::TrustedProxy,
    name: "trusted-proxy",
    kind: Kind::Network,
    help: "Takes a client's address from X-Forwarded-For if the connection comes from this \
           address or network, at most 32. From anyone else that header means nothing.",
    is_repeatable: true,
    ..ROW
};

/// Every setting of a server, in the order in which help and report show them.
pub static TABLE: &[Setting] = &[
    CONFIG,
    Setting {
        key: Key::DataDir,
        name: "data-dir",
        kind: Kind::Directory,
        default: "./clavitor-data",
        help: "Keeps the data in this directory, which belongs to one server at a time.",
        ..ROW
    },
    Setting {
        key: Key::Listen,
        name: "listen",
        kind: Kind::Address,
        default: "127.0.0.1:1984",
        help: "Accepts connections on this address; port 0 picks a free one.",
        ..ROW
    },
    Setting {
        key: Key::MetricsListen,
        name: "metrics-listen",
        kind: Kind::Address,
        help: "Serves /metrics on this address too, without an access token.",
        ..ROW
    },
    Setting {
        key: Key::AllowPlainHttp,
        name: "allow-plain-http",
        kind: Kind::Switch,
        default: "false",
        help: "Lets traffic leave this machine unencrypted. Until TLS is there, anything but \
               loopback needs it: put a proxy or a private network in between.",
        ..ROW
    },
    TRUSTED_PROXY,
    Setting {
        key: Key::DataBytesMax,
        name: "data-bytes-max",
        kind: Kind::Size,
        default: DATA_BYTES_MAX_DEFAULT,
        help: "Lets the data grow to this size (1MiB to 1TiB; units KiB, MiB, GiB, TiB). Writes \
               are refused from 90 % of it.",
        ..ROW
    },
    Setting {
        key: Key::FlightRecorder,
        name: "flight-recorder",
        kind: Kind::File,
        help: "Keeps the last inputs of the server's state machines in this file, without secrets \
               or data, for `clavitor-sim replay FILE`. Off unless given.",
        ..ROW
    },
    Setting {
        key: Key::FlightRecorderBytes,
        name: "flight-recorder-bytes",
        kind: Kind::Size,
        default: "16MiB",
        help: "Lets that file take this much room (1MiB to 1GiB), all of it at once; the oldest \
               inputs make way for new ones. A file keeps the size it began with.",
        ..ROW
    },
    Setting {
        key: Key::PopId,
        name: "pop-id",
        kind: Kind::Name,
        help: "Names this server among its peers, such as calgary-01: 1 to 31 of a-z, 0-9, -. It \
               is stored at the first start and does not change. Replication needs it.",
        ..ROW
    },
    Setting {
        key: Key::Cluster,
        name: "cluster",
        kind: Kind::Name,
        default: "default",
        help: "Names the cluster; the same on each of its servers.",
        ..ROW
    },
    Setting {
        key: Key::AdvertiseUrl,
        name: "advertise-url",
        kind: Kind::Url,
        default: "http:// and the listen address",
        help: "Tells peers and clients where this server is; one of the cluster's URLs.",
        ..ROW
    },
    Setting {
        key: Key::ReplicationPrimary,
        name: "replication-primary",
        kind: Kind::Url,
        help: "Names the server that takes writes at the first start of the cluster; the same on \
               each server.",
        is_commercial: true,
        ..ROW
    },
    Setting {
        key: Key::ReplicationBackup,
        name: "replication-backup",
        kind: Kind::Url,
        help: "Names a backup, at most 15; the same on each server.",
        is_commercial: true,
        is_repeatable: true,
        ..ROW
    },
    Setting {
        key: Key::ReplicationTokenFile,
        name: "replication-token-file",
        kind: Kind::File,
        help: "Reads the secret that the servers of the cluster share from this file: at least \
               32 random bytes, such as `openssl rand -hex 32` prints.",
        is_commercial: true,
        ..ROW
    },
    Setting {
        key: Key::ReplicationToken,
        name: "replication-token",
        help: "Gives the shared secret itself. Other processes can see it: prefer the file.",
        is_commercial: true,
        is_secret: true,
        ..ROW
    },
    Setting {
        key: Key::Hq,
        name: "hq",
        kind: Kind::Url,
        help: "Registers with this control plane, which decides who takes writes and where DNS \
               points. Roles come from the configuration unless it is given.",
        is_commercial: true,
        ..ROW
    },
    Setting {
        key: Key::HqTokenFile,
        name: "hq-token-file",
        kind: Kind::File,
        help: "Reads this server's POP token from this file, as `clavitor hq pop add` printed it.",
        is_commercial: true,
        ..ROW
    },
    Setting {
        key: Key::HqToken,
        name: "hq-token",
        help: "Gives the POP token itself. Other processes can see it: prefer the file.",
        is_commercial: true,
        is_secret: true,
        ..ROW
    },
    Setting {
        key: Key::DnsAddress,
        name: "dns-address",
        kind: Kind::Ip,
        default: "the host of the advertise URL",
        help: "Lets DNS answer with this IP address while this server takes writes; one of IPv4 \
               and one of IPv6 may be given.",
        is_commercial: true,
        is_repeatable: true,
        ..ROW
    },
    Setting {
        key: Key::Fencing,
        name: "fencing",
        kind: Kind::Fencing,
        default: "lease",
        help: "What a primary does that can neither reach HQ nor all backups: lease stops taking \
               writes, so that two never do; merge goes on, and what lost is in the journal.",
        is_commercial: true,
        ..ROW
    },
    Setting {
        key: Key::TarpitConnectionsMax,
        name: "tarpit-connections-max",
        kind: Kind::Count,
        default: "1000",
        help: "Holds at most so many connections that asked for what is not there, to waste a \
               scanner's time; 0 answers them at once.",
        is_commercial: true,
        ..ROW
    },
    Setting {
        key: Key::TarpitPerAddress,
        name: "tarpit-per-address",
        kind: Kind::Count,
        help: "Holds at most so many of them from one address (of IPv6, one /64). No limit unless \
               given.",
        is_commercial: true,
        ..ROW
    },
    Setting {
        key: Key::TelemetryHost,
        name: "telemetry-host",
        kind: Kind::Url,
        help: "Sends telemetry to this server, and in the commercial edition operator alerts. \
               Nothing is sent unless it is given; the community edition takes it from the flag \
               alone.",
        variable: "TELEMETRY_HOST",
        needs_flag_in_community: true,
        ..ROW
    },
    Setting {
        key: Key::TelemetryTokenFile,
        name: "telemetry-token-file",
        kind: Kind::File,
        help: "Reads what telemetry and alerts authenticate with from this file: at least 32 \
               random bytes, such as `openssl rand -hex 32` prints.",
        needs_flag_in_community: true,
        ..ROW
    },
    Setting {
        key: Key::TelemetryToken,
        name: "telemetry-token",
        help: "Gives that token itself. Other processes can see it: prefer the file.",
        variable: "TELEMETRY_TOKEN",
        is_commercial: true,
        is_secret: true,
        ..ROW
    },
    Setting {
        key: Key::TelemetryFreq,
        name: "telemetry-freq",
        kind: Kind::Seconds,
        default: "300",
        help: "Sends telemetry this often (1 to 86400).",
        variable: "TELEMETRY_FREQ",
        needs_flag_in_community: true,
        ..ROW
    },
    Setting {
        key: Key::PopRegion,
        name: "pop-region",
        help: "Names the region of this server in telemetry and alerts, such as ca-west.",
        variable: "POP_REGION",
        is_commercial: true,
        ..ROW
    },
];
