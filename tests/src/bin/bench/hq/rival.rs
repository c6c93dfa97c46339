//! How long DNS goes on naming a primary that was killed, beside gdnsd, which asks servers over HTTP
//! whether they are well, and names another one. It promotes nobody: its clients find a backup that
//! still takes no writes.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use clavitor_tests::foreign::{self, Run};
use clavitor_tests::governed::ZONE;
use clavitor_tests::random::Random;
use clavitor_tests::wait::{eventually, seconds};
use clavitor_tests::watch::Watch;
use clavitor_tests::{Governed, Scratch, Server, ports};

use crate::pair::Pair;
use crate::report;

const ROUNDS: usize = 10;

const RIVAL: &str = "gdnsd";

/// How gdnsd asks: every so many seconds, and how often in a row in vain before it believes it.
const ASKING: [(u32, u32, usize); 2] = [(2, 3, ROUNDS / 2), (10, 10, 1)];

/// A primary is killed at some moment within this.
const MOMENT_MS: u64 = 5_000;

/// Longer than anybody takes.
const NAMED_MAX: Duration = Duration::from_secs(180);

/// From each kill until either named the other one.
#[derive(Default)]
struct Times {
    server: Vec<Duration>,
    resolver: Vec<Duration>,
}

pub(crate) fn measure() {
    ours().report("HQ");
    if foreign::find(RIVAL).is_none() {
        return report::skipped(RIVAL, "it is not installed");
    }
    for (interval, failures, rounds) in ASKING {
        let times = theirs(interval, failures, rounds);
        times.report(&format!("{RIVAL}, {failures} times every {interval} s"));
    }
}

fn ours() -> Times {
    let named = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
    let mut governed = Governed::named_pair(&named.map(|address| vec![address.to_string()]));
    let watch = Watch::new(governed.dns);
    let (mut times, mut random) = (Times::default(), Random::new(6));
    for round in 0..ROUNDS {
        let (dying, following) = (round % 2, (round + 1) % 2);
        await_named(&watch, named[dying]);
        governed.await_members(2);
        watch.go_on(Duration::from_millis(random.below(MOMENT_MS)));
        times.take(&watch, &mut governed.cluster.pops[dying].server, named[following]);
        governed.cluster.pops[dying].server.start_again();
    }
    times
}

fn theirs(interval: u32, failures: u32, rounds: usize) -> Times {
    let first = ports::free_address();
    let named = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];
    let mut pair =
        Pair::at(named.map(|ip| SocketAddr::from((ip, first.port()))), |address| address);
    pair.primary.start_again();
    pair.backup.start_again();
    eventually("the pair is settled", seconds(60), || pair.is_settled());
    let address = ports::free_address();
    let _gdnsd = gdnsd(address, named, first.port(), (interval, failures));
    let watch = Watch::new(address);
    let (mut times, mut random) = (Times::default(), Random::new(6));
    for _ in 0..rounds {
        await_named(&watch, named[0]);
        watch.go_on(Duration::from_millis(random.below(MOMENT_MS)));
        times.take(&watch, &mut pair.primary, named[1]);
        pair.primary.start_again();
    }
    times
}

/// Starts the rival in front of two servers on one port.
fn gdnsd(
    address: SocketAddr,
    [first, second]: [Ipv4Addr; 2],
    port: u16,
    (interval, failures): (u32, u32),
) -> Run {
    let scratch = Scratch::new(RIVAL);
    let directory = scratch.path().display().to_string();
    let timeout = interval / 2;
    let configuration = format!(
        "options => {{ listen => [ \"{address}\" ], run_dir => \"{directory}/run\", \
           state_dir => \"{directory}/state\" }}\n\
         service_types => {{ pop => {{ plugin => http_status, port => {port}, vhost => bench, \
           url_path => \"/readyz\", interval => {interval}, timeout => {timeout}, up_thresh => 3, \
           ok_thresh => {failures}, down_thresh => {failures} }} }}\n\
         plugins => {{ simplefo => {{ service_types => [ pop ], \
           main => {{ primary => {first}, secondary => {second} }} }} }}\n"
    );
    scratch.file("config", configuration.as_bytes());
    std::fs::create_dir(scratch.path().join("zones")).expect("our own directory");
    let zone = "@ 300 SOA ns1 hostmaster 1 7200 1800 259200 900\n@ 300 NS ns1\n\
                ns1 300 A 127.0.0.1\ntest-cluster 5 DYNA simplefo!main\n";
    scratch.file(&format!("zones/{ZONE}"), zone.as_bytes());
    let mut command = Command::new(foreign::find(RIVAL).expect("it is installed"));
    command.arg("-c").arg(scratch.path()).arg("start");
    Run::start(&mut command, scratch)
}

/// Asks until both name the address; when either did.
fn await_named(watch: &Watch, expected: Ipv4Addr) -> [Duration; 2] {
    let [server, resolver, _] = watch.until(Instant::now(), expected, NAMED_MAX, || true);
    [server, resolver]
}

impl Times {
    /// Kills a primary and waits until the other one is named.
    fn take(&mut self, watch: &Watch, primary: &mut Server, expected: Ipv4Addr) {
        primary.kill9();
        let [server, resolver] = await_named(watch, expected);
        self.server.push(server);
        if watch.resolver.is_some() {
            self.resolver.push(resolver);
        }
    }

    fn report(mut self, who: &str) {
        let figure = |times: &mut [Duration]| {
            let [p50, max] = [50, 100].map(|percent| report::percentile_ms(times, percent) / 1e3);
            format!("{p50:.2} / {max:.2} s")
        };
        let rounds = self.server.len();
        report::told(
            &format!("{who}: named after a kill, p50 / max of {rounds}"),
            &figure(&mut self.server),
        );
        if self.resolver.is_empty() {
            return report::skipped("  by a resolver", "unbound is not installed");
        }
        report::told("  by unbound in front", &figure(&mut self.resolver));
    }
}
