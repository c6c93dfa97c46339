//! The binaries under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Which of the two products a binary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// The default build.
    Community,
    /// Built with `--features commercial`.
    Commercial,
}

impl Edition {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Community, Self::Commercial];

    /// As `--version` and `/v1/node` say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Community => "community",
            Self::Commercial => "commercial",
        }
    }

    /// What cargo is told to build it.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Self::Community => &[],
            Self::Commercial => &["--features", "commercial"],
        }
    }
}

/// What a binary runs on. Both offer the same, so the whole suite runs against either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `clavitor`.
    Tokio,
    /// `clavitor-smol`, for small hosts.
    Smol,
}

impl Runtime {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Tokio, Self::Smol];

    /// The one this run is about, where a test does not say itself which it wants: `CLAVITOR_RUNTIME`,
    /// and tokio without it. Panics if that names neither.
    pub fn under_test() -> Self {
        static CHOSEN: OnceLock<Runtime> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let word = std::env::var_os("CLAVITOR_RUNTIME");
            Self::chosen(word.as_deref()).unwrap_or_else(|problem| panic!("{problem}"))
        })
    }

    fn chosen(word: Option<&OsStr>) -> Result<Self, String> {
        let Some(word) = word else {
            return Ok(Self::Tokio);
        };
        let found = Self::ALL.into_iter().find(|runtime| word == runtime.name());
        found.ok_or_else(|| format!("CLAVITOR_RUNTIME: {word:?} is neither \"tokio\" nor \"smol\""))
    }

    /// As `--version` and `/v1/node` say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
        }
    }

    /// What the program is called, and the package that it is built from.
    pub fn program(self) -> &'static str {
        match self {
            Self::Tokio => "clavitor",
            Self::Smol => "clavitor-smol",
        }
    }
}

/// The edition's binary on the runtime under test.
pub fn binary(edition: Edition) -> &'static Path {
    binary_on(Runtime::under_test(), edition)
}

/// The edition's binary on this runtime: the one its variable (`CLAVITOR_COMMUNITY_BIN` and
/// `CLAVITOR_COMMERCIAL_BIN`, for smol `CLAVITOR_SMOL_COMMUNITY_BIN` and
/// `CLAVITOR_SMOL_COMMERCIAL_BIN`) names, otherwise built here, once. A binary of another edition
/// or runtime is refused, so that no test passes against the wrong product.
pub fn binary_on(runtime: Runtime, edition: Edition) -> &'static Path {
    static BINARIES: [[OnceLock<PathBuf>; 2]; 2] = [const { [const { OnceLock::new() }; 2] }; 2];
    BINARIES[runtime as usize][edition as usize].get_or_init(|| find(runtime, edition))
}

fn variable(runtime: Runtime, edition: Edition) -> &'static str {
    match (runtime, edition) {
        (Runtime::Tokio, Edition::Community) => "CLAVITOR_COMMUNITY_BIN",
        (Runtime::Tokio, Edition::Commercial) => "CLAVITOR_COMMERCIAL_BIN",
        (Runtime::Smol, Edition::Community) => "CLAVITOR_SMOL_COMMUNITY_BIN",
        (Runtime::Smol, Edition::Commercial) => "CLAVITOR_SMOL_COMMERCIAL_BIN",
    }
}

fn find(runtime: Runtime, edition: Edition) -> PathBuf {
    let path = match std::env::var_os(variable(runtime, edition)) {
        Some(path) => PathBuf::from(path),
        None => build_package(runtime.program(), edition.features(), edition.name()),
    };
    let output = Command::new(&path).arg("--version").output();
    let output = output.unwrap_or_else(|error| panic!("{} --version: {error}", path.display()));
    let version = String::from_utf8_lossy(&output.stdout);
    if let Err(problem) = is_of(runtime, edition, &version) {
        panic!("{}: {problem}", path.display());
    }
    path
}

/// Whether `--version` says that this is what is asked for.
fn is_of(runtime: Runtime, edition: Edition, version: &str) -> Result<(), String> {
    let expected = format!("({}, {})", edition.name(), runtime.name());
    match version.trim_end().ends_with(&expected) {
        true => Ok(()),
        false => Err(format!("`--version` does not end with {expected}: {version}")),
    }
}

fn build_package(package: &str, features: &[&str], directory: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let target = workspace.join("target").join(directory);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace).args(["build", "--profile", "ci", "-p", package]);
    command.args(features).arg("--target-dir").arg(&target);
    let status = command.status().expect("cargo can be started");
    assert!(status.success(), "building {package} for {directory} failed");
    target.join("ci").join(package)
}

/// The simulator's binary: the one that `CLAVITOR_SIM_BIN` names, otherwise built here, once.
pub fn simulator() -> &'static Path {
    static SIMULATOR: OnceLock<PathBuf> = OnceLock::new();
    SIMULATOR.get_or_init(|| match std::env::var_os("CLAVITOR_SIM_BIN") {
        Some(path) => PathBuf::from(path),
        None => build_package("clavitor-sim", &[], "sim"),
    })
}

/// A command for the edition's binary on the runtime under test that inherits nothing from the
/// environment of the test.
pub fn command(edition: Edition) -> Command {
    command_on(Runtime::under_test(), edition)
}

/// Like [`command`], on this runtime.
pub fn command_on(runtime: Runtime, edition: Edition) -> Command {
    let mut command = Command::new(binary_on(runtime, edition));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs the edition's binary with these arguments to its end; panics if it is still there after ten seconds.
pub fn run(edition: Edition, directory: &Path, arguments: &[&str]) -> Finished {
    run_with(command(edition).current_dir(directory).args(arguments))
}

/// Runs a prepared command to its end; panics if it is still there after ten seconds.
pub fn run_with(command: &mut Command) -> Finished {
    let described = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{described}: {error}"));
    let id = child.id();
    let waiter = std::thread::spawn(move || child.wait_with_output());
    let started = Instant::now();
    while !waiter.is_finished() {
        if started.elapsed() > Duration::from_secs(10) {
            crate::process::signal(id, rustix::process::Signal::KILL);
            panic!("still running after ten seconds: {described}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = waiter.join().expect("waiting does not panic").expect("the output can be read");
    Finished::from(output)
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What a script would read.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
