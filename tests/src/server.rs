//! One running server.

use crate::binary::{Edition, Runtime, command_on};
use crate::cgroup::MemoryCgroup;
use crate::client::Client;
use crate::{Scratch, ports, process, wait};
use rustix::process::Signal;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const START_MAX: Duration = Duration::from_secs(15);

/// How to start a server; the same again after every `restart`.
#[derive(Debug, Clone)]
pub struct ServerBuilder {
    edition: Edition,
    runtime: Runtime,
    command: &'static [&'static str],
    address: SocketAddr,
    data: Option<PathBuf>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    memory_max: Option<u64>,
}

impl ServerBuilder {
    /// A server of this edition on a port and in a directory of its own.
    pub fn new(edition: Edition) -> Self {
        Self {
            edition,
            runtime: Runtime::under_test(),
            command: &["serve"],
            address: ports::free_address(),
            data: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            memory_max: memory_of_all(),
        }
    }

    /// Runs on this instead of on the runtime under test.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Runs this command instead of `serve`.
    pub fn command(mut self, words: &'static [&'static str]) -> Self {
        self.command = words;
        self
    }

    /// Listens here instead.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Keeps its data here instead of in a directory of its own.
    pub fn data(mut self, path: &Path) -> Self {
        self.data = Some(path.to_owned());
        self
    }

    /// Has a memory cgroup of so many bytes to itself. Starting panics where none can be made.
    pub fn memory_max(mut self, bytes: u64) -> Self {
        self.memory_max = Some(bytes);
        self
    }

    /// Adds arguments.
    pub fn arguments<T: Into<OsString>>(mut self, more: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(more.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to an otherwise empty environment.
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts it and waits until it says that it listens; panics if it does not.
    pub fn start(self) -> Server {
        let mut server = self.prepare();
        server.start_again();
        server
    }

    /// A server that is not running yet.
    pub fn prepare(self) -> Server {
        let scratch = Scratch::new("server");
        let data = self.data.clone().unwrap_or_else(|| scratch.path().join("data"));
        let memory = self.memory_max.map(|bytes| {
            MemoryCgroup::new(bytes).unwrap_or_else(|reason| panic!("no memory cgroup: {reason}"))
        });
        Server { builder: self, scratch, data, child: None, lines: Lines::default(), memory }
    }
}

/// A server, running or not; killed when dropped.
#[derive(Debug)]
pub struct Server {
    builder: ServerBuilder,
    scratch: Scratch,
    data: PathBuf,
    child: Option<Child>,
    lines: Lines,
    memory: Option<MemoryCgroup>,
}

/// How much memory every server has that is not given another limit: `CLAVITOR_MEMORY_MIB`, and all there
/// is without it.
fn memory_of_all() -> Option<u64> {
    let text = std::env::var("CLAVITOR_MEMORY_MIB").ok()?;
    let mib: u64 = text.parse().unwrap_or_else(|_| panic!("CLAVITOR_MEMORY_MIB: {text:?}"));
    Some(mib * 1024 * 1024)
}

impl Server {
    /// A running server with nothing but defaults.
    pub fn start(edition: Edition) -> Self {
        ServerBuilder::new(edition).start()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.builder.address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.builder.address)
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Process id; panics if it is not running.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// The memory cgroup that it has to itself, if it has one.
    pub fn memory(&self) -> Option<&MemoryCgroup> {
        self.memory.as_ref()
    }

    /// Adds arguments for the next start.
    pub fn add_arguments<T: Into<OsString>>(&mut self, more: impl IntoIterator<Item = T>) {
        self.builder.arguments.extend(more.into_iter().map(Into::into));
    }

    /// Sets a variable for the next start.
    pub fn set_variable(&mut self, name: &str, value: impl Into<OsString>) {
        self.builder.environment.push((name.into(), value.into()));
    }

    /// Runs on this from the next start on.
    pub fn set_runtime(&mut self, runtime: Runtime) {
        self.builder.runtime = runtime;
    }

    /// Replaces a word among the arguments for the next start; panics if it is not there.
    pub fn replace_argument(&mut self, old: &str, new: &str) {
        let found = self.builder.arguments.iter_mut().find(|word| *word == old);
        *found.unwrap_or_else(|| panic!("no argument {old}")) = new.into();
    }

    /// The first admin access token, from the file that the first start wrote.
    pub fn admin_token(&self) -> String {
        let path = self.data.join("admin.token");
        let text = std::fs::read_to_string(&path);
        text.unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
    }

    /// A client with the first admin access token.
    pub fn client(&self) -> Client {
        Client::new(&self.url(), Some(&self.admin_token()))
    }

    /// A client without an access token.
    pub fn anonymous(&self) -> Client {
        Client::new(&self.url(), None)
    }

    /// Starts it once more with the same arguments, data and port, and waits until it listens.
    pub fn start_again(&mut self) {
        self.try_start().unwrap_or_else(|problem| panic!("{problem}\n{}", self.log()));
    }

    /// Like `start_again`, but a server that ends instead of listening is an answer.
    pub fn try_start(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "the server is running already");
        let mut command = command_on(self.builder.runtime, self.builder.edition);
        command.current_dir(self.scratch.path()).args(self.builder.command);
        command.arg("--listen").arg(self.builder.address.to_string());
        command.arg("--data-dir").arg(&self.data).args(&self.builder.arguments);
        command.envs(self.builder.environment.iter().map(|(name, value)| (name, value)));
        if let Some(memory) = &self.memory {
            command = memory.confined(&command);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("the server cannot be started: {error}"))?;
        let already = self.lines.count();
        self.lines.collect(child.stderr.take().expect("stderr is piped"));
        self.child = Some(child);
        self.await_listening(already)
    }

    fn await_listening(&mut self, already: usize) -> Result<(), String> {
        let expected = format!("listening on http://{}", self.builder.address);
        let started = Instant::now();
        while !self.lines.since(already).iter().any(|line| line.contains(&expected)) {
            if let Some(status) = self.ended() {
                // The thread that reads stderr may be a moment behind.
                std::thread::sleep(Duration::from_millis(100));
                return Err(format!("the server ended instead of listening: {status}"));
            }
            if started.elapsed() > START_MAX {
                return Err(format!("no line with `{expected}` within {START_MAX:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// How the process ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().expect("a child can be waited for")?;
        self.child = None;
        Some(status)
    }

    /// Waits for its end and returns how it ended; panics after `timeout`.
    #[track_caller]
    pub fn await_end(&mut self, timeout: Duration) -> ExitStatus {
        let mut status = None;
        wait::eventually("the server ends", timeout, || {
            status = self.ended();
            status.is_some()
        });
        status.expect("the loop above ended")
    }

    /// Ends it as a power cut would end the process.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        process::signal(self.id(), Signal::TERM);
    }

    /// `kill9` and `start_again`.
    pub fn restart(&mut self) {
        self.kill9();
        self.start_again();
    }

    /// Everything it ever wrote to stderr, over all starts.
    pub fn log(&self) -> String {
        self.lines.since(0).join("\n")
    }

    /// The lines of stderr that contain `needle`.
    pub fn lines_with(&self, needle: &str) -> Vec<String> {
        self.lines.since(0).into_iter().filter(|line| line.contains(needle)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- stderr of {}\n{}", self.url(), self.log());
        }
    }
}

/// What a child wrote, line by line, as it arrives.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn collect(&self, stderr: ChildStderr) {
        let lines = Arc::clone(&self.0);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                line.clear();
            }
        });
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn since(&self, start: usize) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[start..].to_vec()
    }
}
