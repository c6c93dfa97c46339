//! The binaries under test.

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

    fn variable(self) -> &'static str {
        match self {
            Self::Community => "CLAVITOR_COMMUNITY_BIN",
            Self::Commercial => "CLAVITOR_COMMERCIAL_BIN",
        }
    }
}

/// The edition's binary: the one its variable (`CLAVITOR_COMMUNITY_BIN`,
/// `CLAVITOR_COMMERCIAL_BIN`) names, otherwise built here, once. A binary of the other edition
/// is refused, so that no test passes against the wrong product.
pub fn binary(edition: Edition) -> &'static Path {
    static COMMUNITY: OnceLock<PathBuf> = OnceLock::new();
    static COMMERCIAL: OnceLock<PathBuf> = OnceLock::new();
    let cell = match edition {
        Edition::Community => &COMMUNITY,
        Edition::Commercial => &COMMERCIAL,
    };
    cell.get_or_init(|| find(edition))
}

fn find(edition: Edition) -> PathBuf {
    let path = match std::env::var_os(edition.variable()) {
        Some(path) => PathBuf::from(path),
        None => build(edition),
    };
    let output = Command::new(&path).arg("--version").output();
    let output = output.unwrap_or_else(|error| panic!("{} --version: {error}", path.display()));
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = format!("({},", edition.name());
    assert!(text.contains(&expected), "{} is not {}: {text}", path.display(), edition.name());
    path
}

fn build(edition: Edition) -> PathBuf {
    let features: &[&str] = match edition {
        Edition::Community => &[],
        Edition::Commercial => &["--features", "commercial"],
    };
    build_package("clavitor", features, edition.name())
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

/// A command for the edition's binary that inherits nothing from the environment of the test.
pub fn command(edition: Edition) -> Command {
    let mut command = Command::new(binary(edition));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs `clavitor <arguments>` to its end; panics if it is still there after ten seconds.
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
