//! Turns the command line of `clavitor demo` into what it asks for.

use std::path::PathBuf;

use clavitor_node::cli::commands::Opt;
use clavitor_node::cli::{Arguments, Usage};
use clavitor_node::settings::{self, Environment};

use crate::demo;

/// What it takes.
pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "rounds",
        placeholder: "N",
        help: "Kills the primary so many times (1 to 100). [default: 1]",
    },
    Opt {
        name: "switchovers",
        placeholder: "N",
        help: "Hands the primary's place over so many times afterwards (0 to 100). [default: 1]",
    },
    Opt {
        name: "stay",
        placeholder: "",
        help: "Keeps everything running afterwards, to be played with, until Ctrl-C.",
    },
    Opt {
        name: "data-dir",
        placeholder: "DIR",
        help: "Keeps data and logs in this directory, which must be empty. [default: a temporary \
               one, gone afterwards]",
    },
    super::JSON,
];

/// What is asked for.
pub(super) fn options(
    arguments: &mut Arguments,
    environment: &Environment,
) -> Result<demo::Options, Usage> {
    let mut number = |name: &str, min| {
        let text = arguments.text(name)?.unwrap_or_else(|| "1".to_owned());
        let number = settings::number(&text, min, demo::ROUNDS_MAX);
        number.map_err(|error| Usage::new(format!("--{name}: {error}")))
    };
    let (rounds, switchovers) = (number("rounds", 1)?, number("switchovers", 0)?);
    let data_dir = arguments.option("data-dir").map(PathBuf::from);
    if data_dir.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Err(Usage::new("--data-dir: is empty"));
    }
    Ok(demo::Options {
        data_dir,
        rounds,
        switchovers,
        is_json: arguments.has(super::JSON.name),
        is_staying: arguments.has("stay"),
        may_colour: environment.value("NO_COLOR").is_none_or(|value| value.is_empty()),
    })
}
