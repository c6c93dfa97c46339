//! The deterministic simulator: a whole cluster in one thread, driven through years of failures in
//! seconds by the very machines and transactions that servers run.
//!
//! Reading order: [`entropy`] is where chance comes from, [`knobs`] and [`script`] what it decides;
//! [`clocks`], [`disk`] and [`network`] are the things that fail, [`hq`] is who is told, [`scanners`] are who wastes time, [`server`] is a POP among them,
//! [`world`] moves everything on; [`checks`] are the promises. [`swarm`] runs many worlds, [`minimise`]
//! makes a failing one small, [`timeline`] draws it. [`recording`] runs what real servers recorded
//! again.

pub mod around;

pub mod bugs;

pub mod call;

pub mod canary;

pub mod checks;

pub mod clients;

pub mod clocks;

pub mod digest;

pub mod disk;

pub mod entropy;

pub mod event;

pub mod knobs;

pub mod hq;

pub mod network;

pub mod queue;

pub mod recording;

pub mod resolver;

pub mod scanners;

pub mod script;

pub mod server;

pub mod succession;

pub mod trace;

pub mod world;

pub mod run;

pub use run::run_bytes;

pub mod scenarios;

pub mod panics;

pub mod verdict;

pub mod story;

pub mod swarm;

pub mod runfile;

pub mod minimise;

pub mod timeline;
