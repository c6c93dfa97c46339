//! The harness of the black-box tests: it finds and starts the built binaries of both editions on
//! both runtimes, speaks HTTP to them, stands between them as a proxy that can misbehave, and kills them.
//! Nothing in here links against the server: what the tests know is what a user can see.
//!
//! In reading order: which binary ([`binary`]), one server ([`server`]), several ([`cluster`]),
//! a client ([`client`], [`raw`] for what no client would send), the network between
//! POPs ([`proxy`]), a receiver in HQ's place ([`hq`]), HQ itself with a cluster that it governs ([`governed`]) and
//! somebody who goes on writing whoever is primary ([`writer`]), a legitimate client beside those who
//! misbehave ([`session`]) and the programs of others that do ([`foreign`], [`scanner`]) or that ask
//! DNS servers ([`resolver`]), what the kernel says about a process ([`process`]), how often one wakes
//! ([`sleeper`]) and how little memory it may have ([`cgroup`]), and the rounds that the suite shares with
//! the programs `crash-rounds` ([`crash`]) and `failover-rounds` ([`failovers`]), of which [`rounds`] reads
//! the options and [`watch`] sees whom DNS names.

pub mod binary;
pub mod cgroup;
pub mod client;
pub mod cluster;
pub mod crash;
pub mod failovers;
pub mod foreign;
pub mod governed;
pub mod hq;
pub mod metrics;
pub mod ports;
pub mod process;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod resolver;
pub mod rounds;
pub mod scanner;
pub mod scratch;
pub mod server;
pub mod session;
pub mod sleeper;
pub mod sync_shim;
pub mod wait;
pub mod watch;
pub mod writer;

pub use binary::{Edition, Runtime};
pub use cgroup::MemoryCgroup;
pub use client::{Answer, Client};
pub use cluster::{Cluster, ClusterBuilder};
pub use governed::Governed;
pub use hq::{Hq, Mood};
pub use proxy::{Fault, Proxy};
pub use scratch::Scratch;
pub use server::{Server, ServerBuilder};
pub use session::{Connecting, Session};
pub use wait::eventually;
pub use writer::Writer;
