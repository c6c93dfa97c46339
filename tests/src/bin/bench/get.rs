//! Reads, beside a bare hyper server that answers with the same bytes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use clavitor_tests::{Edition, Server, ports};

use crate::load::{Load, Template};
use crate::{BLOB_BYTES, CLIENTS, ROUNDS, build, report};

/// Rivals take turns, so that whatever else the machine does hits them alike.
const TURNS: u64 = 8;
const READS_IN_TURN: u64 = 6_000;

/// A vault that someone reads: what is compared is what a server does, not a cache.
pub(crate) const ENTRIES: u64 = 1_000;

pub(crate) fn measure() {
    let what = "GET of 1 KiB, 64 clients, beside bare hyper";
    let program = match build::bare_hyper() {
        Ok(program) => program,
        Err(error) => return report::skipped(what, &error.to_string()),
    };
    let server = Server::start(Edition::Community);
    let token = server.admin_token();
    Load::connect(server.address(), CLIENTS, Template::put(&token, "")).run(0..ENTRIES);
    let rival = BareHyper::start(Command::new(program));
    let mut ours = Readers::connect(server.address(), &token);
    let mut theirs = Readers::connect(rival.address, &token);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut times = (0.0, 0.0);
        for turn in 0..TURNS {
            times.0 += 1.0 / ours.rate(turn);
            times.1 += 1.0 / theirs.rate(turn);
        }
        rounds.push((TURNS as f64 / times.0, TURNS as f64 / times.1));
    }
    report::at_least(what, "/s", &rounds, 0.80);
}

/// All clients, on threads enough that they are not what limits the servers.
pub(crate) struct Readers([Load; 2]);

impl Readers {
    /// Connects them.
    pub(crate) fn connect(address: SocketAddr, token: &str) -> Self {
        Self([(); 2].map(|()| Load::connect(address, CLIENTS / 2, Template::get(token))))
    }

    /// Reads per second in one turn.
    pub(crate) fn rate(&mut self, turn: u64) -> f64 {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for (at, load) in self.0.iter_mut().enumerate() {
                scope.spawn(move || load.rate(READS_IN_TURN / 2, ENTRIES, 2 * turn + at as u64));
            }
        });
        READS_IN_TURN as f64 / started.elapsed().as_secs_f64()
    }
}

/// The rival's process, ended when dropped.
struct BareHyper {
    child: Child,
    address: SocketAddr,
}

impl BareHyper {
    fn start(mut command: Command) -> Self {
        let address = ports::free_address();
        command.arg(address.to_string()).arg(BLOB_BYTES.to_string());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the rival starts");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("stderr is piped");
        BufReader::new(stderr).read_line(&mut line).expect("the rival says something");
        assert!(line.contains("listening"), "the rival says: {line}");
        Self { child, address }
    }
}

impl Drop for BareHyper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
