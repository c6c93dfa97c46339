//! What was given for each setting, and by whom: flags over environment over file.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::environment::Environment;
use super::file;
use super::table::{Key, Kind, Setting, setting};

/// A flag as it stood on the command line.
#[derive(Clone)]
pub struct Flag {
    /// The setting it gives.
    pub setting: &'static Setting,
    /// Its value; a switch without one is `true`.
    pub value: OsString,
}

// The value may be a secret.
impl fmt::Debug for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flag").field("name", &self.setting.name).finish_non_exhaustive()
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table's own default.
    Default,
    /// A configuration file; line and column count from one.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line of the value.
        line: usize,
        /// The column of the value, in characters.
        column: usize,
    },
    /// An environment variable.
    Environment,
    /// A flag.
    Flag,
}

impl Source {
    /// How the source of this setting is named in messages.
    pub(crate) fn naming(&self, setting: &Setting) -> String {
        match self {
            Source::Default => format!("default of --{}", setting.name),
            Source::File { path, line, column } => {
                format!("{}:{line}:{column}: {}", path.display(), setting.file_key())
            }
            Source::Environment => setting.variable(),
            Source::Flag => format!("--{}", setting.name),
        }
    }
}

/// One value, not yet looked at.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) text: OsString,
    pub(crate) source: Source,
}

// Values may be secrets, and nothing needs to print one from here.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("source", &self.source).finish_non_exhaustive()
    }
}

/// The values in force, per setting that was given at all.
pub(crate) type Given = BTreeMap<Key, Vec<Item>>;

/// Collects what all three sources give. What is unknown, misplaced or given twice is described
/// in `problems`.
pub(crate) fn gather(
    table: &'static [Setting],
    flags: Vec<Flag>,
    environment: &Environment,
    is_commercial: bool,
    problems: &mut Vec<String>,
) -> Given {
    problems.extend(environment.unknown_variables());
    let from_environment = from_environment(table, environment);
    let from_flags = from_flags(flags, problems);
    let config = setting(table, Key::Config);
    let file = from_flags.get(&Key::Config).or_else(|| from_environment.get(&Key::Config));
    let mut given = match file.and_then(|items| items.first()) {
        Some(item) => {
            let naming = item.source.naming(config);
            file::read((table, item.text.as_ref()), &naming, is_commercial, problems)
        }
        None => Given::new(),
    };
    // Each source replaces the whole value of the one below, lists included.
    given.extend(from_environment);
    given.extend(from_flags);
    given
}

fn from_environment(table: &'static [Setting], environment: &Environment) -> Given {
    let mut given = Given::new();
    for setting in table {
        let Some(value) = environment.value(&setting.variable()) else {
            continue;
        };
        let item = |text: OsString| Item { text, source: Source::Environment };
        let items = match setting.is_repeatable {
            true => list_of(value).into_iter().map(item).collect(),
            false => vec![item(value.to_owned())],
        };
        given.insert(setting.key, items);
    }
    given
}

/// The parts between commas, without the blanks around them.
fn list_of(value: &OsStr) -> Vec<OsString> {
    let parts = value.as_bytes().split(|byte| *byte == b',');
    parts.map(|part| OsString::from_vec(part.trim_ascii().to_vec())).collect()
}

fn from_flags(flags: Vec<Flag>, problems: &mut Vec<String>) -> Given {
    let mut given = Given::new();
    for Flag { setting, value } in flags {
        let items: &mut Vec<Item> = given.entry(setting.key).or_default();
        if !items.is_empty() && !setting.is_repeatable {
            problems.push(format!("--{}: given twice", setting.name));
        }
        items.push(Item { text: value, source: Source::Flag });
    }
    given
}

/// Reads a switch.
pub fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("\"{text}\" is neither true nor false")),
    }
}

/// Whether the shape of a value of this kind is a path, which need not be UTF-8.
pub(crate) fn is_path(kind: Kind) -> bool {
    matches!(kind, Kind::File | Kind::Directory)
}
