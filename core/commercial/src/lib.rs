//! The pure core of the Commercial edition: how POPs agree on one set of records.
//!
//! Like the core it builds on, nothing here performs I/O, reads a clock or draws a random number.
//!
//! Reading order: [`merge`] decides what a record becomes when two versions meet; [`frame`] is
//! what POPs say to each other and how it is authenticated; [`replication`] is the machine that
//! owes one peer its records; [`waiters`] and [`skew`] watch acks; [`alerts`] tells HQ; [`renewal`] is
//! what a POP and HQ say to each other about the right to take writes, [`vote`] what POPs say while HQ
//! is away, and [`lease`] the machine that has that right or not; [`pop`] composes them all;
//! [`tarpit`] keeps scanners busy, by itself.
//!
//! What happens inside transactions: [`cluster`] is what is configured, [`received`] and [`tables`]
//! are what is kept, [`epoch`] says who is primary and [`admission`] who may write; [`apply`] takes
//! frames in, [`journal`] keeps what lost, [`load`] builds frames, [`sent`] keeps those under way,
//! [`answer`] reads what came back, [`books`] carries out what the machine orders then; [`debt`] is
//! what operators ask for, [`boot`] is the start.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

pub mod merge;

pub mod frame;

pub mod replication;

pub mod waiters;

pub mod skew;

pub mod alerts;

pub mod renewal;

pub mod vote;

pub mod lease;

pub mod pop;

pub mod tarpit;

pub mod cluster;

pub mod received;

pub mod tables;

pub mod epoch;

pub mod admission;

pub mod apply;

pub mod journal;

pub mod load;

pub mod sent;

pub mod answer;

pub mod books;

pub mod debt;

pub mod boot;

/// Stands in every binary that contains this package, so that its absence can be proven.
pub const MARKER: &str = "CLAVITOR-COMMERCIAL-02d0e6bb99e43cbf5e71426836b2b9f8";
