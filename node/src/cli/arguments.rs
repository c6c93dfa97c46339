//! Splits a command line into operands, options and settings, as a command's row allows.

use std::collections::BTreeMap;
use std::ffi::OsString;

use lexopt::Arg;

use super::Usage;
use super::commands::{Opt, Spec};
use crate::settings::{Flag, Kind, Setting, did_you_mean};

/// What a command line said, apart from the command itself.
#[derive(Debug, Default)]
pub struct Arguments {
    /// What is not an option.
    pub operands: Vec<OsString>,
    options: BTreeMap<&'static str, OsString>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) is_help: bool,
    pub(crate) is_version: bool,
}

impl Arguments {
    /// Whether this option was given.
    pub fn has(&self, name: &str) -> bool {
        self.options.contains_key(name)
    }

    /// The settings that were given.
    pub fn take_flags(&mut self) -> Vec<Flag> {
        std::mem::take(&mut self.flags)
    }

    /// The value of an option, whatever its bytes.
    pub fn option(&mut self, name: &str) -> Option<OsString> {
        self.options.remove(name)
    }

    /// The value of an option that must be text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Usage> {
        let into_text = |value: OsString| {
            value.into_string().map_err(|_| Usage::new(format!("--{name}: is not UTF-8 text")))
        };
        self.option(name).map(into_text).transpose()
    }
}

/// Reads what follows the command's words.
pub(crate) fn split(spec: &'static Spec, rest: &[OsString]) -> Result<Arguments, Usage> {
    let mut parser = lexopt::Parser::from_args(rest);
    let mut arguments = Arguments::default();
    while let Some(argument) = parser.next().map_err(|error| Usage::new(error.to_string()))? {
        match argument {
            Arg::Short('h') => arguments.is_help = true,
            Arg::Short('V') => arguments.is_version = true,
            Arg::Short(letter) => return Err(Usage::new(format!("unknown option \"-{letter}\""))),
            Arg::Value(value) => arguments.operands.push(value),
            Arg::Long(name) => {
                let name = name.to_owned();
                on_long(spec, &name, &mut parser, &mut arguments)?;
            }
        }
    }
    Ok(arguments)
}

fn on_long(
    spec: &'static Spec,
    name: &str,
    parser: &mut lexopt::Parser,
    arguments: &mut Arguments,
) -> Result<(), Usage> {
    match name {
        "help" => arguments.is_help = true,
        "version" => arguments.is_version = true,
        _ => {
            let option = spec.all_options().find(|option| option.name == name);
            let setting = spec.settings().find(|setting| setting.name == name);
            match (option, setting) {
                (Some(option), _) => on_option(option, parser, arguments)?,
                (None, Some(setting)) => on_setting(setting, parser, arguments)?,
                (None, None) => return Err(unknown(spec, name)),
            }
        }
    }
    Ok(())
}

fn on_option(
    option: &'static Opt,
    parser: &mut lexopt::Parser,
    arguments: &mut Arguments,
) -> Result<(), Usage> {
    let name = option.name;
    let value = match option.placeholder.is_empty() {
        true if parser.optional_value().is_some() => {
            return Err(Usage::new(format!("--{name}: takes no value")));
        }
        true => OsString::new(),
        false => value_of(name, parser)?,
    };
    match arguments.options.insert(name, value) {
        None => Ok(()),
        Some(_) => Err(Usage::new(format!("--{name}: given twice"))),
    }
}

fn on_setting(
    setting: &'static Setting,
    parser: &mut lexopt::Parser,
    arguments: &mut Arguments,
) -> Result<(), Usage> {
    let value = match setting.kind {
        Kind::Switch => parser.optional_value().unwrap_or_else(|| "true".into()),
        _ => value_of(setting.name, parser)?,
    };
    arguments.flags.push(Flag { setting, value });
    Ok(())
}

fn value_of(name: &str, parser: &mut lexopt::Parser) -> Result<OsString, Usage> {
    parser.value().map_err(|_| Usage::new(format!("--{name}: needs a value")))
}

fn unknown(spec: &'static Spec, name: &str) -> Usage {
    let options = spec.all_options().map(|option| option.name);
    let settings = spec.settings().map(|setting| setting.name);
    let known = options.chain(settings).chain(["help", "version"]);
    Usage::new(format!("unknown option \"--{name}\"{}", did_you_mean(name, "--", known)))
}
