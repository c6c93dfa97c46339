//! HQ and two POPs, running.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clavitor_node::cli::client::{Connection, Console, Failure, Hints, Target};
use clavitor_node::entropy;
use clavitor_node::server::write_secret;
use clavitor_node::settings::ServerUrl;

use super::control::{self, Event, Seen};
use super::place::{Addresses, Directory};
use super::process::Process;
use super::resolver::Resolver;
use super::screen::{Screen, grouped};
use super::writer::Route;

/// The cluster's name, and the zone that it is in.
pub(super) const CLUSTER: &str = "demo";
const ZONE: &str = "vault.test";

/// The ids of the POPs; the first is to be primary at first.
const IDS: [&str; 2] = ["calgary-01", "zurich-01"];

/// How often to look whether something has happened, and how exactly times are measured.
const LOOK: Duration = Duration::from_millis(20);

/// How long anything may take before it is said to have failed: what is promised of a failover.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

const HINTS: Hints = Hints {
    token: "A file of the demo's is gone: was its directory removed?",
    server: "A process of the demo's does not answer.",
};

/// Whether its user had enough.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Called again, ends this process at once, and every other one with it.
    pub(super) fn tell(&self) {
        if self.0.swap(true, Ordering::AcqRel) {
            std::process::exit(1);
        }
    }

    pub(super) fn is_told(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A POP.
pub(super) struct Pop {
    /// Its id.
    pub(super) id: &'static str,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Its process.
    pub(super) process: Process,
}

impl Pop {
    /// What others call it.
    pub(super) fn url(&self) -> String {
        ServerUrl::of_address(self.address).to_string()
    }
}

/// Everything that runs.
///
/// Invariant: each process that has a pid runs, as of the last [`World::check`].
pub(super) struct World {
    /// HQ's process.
    pub(super) hq: Process,
    /// The POPs.
    pub(super) pops: [Pop; 2],
    /// What a person sees.
    pub(super) screen: Screen,
    /// Who knows where the primary is.
    pub(super) resolver: Resolver,
    /// HQ, asked as an operator.
    pub(super) operator: Option<Connection>,
    /// How many writes were acknowledged.
    pub(super) tally: Arc<AtomicUsize>,
    addresses: Addresses,
    stop: Stop,
    // Last, because it goes once nobody writes to it any more.
    directory: Directory,
}

impl World {
    /// Everything prepared and nothing started.
    pub(super) fn new(
        directory: Directory,
        addresses: Addresses,
        screen: Screen,
        stop: Stop,
    ) -> Result<World, Failure> {
        let secret: String = entropy::bytes::<32>().iter().map(|b| format!("{b:02x}")).collect();
        keep(&directory.join("inter-pop.secret"), &secret)?;
        let [first, second] = addresses.pops.map(|it| ServerUrl::of_address(it).to_string());
        let [dns, listen] = [addresses.dns, addresses.hq].map(|it| it.to_string());
        let hq = words(&["hq", "serve", "--listen", &listen, "--dns-listen", &dns, "--zone", ZONE]);
        let hq = with(hq, &[("--data-dir", directory.join("hq"))]);
        let hq = Process::new("HQ", hq, directory.join("hq.log"));
        let pop = |id: &'static str, address: SocketAddr| {
            let (listen, hq) = (address.to_string(), format!("http://{}", addresses.hq));
            let told = words(&["serve", "--listen", &listen, "--pop-id", id, "--cluster", CLUSTER]);
            let told = [
                told,
                words(&["--replication-primary", &first, "--replication-backup", &second]),
                words(&["--hq", &hq]),
            ];
            let told = with(
                told.concat(),
                &[
                    ("--data-dir", directory.join(id)),
                    ("--replication-token-file", directory.join("inter-pop.secret")),
                    ("--hq-token-file", directory.join(&format!("{id}.token"))),
                ],
            );
            let log = directory.join(&format!("{id}.log"));
            Pop { id, address, process: Process::new(id, told, log) }
        };
        let [calgary, zurich] = IDS;
        let pops = [pop(calgary, addresses.pops[0]), pop(zurich, addresses.pops[1])];
        let resolver = Resolver::new(addresses.dns, format!("{CLUSTER}.{ZONE}"))
            .map_err(|error| Failure::refused(format!("no socket to ask DNS with: {error}")))?;
        let (operator, tally) = (None, Arc::default());
        Ok(World { hq, pops, screen, resolver, operator, tally, addresses, stop, directory })
    }

    /// Where HQ's dashboard is.
    pub(super) fn dashboard(&self) -> String {
        format!("http://{}/", self.addresses.hq)
    }

    /// Where HQ is.
    pub(super) fn hq_address(&self) -> SocketAddr {
        self.addresses.hq
    }

    /// Where HQ's DNS is.
    pub(super) fn dns(&self) -> SocketAddr {
        self.addresses.dns
    }

    /// The directory that everything is in.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// A server, asked with the token of a file in the directory.
    pub(super) fn connect(&self, to: SocketAddr, file: &str) -> Result<Connection, Failure> {
        let token_file = self.directory.join(file);
        let target = Target { server: ServerUrl::of_address(to), token_file, hints: &HINTS };
        let mut console = Console {
            input: &mut std::io::empty(),
            out: &mut std::io::sink(),
            err: &mut std::io::sink(),
            has_colour_out: false,
            has_colour_err: false,
            is_input_typed: false,
        };
        Connection::open(target, &mut console)
    }

    /// A POP, asked as a client.
    pub(super) fn route(&self, pop: usize) -> Result<Route, Failure> {
        let pop = self.pop(pop)?;
        let connection = self.connect(pop.address, "writer.token")?;
        Ok(Route { url: pop.url(), connection })
    }

    /// The POP of this index.
    pub(super) fn pop(&self, index: usize) -> Result<&Pop, Failure> {
        self.pops.get(index).ok_or_else(|| Failure::refused("there are two POPs"))
    }

    /// The index of the POP that HQ calls so.
    pub(super) fn index(&self, id: &str) -> Option<usize> {
        self.pops.iter().position(|pop| pop.id == id)
    }

    /// The index of the POP that DNS names.
    pub(super) fn named(&self) -> Option<usize> {
        let named: Ipv4Addr = self.resolver.address()?;
        self.pops.iter().position(|pop| pop.address.ip() == named)
    }

    /// How HQ sees the cluster.
    pub(super) fn seen(&self) -> Result<Seen, Failure> {
        control::look(self.operator()?, CLUSTER)
    }

    /// What happened after the event of that number.
    pub(super) fn news(&self, after: u64) -> Result<Vec<Event>, Failure> {
        control::news(self.operator()?, CLUSTER, after)
    }

    /// HQ, asked as an operator.
    pub(super) fn operator(&self) -> Result<&Connection, Failure> {
        self.operator.as_ref().ok_or_else(|| Failure::refused("HQ does not run yet"))
    }

    /// Fails if its user had enough, or a process ended that nobody here ended.
    pub(super) fn check(&mut self) -> Result<(), Failure> {
        if self.stop.is_told() {
            return Err(Failure::refused("stopped"));
        }
        let pops = self.pops.iter_mut().map(|pop| &mut pop.process);
        for process in std::iter::once(&mut self.hq).chain(pops) {
            if let Some(how) = process.ended() {
                return Err(process.obituary(&how));
            }
        }
        Ok(())
    }

    /// Whether its user had enough.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_told()
    }

    /// Looks again and again until something is there. What is told meanwhile is `what`.
    pub(super) fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut World) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        loop {
            self.check()?;
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            let waited = started.elapsed();
            if waited > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(Failure::refused(format!(
                    "{what}: gave up after {seconds} seconds; with --data-dir what everybody said \
                     stays in the .log files"
                )));
            }
            self.wait(what, waited);
            thread::sleep(LOOK);
        }
    }

    /// Tells what is waited for, and how the writer is doing.
    pub(super) fn wait(&self, what: &str, waited: Duration) {
        match self.tally.load(Ordering::Acquire) {
            0 => self.screen.wait(what, waited),
            count => {
                let count = grouped(count);
                self.screen.wait(&format!("{what} · {count} writes acknowledged"), waited);
            }
        }
    }

    /// Lets so much time pass.
    pub(super) fn pass(&mut self, what: &str, time: Duration) -> Result<(), Failure> {
        let started = Instant::now();
        self.until(what, |_| Ok((started.elapsed() >= time).then_some(())))
    }

    /// Keeps a secret in the directory.
    pub(super) fn keep(&self, file: &str, secret: &str) -> Result<PathBuf, Failure> {
        let path = self.directory.join(file);
        keep(&path, secret)?;
        Ok(path)
    }
}

fn keep(path: &Path, secret: &str) -> Result<(), Failure> {
    let kept = write_secret(path, secret);
    kept.map_err(|error| Failure::refused(format!("{} cannot be written: {error}", path.display())))
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn with(mut words: Vec<OsString>, paths: &[(&str, PathBuf)]) -> Vec<OsString> {
    for (flag, path) in paths {
        words.extend([OsString::from(flag), path.into()]);
    }
    words
}
