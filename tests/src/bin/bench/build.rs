//! Builds what is measured, with the profile that is shipped.

use std::io::{Error, Result};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clavitor_tests::{Edition, Runtime};

/// The variables by which the harness finds the binaries of a runtime.
const BINARIES: [(Runtime, &str, Edition); 4] = [
    (Runtime::Tokio, "CLAVITOR_COMMUNITY_BIN", Edition::Community),
    (Runtime::Tokio, "CLAVITOR_COMMERCIAL_BIN", Edition::Commercial),
    (Runtime::Smol, "CLAVITOR_SMOL_COMMUNITY_BIN", Edition::Community),
    (Runtime::Smol, "CLAVITOR_SMOL_COMMERCIAL_BIN", Edition::Commercial),
];

/// Returns at once if the binaries on these runtimes are named already; otherwise builds them and starts
/// this program over with their names in its environment.
pub(crate) fn settle_binaries(runtimes: &[Runtime]) -> Result<()> {
    let is_missing = |(runtime, name, _): &&(Runtime, &str, Edition)| {
        runtimes.contains(runtime) && std::env::var_os(name).is_none()
    };
    let missing: Vec<_> = BINARIES.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut again = Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1));
    for (runtime, name, edition) in missing {
        let (profile, program) = (profile(*runtime), runtime.program());
        let target = Path::new("target").join(edition.name());
        let mut build = cargo(&["build", "--profile", profile, "-p", program, "--target-dir"]);
        run(build.arg(&target).args(edition.features()))?;
        again.env(name, workspace().join(target).join(profile).join(program));
    }
    Err(again.exec())
}

fn profile(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Tokio => "release",
        Runtime::Smol => "small",
    }
}

/// The bare hyper server that reads are compared with.
pub(crate) fn bare_hyper() -> Result<PathBuf> {
    let target = "target/community";
    let words = ["build", "--release", "-p", "clavitor", "--example", "bare_hyper"];
    run(cargo(&words).args(["--target-dir", target]))?;
    Ok(workspace().join(target).join("release/examples/bare_hyper"))
}

/// The bare loop over the storage engine that writes are compared with: for every line it reads it
/// runs for a moment and prints its writes per second.
pub(crate) fn bare_loop() -> Command {
    cargo(&["bench", "--quiet", "-p", "clavitor-node", "--bench", "store", "--", "bare"])
}

fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(words).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    status.success().then_some(()).ok_or_else(|| Error::other(format!("{command:?}: {status}")))
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}
