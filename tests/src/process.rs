//! What the kernel says about a process, and signals to it.

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::fs;
use std::time::Duration;

/// Sends a signal to the process `id`; one that is gone already is left alone.
pub fn signal(id: u32, signal: Signal) {
    let raw = i32::try_from(id).expect("process ids are small");
    if let Some(pid) = Pid::from_raw(raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The processes that `id` started and that run.
pub fn children(id: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").expect("it is mounted").flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|child| state(*child).is_some_and(|(_, parent)| parent == id)).collect()
}

/// Whether `id` runs; one that has ended and was not waited for does not.
pub fn is_running(id: u32) -> bool {
    state(id).is_some_and(|(letter, _)| letter != "Z")
}

/// The letter of a process's state and who started it.
fn state(id: u32) -> Option<(String, u32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may have spaces in it; the fields after its closing bracket have none.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Voluntary context switches of every thread of `id` together, and the number of threads.
pub fn voluntary_switches(id: u32) -> (u64, usize) {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("the process runs");
    let mut total = 0;
    let mut threads = 0;
    for task in tasks {
        let path = task.expect("a task's directory").path().join("status");
        if let Ok(status) = fs::read_to_string(path) {
            total += field(&status, "voluntary_ctxt_switches:");
            threads += 1;
        }
    }
    (total, threads)
}

/// Context switches of every thread of `id` together, whether it gave the core up or lost it.
pub fn switches(id: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).expect("the process runs");
    let statuses = tasks.flatten().map(|task| fs::read_to_string(task.path().join("status")));
    let both = |status: &str| {
        field(status, "voluntary_ctxt_switches:") + field(status, "nonvoluntary_ctxt_switches:")
    };
    statuses.flatten().map(|status| both(&status)).sum()
}

/// The time that `id` has spent on a core so far, in user mode and in the kernel.
pub fn cpu_time(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
    // The name may have spaces in it; the fields after its closing bracket have none.
    let (_, rest) = stat.rsplit_once(')').expect("a line of /proc");
    let ticks: u64 =
        rest.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Duration::from_secs(1) * u32::try_from(ticks).expect("a young process")
        / u32::try_from(clock_ticks_per_second()).expect("a hundred or so")
}

/// How many files and sockets `id` has open.
pub fn open_files(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).map_or(0, Iterator::count)
}

/// Lets this process, and those that it starts, have as many open files as they may; answers how
/// many that is.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Anonymous resident memory in KiB: the process's own, without LMDB's mapped file.
pub fn resident_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    field(&status, "RssAnon:")
}

/// All resident memory in KiB, mapped files included.
pub fn resident_with_files_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
    field(&status, "VmRSS:")
}

fn field(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {name} in a status file of /proc"))
}
