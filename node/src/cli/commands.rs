//! The table of commands: parsing and help both read it. A binary may have some more of its own.

use crate::settings::{Key, Setting, TABLE};

/// Identifies a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the command of the same name")]
pub enum Id {
    Serve,
    Status,
    TokenCreate,
    TokenList,
    TokenRevoke,
    EntryPut,
    EntryGet,
    EntryList,
    EntryDelete,
    EntryConflicts,
    EntryRestore,
    Promote,
    Switchover,
    ReplicationResume,
    Export,
    Import,
    Check,
    ConfigCheck,
    /// One of a binary's own, which its words tell from the others.
    Own,
}

/// Which settings a command takes as flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// None, and no options but its own.
    Nothing,
    /// None: it talks to a running server.
    Client,
    /// All of them.
    AllSettings,
    /// Those about the data directory.
    DataSettings,
}

/// An option that belongs to commands rather than to the table of settings.
#[derive(Debug)]
pub struct Opt {
    /// The flag without its dashes.
    pub name: &'static str,
    /// The word for its value; empty for a switch.
    pub placeholder: &'static str,
    /// One or two sentences for the help.
    pub help: &'static str,
}

/// One command.
#[derive(Debug)]
pub struct Spec {
    /// Which one it is.
    pub id: Id,
    /// What is typed for it.
    pub words: &'static [&'static str],
    /// Operands that must be given, by the names messages use.
    pub operands: &'static [&'static str],
    /// One more operand that may be given.
    pub optional_operand: Option<&'static str>,
    /// Its own options.
    pub options: &'static [Opt],
    /// Which others it takes.
    pub takes: Takes,
    /// The table of its own settings, if it has one.
    pub own_settings: &'static [Setting],
    /// What it does, without the full stop.
    pub summary: &'static str,
    /// What else there is to say.
    pub details: &'static str,
    /// At least one.
    pub examples: &'static [&'static str],
}

/// What the rows of a binary's own commands have in common.
pub const OWN: Spec = Spec { id: Id::Own, takes: Takes::Nothing, ..SPEC };

impl Spec {
    /// The command's words as they are typed.
    pub fn name(&self) -> String {
        self.words.join(" ")
    }

    /// Its own options, those of every client command included.
    pub(crate) fn all_options(&self) -> impl Iterator<Item = &'static Opt> + use<> {
        let shared: &[Opt] = if self.takes == Takes::Client { CLIENT_OPTIONS } else { &[] };
        self.options.iter().chain(shared)
    }

    /// The settings it takes as flags.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &'static Setting> + use<> {
        let takes = self.takes;
        let shared = TABLE.iter().filter(move |setting| match takes {
            Takes::Nothing | Takes::Client => false,
            Takes::AllSettings => true,
            Takes::DataSettings => DATA_KEYS.contains(&setting.key),
        });
        self.own_settings.iter().chain(shared)
    }
}

const DATA_KEYS: [Key; 5] =
    [Key::Config, Key::DataDir, Key::DataBytesMax, Key::PopId, Key::Cluster];

const CLIENT_OPTIONS: &[Opt] = &[
    Opt {
        name: "server",
        placeholder: "URL",
        help: "The server to talk to. [default: $CLAVITOR_SERVER, else http://127.0.0.1:1984]",
    },
    Opt {
        name: "token-file",
        placeholder: "FILE",
        help: "The file that holds the access token. [default: $CLAVITOR_TOKEN_FILE, else \
               ./clavitor-data/admin.token]",
    },
    Opt {
        name: "allow-plain-http",
        placeholder: "",
        help: "Sends the access token unencrypted to a server that is not on this machine. \
               [default: $CLAVITOR_ALLOW_PLAIN_HTTP]",
    },
];

const JSON: Opt = Opt { name: "json", placeholder: "", help: "Prints JSON." };
const ACK_BACKUP: Opt = Opt {
    name: "ack-backup",
    placeholder: "",
    help: "Waits until a backup has it on disk too. Where none confirms in time it is kept and \
           sent later, and the exit code is 1.",
};

const SPEC: Spec = Spec {
    id: Id::Serve,
    words: &[],
    operands: &[],
    optional_operand: None,
    options: &[],
    takes: Takes::Client,
    own_settings: &[],
    summary: "",
    details: "",
    examples: &[],
};

/// Every command, in the order of the help.
pub(crate) static COMMANDS: &[Spec] = &[
    Spec {
        id: Id::Serve,
        words: &["serve"],
        takes: Takes::AllSettings,
        summary: "Runs a server, as happens without a command",
        details: "Needs no configuration: the data is kept in ./clavitor-data and the server \
                  listens on 127.0.0.1:1984. The first start writes an admin access token to \
                  admin.token in the data directory. A setting may stand in the file that \
                  --config names (data_dir = \"...\"), in the environment (CLAVITOR_DATA_DIR) or \
                  on the command line (--data-dir); the later of these wins.",
        examples: &[
            "{program}",
            "{program} serve --data-dir /var/lib/clavitor --config clavitor.toml",
        ],
        ..SPEC
    },
    Spec {
        id: Id::Status,
        words: &["status"],
        options: &[JSON],
        summary: "Shows a server's role and how far its peers are",
        details: "The exit code is 0 if all is well, 1 if the server is not ready or a peer is \
                  waiting or suspended, 2 if the server cannot be reached.",
        examples: &["{program} status", "{program} status --json --server http://127.0.0.1:1985"],
        ..SPEC
    },
    Spec {
        id: Id::TokenCreate,
        words: &["token", "create"],
        options: &[
            Opt {
                name: "scope",
                placeholder: "read|write|admin",
                help: "What it allows; write includes read, admin includes everything. Required.",
            },
            Opt {
                name: "vault",
                placeholder: "VAULT",
                help: "The vault it is for. Only admin goes without one: it is then for all.",
            },
            Opt { name: "label", placeholder: "TEXT", help: "A note on what it is for." },
            Opt {
                name: "expires-in",
                placeholder: "TIME",
                help: "When it ends: seconds, or a number with s, m, h, d or w. [default: never]",
            },
            ACK_BACKUP,
            JSON,
        ],
        summary: "Makes an access token and prints it, once",
        examples: &[
            "{program} token create --scope write --vault team > team.token",
            "{program} token create --scope read --vault team --expires-in 30d --label backup",
        ],
        ..SPEC
    },
    Spec {
        id: Id::TokenList,
        words: &["token", "list"],
        options: &[JSON],
        summary: "Lists access tokens, without the tokens themselves",
        examples: &["{program} token list"],
        ..SPEC
    },
    Spec {
        id: Id::TokenRevoke,
        words: &["token", "revoke"],
        operands: &["ID"],
        options: &[ACK_BACKUP, JSON],
        summary: "Revokes an access token for good",
        details: "Prints the peers that have not confirmed the revocation yet, one on a line; \
                  the token still works there until they do.",
        examples: &["{program} token revoke 9c41e07ab25d86f3104e7a95"],
        ..SPEC
    },
    Spec {
        id: Id::EntryPut,
        words: &["entry", "put"],
        operands: &["VAULT", "ENTRY"],
        optional_operand: Some("FILE|-"),
        options: &[
            Opt { name: "if-match", placeholder: "ETAG", help: "Writes only over this version." },
            Opt {
                name: "if-none-match",
                placeholder: "*",
                help: "With '*': writes only if there is no such entry.",
            },
            ACK_BACKUP,
        ],
        summary: "Stores a file or standard input and prints the ETag",
        details: "Encrypt before you store: the server keeps what it gets, up to 1 MiB.",
        examples: &[
            "age -R team.pub letter.txt | {program} entry put team letter",
            "{program} entry put team letter letter.age --if-none-match '*'",
        ],
        ..SPEC
    },
    Spec {
        id: Id::EntryGet,
        words: &["entry", "get"],
        operands: &["VAULT", "ENTRY"],
        options: &[Opt {
            name: "output",
            placeholder: "FILE",
            help: "Writes to this file. [default: standard output]",
        }],
        summary: "Prints an entry",
        examples: &["{program} entry get team letter | age -d -i key.txt"],
        ..SPEC
    },
    Spec {
        id: Id::EntryList,
        words: &["entry", "list"],
        operands: &["VAULT"],
        options: &[
            Opt { name: "prefix", placeholder: "TEXT", help: "Only names that begin like this." },
            JSON,
        ],
        summary: "Lists the entries of a vault",
        examples: &["{program} entry list team --prefix letters/"],
        ..SPEC
    },
    Spec {
        id: Id::EntryDelete,
        words: &["entry", "delete"],
        operands: &["VAULT", "ENTRY"],
        options: &[ACK_BACKUP],
        summary: "Deletes an entry",
        examples: &["{program} entry delete team letter"],
        ..SPEC
    },
    Spec {
        id: Id::EntryConflicts,
        words: &["entry", "conflicts"],
        operands: &["VAULT"],
        options: &[JSON],
        summary: "Lists versions that lost against a concurrent write",
        examples: &["{program} entry conflicts team"],
        ..SPEC
    },
    Spec {
        id: Id::EntryRestore,
        words: &["entry", "restore"],
        operands: &["VAULT", "CONFLICT-ID"],
        summary: "Makes a version that lost the newest one",
        examples: &["{program} entry restore team 19f2b7c04d1-0-zurich-01.6c6574746572"],
        ..SPEC
    },
    Spec {
        id: Id::Promote,
        words: &["promote"],
        options: &[JSON],
        summary: "Makes the server the primary and prints the epoch",
        details: "For when the primary is gone and there is no HQ. If it is only cut off, both take writes until \
                  they meet again; what loses then is listed by `{program} entry conflicts`.",
        examples: &["{program} promote --server http://127.0.0.1:1985"],
        ..SPEC
    },
    Spec {
        id: Id::Switchover,
        words: &["switchover"],
        options: &[
            Opt {
                name: "to",
                placeholder: "POP",
                help: "Who is to take writes. [default: the backup that holds most]",
            },
            JSON,
        ],
        summary: "Hands the primary's role over and prints the new epoch",
        details: "Asked of the primary, where HQ decides. It goes on taking writes until the other \
                  one is nearly up to date, and keeps its role if that takes too long.",
        examples: &["{program} switchover", "{program} switchover --to zurich-01"],
        ..SPEC
    },
    Spec {
        id: Id::ReplicationResume,
        words: &["replication", "resume"],
        options: &[JSON],
        summary: "Tries suspended peers again now and prints how many",
        examples: &["{program} replication resume"],
        ..SPEC
    },
    Spec {
        id: Id::Export,
        words: &["export"],
        operands: &["FILE|-"],
        options: &[Opt { name: "force", placeholder: "", help: "Replaces FILE if it is there." }],
        summary: "Copies everything in a running server into a file",
        details: "The copy is of one moment. It is complete and verified once FILE is there: \
                  until then it is FILE.partial. With - it goes to standard output.",
        examples: &["{program} export vaults.export"],
        ..SPEC
    },
    Spec {
        id: Id::Import,
        words: &["import"],
        operands: &["FILE"],
        takes: Takes::DataSettings,
        summary: "Fills an empty data directory from an exported file",
        details: "The server that owns the data directory must not be running.",
        examples: &["{program} import vaults.export --data-dir /var/lib/clavitor"],
        ..SPEC
    },
    Spec {
        id: Id::Check,
        words: &["check"],
        takes: Takes::DataSettings,
        options: &[Opt {
            name: "restamp",
            placeholder: "",
            help: "Sets timestamps that lie in the future to now, in their order: the way back \
                   after a clock ran far ahead.",
        }],
        summary: "Verifies the data directory of a stopped server",
        examples: &["{program} check --data-dir /var/lib/clavitor"],
        ..SPEC
    },
    Spec {
        id: Id::ConfigCheck,
        words: &["config", "check"],
        takes: Takes::AllSettings,
        summary: "Prints the settings in force and where each came from",
        details: "Takes what `{program} serve` takes and refuses what it would refuse.",
        examples: &["{program} config check --config clavitor.toml"],
        ..SPEC
    },
];
