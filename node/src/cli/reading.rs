//! Turns the parts of a command line into the command they ask for.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::arguments::{Arguments, split};
use super::client::{Action, ClientCommand, HINTS, Precondition, Scope, Target};
use super::commands::{Id, Spec};
use super::{Command, Offer, Usage, help};
use crate::settings::{self, Environment, SERVER_VARIABLE, ServerUrl, TOKEN_FILE_VARIABLE};

const SERVER_DEFAULT: &str = "http://127.0.0.1:1984";
const TOKEN_FILE_DEFAULT: &str = "./clavitor-data/admin.token";
const PLAIN_HTTP_VARIABLE: &str = "CLAVITOR_ALLOW_PLAIN_HTTP";

/// Reads the rest of the command line of `spec`.
pub(crate) fn command(
    spec: &'static Spec,
    rest: &[OsString],
    environment: &Environment,
    offer: Offer,
) -> Result<Command, Usage> {
    let is_commercial = offer.is_commercial;
    let mut arguments = split(spec, rest)?;
    if arguments.is_help {
        return Ok(Command::Help(help::of_command(spec, is_commercial)));
    }
    if arguments.is_version {
        return Ok(Command::Version);
    }
    check_operands(spec, &arguments)?;
    if spec.id == Id::Own {
        return Ok(Command::Own(spec, arguments));
    }
    let flags = arguments.take_flags();
    let refused = |error: settings::SettingsError| Usage::new(error.to_string());
    let data = |flags| settings::load_data(flags, environment, is_commercial).map_err(refused);
    let load =
        |flags| settings::load(flags, environment, is_commercial).map(Box::new).map_err(refused);
    match spec.id {
        Id::Serve => Ok(Command::Serve(load(flags)?)),
        Id::ConfigCheck => Ok(Command::ConfigCheck(load(flags)?)),
        Id::Import => {
            let file = PathBuf::from(arguments.operands.remove(0));
            match file.as_os_str() == "-" {
                true => Err(Usage::new("FILE: import cannot read standard input")),
                false => Ok(Command::Import { file, data: data(flags)? }),
            }
        }
        Id::Check => Ok(Command::Check { restamp: arguments.has("restamp"), data: data(flags)? }),
        _ => client(spec, arguments, environment).map(Command::Client),
    }
}

fn check_operands(spec: &Spec, arguments: &Arguments) -> Result<(), Usage> {
    let given = arguments.operands.len();
    if let Some(missing) = spec.operands.get(given..).filter(|missing| !missing.is_empty()) {
        let missing = missing.join(" and ");
        return Err(Usage::new(format!("{}: {missing} must be given", spec.name())));
    }
    let most = spec.operands.len() + usize::from(spec.optional_operand.is_some());
    match arguments.operands.get(most) {
        None => Ok(()),
        Some(extra) => {
            Err(Usage::new(format!("unexpected argument \"{}\"", extra.to_string_lossy())))
        }
    }
}

fn client(
    spec: &Spec,
    mut arguments: Arguments,
    environment: &Environment,
) -> Result<ClientCommand, Usage> {
    // A misspelt CLAVITOR_SERVER would send a deletion to the default server.
    let unknown = environment.unknown_variables();
    if !unknown.is_empty() {
        return Err(Usage::new(unknown.join("\n")));
    }
    let target = target(&mut arguments, environment)?;
    let action = action(spec, &mut arguments)?;
    Ok(ClientCommand { target, action })
}

fn target(arguments: &mut Arguments, environment: &Environment) -> Result<Target, Usage> {
    let from_variable = |name: &str| environment.value(name).map(OsStr::to_owned);
    let (naming, server) = match arguments.option("server") {
        Some(server) => ("--server", server),
        None => {
            let server = from_variable(SERVER_VARIABLE);
            (SERVER_VARIABLE, server.unwrap_or_else(|| SERVER_DEFAULT.into()))
        }
    };
    let server = ServerUrl::parse(&server.to_string_lossy())
        .map_err(|error| Usage::new(format!("{naming}: {error}")))?;
    let is_allowed_by_variable = match environment.value(PLAIN_HTTP_VARIABLE) {
        None => false,
        Some(text) => settings::switch(&text.to_string_lossy())
            .map_err(|error| Usage::new(format!("{PLAIN_HTTP_VARIABLE}: {error}")))?,
    };
    let is_allowed = arguments.has("allow-plain-http") || is_allowed_by_variable;
    if !is_allowed && !server.is_loopback() {
        return Err(Usage::new(format!(
            "{naming}: {server} is not loopback, and TLS is not there yet: --allow-plain-http \
             sends the access token unencrypted"
        )));
    }
    let token_file = arguments.option("token-file").or_else(|| from_variable(TOKEN_FILE_VARIABLE));
    let token_file = PathBuf::from(token_file.unwrap_or_else(|| TOKEN_FILE_DEFAULT.into()));
    Ok(Target { server, token_file, hints: &HINTS })
}

fn action(spec: &Spec, arguments: &mut Arguments) -> Result<Action, Usage> {
    let is_json = arguments.has("json");
    let is_ack_backup = arguments.has("ack-backup");
    let operands = std::mem::take(&mut arguments.operands);
    let mut operands = operands.into_iter();
    let mut path = || operands.next().map(PathBuf::from);
    if spec.id == Id::Export {
        let file = path().filter(|file| file.as_os_str() != "-");
        return Ok(Action::Export { file, force: arguments.has("force") });
    }
    let mut name = |what: &str| match operands.next().map(OsString::into_string) {
        Some(Ok(name)) if !name.is_empty() => Ok(name),
        Some(Ok(_)) | None => Err(Usage::new(format!("{what}: is empty"))),
        Some(Err(_)) => Err(Usage::new(format!("{what}: is not UTF-8 text"))),
    };
    Ok(match spec.id {
        Id::Status => Action::Status { is_json },
        Id::TokenCreate => token_create(arguments, is_ack_backup, is_json)?,
        Id::TokenList => Action::TokenList { is_json },
        Id::TokenRevoke => Action::TokenRevoke { id: name("ID")?, is_ack_backup, is_json },
        Id::EntryPut => Action::EntryPut {
            vault: name("VAULT")?,
            entry: name("ENTRY")?,
            file: operands.next().map(PathBuf::from).filter(|file| file.as_os_str() != "-"),
            precondition: precondition(arguments)?,
            is_ack_backup,
        },
        Id::EntryGet => Action::EntryGet {
            vault: name("VAULT")?,
            entry: name("ENTRY")?,
            output: arguments.option("output").map(PathBuf::from),
        },
        Id::EntryList => {
            Action::EntryList { vault: name("VAULT")?, prefix: arguments.text("prefix")?, is_json }
        }
        Id::EntryDelete => {
            Action::EntryDelete { vault: name("VAULT")?, entry: name("ENTRY")?, is_ack_backup }
        }
        Id::EntryConflicts => Action::EntryConflicts { vault: name("VAULT")?, is_json },
        Id::EntryRestore => {
            Action::EntryRestore { vault: name("VAULT")?, conflict_id: name("CONFLICT-ID")? }
        }
        Id::Promote => Action::Promote { is_json },
        Id::Switchover => Action::Switchover { to: pop(arguments)?, is_json },
        Id::ReplicationResume => Action::ReplicationResume { is_json },
        Id::Serve | Id::Export | Id::Import | Id::Check | Id::ConfigCheck | Id::Own => {
            unreachable!("not a client command, or dealt with above")
        }
    })
}

fn pop(arguments: &mut Arguments) -> Result<Option<String>, Usage> {
    let Some(text) = arguments.text("to")? else { return Ok(None) };
    settings::name(&text).map(Some).map_err(|error| Usage::new(format!("--to: {error}")))
}

fn token_create(
    arguments: &mut Arguments,
    is_ack_backup: bool,
    is_json: bool,
) -> Result<Action, Usage> {
    let scope = match arguments.text("scope")?.as_deref() {
        Some("read") => Scope::Read,
        Some("write") => Scope::Write,
        Some("admin") => Scope::Admin,
        Some(other) => {
            let message = format!("--scope: \"{other}\" is none of read, write and admin");
            return Err(Usage::new(message));
        }
        None => return Err(Usage::new("--scope: must be given: read, write or admin")),
    };
    let vault = arguments.text("vault")?;
    if vault.is_none() && scope != Scope::Admin {
        return Err(Usage::new("--vault: must be given unless the scope is admin"));
    }
    let expires_in_s = arguments.text("expires-in")?.map(|text| duration_s(&text)).transpose()?;
    let label = arguments.text("label")?;
    Ok(Action::TokenCreate { scope, vault, label, expires_in_s, is_ack_backup, is_json })
}

/// Reads a duration such as `30d`, `12h` or `3600` as seconds.
fn duration_s(text: &str) -> Result<u64, Usage> {
    let wrong = || {
        Usage::new(format!("--expires-in: \"{text}\" is not a time such as 3600, 90m, 12h or 30d"))
    };
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number = digits.parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

fn precondition(arguments: &mut Arguments) -> Result<Precondition, Usage> {
    match (arguments.text("if-match")?, arguments.text("if-none-match")?) {
        (None, None) => Ok(Precondition::None),
        (Some(_), Some(_)) => {
            Err(Usage::new("--if-match: cannot be combined with --if-none-match"))
        }
        (None, Some(star)) if star == "*" => Ok(Precondition::Absent),
        (None, Some(_)) => Err(Usage::new("--if-none-match: only '*' is possible")),
        (Some(etag), None) => {
            let bare = etag.trim_matches('"');
            let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
            match !bare.is_empty() && bare.bytes().all(is_plain) {
                true => Ok(Precondition::Version(bare.to_owned())),
                false => Err(Usage::new(format!("--if-match: \"{etag}\" is not an ETag"))),
            }
        }
    }
}
