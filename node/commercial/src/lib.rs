//! The Commercial edition's plumbing: the apply endpoint, its peers and its journal's routes. What
//! is decided, inside transactions and out, is [`clavitor_commercial`]'s; this carries it.
//!
//! Reading order: `apply` takes frames in, `send` posts them, `journal` shows and restores what
//! lost, `operate` answers operators, `telemetry` is its part of reports, `bookkeeping` writes what
//! must not be forgotten, `alerts` tells HQ, `hq` and `right` are
//! about the lease, `tarpit` keeps scanners busy, `plumbing` ties it all
//! to the server.
#![cfg_attr(test, allow(clippy::cast_possible_truncation))]

mod alerts;
mod apply;
mod bookkeeping;
mod hq;
mod journal;
mod metrics;
mod operate;
mod plumbing;
mod right;
mod routes;
mod send;
mod tarpit;
mod telemetry;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard};

use alerts::Alerts;
use bookkeeping::Bookkeeping;
use clavitor_commercial::cluster::Cluster;
use clavitor_commercial::frame::{Keys, Member};
use clavitor_commercial::pop::Input;
use clavitor_commercial::replication::{View, Window};
use clavitor_commercial::sent::Sent;
use clavitor_core::id::{Epoch, OpId};
use clavitor_core::time::Instant;
use clavitor_node::driver::Mailbox;
use clavitor_node::http::BodyBudget;
use clavitor_node::log::AlertLog;
use clavitor_node::runtime::{Footprint, Runtime};
use clavitor_node::store::Store;
use futures_channel::oneshot;
use futures_util::future::AbortHandle;
use hq::Hq;
pub use hq::heard;
use right::Right;
use tarpit::Tarpit;

/// Stands in every binary that contains this package, so that its absence can be proven.
pub const MARKER: &str = "CLAVITOR-NODE-COMMERCIAL-d9db44ed5f00ba0ee7c2c99742e6be7c";

/// The Commercial edition on a runtime.
pub struct Commercial<R: Runtime> {
    runtime: R,
    store: Store,
    mailbox: Arc<Mailbox<Self>>,
    log: AlertLog,
    cluster: Cluster,
    keys: Option<Keys>,
    epoch: Mutex<Option<Epoch>>,
    peers: Mutex<PeersSeen>,
    peers_origin_ms: Mutex<Option<i64>>,
    is_imported: AtomicBool,
    waits: Mutex<HashMap<OpId, oneshot::Sender<bool>>>,
    next_wait: AtomicU64,
    sent: Mutex<Sent<AbortHandle>>,
    counters: Counters,
    // Frames have a budget of their own: what strangers send must not keep clients from writing.
    frame_budget: BodyBudget,
    is_full: AtomicBool,
    bookkeeping: Mutex<Bookkeeping<R>>,
    tarpit: Option<Arc<Tarpit>>,
    right: Right,
    hq: Hq,
    started: Instant,
    telemetry_every_ms: Option<u64>,
    alerts: Alerts,
}

/// What may be on its way to one peer.
fn window_of(footprint: Footprint) -> Window {
    match footprint {
        Footprint::Standard => Window::STANDARD,
        Footprint::Small => Window::SMALL,
    }
}

/// The most bytes of frames that are being received at once. Either lets a peer that is not small have
/// in flight what it may.
fn frames_bytes_max(footprint: Footprint) -> usize {
    match footprint {
        Footprint::Standard => 32 * 1024 * 1024,
        Footprint::Small => 16 * 1024 * 1024,
    }
}

/// What the machine last showed of its peers.
#[derive(Default)]
struct PeersSeen {
    at: Instant,
    views: Vec<View>,
}

/// What happened since the start.
#[derive(Default)]
struct Counters {
    frames_sent: AtomicU64,
    records_sent: AtomicU64,
    frames_received: AtomicU64,
    records_applied: AtomicU64,
}

impl<R: Runtime> Commercial<R> {
    fn member(&self) -> Member {
        let (pop, store) = (self.store.pop(), self.store.store_id());
        Member { pop, store, url: self.cluster.own_url.clone() }
    }

    fn peer_url(&self, peer: u8) -> String {
        self.cluster.peer_url(peer).to_owned()
    }

    fn views(&self) -> (Instant, Vec<View>) {
        let seen = lock(&self.peers);
        (seen.at, seen.views.clone())
    }

    /// Goes by an epoch that is stored, unless a newer one came in between.
    fn note_epoch(&self, epoch: Epoch) {
        if self.go_by(epoch) {
            self.mailbox.push(Input::EpochChanged(epoch));
        }
    }

    /// Whether the epoch is newer than what was known.
    fn go_by(&self, epoch: Epoch) -> bool {
        let mut known = lock(&self.epoch);
        let is_newer = Some(epoch) > *known;
        *known = (*known).max(Some(epoch));
        is_newer
    }

    fn is_primary(&self) -> bool {
        lock(&self.epoch).is_some_and(|epoch| epoch.primary == self.store.pop())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
