//! What `config check` prints: every setting, what is in force, and where it came from.

use std::fmt;

use super::given::{Given, Source};
use super::table::{Setting, TABLE};

/// One setting as it is in force.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value as it may be shown: a secret is `(set)`.
    pub value: String,
    /// Where the value came from.
    pub source: Source,
    /// Whether this edition or version does nothing with it.
    pub is_ignored: bool,
}

/// The origins of all settings that have an effect or were given.
pub(crate) fn origins(given: &Given, is_commercial: bool) -> Vec<Origin> {
    let origin = |setting: &'static Setting| {
        let items = given.get(&setting.key).map_or(&[][..], Vec::as_slice);
        let source = items.first().map_or(Source::Default, |item| item.source.clone());
        let is_ignored = setting.is_ignored(&source, is_commercial);
        if items.is_empty() && is_ignored {
            return None;
        }
        let texts = items.iter().map(|item| item.text.to_string_lossy());
        let value = match items {
            [] => setting.default.to_owned(),
            _ if setting.is_secret => "(set)".to_owned(),
            _ => texts.collect::<Vec<_>>().join(", "),
        };
        Some(Origin { setting, value, source, is_ignored })
    };
    TABLE.iter().filter_map(origin).collect()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = if self.value.is_empty() { "-" } else { &self.value };
        let source = match &self.source {
            Source::Default => "default".to_owned(),
            Source::File { path, line, column } => {
                format!("file {}:{line}:{column}", path.display())
            }
            Source::Environment => format!("environment {}", self.setting.variable()),
            Source::Flag => format!("flag --{}", self.setting.name),
        };
        let note = if self.is_ignored { " (ignored)" } else { "" };
        write!(f, "{:<24} {value:<32} {source}{note}", self.setting.name)
    }
}

/// The settings part of the help: each with its default and its other spelling.
pub(crate) fn help(
    settings: impl Iterator<Item = &'static Setting>,
    is_commercial: bool,
) -> String {
    let mut text = String::new();
    for setting in settings {
        let head = format!("--{} {}", setting.name, setting.kind.placeholder());
        let mut remarks = Vec::new();
        if setting.is_repeatable {
            remarks.push("may be repeated".to_owned());
        }
        if !setting.default.is_empty() {
            remarks.push(format!("default: {}", setting.default));
        }
        if !setting.variable.is_empty() {
            remarks.push(format!("environment: {}", setting.variable));
        }
        if setting.is_commercial && !is_commercial {
            remarks.push("commercial edition only".to_owned());
        }
        let remarks = match remarks.is_empty() {
            true => String::new(),
            false => format!(" [{}]", remarks.join("; ")),
        };
        text.push_str(&format!("  {}\n", head.trim_end()));
        text.push_str(&wrapped(&format!("{}{remarks}", setting.help), 10));
    }
    text
}

/// Breaks a paragraph into indented lines of at most 80 columns.
pub(crate) fn wrapped(paragraph: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let (mut text, mut line) = (String::new(), margin.clone());
    for word in paragraph.split_whitespace() {
        let is_full = line.chars().count() + 1 + word.chars().count() > 80;
        if is_full && line.len() > indent {
            text.push_str(&line);
            text.push('\n');
            line.clone_from(&margin);
        }
        if line.len() > indent {
            line.push(' ');
        }
        line.push_str(word);
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_between_words() {
        let text = wrapped(&"word ".repeat(40), 4);
        assert!(text.lines().count() > 1);
        assert!(text.lines().all(|line| line.len() <= 80 && line.starts_with("    word")));
        assert_eq!(wrapped("", 2), "  \n");
    }
}
