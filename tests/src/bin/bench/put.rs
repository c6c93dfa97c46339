//! Durable writes, beside a bare loop over the storage engine and beside PostgreSQL.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use clavitor_tests::{Edition, Server, metrics};

use crate::load::{Load, Template};
use crate::postgres::Postgres;
use crate::{CLIENTS, ENTRIES, ROUNDS, build, report};

/// Rivals take turns, so that whatever else the machine does hits them alike.
const TURNS: u64 = 6;
const WRITES_IN_TURN: u64 = 9_600;

pub(crate) fn measure() {
    let server = Server::start(Edition::Community);
    let token = server.admin_token();
    // Connected anew each time: the server cuts those who idle while a rival is measured.
    let connect = || Load::connect(server.address(), CLIENTS, Template::put(&token, ""));
    connect().run(0..ENTRIES);
    let mut bare = BareLoop::start();
    let postgres = Postgres::start(CLIENTS);
    let (mut beside_loop, mut beside_postgres) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let mut slowness = [0.0; 3];
        for turn in 0..TURNS {
            slowness[0] += 1.0 / connect().rate(WRITES_IN_TURN, ENTRIES, round * TURNS + turn);
            slowness[1] += 1.0 / bare.rate();
            if let Ok(postgres) = &postgres {
                slowness[2] += 1.0 / postgres.upserts(CLIENTS, WRITES_IN_TURN).per_second;
            }
        }
        let [ours, bare, postgres] = slowness.map(|slowness| TURNS as f64 / slowness);
        beside_loop.push((ours, bare));
        beside_postgres.push((ours, postgres));
    }
    report::at_least("PUT of 1 KiB, 64 clients, beside the bare loop", "/s", &beside_loop, 0.50);
    report::told("  writes that shared a transaction, on average", &group_size(&server));
    let what = "PUT of 1 KiB, 64 clients, beside PostgreSQL upserts";
    match postgres {
        Ok(_) => report::at_least(what, "/s", &beside_postgres, 1.00),
        Err(reason) => report::skipped(what, &reason),
    }
}

fn group_size(server: &Server) -> String {
    let samples = metrics::parse(&server.client().fetch("/metrics").expect(200).text());
    let value = |name: &str| {
        let found = samples.iter().find(|sample| sample.name.ends_with(name));
        found.map_or(f64::NAN, |sample| sample.value)
    };
    format!("{:.1}", value("store_writes_total") / value("store_commits_total"))
}

/// The bare loop's process, ended when dropped.
struct BareLoop {
    child: Child,
    turns: ChildStdin,
    rates: BufReader<ChildStdout>,
}

impl BareLoop {
    fn start() -> Self {
        let mut command = build::bare_loop();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("cargo can be started");
        let turns = child.stdin.take().expect("stdin is piped");
        let rates = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut bare = Self { child, turns, rates };
        // The first turn waits for it to be built.
        bare.rate();
        bare
    }

    fn rate(&mut self) -> f64 {
        self.turns.write_all(b"\n").expect("the bare loop reads");
        let mut line = String::new();
        self.rates.read_line(&mut line).expect("the bare loop answers");
        line.trim().parse().unwrap_or_else(|_| panic!("the bare loop says: {line}"))
    }
}

impl Drop for BareLoop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
