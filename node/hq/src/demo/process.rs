//! A process of this program, of which nothing is left when this one ends.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clavitor_node::cli::client::Failure;
use clavitor_node::cli::client::display::printable;
use clavitor_node::settings::TABLE;
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// How much of what a process said last is shown.
const LINES_MAX: usize = 8;

/// A server that runs, or ran.
///
/// Invariant: `child` is there from its start until it is killed, and has been waited for once it is
/// not.
pub(super) struct Process {
    name: &'static str,
    arguments: Vec<OsString>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A process that does not run yet. What it says goes to `log`.
    pub(super) fn new(name: &'static str, arguments: Vec<OsString>, log: PathBuf) -> Process {
        Process { name, arguments, log, child: None }
    }

    /// Starts it. It ends with the thread that calls this, however that ends.
    pub(super) fn start(&mut self) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            Failure::refused(format!("{} cannot be started: {error}", self.name))
        };
        let log = File::options().create(true).append(true).open(&self.log).map_err(failed)?;
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        // It is told everything here; Ctrl-C is for this process alone.
        TABLE.iter().for_each(|setting| {
            command.env_remove(setting.variable());
        });
        command.args(&self.arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        die_with(&mut command, getpid());
        self.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Its process id; 0 if it does not run.
    pub(super) fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Ends it as a power failure would.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How it ended, if nobody here ended it.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(status.to_string())
    }

    /// What to say if it ended so.
    pub(super) fn obituary(&self, how: &str) -> Failure {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(LINES_MAX));
        let last: String = last.map(|line| format!("\n  {}", printable(line))).collect();
        Failure::refused(format!("{} ended ({how}). What it said last:{last}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lets the kernel end the process as soon as the thread that starts it is gone.
fn die_with(command: &mut Command, parent: Pid) {
    let set = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Whoever died before that was asked for is not noticed any more.
        match getppid() == Some(parent) {
            true => Ok(()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    };
    // SAFETY: between fork and exec it only makes two system calls: it allocates nothing and takes
    // no lock.
    unsafe { command.pre_exec(set) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_tell_why_it_ended() {
        let log = std::env::temp_dir().join(format!("clavitor-obituary-{}", std::process::id()));
        let said: String = (1..=20).map(|line| format!("line {line}\n")).collect();
        std::fs::write(&log, said + "error: \x1b[31mno\n").unwrap();
        let process = Process::new("HQ", Vec::new(), log.clone());
        let failure = process.obituary("exit status: 1");
        std::fs::remove_file(log).unwrap();
        let lines: Vec<&str> = failure.message.lines().collect();
        assert_eq!(lines.first(), Some(&"HQ ended (exit status: 1). What it said last:"));
        assert_eq!(lines.get(1), Some(&"  line 14"));
        assert_eq!(lines.last(), Some(&"  error: \\u{1b}[31mno"));
        assert_eq!(lines.len(), LINES_MAX + 1);
    }

    #[test]
    fn what_does_not_run_can_be_killed_and_has_not_ended() {
        let mut process = Process::new("HQ", Vec::new(), PathBuf::new());
        process.kill();
        assert_eq!((process.id(), process.ended()), (0, None));
    }
}
