//! The black-box suite: one binary, because linking one per topic costs more than running them.
//! It is run once for each runtime: `CLAVITOR_RUNTIME` is `tokio` (also without it) or `smol`.
//! `CLAVITOR_COMMUNITY_BIN`, `CLAVITOR_COMMERCIAL_BIN`, the same two with `CLAVITOR_SMOL_` in front
//! and `CLAVITOR_SIM_BIN` name the binaries under test; those that are not named are built first.

mod access_tokens;
mod alerts;
mod all_at_once;
mod bad_bodies;
mod bad_input;
mod bad_requests;
mod basics;
mod commands;
mod community;
mod conflicts;
mod crashes;
mod dashboard;
mod demo;
mod directories;
mod durability;
mod failover;
mod flight_recorder;
mod forged_answers;
mod hostile_frames;
mod hq_api;
mod identities;
mod idle;
mod log;
mod mixed;
mod outages;
mod pair;
mod proxies;
mod resolving;
mod retries;
mod same_answers;
mod scanners;
mod settings;
mod shutdown;
mod slow_clients;
mod storage_full;
mod tarpit;
mod tarpit_slots;
mod telemetry;
mod three_pops;
