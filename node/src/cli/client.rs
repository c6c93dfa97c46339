//! The commands that talk to a running server. What a script reads stands alone on stdout;
//! everything else goes to stderr.

mod connection;
pub mod display;
mod entries;
mod export;
mod operator;
mod status;
#[cfg(test)]
mod tests;
mod tokens;

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;

use super::Exit;
use crate::settings::{Environment, ServerUrl};

pub use connection::{Answer, Ask, Connection, encoded, field};
pub use export::{ExportError, ExportTotals, copy_verified};

/// Which server a command talks to, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server.
    pub server: ServerUrl,
    /// The file that holds the access token.
    pub token_file: PathBuf,
    /// What is said where it is not found.
    pub hints: &'static Hints,
}

/// What to tell a person whose command did not reach its server.
#[derive(Debug, PartialEq, Eq)]
pub struct Hints {
    /// Where the access token comes from.
    pub token: &'static str,
    /// How the server is started, and how another is named.
    pub server: &'static str,
}

/// What there is to say about the servers of vaults.
pub const HINTS: Hints = Hints {
    token: "The access token is read from --token-file or CLAVITOR_TOKEN_FILE; a server writes its \
            first one to admin.token in its data directory.",
    server: "Is the server running? `{program} serve` starts one; --server or CLAVITOR_SERVER names \
             another.",
};

/// A command for a running server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCommand {
    /// The server it is for.
    pub target: Target,
    /// What the server shall do.
    pub action: Action,
}

/// What an access token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
    /// Everything.
    Admin,
}

/// Under which condition an entry is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Under any.
    None,
    /// Only over the version with this ETag, given without its quotes.
    Version(String),
    /// Only if there is no such entry.
    Absent,
}

/// What a running server can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the options and operands of the same name")]
pub enum Action {
    /// `status`
    Status { is_json: bool },
    /// `token create`
    TokenCreate {
        scope: Scope,
        vault: Option<String>,
        label: Option<String>,
        expires_in_s: Option<u64>,
        is_ack_backup: bool,
        is_json: bool,
    },
    /// `token list`
    TokenList { is_json: bool },
    /// `token revoke`
    TokenRevoke { id: String, is_ack_backup: bool, is_json: bool },
    /// `entry put`; without a file the entry is read from standard input.
    EntryPut {
        vault: String,
        entry: String,
        file: Option<PathBuf>,
        precondition: Precondition,
        is_ack_backup: bool,
    },
    /// `entry get`; without a file the entry goes to standard output.
    EntryGet { vault: String, entry: String, output: Option<PathBuf> },
    /// `entry list`
    EntryList { vault: String, prefix: Option<String>, is_json: bool },
    /// `entry delete`
    EntryDelete { vault: String, entry: String, is_ack_backup: bool },
    /// `entry conflicts`
    EntryConflicts { vault: String, is_json: bool },
    /// `entry restore`
    EntryRestore { vault: String, conflict_id: String },
    /// `promote`
    Promote { is_json: bool },
    /// `switchover`
    Switchover { to: Option<String>, is_json: bool },
    /// `replication resume`
    ReplicationResume { is_json: bool },
    /// `export`; without a file the copy goes to standard output.
    Export { file: Option<PathBuf>, force: bool },
}

/// Where a command reads from and writes to.
pub struct Console<'a> {
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// Whether standard output takes colours.
    pub has_colour_out: bool,
    /// Whether standard error takes colours.
    pub has_colour_err: bool,
    /// Whether somebody would have to type the input.
    pub is_input_typed: bool,
}

/// A command that did not come to its end, and what to say about it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What to say, one sentence on a line.
    pub message: String,
}

impl Failure {
    /// It was refused, or went wrong.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Refused, message: message.into() }
    }

    /// The server was not reached.
    pub fn unreached(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Unreached, message: message.into() }
    }
}

impl Console<'_> {
    /// Writes what a script reads.
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        self.print_bytes(text.as_bytes())
    }

    /// Writes what a script reads, whatever its bytes.
    pub(crate) fn print_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        written.map_err(|error| Failure::refused(format!("cannot write the output: {error}")))
    }

    /// Tells the person something. A closed stderr is no reason to fail.
    pub fn tell(&mut self, text: &str) {
        let _ = self.err.write_all(format!("{text}\n").as_bytes());
        let _ = self.err.flush();
    }

    /// Tells the person something that needs their attention.
    pub fn warn(&mut self, text: &str) {
        let text = display::printable(text);
        match self.has_colour_err {
            true => self.tell(&format!("\x1b[33m{text}\x1b[0m")),
            false => self.tell(&text),
        }
    }
}

/// Runs a command on the standard streams of this process.
pub fn run_on_process(command: ClientCommand, environment: &Environment) -> Exit {
    on_process(environment, |console| run(command, console))
}

/// Does something on the standard streams of this process.
pub fn on_process(environment: &Environment, act: impl FnOnce(&mut Console<'_>) -> Exit) -> Exit {
    let has_colour = environment.value("NO_COLOR").is_none_or(|value| value.is_empty());
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let mut console = Console {
        has_colour_out: has_colour && stdout.is_terminal(),
        has_colour_err: has_colour && stderr.is_terminal(),
        is_input_typed: stdin.is_terminal(),
        input: &mut stdin.lock(),
        out: &mut stdout.lock(),
        err: &mut stderr.lock(),
    };
    act(&mut console)
}

/// Runs a command.
pub fn run(command: ClientCommand, console: &mut Console<'_>) -> Exit {
    let result = Connection::open(command.target, console)
        .and_then(|connection| act(&connection, command.action, console));
    conclude(result, console)
}

/// Tells how a command ended, if it did not end well.
pub fn conclude(result: Result<Exit, Failure>, console: &mut Console<'_>) -> Exit {
    match result {
        Ok(exit) => exit,
        Err(failure) => {
            // Line by line, because control characters within a line are made harmless.
            failure.message.lines().for_each(|line| console.warn(line));
            failure.exit
        }
    }
}

fn act(
    connection: &Connection,
    action: Action,
    console: &mut Console<'_>,
) -> Result<Exit, Failure> {
    match action {
        Action::Status { is_json } => status::show(connection, is_json, console),
        Action::TokenCreate { scope, vault, label, expires_in_s, is_ack_backup, is_json } => {
            let wanted = tokens::Wanted { scope, vault, label, expires_in_s };
            tokens::create(connection, &wanted, is_ack_backup, is_json, console)
        }
        Action::TokenList { is_json } => tokens::list(connection, is_json, console),
        Action::TokenRevoke { id, is_ack_backup, is_json } => {
            tokens::revoke(connection, &id, is_ack_backup, is_json, console)
        }
        Action::EntryPut { vault, entry, file, precondition, is_ack_backup } => {
            let place = entries::Place { vault: &vault, entry: &entry };
            let blob = entries::read_blob(file.as_deref(), console)?;
            entries::put(connection, place, blob, &precondition, is_ack_backup, console)
        }
        Action::EntryGet { vault, entry, output } => {
            let place = entries::Place { vault: &vault, entry: &entry };
            entries::get(connection, place, output.as_deref(), console)
        }
        Action::EntryList { vault, prefix, is_json } => {
            entries::list(connection, &vault, prefix.as_deref(), is_json, console)
        }
        Action::EntryDelete { vault, entry, is_ack_backup } => {
            let place = entries::Place { vault: &vault, entry: &entry };
            entries::delete(connection, place, is_ack_backup, console)
        }
        Action::EntryConflicts { vault, is_json } => {
            entries::conflicts(connection, &vault, is_json, console)
        }
        Action::EntryRestore { vault, conflict_id } => {
            entries::restore(connection, &vault, &conflict_id, console)
        }
        Action::Promote { is_json } => operator::promote(connection, is_json, console),
        Action::Switchover { to, is_json } => {
            operator::switchover(connection, to.as_deref(), is_json, console)
        }
        Action::ReplicationResume { is_json } => operator::resume(connection, is_json, console),
        Action::Export { file, force } => {
            export::export(connection, file.as_deref(), force, console)
        }
    }
}
