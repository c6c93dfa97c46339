//! The pure core of Clavitor: values and state machines that both editions share.
//!
//! Nothing here performs I/O, reads a clock or draws a random number; callers hand in time, facts
//! and entropy, and carry out the effects that come back. `no_std` keeps it so by construction.
//!
//! Reading order: [`time`] and [`id`] name things, [`source`] tells clients apart, [`hlc`] orders them, [`record`] is what is
//! stored, [`codec`] is its bytes, [`credential`] proves access; [`store`] is what transactions do
//! to tables of bytes, [`entry`] and [`token`] are what clients do in them; [`alert`], [`backoff`]
//! and [`edition`] are what machines are made of; [`shutdown`], [`telemetry`] and [`pop`] are the
//! machines; [`recording`] keeps what they were told.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

extern crate alloc;

pub mod time;

mod bytes;

pub mod id;

pub mod hlc;

pub mod name;

pub mod source;

pub mod record;

pub mod codec;

pub mod credential;

pub mod store;

pub mod entry;

pub mod token;

pub mod alert;

pub mod backoff;

pub mod edition;

pub mod shutdown;

pub mod telemetry;

pub mod pop;

pub mod recording;
