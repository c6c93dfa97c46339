//! What the kernel says about a process, and signals to it.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Sends a signal to the process `id`; one that is gone already is left alone.
pub fn signal(id: u32, signal: Signal) {
    let raw = i32::try_from(id).expect("process ids are small");
    if let Some(pid) = Pid::from_raw(raw) {
        let _ = kill_process(pid, signal);
    }
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
