//! The pure core of the control plane: who may take writes in each cluster, what DNS answers, and
//! what operators are shown.
//!
//! Like the cores it builds on, nothing here performs I/O, reads a clock or draws a random number.
//!
//! Reading order: [`control`] decides about leases and promotions; [`dns`] answers questions about
//! who is primary; [`incidents`] shows each alert once.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

pub mod control;

pub mod dns;

pub mod incidents;

/// Stands in every binary that contains this package, so that its absence can be proven.
pub const MARKER: &str = "CLAVITOR-HQ-CORE-7b6a1f0c52de4398a9d04e6f1c83b725";
