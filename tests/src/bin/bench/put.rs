//! Durable writes, beside a bare loop over the storage engine and beside PostgreSQL.

use clavitor_tests::{Edition, Server};

use crate::load::{Load, Template};
use crate::postgres::Postgres;
use crate::{CLIENTS, ENTRIES, ROUNDS, build, report};

const WRITES: u64 = 40_000;

/// How long PostgreSQL is measured in each round.
const POSTGRES_SECONDS: u32 = 2;

pub(crate) fn measure() {
    let server = Server::start(Edition::Community);
    let mut load =
        Load::connect(server.address(), CLIENTS, Template::put(&server.admin_token(), ""));
    load.run(0..ENTRIES);
    let postgres = Postgres::start(CLIENTS);
    let (mut beside_loop, mut beside_postgres) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let ours = load.rate(WRITES, ENTRIES, round);
        match bare_loop() {
            Ok(rival) => beside_loop.push((ours, rival)),
            Err(error) => eprintln!("the bare loop failed: {error}"),
        }
        if let Ok(postgres) = &postgres {
            let rival = postgres.upserts(CLIENTS, POSTGRES_SECONDS);
            beside_postgres.push((load.rate(WRITES, ENTRIES, 100 + round), rival.per_second));
        }
    }
    report::at_least("PUT of 1 KiB, 64 clients, beside the bare loop", "/s", &beside_loop, 0.50);
    let what = "PUT of 1 KiB, 64 clients, beside PostgreSQL upserts";
    match postgres {
        Ok(_) => report::at_least(what, "/s", &beside_postgres, 1.00),
        Err(reason) => report::skipped(what, &reason),
    }
}

fn bare_loop() -> Result<f64, String> {
    let output = build::bare_loop().output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.lines().last().and_then(|line| line.trim().parse().ok());
    number.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())
}
