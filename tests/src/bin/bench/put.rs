//! Durable writes, beside a bare loop over the storage engine and beside PostgreSQL.

use clavitor_tests::{Edition, Server, metrics};

use crate::load::{Load, Template};
use crate::postgres::Postgres;
use crate::{CLIENTS, ENTRIES, ROUNDS, build, report};

const WRITES: u64 = 40_000;

/// How long PostgreSQL is measured in each round.
const POSTGRES_SECONDS: u32 = 2;

pub(crate) fn measure() {
    let server = Server::start(Edition::Community);
    let token = server.admin_token();
    // Connected anew each time: the server cuts those who idle while a rival is measured.
    let connect = || Load::connect(server.address(), CLIENTS, Template::put(&token, ""));
    connect().run(0..ENTRIES);
    let postgres = Postgres::start(CLIENTS);
    let (mut beside_loop, mut beside_postgres) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let ours = connect().rate(WRITES, ENTRIES, round);
        match bare_loop() {
            Ok(rival) => beside_loop.push((ours, rival)),
            Err(error) => eprintln!("the bare loop failed: {error}"),
        }
        if let Ok(postgres) = &postgres {
            let rival = postgres.upserts(CLIENTS, POSTGRES_SECONDS);
            beside_postgres.push((connect().rate(WRITES, ENTRIES, 100 + round), rival.per_second));
        }
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

fn bare_loop() -> Result<f64, String> {
    let output = build::bare_loop().output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.lines().last().and_then(|line| line.trim().parse().ok());
    number.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
