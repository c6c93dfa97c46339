//! HQ, and a cluster whose roles it decides.

use crate::cluster::{Cluster, ClusterBuilder, POP_IDS};
use crate::{Client, Edition, Runtime, Server, ServerBuilder, binary, ports, wait};
use serde_json::{Value, json};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The zone that HQ answers for.
pub const ZONE: &str = "vault.test";

/// Longer than a lease with its margin, and a promotion.
const FIRST_LEASE_MAX: Duration = Duration::from_secs(20);

/// HQ and a cluster.
#[derive(Debug)]
pub struct Governed {
    /// The control plane.
    pub hq: Server,
    /// The cluster.
    pub cluster: Cluster,
    /// Where HQ answers DNS questions.
    pub dns: SocketAddr,
    name: String,
}

/// HQ alone, running.
pub fn start_hq(more: &[&str]) -> (Server, SocketAddr) {
    let dns = ports::free_address();
    let hq = ServerBuilder::new(Edition::Commercial)
        .runtime(Runtime::Tokio)
        .command(&["hq", "serve"])
        .arguments(["--dns-listen", &dns.to_string(), "--zone", ZONE])
        .arguments(more)
        .start();
    (hq, dns)
}

/// Registers a POP as an operator does, and keeps its POP token in a file.
#[track_caller]
pub fn register(hq: &Server, pop: &str, cluster: &str, file: &Path) {
    let mut command = binary::command_on(Runtime::Tokio, Edition::Commercial);
    let words = ["hq", "pop", "add", pop, "--cluster", cluster, "--server", &hq.url()];
    let token = hq.data().join("admin.token");
    let ended = binary::run_with(command.args(words).arg("--token-file").arg(token));
    assert_eq!(ended.code, Some(0), "hq pop add: {}", ended.stderr);
    let mut options = std::fs::OpenOptions::new();
    let opened = options.create(true).write(true).truncate(true).mode(0o600).open(file);
    opened
        .and_then(|mut file| file.write_all(ended.stdout.as_bytes()))
        .expect("the token can be kept");
}

impl Governed {
    /// Prepares HQ, running, and the POPs of `builder`, registered and not running.
    pub fn prepare(builder: ClusterBuilder, hq_arguments: &[&str]) -> Self {
        let (hq, dns) = start_hq(hq_arguments);
        let name = builder.cluster_name().to_owned();
        let count = builder.count();
        let mut cluster = builder.arguments(&["--hq", &hq.url()]).prepare();
        for (index, pop) in POP_IDS[..count].iter().enumerate() {
            let file = cluster.scratch.path().join(format!("{pop}.token"));
            register(&hq, pop, &name, &file);
            let server = &mut cluster.pops[index].server;
            server.add_arguments(["--hq-token-file".into(), file.into_os_string()]);
        }
        Self { hq, cluster, dns, name }
    }

    /// The same, started, with the first POP as primary and everybody a member.
    pub fn start(builder: ClusterBuilder) -> Self {
        let mut governed = Self::prepare(builder, &[]);
        for pop in governed.cluster.pops.iter_mut().rev() {
            pop.server.start_again();
        }
        governed.cluster.settle();
        governed.cluster.become_ready();
        governed.await_members(governed.cluster.pops.len());
        governed
    }

    /// Two POPs.
    pub fn pair() -> Self {
        Self::start(ClusterBuilder::new(2))
    }

    /// Two POPs with addresses of their own in DNS, started; DNS names the first.
    pub fn named_pair(addresses: &[Vec<String>; 2]) -> Self {
        let mut governed = Self::prepare(ClusterBuilder::new(2), &[]);
        for (pop, own) in governed.cluster.pops.iter_mut().zip(addresses) {
            own.iter().for_each(|address| pop.server.add_arguments(["--dns-address", address]));
        }
        for pop in governed.cluster.pops.iter_mut().rev() {
            pop.server.start_again();
        }
        let is_first = |found: &Ipv4Addr| addresses[0].contains(&found.to_string());
        wait::eventually("DNS names the first", FIRST_LEASE_MAX, || {
            governed.resolve().iter().any(is_first)
        });
        governed.cluster.become_ready();
        governed
    }

    /// A client of HQ with the admin token.
    pub fn operator(&self) -> Client {
        self.hq.client()
    }

    /// What HQ shows of the cluster; `Null` if it knows nothing of it.
    pub fn shown(&self) -> Value {
        let Ok(answer) = self.operator().request("GET", "/v1/pops", &[], None) else {
            return Value::Null;
        };
        let all: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let clusters = all["clusters"].as_array().cloned().unwrap_or_default();
        clusters.into_iter().find(|it| it["name"] == json!(self.name)).unwrap_or_default()
    }

    /// The POP that HQ names as the primary.
    pub fn primary_at_hq(&self) -> Option<String> {
        self.shown()["primary"].as_str().map(str::to_owned)
    }

    /// Waits until the primary goes by so many members, and each of them could follow: who has just
    /// started may not for a lease.
    #[track_caller]
    pub fn await_members(&self, count: usize) {
        wait::eventually(&format!("{count} members that could follow"), FIRST_LEASE_MAX, || {
            let shown = self.shown();
            let pops = shown["pops"].as_array().cloned().unwrap_or_default();
            let could = |pop: &&Value| pop["is_member"] == true && pop["refuses_ms"] == 0;
            pops.iter().filter(could).count() == count
        });
    }

    /// The index of the POP that takes writes now, if one says so.
    pub fn primary(&self) -> Option<usize> {
        let takes_writes = |server: &Server| {
            let answer = server.anonymous().request("GET", "/role/primary", &[], None);
            answer.is_ok_and(|answer| answer.status == 200)
        };
        self.cluster.pops.iter().position(|pop| takes_writes(&pop.server))
    }

    /// Waits until the POP of this index takes writes.
    #[track_caller]
    pub fn await_primary(&self, index: usize, timeout: Duration) {
        let id = self.cluster.pops[index].id;
        wait::eventually(&format!("{id} takes writes"), timeout, || self.primary() == Some(index));
    }

    /// What DNS answers for the cluster.
    pub fn resolve(&self) -> Vec<Ipv4Addr> {
        addresses(self.dns, &format!("{}.{ZONE}", self.name)).unwrap_or_default()
    }
}

/// Asks a DNS server for the IPv4 addresses of a name, once; `None` if it does not answer.
pub fn addresses(server: SocketAddr, name: &str) -> Option<Vec<Ipv4Addr>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).ok()?);
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    socket.send_to(&query, server).ok()?;
    let mut answer = [0; 1_500];
    let length = socket.recv(&mut answer).ok()?;
    let answer = answer.get(..length)?;
    let count = u16::from_be_bytes([*answer.get(6)?, *answer.get(7)?]);
    let mut rest = answer.get(query.len()..)?;
    let mut found = Vec::new();
    for _ in 0..count {
        // The name is a pointer to the question's, or that name once more.
        let name_length = match rest.first()? {
            0xC0..=0xFF => 2,
            _ => rest.iter().position(|byte| *byte == 0)? + 1,
        };
        let record = rest.get(name_length..)?;
        let data_length = usize::from(u16::from_be_bytes([*record.get(8)?, *record.get(9)?]));
        let data = record.get(10..10 + data_length)?;
        if record.get(..2)? == [0, 1] && data.len() == 4 {
            found.push(Ipv4Addr::new(data[0], data[1], data[2], data[3]));
        }
        rest = record.get(10 + data_length..)?;
    }
    Some(found)
}
