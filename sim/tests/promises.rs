//! The page of promises says what is there, and everything that is there is on the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clavitor_sim::canary::Canary;
use clavitor_sim::scenarios;

const PROMISES: usize = 16;
const NOTHING: &str = "—";

struct Row {
    number: usize,
    shown_by: String,
    kept_by: Vec<String>,
    checkers: Vec<String>,
    canaries: Vec<String>,
    tests: Vec<String>,
    commands: Vec<String>,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        let (number, _) = cells.first()?.strip_prefix('P')?.split_once(':')?;
        let [_, shown_by, kept_by, checkers, canaries, tests, commands] = *cells.as_slice() else {
            panic!("{} cells: {line}", cells.len());
        };
        Some(Self {
            number: number.parse().expect("a number"),
            shown_by: shown_by.to_owned(),
            kept_by: quoted(kept_by),
            checkers: quoted(checkers),
            canaries: quoted(canaries),
            tests: quoted(tests),
            commands: quoted(commands),
        })
    }

    fn is_shown_by(&self, what: &str) -> bool {
        self.shown_by.split(", ").any(|by| by == what)
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut demand = |is_good: bool, what: &str| {
            if !is_good {
                faults.push(format!("P{}: {what}", self.number));
            }
        };
        let is_built = !self.is_shown_by("not built yet");
        let checker = format!("sim/src/checks/p{}.rs", self.number);
        if !is_built {
            let all = [&self.kept_by, &self.checkers, &self.canaries, &self.tests, &self.commands];
            demand(all.iter().all(|cell| cell.is_empty()), "is not built, and names something");
            demand(!root().join(checker).exists(), "is not built, and has a checker");
            return faults;
        }
        let known = ["simulator", "real processes", "build check"];
        let is_known = self.shown_by.split(", ").all(|by| known.contains(&by));
        demand(is_known, "is shown by something unheard of");
        demand(!self.kept_by.is_empty(), "nothing keeps it");
        for path in self.kept_by.iter().chain(&self.checkers) {
            demand(root().join(path).is_file(), &format!("{path} is not there"));
        }
        demand(!self.commands.is_empty(), "has no command");
        for command in &self.commands {
            demand(is_command(command), &format!("{command} cannot be run"));
        }
        if self.is_shown_by("simulator") {
            demand(self.checkers == [checker], "is simulated without its checker");
            demand(!self.canaries.is_empty(), "is simulated without a canary");
        }
        for canary in &self.canaries {
            demand(canary.parse::<Canary>().is_ok(), &format!("there is no canary {canary}"));
        }
        if self.is_shown_by("real processes") {
            demand(!self.tests.is_empty(), "has no black-box test");
        }
        for test in &self.tests {
            demand(is_test(test), &format!("there is no test {test}"));
        }
        faults
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    assert!(cell == NOTHING || cell.contains('`'), "{cell} names nothing");
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn is_test(name: &str) -> bool {
    let Some((module, test)) = name.split_once("::") else { return false };
    let file = root().join(format!("tests/tests/suite/{module}.rs"));
    let text = fs::read_to_string(file).unwrap_or_default();
    text.contains(&format!("#[test]\nfn {test}() {{"))
}

fn is_command(command: &str) -> bool {
    let words: Vec<&str> = command.split(' ').collect();
    match words.as_slice() {
        ["bash", script] => root().join(script).is_file(),
        ["clavitor-sim", "swarm", "--runs", runs]
        | ["clavitor-sim", "swarm", "--runs", runs, "--leases"] => runs.parse::<u64>().is_ok(),
        ["clavitor-sim", "run", "--scenario", name, "--seed", _] => scenarios::find(name).is_some(),
        _ => false,
    }
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("docs/promises.md")).expect("the page");
    text.lines().filter(|line| line.starts_with("| P")).filter_map(Row::parse).collect()
}

#[test]
fn every_promise_has_its_row_and_every_row_what_it_needs() {
    let rows = rows();
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=PROMISES).collect::<Vec<_>>());
    let faults: Vec<String> = rows.iter().flat_map(Row::faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_checker_and_every_canary_belongs_to_a_promise() {
    let rows = rows();
    let on_page: BTreeSet<String> = rows.iter().flat_map(|row| row.canaries.clone()).collect();
    let planted = Canary::ALL.iter().map(|canary| canary.as_str().to_owned()).collect();
    assert_eq!(on_page, planted);
    let on_page: BTreeSet<String> = rows.iter().flat_map(|row| row.checkers.clone()).collect();
    let files = fs::read_dir(root().join("sim/src/checks")).expect("the checkers");
    let name = |file: std::io::Result<fs::DirEntry>| {
        let name = file.expect("a file").file_name().into_string().expect("a name");
        let number = name.strip_prefix('p')?.strip_suffix(".rs")?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("sim/src/checks/{name}"))
    };
    assert_eq!(on_page, files.filter_map(name).collect());
}
