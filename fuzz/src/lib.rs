//! What fuzzing calls: every target is an ordinary function over bytes that panics where a rule is
//! broken. The binaries in `fuzz_targets` hand it what libFuzzer makes up; `tests/corpus.rs` hands
//! it the files of `corpus`.
//!
//! Reading order: [`TARGETS`] lists them; the modules behind them are named after what they fuzz.

mod bodies;
mod frames;
mod leases;
mod machine;
mod names;
mod pops;
mod proxies;
mod questions;
mod reader;
mod recordings;
mod records;
mod requests;
mod settings;
mod values;
mod votes;
mod worlds;

pub use bodies::json_bodies;
pub use frames::{ack_decoding, frame_decoding, frame_round_trip};
pub use leases::lease_machine;
pub use machine::replication_machine;
pub use names::names;
pub use pops::pop_machine;
pub use proxies::client_address;
pub use questions::dns_question;
pub use recordings::flight_recording;
pub use records::record_decoding;
pub use requests::request_target;
pub use settings::settings_file;
pub use votes::vote_decoding;
pub use worlds::world;

/// The body of a target.
pub type Body = fn(&[u8]);

/// Every target by its name, which is also that of its binary and of its corpus folder.
pub const TARGETS: &[(&str, Body)] = &[
    ("ack_decoding", ack_decoding),
    ("client_address", client_address),
    ("dns_question", dns_question),
    ("flight_recording", flight_recording),
    ("frame_decoding", frame_decoding),
    ("frame_round_trip", frame_round_trip),
    ("json_bodies", json_bodies),
    ("lease_machine", lease_machine),
    ("names", names),
    ("pop_machine", pop_machine),
    ("record_decoding", record_decoding),
    ("replication_machine", replication_machine),
    ("request_target", request_target),
    ("settings_file", settings_file),
    ("vote_decoding", vote_decoding),
    ("world", world),
];
