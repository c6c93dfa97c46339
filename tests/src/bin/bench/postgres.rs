//! PostgreSQL as a rival: a throwaway cluster on the same disk, driven by its own pgbench.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clavitor_tests::{Scratch, ports};

use crate::{BLOB_BYTES, ENTRIES, report};

const VERSIONS: [&str; 4] = ["15", "16", "17", "14"];

/// How long a standby may take to be one.
const STANDBY_MAX: Duration = Duration::from_secs(30);

/// A running cluster, stopped when dropped.
pub(crate) struct Postgres {
    programs: PathBuf,
    scratch: Scratch,
    primary: Instance,
    standby: Option<Instance>,
}

struct Instance {
    data: PathBuf,
    port: u16,
}

/// What pgbench saw.
pub(crate) struct Upserts {
    /// Upserts per second.
    pub(crate) per_second: f64,
    /// How long each took.
    pub(crate) latencies: Vec<Duration>,
}

impl Postgres {
    /// A cluster with a table of entries in it; the reason if there can be none.
    pub(crate) fn start(connections: usize) -> Result<Self, String> {
        let place = |version: &&str| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"));
        let programs = VERSIONS.iter().map(place);
        let programs = programs.into_iter().find(|path| path.join("initdb").exists());
        let programs = programs.ok_or("PostgreSQL is not installed")?;
        let scratch = Scratch::new("postgres");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(scratch.path(), mode).map_err(|error| error.to_string())?;
        let primary =
            Instance { data: scratch.path().join("primary"), port: ports::free_address().port() };
        let postgres = Self { programs, scratch, primary, standby: None };
        let data = postgres.primary.data.clone();
        postgres.run("initdb", |command| command.args(["-A", "trust", "-D"]).arg(&data))?;
        let settings = format!("max_connections = {}\nmax_wal_senders = 4\n", connections + 10);
        postgres.add_settings(&data, &settings)?;
        postgres.start_instance(&postgres.primary)?;
        postgres.sql("CREATE TABLE entries (name text PRIMARY KEY, blob bytea NOT NULL)")?;
        postgres.sql("ALTER TABLE entries ALTER blob SET STORAGE EXTERNAL")?;
        let blob = "decode(repeat('a7', 1024), 'hex')";
        postgres.sql(&format!(
            "INSERT INTO entries SELECT 'entry-' || n, {blob} FROM generate_series(0, {}) n",
            ENTRIES - 1
        ))?;
        Ok(postgres)
    }

    /// Adds a streaming standby that must have every commit on its disk.
    pub(crate) fn add_standby(&mut self) -> Result<(), String> {
        let data = self.scratch.path().join("standby");
        let port = ports::free_address().port();
        let (host, from) = (self.scratch.path().to_owned(), self.primary.port.to_string());
        self.run("pg_basebackup", |command| {
            command
                .args(["-R", "--checkpoint=fast", "-p", &from, "-h"])
                .arg(&host)
                .arg("-D")
                .arg(&data)
        })?;
        let standby = Instance { data, port };
        self.start_instance(&standby)?;
        self.standby = Some(standby);
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")?;
        self.sql("ALTER SYSTEM SET synchronous_commit = 'on'")?;
        self.sql("SELECT pg_reload_conf()")?;
        let started = std::time::Instant::now();
        while !self
            .sql("SELECT sync_state FROM pg_stat_replication")?
            .lines()
            .any(|state| state == "sync")
        {
            if started.elapsed() > STANDBY_MAX {
                return Err("the standby does not become synchronous".to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// So many upserts of 1 KiB by so many clients.
    pub(crate) fn upserts(&self, clients: usize, count: u64) -> Upserts {
        let script = self.scratch.path().join("upsert.sql");
        let text = format!(
            "\\set id random(0, {})\nINSERT INTO entries VALUES ('entry-' || :id, \
             decode(repeat('7a', {BLOB_BYTES}), 'hex')) ON CONFLICT (name) DO UPDATE SET blob = excluded.blob;\n",
            ENTRIES - 1
        );
        std::fs::write(&script, text).expect("a file of our own");
        let log = self.scratch.path().join("log");
        let each = (count / clients as u64).to_string();
        let (clients, threads) = (clients.to_string(), clients.min(2).to_string());
        let port = self.primary.port.to_string();
        let output = self.run("pgbench", |command| {
            command
                .args(["-n", "-M", "prepared", "-j", &threads, "-l", "-c", &clients, "-t", &each]);
            command.arg("--log-prefix").arg(&log).arg("-f").arg(&script).args(["-p", &port]);
            command.arg("-h").arg(self.scratch.path()).arg("postgres")
        });
        let output = output.unwrap_or_else(|error| panic!("pgbench: {error}"));
        let tps = output.lines().find_map(|line| line.strip_prefix("tps = "));
        let tps = tps.and_then(|rest| rest.split(' ').next()).and_then(|tps| tps.parse().ok());
        Upserts { per_second: tps.expect("pgbench says its tps"), latencies: self.take_log() }
    }

    /// The third word of every line is the microseconds a transaction took.
    fn take_log(&self) -> Vec<Duration> {
        let mut latencies = Vec::new();
        for file in std::fs::read_dir(self.scratch.path()).expect("our directory").flatten() {
            if !file.file_name().to_string_lossy().starts_with("log.") {
                continue;
            }
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            let micros = text.lines().filter_map(|line| line.split(' ').nth(2)?.parse().ok());
            latencies.extend(micros.map(Duration::from_micros));
            let _ = std::fs::remove_file(file.path());
        }
        latencies
    }

    fn start_instance(&self, instance: &Instance) -> Result<(), String> {
        let socket = self.scratch.path().display();
        let options = format!("-p {} -k {socket} -c listen_addresses=''", instance.port);
        let log = instance.data.with_extension("log");
        self.run("pg_ctl", |command| {
            command.args(["-w", "-o", &options, "-D"]).arg(&instance.data);
            command.arg("-l").arg(&log).arg("start")
        })?;
        Ok(())
    }

    fn add_settings(&self, data: &Path, settings: &str) -> Result<(), String> {
        let path = data.join("postgresql.auto.conf");
        std::fs::write(path, settings).map_err(|error| error.to_string())
    }

    fn sql(&self, statement: &str) -> Result<String, String> {
        let port = self.primary.port.to_string();
        self.run("psql", |command| {
            command.args(["-qtA", "-p", &port, "-h"]).arg(self.scratch.path());
            command.args(["-c", statement, "postgres"])
        })
    }

    /// Runs one of PostgreSQL's programs, which refuse to be run by root.
    fn run(
        &self,
        name: &str,
        arguments: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<String, String> {
        let program = self.programs.join(name);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        // What it starts in the background must not keep a pipe of ours open.
        let out = self.scratch.path().join("out");
        let file = std::fs::File::create(&out).map_err(|error| error.to_string())?;
        let copy = file.try_clone().map_err(|error| error.to_string())?;
        command.current_dir(self.scratch.path()).stdin(Stdio::null()).stdout(file).stderr(copy);
        let status = arguments(&mut command).status().map_err(|error| error.to_string())?;
        let said = std::fs::read_to_string(&out).unwrap_or_default();
        if status.success() { Ok(said) } else { Err(format!("{name}: {status}: {}", said.trim())) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        for instance in self.standby.iter().chain([&self.primary]) {
            let _ = self.run("pg_ctl", |command| {
                command.args(["-m", "immediate", "-D"]).arg(&instance.data).arg("stop")
            });
        }
    }
}

/// The p50 and p99 of single upserts, in milliseconds.
pub(crate) fn percentiles(mut latencies: Vec<Duration>) -> (f64, f64) {
    (report::percentile_ms(&mut latencies, 50), report::percentile_ms(&mut latencies, 99))
}
