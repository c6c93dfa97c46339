//! Reads and writes a second on one core, beside the server on tokio on the same core. Its clients have
//! the other cores, if there are any.

use std::time::{Duration, Instant};

use clavitor_tests::{Edition, Runtime, Server, ServerBuilder, process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::get::{self, Readers};
use crate::load::{Load, Template};
use crate::{CLIENTS, ENTRIES, ROUNDS, report};

/// Rivals take turns, so that whatever else the machine does hits them alike.
const TURNS: u64 = 6;
const WRITES_IN_TURN: u64 = 4_800;

/// The share of the rival's rate that must be reached.
const SHARE: f64 = 0.70;

/// Writes.
pub(crate) fn put() {
    let servers = OneCore::start();
    // Connected anew each time: a server cuts those who idle while its rival is measured.
    let connect = |at: usize| {
        let server = &servers.both[at];
        Load::connect(server.address(), CLIENTS, Template::put(&server.admin_token(), ""))
    };
    for at in 0..servers.both.len() {
        connect(at).run(0..ENTRIES);
    }
    servers.measure("PUT", |at, turn| connect(at).rate(WRITES_IN_TURN, ENTRIES, turn));
}

/// Reads.
pub(crate) fn get() {
    let servers = OneCore::start();
    let mut readers = servers.both.each_ref().map(|server| {
        let (address, token) = (server.address(), server.admin_token());
        Load::connect(address, CLIENTS, Template::put(&token, "")).run(0..get::ENTRIES);
        Readers::connect(address, &token)
    });
    servers.measure("GET", |at, turn| readers[at].rate(turn));
}

/// A server on smol and one on tokio, both on the same core.
struct OneCore {
    both: [Server; 2],
    all: CpuSet,
}

impl OneCore {
    fn start() -> Self {
        let all = sched_getaffinity(None).expect("the cores of this thread");
        let first = (0..CpuSet::MAX_CPU).find(|&core| all.is_set(core)).expect("a core");
        let (mut one, mut rest) = (CpuSet::new(), all);
        one.set(first);
        rest.unset(first);
        // What a thread starts is where the thread is.
        sched_setaffinity(None, &one).expect("one of its cores");
        let both = [Runtime::Smol, Runtime::Tokio]
            .map(|runtime| ServerBuilder::new(Edition::Community).runtime(runtime).start());
        if rest.count() > 0 {
            sched_setaffinity(None, &rest).expect("its other cores");
        }
        Self { both, all }
    }

    /// Reports the rates; `rate` is that of one of the two in one turn.
    fn measure(&self, what: &str, mut rate: impl FnMut(usize, u64) -> f64) {
        let mut rounds = Vec::new();
        let (mut on_core, mut elapsed) = ([Duration::ZERO; 2], [Duration::ZERO; 2]);
        for round in 0..ROUNDS as u64 {
            let mut slowness = [0.0; 2];
            for turn in round * TURNS..(round + 1) * TURNS {
                // Who comes first changes, too.
                for at in if turn.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
                    let id = self.both[at].id();
                    let (spent, started) = (process::cpu_time(id), Instant::now());
                    slowness[at] += 1.0 / rate(at, turn);
                    on_core[at] += process::cpu_time(id) - spent;
                    elapsed[at] += started.elapsed();
                }
            }
            let [smol, tokio] = slowness.map(|slowness| TURNS as f64 / slowness);
            rounds.push((smol, tokio));
        }
        let what = format!("{what} of 1 KiB, 64 clients, smol beside tokio, one core");
        report::at_least(&what, "/s", &rounds, SHARE);
        let share = |at: usize| 100.0 * on_core[at].as_secs_f64() / elapsed[at].as_secs_f64();
        let shares = format!("{:.0} / {:.0} %", share(0), share(1));
        report::told("  share of the core that smol and tokio took", &shares);
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.all);
    }
}
