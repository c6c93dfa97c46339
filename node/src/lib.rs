//! Clavitor's server without a runtime: the store, HTTP, the API, settings, commands, the driver.
//!
//! A runtime supplies tasks, timers and sockets ([`runtime`]); an edition supplies its POP's
//! machine and what its effects mean ([`plumbing`]); this package is everything between.
//!
//! Reading order: [`store`] keeps records, [`http`] speaks to clients, [`api`] answers them,
//! [`telemetry`] reports to whom the operator named, [`driver`] turns a machine's effects into
//! calls, [`recorder`] keeps what it was told, [`server`] composes them, [`serve`] gives it
//! sockets, [`outbound`] is how it asks others, [`settings`] and [`cli`] are what a person sees
//! first, [`launch`] is what a runtime's `main` calls.
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

pub mod entropy;

pub mod wall;

pub mod alarm;

pub mod host;

pub mod log;

mod program;

pub mod store;

pub mod http;

pub mod runtime;

pub mod outbound;

pub mod plumbing;

pub mod api;

pub mod telemetry;

pub mod recorder;

pub mod driver;

pub mod server;

pub mod serve;

pub mod community;

pub mod settings;

pub mod cli;

pub mod launch;

pub mod offline;
