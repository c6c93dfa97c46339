//! What `--help` says.

use std::fmt::Write as _;

use super::Exit;
use super::commands::{ALL, Command};

/// The widest that a line is.
const WIDTH: usize = 96;

/// Everything there is to say.
pub(crate) fn all() -> String {
    let mut out = wrapped(
        "The deterministic simulator of Clavitor: a whole cluster, its faults and its promises, from \
         one seed.",
        0,
        0,
    );
    out.push('\n');
    for command in ALL {
        out += &of(command);
        out += "\n";
    }
    out += "Other options:\n";
    out += &row("  --help, -h", "this; after a command, what it takes");
    out += &row("  --version, -V", "the version, which is that of every file it reads and writes");
    out += "\nEvery run begins and ends with one command that does it again.\n\nExit codes:\n";
    for (_, code, about) in Exit::ALL {
        out += &row(&format!("  {code}"), about);
    }
    out += "\nA swarm ends as its first failing run does; minimise and timeline end with 0 once they \
            have\ndone what they were asked for, whatever is wrong with the run.\n";
    out
}

/// What there is to say of one command.
pub(crate) fn of(command: &Command) -> String {
    let mut out = format!("clavitor-sim {} {}", command.name, command.usage);
    out.truncate(out.trim_end().len());
    let optional = command.options.iter().filter(|it| !command.usage.contains(it.name));
    for option in optional {
        let value = if option.placeholder.is_empty() { "" } else { " " };
        let _ = write!(out, " [--{}{value}{}]", option.name, option.placeholder);
    }
    let mut out = wrapped(&out, 0, 6);
    out += &wrapped(command.about, 2, 2);
    for option in command.options {
        out += &row(&format!("    --{} {}", option.name, option.placeholder), option.about);
    }
    out
}

fn row(name: &str, about: &str) -> String {
    const COLUMN: usize = 26;
    let text = wrapped(about, COLUMN, COLUMN);
    format!("{name:<COLUMN$}{}", text.get(COLUMN..).unwrap_or_default())
}

/// Breaks text between words; the first line begins at one column, the others at another.
fn wrapped(text: &str, first: usize, rest: usize) -> String {
    let mut out = " ".repeat(first);
    let mut column = first;
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 && column + 1 + word.len() > WIDTH {
            out.push('\n');
            out += &" ".repeat(rest);
            column = rest;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += word.len();
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command_option_and_exit_code_in_lines_that_fit() {
        let help = all();
        for command in ALL {
            assert!(help.contains(&format!("clavitor-sim {}", command.name)), "{help}");
            let options = command.options.iter();
            assert!(options.clone().all(|it| of(command).contains(&format!("    --{}", it.name))));
        }
        assert!(Exit::ALL.iter().all(|row| help.contains(row.2)), "{help}");
        assert!(help.lines().all(|line| line.len() <= WIDTH), "{help}");
    }
}
