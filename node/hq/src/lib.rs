//! The control plane as a server: what HQ keeps, whom it answers, and the commands for it. What is
//! decided about leases, DNS and alerts is [`clavitor_hq_core`]'s; this carries it.
//!
//! Reading order: [`settings`] is what it is told, [`registry`] is what it keeps, `keeper` writes it, and
//! `history` and `reports` are parts of it; `exchange` is what those who ask share with the machine that decides,
//! `mailbox` and `driver` are the way to it, `questions` and `watches` the way back, `presence` is what
//! POPs say of themselves, `live` tells who looks on; [`dns`] answers questions about who is primary,
//! `pointer` says who that is, [`bodies`] reads what POPs post, `api` answers POPs and operators, `roster` lets one operator at a time
//! say who has a token, `sessions` knows who is logged in, `dashboard` is what they see; [`hq`]
//! composes all of it, [`serve`] gives it sockets, [`demo`] shows it at work, [`cli`] is what a
//! person types.
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

pub mod settings;

mod tables;

pub mod registry;

mod keeper;

mod history;

mod reports;

mod exchange;

mod mailbox;

mod driver;

mod questions;

mod watches;

mod presence;

mod live;

pub mod dns;

mod pointer;

mod first_start;

mod roster;

mod sessions;

mod dashboard;

pub mod bodies;

mod api;

pub mod hq;

pub mod serve;

pub mod demo;

pub mod cli;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Stands in every binary that contains this package, so that its absence can be proven.
pub const MARKER: &str = "CLAVITOR-NODE-HQ-3f0d9a6be1574c28b95ed07c41fa6382";

/// What a panic elsewhere left behind is still what it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
