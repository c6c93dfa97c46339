//! The configuration file: TOML, strict, and precise about where something is wrong.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::given::{Given, Item, Source};
use super::nearest::did_you_mean;
use super::table::{Kind, Reach, Setting};

const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Far more keys than there are settings.
const KEYS_MAX: usize = 1_024;

/// Reads the file's settings, which are rows of the table. `naming` says who named the file, for when it
/// cannot be read.
pub(crate) fn read(
    (table, path): (&'static [Setting], &Path),
    naming: &str,
    is_commercial: bool,
    problems: &mut Vec<String>,
) -> Given {
    match contents(path) {
        Ok(text) => parse((table, path), &text, is_commercial, problems),
        Err(error) => {
            problems.push(format!("{naming}: cannot read {}: {error}", path.display()));
            Given::new()
        }
    }
}

fn contents(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err("it is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

pub(super) fn parse(
    (settings, path): (&'static [Setting], &Path),
    text: &str,
    is_commercial: bool,
    problems: &mut Vec<String>,
) -> Given {
    let at = |span: Range<usize>| {
        let (line, column) = position(text, span.start);
        Source::File { path: path.to_owned(), line, column }
    };
    let mut given = Given::new();
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let place = place(&at(error.span().unwrap_or_default()));
            problems.push(format!("{place}: {}", error.message()));
            return given;
        }
    };
    let mut entries: Vec<_> = table.into_iter().collect();
    if entries.len() > KEYS_MAX {
        let count = entries.len();
        problems.push(format!("{}: {count} keys, and {KEYS_MAX} is the most", path.display()));
        return given;
    }
    // In the order of the file. They are few, and to sort them takes three kilobytes of code.
    while let Some(first) = (0..entries.len()).min_by_key(|at| entries[*at].0.span().start) {
        let (key, value) = entries.swap_remove(first);
        let setting = match setting_of_key(settings, key.get_ref()) {
            Ok(setting) => setting,
            Err(problem) => {
                problems.push(format!("{}: {problem}", place(&at(key.span()))));
                continue;
            }
        };
        // What this edition ignores is not read either: it must not keep a server from starting.
        let items = match setting.is_ignored(&at(value.span()), is_commercial) {
            true => Ok(vec![Item { text: "(not read)".into(), source: at(value.span()) }]),
            false => items_of(setting, &value, &at),
        };
        match items {
            Ok(items) => drop(given.insert(setting.key, items)),
            Err((source, problem)) => {
                problems.push(format!("{}: {problem}", source.naming(setting)));
            }
        }
    }
    given
}

fn setting_of_key(table: &'static [Setting], key: &str) -> Result<&'static Setting, String> {
    let by_key = table.iter().find(|row| row.file_key() == key);
    match by_key {
        Some(setting) if setting.reach == Reach::NotInFile => {
            Err(format!("\"{key}\" cannot be set in a configuration file"))
        }
        Some(setting) => Ok(setting),
        None => {
            let known: Vec<String> = table
                .iter()
                .filter(|row| row.reach == Reach::Everywhere)
                .map(Setting::file_key)
                .collect();
            let suggestion = did_you_mean(key, "", known.iter().map(String::as_str));
            Err(format!("unknown key \"{key}\"{suggestion}"))
        }
    }
}

fn items_of(
    setting: &Setting,
    value: &Spanned<DeValue<'_>>,
    at: &impl Fn(Range<usize>) -> Source,
) -> Result<Vec<Item>, (Source, String)> {
    let elements: Vec<&Spanned<DeValue<'_>>> = match value.get_ref() {
        DeValue::Array(array) if setting.is_repeatable && array.is_empty() => {
            return Err((at(value.span()), "is empty".to_owned()));
        }
        DeValue::Array(array) if setting.is_repeatable => array.iter().collect(),
        _ => vec![value],
    };
    let item = |element: &Spanned<DeValue<'_>>| {
        let source = at(element.span());
        match text_of(setting.kind, element.get_ref()) {
            Some(text) => Ok(Item { text: text.into(), source }),
            None => Err((source, format!("must be {}", expected(setting)))),
        }
    };
    elements.into_iter().map(item).collect()
}

fn text_of(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    match (kind, value) {
        (Kind::Switch, DeValue::Boolean(value)) => Some(value.to_string()),
        (Kind::Switch, _) => None,
        (Kind::Size | Kind::Count | Kind::Seconds, DeValue::Integer(value))
            if value.radix() == 10 =>
        {
            Some(value.as_str().to_owned())
        }
        (_, DeValue::String(value)) => Some(value.clone().into_owned()),
        _ => None,
    }
}

fn expected(setting: &Setting) -> &'static str {
    match setting.kind {
        Kind::Switch => "true or false",
        Kind::Size => "a number of bytes or a string such as \"64GiB\"",
        Kind::Count | Kind::Seconds => "a number",
        _ if setting.is_repeatable => "a list of strings",
        _ => "a string",
    }
}

/// Line and column, from one, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

fn place(source: &Source) -> String {
    match source {
        Source::File { path, line, column } => format!("{}:{line}:{column}", path.display()),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{Key, TABLE};
    use super::*;

    fn problems_of(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        parse((TABLE, Path::new("c.toml")), text, true, &mut problems);
        problems
    }

    #[test]
    fn an_unknown_key_has_place_and_suggestion() {
        assert_eq!(
            problems_of("listen = \"127.0.0.1:1\"\n\n  data-dir = \"x\"\n"),
            ["c.toml:3:3: unknown key \"data-dir\", did you mean \"data_dir\"?"]
        );
        assert_eq!(problems_of("[wombats]\nx = 1\n"), ["c.toml:1:2: unknown key \"wombats\""]);
    }

    #[test]
    fn every_unknown_key_is_reported_in_order() {
        let problems = problems_of("zebra = 1\nlistn = 1\n");
        assert_eq!(problems[0], "c.toml:1:1: unknown key \"zebra\"");
        assert_eq!(problems[1], "c.toml:2:1: unknown key \"listn\", did you mean \"listen\"?");
    }

    #[test]
    fn more_keys_than_anybody_needs_are_one_problem() {
        let keys = |count| (0..count).map(|number| format!("k{number} = 1\n")).collect::<String>();
        assert_eq!(problems_of(&keys(KEYS_MAX)).len(), KEYS_MAX);
        assert_eq!(problems_of(&keys(KEYS_MAX + 1)), ["c.toml: 1025 keys, and 1024 is the most"]);
    }

    #[test]
    fn a_column_counts_characters() {
        assert_eq!(position("é = 1\nüü x", 11), (2, 3));
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a", 99), (1, 2));
    }

    #[test]
    fn broken_toml_has_its_place_and_shows_no_content() {
        let problems = problems_of("listen = \"a\"\nreplication_token = hunter2\n");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("c.toml:2:"), "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
        assert!(problems_of("listen = \"a\"\nlisten = \"b\"")[0].starts_with("c.toml:2:1: "));
    }

    #[test]
    fn the_wrong_type_is_refused_where_it_stands() {
        assert_eq!(problems_of("listen = 5"), ["c.toml:1:10: listen: must be a string"]);
        assert_eq!(
            problems_of("allow_plain_http = \"yes\""),
            ["c.toml:1:20: allow_plain_http: must be true or false"]
        );
        assert_eq!(
            problems_of("replication_backup = [\"http://a\", 7]"),
            ["c.toml:1:35: replication_backup: must be a list of strings"]
        );
        assert_eq!(problems_of("pop_id = [\"a\"]"), ["c.toml:1:10: pop_id: must be a string"]);
        assert_eq!(problems_of("data_bytes_max = 1.5").len(), 1);
    }

    #[test]
    fn a_file_names_neither_itself_nor_variables() {
        assert_eq!(
            problems_of("config = \"x\""),
            ["c.toml:1:1: \"config\" cannot be set in a configuration file"]
        );
        assert_eq!(problems_of("TELEMETRY_HOST = \"x\"").len(), 1);
    }

    #[test]
    fn lists_numbers_and_switches_are_read() {
        let mut problems = Vec::new();
        let text = "replication_backup = [\"a\", \"b\"]\ndata_bytes_max = 1048576\n\
                    allow_plain_http = true\n";
        let given = parse((TABLE, Path::new("c.toml")), text, true, &mut problems);
        assert_eq!(problems, Vec::<String>::new());
        let texts = |key| given[&key].iter().map(|item| item.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(Key::ReplicationBackup), ["a", "b"]);
        assert_eq!(texts(Key::DataBytesMax), ["1048576"]);
        assert_eq!(texts(Key::AllowPlainHttp), ["true"]);
    }
}
