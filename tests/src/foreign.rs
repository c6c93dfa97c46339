//! Programs of others that the tests set on a server: what is installed, and runs of bounded length.

use crate::Scratch;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// Where a program is, if it is installed.
pub fn find(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&directories).map(|directory| directory.join(name));
    places.find(|place| place.is_file())
}

/// A run of a program; killed when dropped.
#[derive(Debug)]
pub struct Run {
    child: Child,
    scratch: Scratch,
    started: Instant,
}

/// How a run went.
#[derive(Debug, Clone)]
pub struct Ran {
    /// Whether it ended by itself; otherwise it was killed.
    pub has_ended: bool,
    /// From its start to its end.
    pub elapsed: Duration,
    /// What it wrote, to whichever stream.
    pub output: String,
}

impl Run {
    /// Starts a prepared command in a directory that is its own from now on, without any input.
    pub fn start(command: &mut Command, scratch: Scratch) -> Self {
        // A file, not a pipe: nobody has to read while it runs.
        let output = File::create(scratch.path().join("output")).expect("our own directory");
        let errors = output.try_clone().expect("a file can be opened twice");
        command.current_dir(scratch.path()).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, scratch, started: Instant::now() }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Waits for its end, and kills it once it has run for `limit`.
    pub fn finish(mut self, limit: Duration) -> Ran {
        while !self.has_ended() && self.started.elapsed() < limit {
            std::thread::sleep(PAUSE);
        }
        let elapsed = self.started.elapsed();
        let has_ended = self.has_ended();
        self.kill();
        let output = std::fs::read(self.scratch.path().join("output")).unwrap_or_default();
        Ran { has_ended, elapsed, output: String::from_utf8_lossy(&output).into_owned() }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.kill();
    }
}
