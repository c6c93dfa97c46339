//! The help, written from the tables of commands and settings.

use super::Offer;
use super::commands::Spec;
use crate::program;
use crate::settings::{help as settings_help, wrapped};

/// What `--help` alone prints.
pub(crate) fn overview(offer: Offer) -> String {
    let mut text = String::from(
        "Clavitor keeps client-encrypted entries in vaults.\n\n\
         Usage: {program} [COMMAND] [OPTIONS]\n\nCommands:\n",
    );
    text.push_str(&summaries(offer.commands()));
    text.push_str(
        "\nOptions:\n  -h, --help           Prints this, or the help of a command\n  \
         -V, --version        Prints name, version, edition and runtime\n\n\
         Without a command a server runs, and takes the options of `{program} serve`:\n\
         `{program} serve --help` lists all settings.\n\n\
         Examples:\n  {program}\n  \
         {program} token create --scope write --vault team > team.token\n  \
         echo secret | {program} entry put team letter --token-file team.token\n  \
         {program} status\n\n\
         Exit codes: 0 done, 1 refused or degraded, 2 wrong usage or not reached.\n",
    );
    program::named(&text)
}

/// The help of commands that share their first words.
pub(crate) fn group(words: &[&str], offer: Offer) -> String {
    let members = offer.commands().filter(|spec| spec.words.starts_with(words));
    let (program, words) = (program::name(), words.join(" "));
    format!(
        "Usage: {program} {words} COMMAND [OPTIONS]\n\nCommands:\n{}\n\
         `{program} {words} COMMAND --help` says more about each.\n",
        summaries(members)
    )
}

/// The help of one command.
pub(crate) fn of_command(spec: &'static Spec, is_commercial: bool) -> String {
    let mut usage = format!("Usage: {} {}", program::name(), spec.name());
    spec.operands.iter().for_each(|operand| usage.push_str(&format!(" {operand}")));
    if let Some(operand) = spec.optional_operand {
        usage.push_str(&format!(" [{operand}]"));
    }
    let mut text = format!("{}.\n\n{usage} [OPTIONS]\n", spec.summary);
    if !spec.details.is_empty() {
        text.push('\n');
        text.push_str(&wrapped(&program::named(spec.details), 0));
    }
    text.push_str("\nOptions:\n");
    text.push_str(&settings_help(spec.settings(), is_commercial));
    for option in spec.all_options() {
        let head = format!("--{} {}", option.name, option.placeholder);
        text.push_str(&format!("  {}\n", head.trim_end()));
        text.push_str(&wrapped(option.help, 10));
    }
    text.push_str("  -h, --help\n          Prints this.\n");
    text.push_str("\nExamples:\n");
    spec.examples
        .iter()
        .for_each(|example| text.push_str(&format!("  {}\n", program::named(example))));
    text
}

fn summaries<'a>(specs: impl Iterator<Item = &'a Spec>) -> String {
    specs.map(|spec| format!("  {:<20} {}\n", spec.name(), spec.summary)).collect()
}
