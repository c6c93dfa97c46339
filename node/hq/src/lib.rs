//! The control plane as a server: what HQ keeps, whom it answers, and the commands for it. What is
//! decided about leases, DNS and alerts is [`clavitor_hq_core`]'s; this carries it.
//!
//! Reading order: [`dns`] answers questions about who is primary.
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

pub mod dns;
