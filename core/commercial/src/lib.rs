//! The pure core of the Commercial edition: how POPs agree on one set of records.
//!
//! Like the core it builds on, nothing here performs I/O, reads a clock or draws a random number.
//!
//! Reading order: [`merge`] decides what a record becomes when two versions meet; [`frame`] is
//! what POPs say to each other and how it is authenticated; [`replication`] is the machine that
//! owes one peer its records; [`waiters`] and [`skew`] watch acks; [`pop`] composes them all.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

pub mod merge;

pub mod frame;

pub mod replication;

pub mod waiters;

pub mod skew;

pub mod pop;

/// Stands in every binary that contains this package, so that its absence can be proven.
pub const MARKER: &str = "CLAVITOR-COMMERCIAL-02d0e6bb99e43cbf5e71426836b2b9f8";
