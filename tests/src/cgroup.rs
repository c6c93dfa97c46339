//! A memory cgroup for a server: so much memory is there for it, whatever the machine has. What the
//! kernel keeps for it counts too: cached pages of its files, its sockets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Puts a process into the group before it becomes the program.
const ENTER: &str = r#"echo $$ > "$0" && exec "$@""#;

/// How much of it may be swapped out, in the first version of cgroups.
const SWAP_MAX: u64 = 1 << 20;

/// A memory cgroup; removed when dropped, by when nothing may run in it.
#[derive(Debug)]
pub struct MemoryCgroup {
    directory: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl MemoryCgroup {
    /// A group with so many bytes; the reason if none can be made here.
    pub fn new(bytes_max: u64) -> Result<Self, String> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let (root, version) = found(&mounts).ok_or("no hierarchy of memory cgroups is mounted")?;
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = root.join(format!("clavitor-{}-{number}", std::process::id()));
        fs::create_dir(&directory)
            .map_err(|error| format!("{} takes no group: {error}", root.display()))?;
        let group = Self { directory, version };
        group.limit(&root, bytes_max)?;
        Ok(group)
    }

    fn limit(&self, root: &Path, bytes_max: u64) -> Result<(), String> {
        let (limit, swap, swap_bytes) = match self.version {
            // A little more with swap: the kernel does not count how often that limit is met.
            Version::One => {
                ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes_max + SWAP_MAX)
            }
            Version::Two => ("memory.max", "memory.swap.max", 0),
        };
        if !self.directory.join(limit).exists() {
            // It says why below, if this does not help.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+memory");
        }
        fs::write(self.directory.join(limit), bytes_max.to_string())
            .map_err(|error| format!("{limit} cannot be set: {error}"))?;
        // Not every kernel counts swap.
        let _ = fs::write(self.directory.join(swap), swap_bytes.to_string());
        Ok(())
    }

    /// The same command, run inside.
    pub(crate) fn confined(&self, command: &Command) -> Command {
        let mut confined = Command::new("/bin/sh");
        confined.env_clear().stdin(Stdio::null()).arg("-c").arg(ENTER);
        confined.arg(self.directory.join("cgroup.procs"));
        confined.arg(command.get_program()).args(command.get_args());
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        confined.envs(variables);
        if let Some(directory) = command.get_current_dir() {
            confined.current_dir(directory);
        }
        confined
    }

    /// The most that was ever in use, in bytes; `None` where the kernel does not keep it.
    pub fn peak(&self) -> Option<u64> {
        let file = match self.version {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        };
        self.number(file)
    }

    /// How often the limit was met, and something had to go first.
    pub fn times_full(&self) -> u64 {
        match self.version {
            Version::One => self.number("memory.failcnt").expect("a number"),
            Version::Two => counted(&self.read("memory.events"), "max"),
        }
    }

    /// How many processes were killed because nothing could go.
    pub fn killed(&self) -> u64 {
        match self.version {
            Version::One => counted(&self.read("memory.oom_control"), "oom_kill"),
            Version::Two => counted(&self.read("memory.events"), "oom_kill"),
        }
    }

    fn number(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.directory.join(file)).ok()?.trim().parse().ok()
    }

    fn read(&self, file: &str) -> String {
        let path = self.directory.join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        // It is busy for a moment after its last process was waited for.
        for _ in 0..100 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("{} is left over", self.directory.display());
    }
}

/// Where groups are made, among the mounts of this machine. One that has both versions has the
/// memory controller in only one of them.
fn found(mounts: &str) -> Option<(PathBuf, Version)> {
    let of_line = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (directory, kind, options) = (words.next()?, words.next()?, words.next()?);
        match kind {
            "cgroup" if options.split(',').any(|option| option == "memory") => {
                Some((PathBuf::from(directory), Version::One))
            }
            "cgroup2" => Some((PathBuf::from(directory), Version::Two)),
            _ => None,
        }
    };
    let all: Vec<_> = mounts.lines().filter_map(of_line).collect();
    all.iter().find(|(_, version)| *version == Version::One).or(all.first()).cloned()
}

fn counted(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_that_counts_memory_is_found() {
        let two = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0";
        let unified = "cgroup /sys/fs/cgroup/unified cgroup2 rw 0 0";
        let cpu = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0";
        let memory = "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0";
        let all = |lines: &[&str]| found(&lines.join("\n"));
        assert_eq!(all(&["proc /proc proc rw 0 0", cpu]), None);
        assert_eq!(all(&[two]), Some(("/sys/fs/cgroup".into(), Version::Two)));
        let one = Some(("/sys/fs/cgroup/memory".into(), Version::One));
        assert_eq!(all(&[unified, cpu, memory]), one);
    }

    #[test]
    fn counters_are_told_from_those_that_begin_alike() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(counted(text, "oom_kill"), 3);
        assert_eq!(counted("low 0\nhigh 0\nmax 17\noom 1\n", "max"), 17);
    }
}
