//! Several commercial POPs of one cluster on loopback.

use crate::random::Random;
use crate::{Client, Edition, Proxy, Runtime, Scratch, Server, ServerBuilder, ports, wait};
use std::net::SocketAddr;
use std::time::Duration;

/// The ids of the POPs; the first is the primary by configuration.
pub const POP_IDS: [&str; 3] = ["calgary-01", "zurich-01", "denver-01"];

/// With three POPs a backup leaves a record to its source for 30 seconds before it asks the other
/// backup whether it has it; until then it owes it that record.
const SETTLE_MAX: Duration = Duration::from_secs(75);

/// What cluster to start.
#[derive(Debug, Clone)]
pub struct ClusterBuilder {
    count: usize,
    is_proxied: bool,
    name: String,
    secret: Vec<u8>,
    runtimes: Vec<Runtime>,
    arguments: Vec<String>,
    memory_max: Option<u64>,
}

impl ClusterBuilder {
    /// A cluster of `count` POPs that reach each other directly.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            is_proxied: false,
            name: "test-cluster".to_owned(),
            secret: new_secret(7),
            runtimes: vec![Runtime::under_test(); count],
            arguments: Vec::new(),
            memory_max: None,
        }
    }

    /// Puts a proxy in front of every POP, through which the others reach it.
    pub fn proxied(mut self) -> Self {
        self.is_proxied = true;
        self
    }

    /// Another name of the cluster.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// What each POP runs on, in their order, instead of the runtime under test; panics unless
    /// there is one for each.
    pub fn runtimes(mut self, runtimes: &[Runtime]) -> Self {
        assert_eq!(runtimes.len(), self.count, "a runtime for each POP");
        runtimes.clone_into(&mut self.runtimes);
        self
    }

    /// Gives every POP a memory cgroup of so many bytes to itself.
    pub fn memory_max(mut self, bytes: u64) -> Self {
        self.memory_max = Some(bytes);
        self
    }

    /// Adds arguments for every POP.
    pub fn arguments(mut self, more: &[&str]) -> Self {
        self.arguments.extend(more.iter().map(|&word| word.to_owned()));
        self
    }

    /// The cluster's name.
    pub(crate) fn cluster_name(&self) -> &str {
        &self.name
    }

    /// How many POPs.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Prepares the POPs without starting any.
    pub fn prepare(self) -> Cluster {
        let scratch = Scratch::new("cluster");
        let secret = scratch.file("secret", &self.secret);
        let addresses: Vec<SocketAddr> = (0..self.count).map(|_| ports::free_address()).collect();
        let proxies: Vec<Option<Proxy>> =
            addresses.iter().map(|&to| self.is_proxied.then(|| Proxy::start(to))).collect();
        let direct = addresses.iter().map(|address| format!("http://{address}"));
        let urls: Vec<String> = direct
            .zip(&proxies)
            .map(|(url, proxy)| proxy.as_ref().map_or(url, Proxy::url))
            .collect();
        let pops = proxies.into_iter().enumerate().map(|(index, proxy)| {
            let mut builder = ServerBuilder::new(Edition::Commercial)
                .runtime(self.runtimes[index])
                .address(addresses[index])
                .arguments(["--pop-id", POP_IDS[index], "--cluster", &self.name])
                .arguments(["--advertise-url", &urls[index]])
                .arguments(["--replication-primary", &urls[0]])
                .arguments(["--replication-token-file".as_ref(), secret.as_os_str()])
                .arguments(&self.arguments);
            for url in &urls[1..] {
                builder = builder.arguments(["--replication-backup", url]);
            }
            if let Some(bytes) = self.memory_max {
                builder = builder.memory_max(bytes);
            }
            let server = builder.prepare();
            Pop { id: POP_IDS[index], url: urls[index].clone(), server, proxy }
        });
        Cluster { pops: pops.collect(), scratch }
    }

    /// Starts all POPs, the first one last so that it finds the others, and waits until
    /// nothing is dirty and no peer is being retried.
    pub fn start(self) -> Cluster {
        let mut cluster = self.prepare();
        for pop in cluster.pops.iter_mut().rev() {
            pop.server.start_again();
        }
        cluster.settle();
        cluster.become_ready();
        cluster
    }
}

/// One POP of a cluster.
#[derive(Debug)]
pub struct Pop {
    /// Its id.
    pub id: &'static str,
    /// What the others know it by.
    pub url: String,
    /// The process.
    pub server: Server,
    proxy: Option<Proxy>,
}

impl Pop {
    /// The network in front of it; panics in a cluster without proxies.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("the cluster was built with proxies")
    }

    /// A client with this POP's own admin access token.
    pub fn client(&self) -> Client {
        self.server.client()
    }
}

/// Several POPs; the first is the primary by configuration.
#[derive(Debug)]
pub struct Cluster {
    /// In the order of [`POP_IDS`].
    pub pops: Vec<Pop>,
    /// The directory that holds the file with the inter-POP secret, named `secret`.
    pub scratch: Scratch,
}

impl Cluster {
    /// Two POPs without proxies.
    pub fn pair() -> Self {
        ClusterBuilder::new(2).start()
    }

    /// Two POPs with a proxy before each.
    pub fn proxied_pair() -> Self {
        ClusterBuilder::new(2).proxied().start()
    }

    /// The primary's client, by configuration.
    pub fn primary(&self) -> Client {
        self.pops[0].client()
    }

    /// The first backup's client, by configuration.
    pub fn backup(&self) -> Client {
        self.pops[1].client()
    }

    /// Waits until every POP can do what its role asks: a new primary first hears its backups.
    #[track_caller]
    pub fn become_ready(&self) {
        for pop in &self.pops {
            let client = pop.client();
            wait::eventually(&format!("{} is ready", pop.id), SETTLE_MAX, || {
                client.fetch("/readyz").status == 200
            });
        }
    }

    /// Waits until every running POP owes nothing to anyone and is not retrying.
    #[track_caller]
    pub fn settle(&self) {
        for pop in &self.pops {
            let client = pop.client();
            wait::eventually(&format!("{} owes nothing", pop.id), SETTLE_MAX, || {
                let peers = client.peers();
                peers.len() + 1 == self.pops.len()
                    && peers.iter().all(|peer| peer["dirty"] == 0 && peer["state"] == "idle")
            });
        }
    }
}

/// An inter-POP secret that passes as random; equal seeds give equal secrets.
pub fn new_secret(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let digits = (0..64).map(|_| *random.pick(b"0123456789abcdefghijklmnopqrstuv"));
    digits.chain([b'\n']).collect()
}
