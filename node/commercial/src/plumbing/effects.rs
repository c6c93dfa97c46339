//! What the machine's orders mean.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clavitor_commercial::frame::Verdict;
use clavitor_commercial::pop::{Effect, Input};
use clavitor_commercial::replication;
use clavitor_core::alert::{Alert, AlertType};
use clavitor_core::edition::Edition;
use clavitor_core::hlc::Hlc;
use clavitor_core::id::{Epoch, PopId, Seq, StoreId};
use clavitor_core::pop;
use clavitor_core::record::Key;
use clavitor_node::entropy;
use clavitor_node::runtime::Runtime;
use clavitor_node::store::{IMPORTED, Stop, StoreError, Transaction, WriteError};

use super::EPOCH;
use crate::tables::Tables;
use crate::{Commercial, lock};

/// How long to wait before bookkeeping that found no room is tried again.
const PERSIST_AGAIN: Duration = Duration::from_secs(1);

impl<R: Runtime> Commercial<R> {
    pub(super) fn carry_out(
        self: &Arc<Self>,
        effect: Effect,
        facts: &mut Vec<Input>,
    ) -> Result<(), pop::Effect> {
        match effect {
            Effect::Community(effect) => return Err(effect),
            Effect::Peer { peer, effect } => self.carry_out_for_peer(peer, effect, facts),
            Effect::Release(release) => {
                if let Some(wait) = lock(&self.waits).remove(&release.op) {
                    // Nobody listens when the client has gone.
                    let _ = wait.send(release.is_on_backup);
                }
            }
            Effect::AdoptEpoch(epoch) => self.adopt_epoch(epoch),
            Effect::ClockJudged { peers_origin_ms } => {
                *lock(&self.peers_origin_ms) = Some(peers_origin_ms);
            }
            Effect::ImportSettled => {
                let edition = self.clone();
                self.runtime.spawn(async move {
                    if edition.persist(|txn| txn.set_fact(IMPORTED, &false)).await {
                        edition.is_imported.store(false, Ordering::Release);
                    }
                });
            }
        }
        Ok(())
    }

    fn carry_out_for_peer(
        self: &Arc<Self>,
        peer: u8,
        effect: replication::Effect,
        facts: &mut Vec<Input>,
    ) {
        use replication::Effect as Peer;
        match effect {
            Peer::SendFrame(order) => self.send_frame(peer, &order, facts),
            Peer::CancelFrame { op } => {
                if let Some(flight) = lock(&self.flights).remove(&op) {
                    flight.abort();
                }
            }
            Peer::AdvanceCursor { op, cursor, setbacks } => {
                let flight = lock(&self.flights).remove(&op);
                let keys = flight.map(|flight| flight.into_keys()).unwrap_or_default();
                let kept = setbacks.iter().filter_map(|at| keys.get(*at as usize).cloned());
                self.advance_cursor(peer, cursor, kept.collect());
            }
            Peer::AdoptPeer { pop, store, cursor } => self.adopt_peer(peer, pop, store, cursor),
            Peer::Verified => self.verified(peer),
            Peer::DenyStore { store } => self.deny_store(peer, store),
            Peer::RetrySetbacks => self.retry_setbacks(peer),
            Peer::RolledBack { received } => self.replace_identity(received),
            Peer::RaiseAlert(alert) => self.alert_operator(alert),
        }
    }

    /// Bookkeeping that nobody waits for: a crash that loses it costs a frame sent twice.
    fn advance_cursor(self: &Arc<Self>, peer: u8, cursor: Seq, setbacks: Vec<Key>) {
        let (tables, urls, url) =
            (self.tables, self.cluster.peer_urls.clone(), self.peer_url(peer));
        let (_, views) = self.views();
        let others = (0u8..).zip(&views).filter(|(index, _)| *index != peer);
        let lowest = others.map(|(_, view)| view.acked).chain([cursor]).min().unwrap_or(cursor);
        self.store.set_confirmed(lowest);
        let must_last = !setbacks.is_empty();
        let book = move |txn: &mut Transaction<'_>| {
            let mut row = tables.peer(&txn.reader(), &url)?;
            row.cursor = cursor;
            tables.set_peer(txn, &url, &row)?;
            for key in &setbacks {
                tables.add_setback(txn, &url, key, Verdict::Deferred)?;
            }
            confirm_lowest(&tables, txn, &urls)
        };
        if must_last {
            self.in_background(book);
        } else {
            self.store.write_lazily(book);
        }
    }

    fn adopt_peer(self: &Arc<Self>, peer: u8, pop: PopId, store: StoreId, cursor: Seq) {
        let (tables, url) = (self.tables, self.peer_url(peer));
        self.in_background(move |txn| {
            let mut row = tables.peer(&txn.reader(), &url)?;
            row.identity = Some((pop, store));
            row.cursor = cursor;
            row.denied = row.denied.filter(|denied| *denied != store);
            tables.set_peer(txn, &url, &row)?;
            tables.forget_former(txn, pop, store)?;
            tables.unconfirm(txn, cursor)
        });
    }

    fn verified(self: &Arc<Self>, peer: u8) {
        let (tables, url) = (self.tables, self.peer_url(peer));
        self.in_background(move |txn| {
            let mut row = tables.peer(&txn.reader(), &url)?;
            row.unverified = None;
            tables.set_peer(txn, &url, &row)
        });
    }

    fn deny_store(self: &Arc<Self>, peer: u8, store: StoreId) {
        let (tables, url) = (self.tables, self.peer_url(peer));
        self.in_background(move |txn| {
            let mut row = tables.peer(&txn.reader(), &url)?;
            row.denied = Some(store);
            tables.set_peer(txn, &url, &row)
        });
    }

    fn retry_setbacks(self: &Arc<Self>, peer: u8) {
        let (tables, url) = (self.tables, self.peer_url(peer));
        self.in_background(move |txn| {
            for key in tables.take_setbacks(txn, &url)? {
                match txn.renumber(&key) {
                    // A damaged one cannot be sent; the others can.
                    Ok(()) | Err(StoreError::Damaged(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
    }

    /// This data directory is an old copy: its numbers were used before, for other records.
    fn replace_identity(self: &Arc<Self>, received: Seq) {
        let (tables, urls, edition) = (self.tables, self.cluster.peer_urls.clone(), self.clone());
        let fresh = StoreId(entropy::bytes());
        let message = "the data directory is an old copy; its peers refill what it lost";
        self.alert_operator(Alert::new(AlertType::RolledBack, message));
        self.runtime.spawn(async move {
            let clocks = edition.clone();
            let replace = move |txn: &mut Transaction<'_>| {
                txn.replace_identity(fresh, received)?;
                // What was issued since the copy was made is forgotten here, but it was issued by
                // now, as its peers count.
                if let Some(now) = clocks.agreed_time() {
                    txn.observe(Hlc { ms: now.0, counter: u32::MAX, pop: clocks.store.pop() });
                }
                for url in &urls {
                    let mut row = tables.peer(&txn.reader(), url)?;
                    row.cursor = Seq(0);
                    row.unverified = None;
                    tables.set_peer(txn, url, &row)?;
                }
                tables.forget_received(txn)?;
                tables.unconfirm(txn, Seq(0))
            };
            if edition.persist(replace).await {
                let last = edition.store.last();
                edition.mailbox.push(Input::StoreReplaced { last });
            }
        });
    }

    fn adopt_epoch(self: &Arc<Self>, newer: Epoch) {
        let edition = self.clone();
        self.runtime.spawn(async move {
            let adopted = edition.store.write::<(), (), _>(0, move |txn| {
                let known: Option<Epoch> = txn.fact::<Option<Epoch>>(EPOCH)?.flatten();
                if Some(newer) > known {
                    txn.set_fact(EPOCH, &Some(newer))?;
                }
                Ok(())
            });
            if adopted.await.is_ok() {
                edition.note_epoch(newer);
            }
        });
    }

    /// Writes what must not be forgotten, again and again until there is room; only the end of the
    /// server ends it.
    fn in_background<F>(self: &Arc<Self>, operation: F)
    where
        F: FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let edition = self.clone();
        self.runtime.spawn(async move {
            edition.persist(operation).await;
        });
    }

    async fn persist<F>(&self, operation: F) -> bool
    where
        F: FnMut(&mut Transaction<'_>) -> Result<(), StoreError> + Send + 'static,
    {
        let operation = Arc::new(Mutex::new(operation));
        loop {
            let again = operation.clone();
            let write = self.store.write::<(), (), _>(0, move |txn| {
                let mut operation = lock(&again);
                (*operation)(txn).map_err(Stop::from)
            });
            match write.await {
                Ok(()) => return true,
                Err(WriteError::Full | WriteError::Busy) => {}
                Err(_) => return false,
            }
            self.runtime.sleep(PERSIST_AGAIN).await;
        }
    }
}

fn confirm_lowest(
    tables: &Tables,
    txn: &mut Transaction<'_>,
    urls: &[String],
) -> Result<(), StoreError> {
    let mut lowest = Seq(u64::MAX);
    for url in urls {
        lowest = lowest.min(tables.peer(&txn.reader(), url)?.cursor);
    }
    if lowest > Seq(0) {
        let now = txn.now();
        tables.confirm(txn, lowest, now)?;
    }
    Ok(())
}
